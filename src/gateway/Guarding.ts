/**
 * A request and its answer through the guards of their model. Trap: a guarded stream is written anew, event by event, and holds back
 * what its guards hold back; what they held when it fails is never given out.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ChatChunk } from "../domain/ChatAnswer.ts"
import {
  AdmissionUnavailable,
  ContentFiltered,
  type GatewayError,
  gatewayError,
  InvalidRequest
} from "../domain/GatewayError.ts"
import type { Captured } from "../observability/Capture.ts"
import type { Answer, AnswerStream, Frame, ProviderCall } from "../providers/Provider.ts"
import type { Guard, GuardFailed, Judgement, TextGuard } from "../validation/Guard.ts"
import { isScanProblem, replaceMembers, scan } from "../validation/JsonText.ts"
import { flawOfMessages } from "../validation/Routing.ts"

type Guards = ReadonlyArray<Guard>
type Request = Pick<ProviderCall, "request" | "source">

/** Of a guard that is not told how long it may take, in milliseconds. */
const defaultWithinMs = 2000

/** Where a guard could not judge, and says that nothing passes then. */
const unavailable = gatewayError(
  new AdmissionUnavailable({
    message: "What watches over this model cannot be asked now, so nothing passes.",
    code: "guard_unavailable",
    retryAfterMs: 1000
  })
)

const tell = (what: string, event: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(what), { "event.name": `breakwater.guard.${event}` })

const tellFailed = (what: string, { whenFailing }: Pick<Guard, "whenFailing">): Effect.Effect<void> =>
  tell(`a guard failed: ${what}; ${whenFailing === "pass" ? "unjudged, it passes" : "nothing passes"}`, "failed")

const pass: Judgement<never> = { _tag: "Pass" }

/** What the guard says, or what it has said of itself for when it cannot say anything. */
const said = <A>(
  guard: Guard,
  judging: Effect.Effect<Judgement<A>, GuardFailed>
): Effect.Effect<Judgement<A>, GatewayError> => {
  const { whenFailing, within = defaultWithinMs } = guard
  const tooLate: GuardFailed = { _tag: "GuardFailed", message: `it took longer than ${within} ms` }
  const inTime = within === Number.POSITIVE_INFINITY
    ? judging
    : Effect.timeoutOrElse(judging, { duration: within, orElse: () => Effect.fail(tooLate) })
  return Effect.catchCause(inTime, (cause): Effect.Effect<Judgement<A>, GatewayError> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
    const failure = cause.reasons.find(Cause.isFailReason)?.error
    if (failure?.refusal !== undefined) {
      const refused: Judgement<A> = { _tag: "Refuse", message: failure.refusal, param: "messages" }
      return Effect.as(tellFailed(failure.message, { whenFailing: "refuse" }), refused)
    }
    return Effect.andThen(
      tellFailed(failure?.message ?? "it has a defect", guard),
      whenFailing === "pass" ? Effect.succeed(pass) : Effect.fail(unavailable)
    )
  })
}

type Hook<A> = readonly [guard: Guard, judge: (value: A) => Effect.Effect<Judgement<A>, GuardFailed>]

/** In turn, each on what the one before left; undefined = none changed anything. */
const judged = <A>(value: A, hooks: ReadonlyArray<Hook<A>>): Effect.Effect<A | undefined, GatewayError> =>
  Effect.gen(function*() {
    let current = value
    for (const [guard, judge] of hooks) {
      const judgement = yield* said(guard, Effect.suspend(() => judge(current)))
      if (judgement._tag === "Refuse") {
        const { message, param } = judgement
        return yield* Effect.fail(gatewayError(new ContentFiltered({ message, param, code: "guard_refused" })))
      }
      if (judgement._tag === "Flag") yield* tell(`a guard flagged: ${judgement.note}`, "flagged")
      if (judgement._tag === "Change") current = judgement.value
    }
    return current === value ? undefined : current
  })

/** The guards that have this hook, with it. */
const hooksOf = <K extends "before" | "after" | "stream">(
  guards: Guards,
  name: K
): ReadonlyArray<readonly [Guard, NonNullable<Guard[K]>]> =>
  guards.flatMap((guard) => {
    const hook = guard[name]
    return hook === undefined || hook === null ? [] : [[guard, hook] as const]
  })

/** The request as it may be sent: the caller's own text, but for messages that a guard has changed. `answering`: their hook for the answer. */
const before =
  (answering: "after" | "stream") =>
  <R extends Request>(guards: Guards, request: R, captured?: Captured): Effect.Effect<R, GatewayError> => {
    const hooks = hooksOf(guards, "before")
    const flaw = hooks.length === 0 ? undefined : flawOfMessages(request.request.messages)
    if (flaw !== undefined) return Effect.fail(gatewayError(new InvalidRequest(flaw)))
    return Effect.flatMap(judged(request.request, hooks), (changed) => {
      captured?.passed(changed ?? request.request, hooksOf(guards, answering).length > 0)
      if (changed === undefined) return Effect.succeed(request)
      const source = scan(replaceMembers(request.source, { messages: JSON.stringify(changed.messages) }))
      return isScanProblem(source) ? Effect.fail(unavailable) : Effect.succeed({ ...request, request: changed, source })
    })
  }

/** A whole answer as it may be given out. */
const after = (guards: Guards, answer: Answer, captured?: Captured): Effect.Effect<Answer, GatewayError> =>
  Effect.map(judged(answer.completion, hooksOf(guards, "after")), (completion) => {
    captured?.gave(completion ?? answer.completion)
    return completion === undefined ? answer : { ...answer, completion, text: JSON.stringify(completion) }
  })

