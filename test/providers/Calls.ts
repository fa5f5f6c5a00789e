/** Calls of a provider as the flow makes them, and what a stream came to. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import type { GatewayError } from "../../src/domain/GatewayError.ts"
import type { AnswerStream, EmbeddingCall, Frame, Provider, ProviderCall } from "../../src/providers/Provider.ts"
import { isScanProblem, scan } from "../../src/validation/JsonText.ts"

/** A call whose text is `fields` beside one message; `model` is the upstream's name. */
export const callOf = (model: string, fields: Readonly<Record<string, unknown>> = {}): ProviderCall => {
  const request: ChatRequest = { model: "alias", messages: [{ role: "user", content: "hi" }], ...fields }
  const source = scan(JSON.stringify(request))
  if (isScanProblem(source)) throw new Error(source.message)
  return { source, request, model, requestId: "req-1" }
}

/** A call for the vectors of `input`; `fields` stand beside it. */
export const vectorsCallOf = (
  model: string,
  input: EmbeddingRequest["input"],
  fields: Readonly<Record<string, unknown>> = {}
): EmbeddingCall => {
  const request: EmbeddingRequest = { model: "alias", input, ...fields }
  const source = scan(JSON.stringify(request))
  if (isScanProblem(source)) throw new Error(source.message)
  return { source, request, model, requestId: "req-1" }
}

/** The provider's vectors; a defect where it has none. */
export const vectorsOf = ({ embed }: Provider, call: EmbeddingCall) =>
  embed === undefined ? Effect.die(new Error("it has no embeddings")) : embed(call)

/** A streamed answer pulled to its end. */
export interface Read {
  readonly frames: ReadonlyArray<Frame>
  /** All bytes for the caller. */
  readonly sent: string
  readonly content: string
  /** Undefined after a clean end. */
  readonly error: GatewayError | undefined
}

const readAll = Effect.fnUntraced(function*(stream: AnswerStream) {
  const frames: Array<Frame> = []
  const error = yield* stream.pull.pipe(
    Effect.map((more) => void frames.push(...more)),
    Effect.forever,
    Effect.catch((failure) => Effect.succeed(Cause.isDone(failure) ? undefined : failure))
  )
  const read: Read = {
    frames,
    error,
    sent: frames.map((frame) => Buffer.from(frame.bytes ?? []).toString()).join(""),
    content: frames.map(({ chunk }) => chunk.choices[0]?.delta.content ?? "").join("")
  }
  return read
})

/** The stream's reading, or the reason there is none. */
export const streamOf = (provider: Provider, call: ProviderCall) =>
  Effect.scoped(Effect.flatMap(provider.stream(call), readAll))
