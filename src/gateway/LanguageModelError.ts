/**
 * What ends a request, as Effect AI's errors say it. Its reasons are fewer than ours, so ours stands in the metadata; retries and
 * failover are over when it is there.
 */
import * as AiError from "effect/ai/AiError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { GatewayError, Reason } from "../domain/GatewayError.ts"

/** The modules whose errors these are. */
type Module = "BreakwaterLanguageModel" | "BreakwaterEmbeddingModel"

/** Under `breakwater` in the metadata of a reason: what we know of it. */
const metadataOf = ({ _tag, errorCode, retryAfterMs, status }: Reason) => ({
  breakwater: {
    reason: _tag,
    status,
    code: errorCode,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs })
  }
})

const pauseOf = ({ retryAfterMs }: Reason) =>
  retryAfterMs === undefined ? {} : { retryAfter: Duration.millis(retryAfterMs) }

const resetOf = ({ retryAfterMs }: Reason, nowMs: number) =>
  retryAfterMs === undefined ? {} : { resetAt: DateTime.makeUnsafe(nowMs + retryAfterMs) }

const reasonOf = (reason: Reason, nowMs: number): AiError.AiErrorReason => {
  const { message: description, param, upstreamStatus } = reason
  const facts = {
    description,
    metadata: metadataOf(reason),
    ...(upstreamStatus === undefined ? {} : { http: { response: { status: upstreamStatus, headers: {} } } })
  }
  switch (reason._tag) {
    case "InvalidRequest":
    case "RouteNotFound":
    case "MethodNotAllowed":
    case "PayloadTooLarge":
    case "UnsupportedMediaType":
    case "UpstreamRefused":
    case "ContextLengthExceeded":
      return new AiError.InvalidRequestError({ ...facts, ...(param === undefined ? {} : { parameter: param }) })
    case "ModelNotFound":
    case "UpstreamModelMissing":
      return new AiError.InvalidRequestError({ ...facts, parameter: "model" })
    case "Unauthorized":
      return new AiError.AuthenticationError({ ...facts, kind: "InvalidKey" })
    case "Forbidden":
      return new AiError.AuthenticationError({ ...facts, kind: "InsufficientPermissions" })
    case "CredentialRejected":
      return new AiError.AuthenticationError({ ...facts, kind: "Unknown" })
    case "ContentFiltered":
      return new AiError.ContentPolicyError(facts)
    case "RateLimited":
    case "CallerRateLimited":
      return new AiError.RateLimitError({ ...facts, ...pauseOf(reason) })
    case "QuotaExhausted":
    case "BudgetExhausted":
      return new AiError.QuotaExhaustedError({ ...facts, ...resetOf(reason, nowMs) })
    case "MalformedAnswer":
      return new AiError.InvalidResponseError(facts)
    case "InternalFailure":
      return new AiError.UnknownError(facts)
    case "Overloaded":
    case "UpstreamFailed":
    case "UpstreamUnreachable":
    case "ConnectionReset":
    case "UpstreamTimedOut":
    case "StreamInterrupted":
    case "AdmissionUnavailable":
    case "CircuitOpen":
    case "QueueFull":
    case "LoadShed":
    case "DeadlineExceeded":
    case "Draining":
      return new AiError.InternalProviderError(facts)
  }
}

/** The error as a program of Effect AI catches it; `nowMs` is since 1970, for reasons that name the time of their end. */
export const aiErrorOf = (
  module: Module,
  method: string,
  { reason }: GatewayError,
  nowMs: number
): AiError.AiError => AiError.make({ module, method, reason: reasonOf(reason, nowMs) })
