/** What goes into the library's door, made ready for the flow. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ChatRequest } from "../domain/Chat.ts"
import { gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import * as Correlation from "../observability/Correlation.ts"
import * as JsonText from "../validation/JsonText.ts"
import type { CompletionRequest } from "./Completion.ts"
import * as Decision from "./Decision.ts"

/** OpenAI's chat request without `stream`: which method is called decides that. */
export type AiRequest = Omit<ChatRequest, "stream" | "stream_options">

/** Writes it as text once, and opens its record. Fails with `InvalidRequest` for what is no JSON. */
export const prepare = Effect.fnUntraced(function*(request: AiRequest, stream: boolean) {
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
