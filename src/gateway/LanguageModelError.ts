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

const factsOf = (reason: Reason) => ({
  description: reason.message,
  metadata: metadataOf(reason),
  ...(reason.upstreamStatus === undefined ? {} : { http: { response: { status: reason.upstreamStatus, headers: {} } } })
})

type Words = (reason: Reason, nowMs: number) => AiError.AiErrorReason

const invalid: Words = (reason) =>
  new AiError.InvalidRequestError({
    ...factsOf(reason),
    ...(reason.param === undefined ? {} : { parameter: reason.param })
  })
const nobodys: Words = (reason) => new AiError.InvalidRequestError({ ...factsOf(reason), parameter: "model" })
const locked = (kind: AiError.AuthenticationError["kind"]): Words => (reason) =>
  new AiError.AuthenticationError({ ...factsOf(reason), kind })
const limited: Words = (reason) => new AiError.RateLimitError({ ...factsOf(reason), ...pauseOf(reason) })
const exhausted: Words = (reason, nowMs) =>
  new AiError.QuotaExhaustedError({ ...factsOf(reason), ...resetOf(reason, nowMs) })
/** May pass when it is asked again later, as its `isRetryable` says. */
const failed: Words = (reason) => new AiError.InternalProviderError(factsOf(reason))

const words: { readonly [Tag in Reason["_tag"]]: Words } = {
  InvalidRequest: invalid,
  Unauthorized: locked("InvalidKey"),
  Forbidden: locked("InsufficientPermissions"),
  ModelNotFound: nobodys,
  RouteNotFound: invalid,
  MethodNotAllowed: invalid,
  PayloadTooLarge: invalid,
  UnsupportedMediaType: invalid,
  UpstreamRefused: invalid,
  ContextLengthExceeded: invalid,
  ContentFiltered: (reason) => new AiError.ContentPolicyError(factsOf(reason)),
  RateLimited: limited,
  QuotaExhausted: exhausted,
  CredentialRejected: locked("Unknown"),
  UpstreamModelMissing: nobodys,
  Overloaded: failed,
  UpstreamFailed: failed,
  UpstreamUnreachable: failed,
  ConnectionReset: failed,
  UpstreamTimedOut: failed,
  MalformedAnswer: (reason) => new AiError.InvalidResponseError(factsOf(reason)),
  StreamInterrupted: failed,
  CallerRateLimited: limited,
  BudgetExhausted: exhausted,
  AdmissionUnavailable: failed,
  CircuitOpen: failed,
  QueueFull: failed,
  LoadShed: failed,
  DeadlineExceeded: failed,
  Draining: failed,
  InternalFailure: (reason) => new AiError.UnknownError(factsOf(reason))
}

/** The error as a program of Effect AI catches it; `nowMs` is since 1970, for reasons that name the time of their end. */
export const aiErrorOf = (
  module: Module,
  method: string,
  { reason }: GatewayError,
  nowMs: number
): AiError.AiError => AiError.make({ module, method, reason: words[reason._tag](reason, nowMs) })
