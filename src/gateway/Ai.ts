/**
 * The library's door: an Effect program asks `Ai` for an answer, a stream, vectors or a look at an image, and gets breaker, retry and
 * failover with it. The same flow serves HTTP.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { GatewayError, gatewayError, MalformedAnswer } from "../domain/GatewayError.ts"
import * as Account from "./Account.ts"
import { type AiAnswer, type AiEvent, type AiVectors, summaryOf, vectorsOf } from "./AiAnswer.ts"
import { type AiEmbedRequest, type AiRequest, prepare, prepareVectors } from "./AiRequest.ts"
import { Completion } from "./Completion.ts"
import type * as Decision from "./Decision.ts"
import { Health } from "./Health.ts"
import { imagePart } from "./ImagePart.ts"

export type { AiAnswer, AiEvent, AiSummary, AiVectors } from "./AiAnswer.ts"
export type { AiEmbedRequest, AiRequest } from "./AiRequest.ts"

/** Where a request is written down. */
interface Books {
  readonly health: Health["Service"]
  readonly account: (decision: Decision.Decision) => void
}

/** Remembers a request that is over, as the HTTP door does with its own; one that nobody was asked for is none. */
const noteIn = ({ account, health }: Books, decision: Decision.Decision) => (exit: Exit.Exit<unknown, unknown>) =>
  Effect.clockWith((clock) => {
    const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
    if (error instanceof GatewayError) decision.error = error.reason._tag
    if (Exit.isFailure(exit) && error === undefined) decision.cancelled = Cause.hasInterrupts(exit.cause)
    decision.endedAtMs ??= clock.currentTimeMillisUnsafe()
    decision.meter?.ended(decision, undefined, 0)
    health.note(decision)
    account(decision)
    return Effect.void
  })

const noVectors = new MalformedAnswer({ message: "The upstream's answer has no vector for each input." })

const make = Effect.gen(function*() {
  const completion = yield* Completion
  const books: Books = { health: yield* Health, account: yield* Account.make }
  const complete = Effect.fn("Ai.complete")(function*(request: AiRequest) {
    const prepared = yield* prepare(request, false)
    const answer = yield* Effect.onExit(completion.complete(prepared), noteIn(books, prepared.decision))
    const text = answer.completion.choices[0]?.message.content ?? ""
    return { ...summaryOf(prepared.decision), text, completion: answer.completion }
  })
  const stream = (request: AiRequest): Stream.Stream<AiEvent, GatewayError> =>
    Stream.unwrap(Effect.gen(function*() {
      const prepared = yield* prepare(request, true)
      // The stream's own scope: noted after its last event, its failure, or a reader who leaves.
      yield* Effect.addFinalizer(noteIn(books, prepared.decision))
      const answer = yield* completion.stream(prepared)
      const deltas = Stream.fromPull(Effect.succeed(answer.pull)).pipe(
        Stream.filter((frame) => frame.bytes !== undefined),
        Stream.map(({ chunk }): AiEvent => ({ _tag: "Delta", text: chunk.choices[0]?.delta.content ?? "", chunk }))
      )
      const finished = Stream.fromEffect(
        Effect.sync((): AiEvent => ({ _tag: "Finished", summary: summaryOf(prepared.decision) }))
      )
      return Stream.concat(deltas, finished)
    }))
  const embed = Effect.fn("Ai.embed")(function*(request: AiEmbedRequest) {
    const prepared = yield* prepareVectors(request)
    const answered = Effect.flatMap(completion.embed(prepared), (answer) => {
      const vectors = vectorsOf(answer)
      return vectors === undefined ? Effect.fail(gatewayError(noVectors)) : Effect.succeed(vectors)
    })
    const vectors = yield* Effect.onExit(answered, noteIn(books, prepared.decision))
    return { ...summaryOf(prepared.decision), vectors }
  })
  return { complete, stream, embed }
})

export class Ai extends Context.Service<Ai, {
  readonly complete: (request: AiRequest) => Effect.Effect<AiAnswer, GatewayError>
  readonly stream: (request: AiRequest) => Stream.Stream<AiEvent, GatewayError>
  /** Texts as vectors, from the first target that has them. */
  readonly embed: (request: AiEmbedRequest) => Effect.Effect<AiVectors, GatewayError>
}>()("breakwater/gateway/Ai") {
  /** The door over a running flow; `Gateway.layer` includes it. */
  static readonly layer: Layer.Layer<Ai, never, Completion | Health> = Layer.effect(Ai, make)
  static readonly image = imagePart
}
