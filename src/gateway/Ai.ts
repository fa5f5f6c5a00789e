/**
 * The library's door: an Effect program asks `Ai` for an answer, a stream or a look at an image, and gets breaker, retry and
 * failover with it. The same flow serves HTTP.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, Option, Stream } from "effect"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import { GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import type { Usage } from "../domain/Usage.ts"
import * as Correlation from "../observability/Correlation.ts"
import * as JsonText from "../validation/JsonText.ts"
import { Completion, type CompletionRequest } from "./Completion.ts"
import * as Decision from "./Decision.ts"
import { Health } from "./Health.ts"

/** OpenAI's chat request without `stream`: which method is called decides that. */
export type AiRequest = Omit<ChatRequest, "stream" | "stream_options">

/** Who answered, and what it took. */
export interface AiSummary {
  /** The provider's name in the configuration. */
  readonly provider: string
  /** The upstream's name of the model. */
  readonly model: string
  /** Absent when the upstream did not say. */
  readonly usage: Usage | undefined
  /** Requests that left for upstreams, the successful one included. */
  readonly attempts: number
  /** The whole record: candidates, skipped targets, every attempt. */
  readonly decision: Decision.Decision
}

export interface AiAnswer extends AiSummary {
  /** Text of the first choice; empty when it holds tool calls only. */
  readonly text: string
  readonly completion: ChatCompletion
}

/** What a stream is made of: deltas, then one `Finished`. A stream that breaks fails instead. */
export type AiEvent =
  | { readonly _tag: "Delta"; readonly text: string; readonly chunk: ChatChunk }
  | { readonly _tag: "Finished"; readonly summary: AiSummary }

const signatures: ReadonlyArray<readonly [mediaType: string, offset: number, bytes: ReadonlyArray<number>]> = [
  ["image/png", 0, [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", 0, [0xff, 0xd8, 0xff]],
  ["image/gif", 0, [0x47, 0x49, 0x46, 0x38]],
  ["image/webp", 8, [0x57, 0x45, 0x42, 0x50]]
]

/**
 * An image as a part of a user message. The type is read from the bytes (PNG, JPEG, GIF, WebP); pass `mediaType` for others.
 * `detail` is OpenAI's: `auto` unless given.
 */
const image = (
  bytes: Uint8Array,
  options?: { readonly mediaType?: string; readonly detail?: "auto" | "low" | "high" }
) => {
  const found = signatures.find(([, offset, start]) => start.every((byte, index) => bytes[offset + index] === byte))
  const mediaType = options?.mediaType ?? found?.[0] ?? "application/octet-stream"
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
  return {
    type: "image_url" as const,
    image_url: {
      url: `data:${mediaType};base64,${base64}`,
      ...(options?.detail === undefined ? {} : { detail: options.detail })
    }
  }
}

const summaryOf = (decision: Decision.Decision): AiSummary => ({
  provider: decision.provider ?? "",
  model: decision.model ?? "",
  usage: decision.usage,
  attempts: decision.attempts.length,
  decision
})

const prepare = Effect.fnUntraced(function*(request: AiRequest, stream: boolean) {
  const whole: ChatRequest = stream ? { ...request, stream } : request
  const source = JsonText.scan(JSON.stringify(whole))
  if (JsonText.isScanProblem(source)) {
    return yield* Effect.fail(gatewayError(new InvalidRequest({ message: source.message })))
  }
  const decision = yield* Effect.withFiber((fiber) =>
    Effect.succeed(
      Decision.make(
        Correlation.requestId(undefined, fiber),
        fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      )
    )
  )
  return { source, request: whole, decision } satisfies CompletionRequest
})

/** Remembers a request that is over, as the HTTP door does with its own; one that nobody was asked for is none. */
const noteIn = (health: Health["Service"], decision: Decision.Decision) => (exit: Exit.Exit<unknown, unknown>) =>
  Effect.sync(() => {
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    if (error instanceof GatewayError) decision.error = error.reason._tag
    if (Exit.isFailure(exit) && error === undefined) decision.cancelled = Cause.hasInterrupts(exit.cause)
    health.note(decision)
  })

const make = Effect.gen(function*() {
  const completion = yield* Completion
  const health = yield* Health
  const complete = Effect.fn("Ai.complete")(function*(request: AiRequest) {
    const prepared = yield* prepare(request, false)
    const answer = yield* Effect.onExit(completion.complete(prepared), noteIn(health, prepared.decision))
    const text = answer.completion.choices[0]?.message.content ?? ""
    return { ...summaryOf(prepared.decision), text, completion: answer.completion }
  })
  const stream = (request: AiRequest): Stream.Stream<AiEvent, GatewayError> =>
    Stream.unwrap(Effect.gen(function*() {
      const prepared = yield* prepare(request, true)
      // The stream's own scope: noted after its last event, its failure, or a reader who leaves.
      yield* Effect.addFinalizer(noteIn(health, prepared.decision))
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
  return { complete, stream }
})

export class Ai extends Context.Service<Ai, {
  readonly complete: (request: AiRequest) => Effect.Effect<AiAnswer, GatewayError>
  readonly stream: (request: AiRequest) => Stream.Stream<AiEvent, GatewayError>
}>()("breakwater/gateway/Ai") {
  /** The door over a running flow; `Gateway.layer` includes it. */
  static readonly layer: Layer.Layer<Ai, never, Completion | Health> = Layer.effect(Ai, make)
  static readonly image = image
}