type Choice = ChatChunk["choices"][number]

/** The texts of a delta that are guarded; arguments of tools are not, for a call with other ones is another call. */
const texts = ["content", "refusal", "reasoning_content"] as const

type Maker = readonly [guard: Guard, make: () => TextGuard]

/** A guard of a text that has failed lets the rest of it pass where it says so; `onFailure` hears of it. */
const patient = ([guard, make]: Maker, onFailure: (guard: Guard) => void): TextGuard => {
  let own: TextGuard | undefined
  let hasFailed = false
  const safely = (text: string, call: (own: TextGuard) => string): string => {
    if (hasFailed) return text
    try {
      return call(own ??= make())
    } catch {
      hasFailed = true
      onFailure(guard)
      return text
    }
  }
  return {
    push: (text) => safely(text, (own) => own.push(text)),
    end: () => safely("", (own) => own.end())
  }
}

/** The guards of one text in turn. */
const chain = (makers: ReadonlyArray<Maker>, onFailure: (guard: Guard) => void): TextGuard => {
  const guards = makers.map((maker) => patient(maker, onFailure))
  return {
    push: (text) => guards.reduce((passed, guard) => guard.push(passed), text),
    end: () => guards.reduce((passed, guard) => (passed === "" ? "" : guard.push(passed)) + guard.end(), "")
  }
}

const encoder = new TextEncoder()

const written = (frame: Frame, chunk: ChatChunk): Frame => ({
  bytes: frame.bytes === undefined ? undefined : encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`),
  chunk,
  isContent: frame.isContent,
  isTerminal: frame.isTerminal,
  usage: frame.usage
})

/** The texts of one stream by choice and member. */
const makeRewriter = (makers: ReadonlyArray<Maker>, onFailure: (guard: Guard) => void) => {
  const open = new Map<string, TextGuard>()
  const guardOf = (key: string): TextGuard => {
    const known = open.get(key) ?? chain(makers, onFailure)
    open.set(key, known)
    return known
  }
  const rewritten = (choice: Choice): Choice => {
    const delta: Record<string, unknown> = { ...choice.delta }
    const isLast = choice.finish_reason !== undefined && choice.finish_reason !== null
    for (const name of texts) {
      const key = `${choice.index} ${name}`
      const said = choice.delta[name]
      let text = typeof said === "string" ? guardOf(key).push(said) : ""
      if (isLast) text += open.get(key)?.end() ?? ""
      if (typeof said === "string" || text !== "") delta[name] = text
    }
    // The same delta with other texts in the same places, so a cast.
    const result: Choice & { logprobs?: unknown } = { ...choice, delta: delta as Choice["delta"] }
    // They repeat the text token by token.
    if (result.logprobs !== undefined) result.logprobs = null
    return result
  }
  return (frame: Frame): Frame => {
    const { chunk } = frame
    return chunk.choices.length === 0 ? frame : written(frame, { ...chunk, choices: chunk.choices.map(rewritten) })
  }
}

/** A stream as it may be given out. */
const stream = (guards: Guards, answer: AnswerStream, captured?: Captured): AnswerStream => {
  const makers = hooksOf(guards, "stream")
  if (makers.length === 0) return answer
  const failed: Array<Guard> = []
  const rewrite = makeRewriter(makers, (guard) => void failed.push(guard))
  const { nudge, skipped, stop, upstreamRequestId } = answer
  const pull: AnswerStream["pull"] = Effect.flatMap(answer.pull, ([first, ...rest]) => {
    const frames = [rewrite(first), ...rest.map(rewrite)] as const
    if (captured !== undefined) { for (const { chunk } of frames) captured.gaveChunk(chunk) }
    if (failed.length === 0) return Effect.succeed(frames)
    const fresh = failed.splice(0)
    return Effect.andThen(
      Effect.forEach(fresh, (guard) => tellFailed("it threw in a stream", guard), { discard: true }),
      fresh.some(({ whenFailing }) => whenFailing === "refuse") ? Effect.fail(unavailable) : Effect.succeed(frames)
    )
  })
  // Without `take`, for every event goes through the guards.
  return { pull, stop, nudge, skipped, upstreamRequestId }
}

/** Why a kind of request that guards do not read is refused where there are some. */
const unguarded = (model: string): GatewayError =>
  gatewayError(
    new InvalidRequest({
      message: `The model '${
        model.slice(0, 200)
      }' has guards, and they do not read requests of this kind. Ask for another model.`,
      param: "model",
      code: "guarded_model"
    })
  )

/** What guards do around one kind of request. */
export interface Guarding<Request, A> {
  /** `captured` keeps the words of a request that has passed, and of an answer as it is given out. */
  readonly before: (guards: Guards, request: Request, captured?: Captured) => Effect.Effect<Request, GatewayError>
  readonly after: (guards: Guards, answer: A, captured?: Captured) => Effect.Effect<A, GatewayError>
}

export const ofAnswer = { before: before("after"), after }
export const ofStream = {
  before: before("stream"),
  after: (guards: Guards, answer: AnswerStream, captured?: Captured): Effect.Effect<AnswerStream> =>
    Effect.succeed(stream(guards, answer, captured))
}
/** They do not read vectors, so a model that has some gives none. */
export const ofVectors = {
  before: (
    _: Guards,
    { request }: { readonly request: { readonly model: string } }
  ): Effect.Effect<never, GatewayError> => Effect.fail(unguarded(request.model)),
  after: <A>(_: Guards, answer: A): Effect.Effect<A> => Effect.succeed(answer)
}
