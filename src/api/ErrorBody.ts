/** From a reason to what the caller sees: OpenAI's envelope with all four keys, its headers, and the error event of a stream. */
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { callersOwn, type Reason } from "../domain/GatewayError.ts"

/** The body of every error answer and the data of a stream's error event. */
const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String.annotate({ description: "What happened and, where the caller can, how to mend it." }),
    type: Schema.String.annotate({
      description: "invalid_request_error, rate_limit_error, insufficient_quota or server_error."
    }),
    param: Schema.NullOr(Schema.String).annotate({ description: "Path of the offending member of the request." }),
    code: Schema.NullOr(Schema.String).annotate({ description: "What a program can branch on." })
  })
}).annotate({ identifier: "ErrorBody", description: "OpenAI's error envelope; all four keys are always there." })

/** The envelope under each of these statuses, for the contract. */
export const errorsAt = <const Statuses extends ReadonlyArray<number>>(...statuses: Statuses) =>
  statuses.map((status) => ErrorBody.pipe(HttpApiSchema.status(status)))

/** What a page could take for markup, or a script for the end of a line. */
const active = /[<>&\u2028\u2029]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** The envelope as text; the same JSON wherever it is shown, for a message may repeat what a caller or an upstream wrote. */
const errorText = (reason: Reason): string =>
  JSON.stringify({
    error: { message: reason.message, type: reason.type, param: reason.param ?? null, code: reason.errorCode }
  }).replace(active, escaped)

/** The request, the key or the account would have to be another one: asking again cannot help, so no pause is told either. */
const permanent: ReadonlySet<string> = new Set<string>(
  [
    ...callersOwn,
    "QuotaExhausted",
    "CredentialRejected",
    "UpstreamModelMissing",
    "InternalFailure"
  ].filter((tag) => tag !== "CallerRateLimited")
)

/** This gateway's own momentary state. */
const momentary: ReadonlySet<Reason["_tag"]> = new Set([
  "AdmissionUnavailable",
  "Draining",
  "QueueFull",
  "LoadShed",
  "CircuitOpen"
])

/**
 * True when asking again may help: after a pause that is known, or when the refusal came from this gateway's own momentary state.
 * After any other failure of an upstream the gateway has already retried and failed over, so a client that repeats only
 * multiplies the attempts. OpenAI's clients obey `x-should-retry` before status and pause: the two must not contradict.
 */
const isRepeatable = (reason: Reason): boolean =>
  !permanent.has(reason._tag) && (
    reason.retryAfterMs !== undefined || momentary.has(reason._tag) ||
    (reason._tag === "RateLimited" && reason.upstreamStatus === undefined)
  )

/** Headers that belong to a reason: `x-should-retry`, `retry-after` (whole seconds) with `retry-after-ms`, `allow`, `www-authenticate`. */
const errorHeaders = (reason: Reason): Record<string, string> => {
  const headers: Record<string, string> = {}
  if (!isRepeatable(reason)) headers["x-should-retry"] = "false"
  else if (reason.retryAfterMs !== undefined) {
    const ms = Math.max(0, Math.ceil(reason.retryAfterMs))
    headers["retry-after"] = String(Math.ceil(ms / 1000))
    headers["retry-after-ms"] = String(ms)
  }
  if (reason.allow !== undefined) headers["allow"] = reason.allow
  if (reason._tag === "Unauthorized") headers["www-authenticate"] = "Bearer realm=\"breakwater\""
  return headers
}

/** The whole error answer; `headers` are added last and win. */
export const errorResponse = (
  reason: Reason,
  headers?: Readonly<Record<string, string>>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(errorText(reason), {
    status: reason.status,
    contentType: "application/json",
    headers: { ...errorHeaders(reason), ...headers }
  })

const encoder = new TextEncoder()

/** The one event that ends a stream which failed after it had begun; no `[DONE]` follows. */
export const errorFrame = (reason: Reason): Uint8Array => encoder.encode(`data: ${errorText(reason)}\n\n`)
