/**
 * Vectors over the wire: the request in as many parts as the dialect needs, side by side, and one answer of them all. Trap: the
 * parts are one attempt, so the first that fails ends it, and what the others used is not told.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import type { Embeddings, Lowered } from "./Dialect.ts"
import type { EmbeddingAnswer, EmbeddingCall, Limit } from "./Provider.ts"
import type { ErrorFamily } from "./ProviderError.ts"
import type { Transport, WholeResponse } from "./Transport.ts"
import { isGood, refusalOf, requestIdOf } from "./WireReply.ts"
import { beside, type Endpoint, inFull, isReason, requestTo } from "./WireRequest.ts"

/** Parts of one request that are under way at a time. */
const sideBySide = 8

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

const answers = (
  options: EmbeddingOptions,
  [first, ...rest]: readonly [Lowered, ...Array<Lowered>]
): Effect.Effect<Whole, GatewayError> => {
  const { call, endpoint, transport } = options
  const at = beside(endpoint, "/embeddings")
  const ask = (part: Lowered, wire: EmbeddingCall["wire"], limit?: Limit) =>
    Effect.flatMap(transport.whole(requestTo(at, { wire }, part, false), limit), good(options))
  if (rest.length === 0) return Effect.map(ask(first, call.wire, call.limit), (one) => [one])
  // Who hears of the wire hears of one request at a time: the first stands for them.
  const all = Effect.all([ask(first, call.wire), ...rest.map((part) => ask(part, undefined))], {
    concurrency: sideBySide
  })
  // As many as there are parts, and those are not none.
  return within(call.limit, all) as Effect.Effect<Whole, GatewayError>
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
        return isReason(read)
          ? Effect.fail(gatewayError(read))
          : Effect.succeed({ ...read, upstreamRequestId: requestIdOf(parts[0]), dropped: lowered.dropped })
      })
  )
}
