/** What is judged of a request for an answer before its body is read, and how it is refused. */
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { errorResponse } from "../api/ErrorBody.ts"
import { InvalidRequest, type Reason } from "../domain/GatewayError.ts"
import { admit, type Lock } from "./Authorization.ts"
import { answerHeaders, type Exchange } from "./Exchange.ts"
import { judgeMediaType } from "./RequestBody.ts"

type HeaderMap = HttpServerRequest.HttpServerRequest["headers"]

/** The answer to a request that is refused, and why, in its record. */
export const refuse = (exchange: Exchange, reason: Reason): HttpServerResponse => {
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

/** Why it may not go on: its key, its media type, or a wish that nobody understands. Notes whose request it is. */
export const judge = (lock: Lock, headers: HeaderMap, exchange: Exchange): Reason | undefined => {
  const refusal = admit(lock, headers, exchange) ?? judgeMediaType(headers)
  if (refusal !== undefined) return refusal
  const wish = headers["x-request-timeout-ms"]
  return wish === undefined || wholeMilliseconds.test(wish) ? undefined : unknownTimeout
}

/** The caller's own bound on a request that was judged, in milliseconds. */
export const timeoutOf = (headers: HeaderMap): number | undefined => {
  const wish = headers["x-request-timeout-ms"]
  return wish === undefined ? undefined : Number(wish)
}
