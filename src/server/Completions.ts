/**
 * How a completion is answered. Nothing is sent before the flow has an answer or a committed stream, so the status is honest; after
 * that a failure is one error event and no `[DONE]`.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import type { CompletionRequest } from "../gateway/Completion.ts"
import { whole } from "./AnswerHead.ts"
import { checkChat } from "./ChatBody.ts"
import { judge, refuse, timeoutOf } from "./Entrance.ts"
import { streamed } from "./EventFrames.ts"
import type { Exchange } from "./Exchange.ts"
import { readText } from "./RequestBody.ts"
import type { Services } from "./Services.ts"

/** One request through the flow. */
export const answer = (
  services: Services,
  request: HttpServerRequest.HttpServerRequest,
  exchange: Exchange
) => {
  const { completion, settings } = services
  const { headers } = request
  const refusal = judge(services, headers, exchange)
  if (refusal !== undefined) return Effect.succeed(refuse(exchange, refusal))
  const timeoutMs = timeoutOf(headers)
  const run = Effect.flatMap(readText(request, settings.limits.body, timeoutMs), (text) => {
    const checked = checkChat(text, settings.limits, settings.imageHosts, settings.rules)
    if ("_tag" in checked) return Effect.fail(gatewayError(checked))
    const { decision } = exchange
    const { request: asked, source } = checked
    decision.alias = asked.model
    decision.stream = asked.stream === true
    const input: CompletionRequest = {
      source,
      request: asked,
      decision,
      timeoutMs,
      receivedAtMs: exchange.receivedAtMs
    }
    return decision.stream
      ? Effect.flatMap(
        completion.stream(input),
        (stream) => streamed(stream, exchange, services, services.sinkOf(request))
      )
      : Effect.map(
        completion.complete(input),
        ({ text }) => whole(text, exchange)
      )
  })
  return Effect.catch(run, (error: GatewayError) => Effect.succeed(refuse(exchange, error.reason)))
}
