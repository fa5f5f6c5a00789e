/**
 * A request and its answer through the guards of their model. Trap: a guarded stream is written anew, event by event, and holds back
 * what its guards hold back; what they held when it fails is never given out.
 */
import * as Effect from "effect/Effect"
import type { ChatChunk } from "../domain/ChatAnswer.ts"
import { ContentFiltered, type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import type { Answer, AnswerStream, Frame, ProviderCall } from "../providers/Provider.ts"
import type { Guard, Judgement, TextGuard } from "../validation/Guard.ts"
import { isScanProblem, replaceMembers, scan } from "../validation/JsonText.ts"

type Guards = ReadonlyArray<Guard>
type Request = Pick<ProviderCall, "request" | "source">

/** In turn, each on what the one before left; undefined = none changed anything. */
const judged = <A>(
  value: A,
  hooks: ReadonlyArray<(value: A) => Effect.Effect<Judgement<A>>>
): Effect.Effect<A | undefined, GatewayError> =>
  Effect.gen(function*() {
    let current = value
    for (const hook of hooks) {
      const judgement = yield* hook(current)
      if (judgement._tag === "Refuse") {
        return yield* Effect.fail(
          gatewayError(new ContentFiltered({ message: judgement.message, code: "guard_refused" }))
        )
      }
      if (judgement._tag === "Change") current = judgement.value
    }
    return current === value ? undefined : current
  })

const hooksOf = <K extends keyof Guard>(guards: Guards, name: K): ReadonlyArray<NonNullable<Guard[K]>> =>
  guards.flatMap((guard) => {
    const hook = guard[name]
    return hook === undefined || hook === null ? [] : [hook]
  })

/** The request as it may be sent: the caller's own text, but for messages that a guard has changed. */
const before = <R extends Request>(guards: Guards, request: R): Effect.Effect<R, GatewayError> =>
  Effect.map(judged(request.request, hooksOf(guards, "before")), (changed) => {
    if (changed === undefined) return request
    const source = scan(replaceMembers(request.source, { messages: JSON.stringify(changed.messages) }))
    return isScanProblem(source) ? request : { ...request, request: changed, source }
  })

/** A whole answer as it may be given out. */
const after = (guards: Guards, answer: Answer): Effect.Effect<Answer, GatewayError> =>
  Effect.map(
    judged(answer.completion, hooksOf(guards, "after")),
    (completion) => completion === undefined ? answer : { ...answer, completion, text: JSON.stringify(completion) }
  )

type Choice = ChatChunk["choices"][number]

/** The texts of a delta that are guarded; arguments of tools are not, for a call with other ones is another call. */
const texts = ["content", "refusal", "reasoning_content"] as const

/** The guards of one text in turn. */
const chain = (makers: ReadonlyArray<() => TextGuard>): TextGuard => {
  const guards = makers.map((make) => make())
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
const makeRewriter = (makers: ReadonlyArray<() => TextGuard>) => {
  const open = new Map<string, TextGuard>()
  const guardOf = (key: string): TextGuard => {
    const known = open.get(key) ?? chain(makers)
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
const stream = (guards: Guards, answer: AnswerStream): AnswerStream => {
  const makers = hooksOf(guards, "stream")
  if (makers.length === 0) return answer
  const rewrite = makeRewriter(makers)
  const { nudge, skipped, stop, upstreamRequestId } = answer
  const pull: AnswerStream["pull"] = Effect.map(
    answer.pull,
    ([first, ...rest]) => [rewrite(first), ...rest.map(rewrite)] as const
  )
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
  readonly before: (guards: Guards, request: Request) => Effect.Effect<Request, GatewayError>
  readonly after: (guards: Guards, answer: A) => Effect.Effect<A, GatewayError>
}

export const ofAnswer = { before, after }
export const ofStream = {
  before,
  after: (guards: Guards, answer: AnswerStream): Effect.Effect<AnswerStream> => Effect.succeed(stream(guards, answer))
}
/** They do not read vectors, so a model that has some gives none. */
export const ofVectors = {
  before: (
    _: Guards,
    { request }: { readonly request: { readonly model: string } }
  ): Effect.Effect<never, GatewayError> => Effect.fail(unguarded(request.model)),
  after: <A>(_: Guards, answer: A): Effect.Effect<A> => Effect.succeed(answer)
}
