/** What goes into the library's door, made ready for the flow. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import { gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import * as Correlation from "../observability/Correlation.ts"
import * as JsonText from "../validation/JsonText.ts"
import * as Decision from "./Decision.ts"
import type { FlowRequest } from "./FlowRequest.ts"

/** OpenAI's chat request without `stream`: which method is called decides that. */
export type AiRequest = Omit<ChatRequest, "stream" | "stream_options">

/** OpenAI's embeddings request without `encoding_format`: vectors come as numbers. */
export type AiEmbedRequest = Omit<EmbeddingRequest, "encoding_format">

/** Writes it as text once, and opens its record. Fails with `InvalidRequest` for what is no JSON. */
const opened = Effect.fnUntraced(function*<Asked>(request: Asked) {
  const source = JsonText.scan(JSON.stringify(request))
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
  return { source, request, decision } satisfies FlowRequest<Asked>
})

/** A request for a chat completion. */
export const prepare = (request: AiRequest, stream: boolean) =>
  opened<ChatRequest>(stream ? { ...request, stream } : request)

/** A request for vectors. */
export const prepareVectors = (request: AiEmbedRequest) =>
  opened<EmbeddingRequest>({ ...request, encoding_format: "float" })
