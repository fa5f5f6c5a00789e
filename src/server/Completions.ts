/**
 * How a completion is answered. Nothing is sent before the flow has an answer or a committed stream, so the status is honest; after
 * that a failure is one error event and no `[DONE]`.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Keys } from "../admission/Keys.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { type GatewayError, gatewayError, InvalidRequest, type Reason } from "../domain/GatewayError.ts"
import type { Completion, CompletionRequest } from "../gateway/Completion.ts"
import type { EventLogShape } from "../observability/Logger.ts"
import { admit } from "./Authorization.ts"
import { checkChat, judgeMediaType, readText } from "./ChatBody.ts"
import { streamed } from "./EventFrames.ts"
import { answerHeaders, type Exchange } from "./Exchange.ts"
import type { OpenStreams } from "./OpenStreams.ts"
import type { ServerSettings } from "./ServerSettings.ts"
import type { Sink } from "./Sink.ts"

type Response = HttpServerResponse.HttpServerResponse

const refuse = (exchange: Exchange, reason: Reason): Response => {
  exchange.decision.error = reason._tag
  return errorResponse(reason, answerHeaders(exchange))
}

/** Milliseconds, up to eleven days; a longer wish could not shorten anything. */
const wholeMilliseconds = /^[1-9]\d{0,8}$/

const unknownTimeout = new InvalidRequest({
  message: "x-request-timeout-ms is a whole number of milliseconds from 1 to 999999999, without a unit, such as 30000.",
  param: "x-request-timeout-ms",
  code: "invalid_timeout"
})

/** What every request is answered with. */
export interface Services {
  readonly completion: Completion["Service"]
  readonly keys: Keys["Service"]
  readonly settings: ServerSettings
  readonly log: EventLogShape
  readonly streams: OpenStreams["Service"]
  readonly sinkOf: (request: HttpServerRequest.HttpServerRequest) => Sink | undefined
}

/** One request through the flow. */
export const answer = (
  services: Services,
  request: HttpServerRequest.HttpServerRequest,
  exchange: Exchange
) => {
  const { completion, keys, settings } = services
  const { headers } = request
  const stranger = admit(keys, headers, exchange)
  if (stranger !== undefined) return Effect.succeed(refuse(exchange, stranger))
  const wrongType = judgeMediaType(headers["content-type"])
  if (wrongType !== undefined) return Effect.succeed(refuse(exchange, wrongType))
  const wish = headers["x-request-timeout-ms"]
  if (wish !== undefined && !wholeMilliseconds.test(wish)) return Effect.succeed(refuse(exchange, unknownTimeout))
  const timeoutMs = wish === undefined ? undefined : Number(wish)
  const run = Effect.flatMap(readText(request, settings.limits.body, timeoutMs), (text) => {
    const checked = checkChat(text, settings.limits, settings.imageHosts, settings.rules)
    if ("_tag" in checked) return Effect.fail(gatewayError(checked))
    const { decision } = exchange
    decision.alias = checked.request.model
    decision.stream = checked.request.stream === true
    const input: CompletionRequest = { ...checked, decision, timeoutMs, receivedAtMs: exchange.receivedAtMs }
    return decision.stream
      ? Effect.flatMap(
        completion.stream(input),
        (stream) => streamed(stream, exchange, services, services.sinkOf(request))
      )
      : Effect.map(
        completion.complete(input),
        (whole) =>
          HttpServerResponse.text(whole.text, { contentType: "application/json", headers: answerHeaders(exchange) })
      )
  })
  return Effect.catch(run, (error: GatewayError) => Effect.succeed(refuse(exchange, error.reason)))
}
