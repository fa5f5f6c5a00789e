/**
 * Vectors over the wire: the request in as many parts as the dialect needs, side by side, and one answer of them all. Trap: the
 * parts are one attempt, so the first that fails ends it, and what the others used was used for nothing: the failure tells it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type GatewayError, gatewayError, type Used } from "../domain/GatewayError.ts"
import type { Embeddings, Lowered, LoweredVectors } from "./Dialect.ts"
import type { EmbeddingAnswer, EmbeddingCall, Limit } from "./Provider.ts"
import type { ErrorFamily } from "./ProviderError.ts"
import type { Transport, WholeResponse } from "./Transport.ts"
import { isGood, refusalOf, requestIdOf } from "./WireReply.ts"
import { beside, type Endpoint, inFull, isReason, requestTo } from "./WireRequest.ts"

/** Parts of one request that are under way at a time. */
const sideBySide = 8

/** How long those that are under way when one has failed may take to say what they use, in milliseconds. */
const graceMs = 1000

export interface EmbeddingOptions {
  readonly transport: Transport["Service"]
  readonly endpoint: Endpoint
  readonly family: ErrorFamily
  readonly embeddings: Embeddings
  readonly call: EmbeddingCall
}

type Whole = readonly [WholeResponse, ...Array<WholeResponse>]

/** No longer than the limit, which is handed over once. */
const within = <A>(limit: Limit | undefined, effect: Effect.Effect<A, GatewayError>): Effect.Effect<A, GatewayError> =>
  Effect.suspend(() => {
    const overdue = Deferred.makeUnsafe<never, GatewayError>()
    const callOff = limit?.((error) => void Deferred.doneUnsafe(overdue, Effect.fail(error)))
    return Effect.ensuring(Effect.raceFirst(effect, Deferred.await(overdue)), Effect.sync(() => callOff?.()))
  })

const good = ({ family }: EmbeddingOptions) => (response: WholeResponse) =>
  isGood(response)
    ? Effect.succeed(response)
    : Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.fail(refusalOf(family, response, response.text, nowMs)))

/** What became of the parts. */
interface Course {
  /** In their order; of one that failed or was not sent there is none. */
  readonly answered: Array<WholeResponse | undefined>
  underWay: number
  /** The first. */
  failure: GatewayError | undefined
}

/** What the parts used although not all of them went well; undefined = nothing. */
const usedOf = ({ call, embeddings }: EmbeddingOptions, { answered, underWay }: Course): Used | undefined => {
  let tokens = 0
  let told = 0
  let untold = underWay
  for (const part of answered) {
    if (part === undefined) continue
    const count = embeddings.tokensIn?.(part, call.model)
    if (count === undefined) untold++
    else {
      tokens += count
      told++
    }
  }
  if (told + untold === 0) return undefined
  const usage = told === 0 ? undefined : { promptTokens: tokens, completionTokens: 0, totalTokens: tokens }
  return { usage, isUntold: untold > 0 }
}

/** Several parts: after the first that fails none is sent. Who hears of the wire hears of the first alone. */
const sideBySideAnswers = (
  options: EmbeddingOptions,
  parts: ReadonlyArray<Lowered>,
  ask: (part: Lowered, wire: EmbeddingCall["wire"]) => Effect.Effect<WholeResponse, GatewayError>
): Effect.Effect<Whole, GatewayError> =>
  Effect.suspend(() => {
    const { call } = options
    const course: Course = { answered: [], underWay: 0, failure: undefined }
    const failed = Deferred.makeUnsafe<void>()
    const one = (part: Lowered, at: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (course.failure !== undefined) return Effect.void
        course.underWay++
        return Effect.match(ask(part, at === 0 ? call.wire : undefined), {
          onFailure: (error) => {
            course.underWay--
            course.failure ??= error
            Deferred.doneUnsafe(failed, Effect.void)
          },
          onSuccess: (response) => {
            course.underWay--
            course.answered[at] = response
          }
        })
      })
    const all = Effect.forEach(parts, one, { concurrency: sideBySide, discard: true })
    const grace = Effect.andThen(Deferred.await(failed), Effect.sleep(graceMs))
    const fail = (error: GatewayError) => Effect.fail(gatewayError(error.reason, usedOf(options, course)))
    return Effect.matchEffect(within(call.limit, Effect.raceFirst(all, grace)), {
      onFailure: (overdue) => {
        // What stays silent by itself is not charged, here as where it is one part.
        if (course.failure === undefined && overdue.reason._tag === "UpstreamTimedOut") course.underWay = 0
        return fail(course.failure ?? overdue)
      },
      onSuccess: () =>
        course.failure === undefined
          // Each part has its answer where none has failed, and there are some.
          ? Effect.succeed(course.answered as ReadonlyArray<unknown> as Whole)
          : fail(course.failure)
    })
  })

const answers = (
  options: EmbeddingOptions,
  [first, ...rest]: readonly [Lowered, ...Array<Lowered>]
): Effect.Effect<Whole, GatewayError> => {
  const { call, endpoint, transport } = options
  const at = beside(endpoint, "/embeddings")
  const ask = (part: Lowered, wire: EmbeddingCall["wire"], limit?: Limit) =>
    Effect.flatMap(transport.whole(requestTo(at, { wire }, part, false), limit), good(options))
  if (rest.length === 0) return Effect.map(ask(first, call.wire, call.limit), (one) => [one])
  return sideBySideAnswers(options, [first, ...rest], ask)
}

/** What was not said, and what was not heeded. */
const droppedBy = (
  lowered: LoweredVectors,
  { dropped = [] }: Pick<EmbeddingAnswer, "dropped">
): LoweredVectors["dropped"] => {
  const [first, ...more] = new Set([...lowered.dropped ?? [], ...dropped])
  return first === undefined ? undefined : [first, ...more]
}

/** The vectors of one call. */
export const embedding = (options: EmbeddingOptions): Effect.Effect<EmbeddingAnswer, GatewayError> => {
  const { call, embeddings } = options
  const lowered = inFull(call, embeddings.lower(call))
  if (isReason(lowered)) return Effect.fail(gatewayError(lowered))
  return Effect.flatMap(
    answers(options, lowered.parts),
    (parts) =>
      Effect.withFiber<EmbeddingAnswer, GatewayError>((fiber) => {
        const nowMs = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
        const read = embeddings.readAnswer(parts, call, nowMs)
        if (isReason(read)) return Effect.fail(gatewayError(read))
        const whole = inFull(call, { ...read, dropped: droppedBy(lowered, read) })
        return isReason(whole)
          ? Effect.fail(gatewayError(whole, { usage: read.usage, isUntold: read.usage === undefined }))
          : Effect.succeed({ ...whole, upstreamRequestId: requestIdOf(parts[0]) })
      })
  )
}
