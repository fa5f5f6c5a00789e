/** The head of every answer as it leaves: the request id, what a browser is told, who may read it, and whether the connection stays. */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type CorsSettings, preflight, shared } from "./Cors.ts"
import type { Exchange } from "./Exchange.ts"
import { secured } from "./SecurityHeaders.ts"

export type Response = HttpServerResponse.HttpServerResponse

const named = (answer: Response, exchange: Exchange, isDraining: boolean): Response => {
  const isNamed = answer.headers["x-request-id"] !== undefined
  if (isNamed && !isDraining) return answer
  const headers: Record<string, string> = isNamed ? {} : { "x-request-id": exchange.requestId }
  if (isDraining) headers["connection"] = "close"
  return HttpServerResponse.setHeaders(answer, headers)
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
