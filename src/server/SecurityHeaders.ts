/**
 * What every answer says to a browser that should come by it: that it is data, not to be guessed at, framed, kept or run. Trap: on
 * the hot path these are part of the answer's own headers; what has none gets them in the passage.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** For JSON, text and event streams. A page has a policy of its own. */
export const securityHeaders = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store"
} as const

type Response = HttpServerResponse.HttpServerResponse

/** The answer with what it lacks of these; its own values stay. */
export const secured = (response: Response): Response =>
  response.headers["x-content-type-options"] !== undefined && response.headers["cache-control"] !== undefined
    ? response
    : HttpServerResponse.setHeaders(response, { ...securityHeaders, ...response.headers })
