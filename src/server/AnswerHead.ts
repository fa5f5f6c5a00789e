/** The head of every answer as it leaves: the request id, what a browser is told, who may read it, and whether the connection stays. */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type CorsSettings, preflight, shared } from "./Cors.ts"
import { answerHeaders, type Exchange } from "./Exchange.ts"
import { secured } from "./SecurityHeaders.ts"

export type Response = HttpServerResponse.HttpServerResponse

const named = (answer: Response, exchange: Exchange, isDraining: boolean): Response => {
  const isNamed = answer.headers["x-request-id"] !== undefined
  if (isNamed && !isDraining) return answer
  const headers: Record<string, string> = isNamed ? {} : { "x-request-id": exchange.requestId }
  if (isDraining) headers["connection"] = "close"
  return HttpServerResponse.setHeaders(answer, headers)
}

/**
 * A whole answer. Trap: its headers are written into the map that the response has just made for its body's type and length, for
 * handing them over would copy each of them twice.
 */
export const whole = (text: string, exchange: Exchange): Response => {
  const response = HttpServerResponse.text(text, { contentType: "application/json" })
  // Made just now and nobody else's, which its type does not say.
  answerHeaders(exchange, response.headers as Record<string, string>)
  return response
}

/** The answer with all that it lacks; its status is noted. */
export const complete = (
  answer: Response,
  exchange: Exchange,
  request: HttpServerRequest,
  cors: CorsSettings | undefined,
  isDraining: boolean
): Response => {
  exchange.status = answer.status
  const response = named(secured(answer), exchange, isDraining)
  return cors === undefined ? response : shared(response, request, exchange.route, cors)
}

/** What a browser is answered that asks whether it may ask; undefined = it does not, or may not. */
export const permitted = (
  request: HttpServerRequest,
  { route }: Exchange,
  cors: CorsSettings | undefined
): Response | undefined => cors === undefined ? undefined : preflight(request, route, cors)
