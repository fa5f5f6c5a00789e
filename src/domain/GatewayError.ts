/**
 * The one error of the whole flow: a `GatewayError` whose `reason` says what happened and knows its status, code and pause.
 * Plain tagged values, not `Error`s: a stack costs about 8 µs and a rejection is part of the hot path.
 */
import * as Data from "effect/Data"
import type { Usage } from "./Usage.ts"

/** What every reason may carry beside its tag. `message` is written by us or redacted; never a raw upstream body. */
export interface ReasonFields {
  readonly message: string
  /** Path of the offending member of the request, such as `messages[0].content`. */
  readonly param?: string | undefined
  /** Replaces the reason's own code, for a provider's code that the caller knows how to read. */
  readonly code?: string | undefined
  /** How long to wait before asking again, in milliseconds; absent = nobody said. */
  readonly retryAfterMs?: number | undefined
  /** HTTP status that the upstream answered, if it answered at all. */
  readonly upstreamStatus?: number | undefined
  /** Header for 405 answers. */
  readonly allow?: string | undefined
}

interface ReasonDefaults {
  /** HTTP status that the caller is shown. */
  readonly status: number
  /** `error.type` of the OpenAI envelope. */
  readonly type: string
  /** `error.code` of the OpenAI envelope unless the instance carries its own. */
  readonly code: string | null
}

const reason = <const Tag extends string>(tag: Tag, defaults: ReasonDefaults) =>
  class extends Data.TaggedClass(tag)<ReasonFields> {
    get status(): number {
      return defaults.status
    }
    get type(): string {
      return defaults.type
    }
    get errorCode(): string | null {
      return this.code ?? defaults.code
    }
  }

const invalid = "invalid_request_error"

// What the caller did.
export class InvalidRequest extends reason("InvalidRequest", { status: 400, type: invalid, code: null }) {}
export class Unauthorized extends reason("Unauthorized", { status: 401, type: invalid, code: "invalid_api_key" }) {}
export class Forbidden extends reason("Forbidden", { status: 403, type: invalid, code: "forbidden" }) {}
export class ModelNotFound extends reason("ModelNotFound", { status: 404, type: invalid, code: "model_not_found" }) {}
export class RouteNotFound extends reason("RouteNotFound", { status: 404, type: invalid, code: "not_found" }) {}
export class MethodNotAllowed
  extends reason("MethodNotAllowed", { status: 405, type: invalid, code: "method_not_allowed" })
{}
export class PayloadTooLarge
  extends reason("PayloadTooLarge", { status: 413, type: invalid, code: "request_too_large" })
{}
export class UnsupportedMediaType
  extends reason("UnsupportedMediaType", { status: 415, type: invalid, code: "unsupported_media_type" })
{}

// What the upstream said about this request.
export class UpstreamRefused extends reason("UpstreamRefused", { status: 400, type: invalid, code: null }) {}
export class ContextLengthExceeded
  extends reason("ContextLengthExceeded", { status: 400, type: invalid, code: "context_length_exceeded" })
{}
export class ContentFiltered
  extends reason("ContentFiltered", { status: 400, type: invalid, code: "content_filter" })
{}

// What the upstream said about itself or about our account with it.
export class RateLimited
  extends reason("RateLimited", { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" })
{}
export class QuotaExhausted
  extends reason("QuotaExhausted", { status: 429, type: "insufficient_quota", code: "insufficient_quota" })
{}
export class CredentialRejected
  extends reason("CredentialRejected", { status: 502, type: "server_error", code: "upstream_credentials_rejected" })
{}
export class UpstreamModelMissing
  extends reason("UpstreamModelMissing", { status: 502, type: "server_error", code: "upstream_model_missing" })
{}
export class Overloaded
  extends reason("Overloaded", { status: 503, type: "server_error", code: "upstream_overloaded" })
{}
export class UpstreamFailed
  extends reason("UpstreamFailed", { status: 502, type: "server_error", code: "upstream_error" })
{}

// What happened on the way.
export class UpstreamUnreachable
  extends reason("UpstreamUnreachable", { status: 502, type: "server_error", code: "upstream_unreachable" })
{}
export class ConnectionReset
  extends reason("ConnectionReset", { status: 502, type: "server_error", code: "upstream_connection_reset" })
{}
export class UpstreamTimedOut
  extends reason("UpstreamTimedOut", { status: 504, type: "server_error", code: "upstream_timeout" })
{}
export class MalformedAnswer
  extends reason("MalformedAnswer", { status: 502, type: "server_error", code: "upstream_malformed_answer" })
{}
export class StreamInterrupted
  extends reason("StreamInterrupted", { status: 502, type: "server_error", code: "stream_interrupted" })
{}

// What the caller's own key or its operator's budget allows.
export class CallerRateLimited
  extends reason("CallerRateLimited", { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" })
{}
export class BudgetExhausted
  extends reason("BudgetExhausted", { status: 429, type: "insufficient_quota", code: "budget_exhausted" })
{}
export class AdmissionUnavailable
  extends reason("AdmissionUnavailable", { status: 503, type: "server_error", code: "admission_unavailable" })
{}

// What this gateway decided.
export class CircuitOpen extends reason("CircuitOpen", { status: 503, type: "server_error", code: "circuit_open" }) {}
export class QueueFull extends reason("QueueFull", { status: 503, type: "server_error", code: "queue_full" }) {}
export class LoadShed extends reason("LoadShed", { status: 503, type: "server_error", code: "overloaded" }) {}
export class DeadlineExceeded
  extends reason("DeadlineExceeded", { status: 504, type: "server_error", code: "deadline_exceeded" })
{}
export class Draining extends reason("Draining", { status: 503, type: "server_error", code: "draining" }) {}
export class InternalFailure
  extends reason("InternalFailure", { status: 500, type: "server_error", code: "internal_error" })
{}

/** Everything that can end a request. */
export type Reason =
  | InvalidRequest
  | Unauthorized
  | Forbidden
  | ModelNotFound
  | RouteNotFound
  | MethodNotAllowed
  | PayloadTooLarge
  | UnsupportedMediaType
  | UpstreamRefused
  | ContextLengthExceeded
  | ContentFiltered
  | RateLimited
  | QuotaExhausted
  | CredentialRejected
  | UpstreamModelMissing
  | Overloaded
  | UpstreamFailed
  | UpstreamUnreachable
  | ConnectionReset
  | UpstreamTimedOut
  | MalformedAnswer
  | StreamInterrupted
  | CallerRateLimited
  | BudgetExhausted
  | AdmissionUnavailable
  | CircuitOpen
  | QueueFull
  | LoadShed
  | DeadlineExceeded
  | Draining
  | InternalFailure

/** What an attempt used that failed as a whole, although its upstream answered a part of it. */
export interface Used {
  /** As far as the upstream said; undefined = it said nothing. */
  readonly usage: Usage | undefined
  /** There is more, and nobody said how much. */
  readonly isUntold: boolean
}

/** The failure channel of every service here; match its facts with `Effect.catchReason("GatewayError", "RateLimited", …)`. */
export class GatewayError
  extends Data.TaggedClass("GatewayError")<{ readonly reason: Reason; readonly used?: Used | undefined }>
{
  get message(): string {
    return this.reason.message
  }
}

/** `Effect.fail(fail(new RateLimited({ … })))` in one word. `used`: default nothing. */
export const gatewayError = (reason: Reason, used?: Used): GatewayError =>
  new GatewayError(used === undefined ? { reason } : { reason, used })

/** What one upstream cannot be told, and another may well be; `param` is the path of the member. */
export const unsupported = (param: string, message: string): Reason =>
  new InvalidRequest({ message, param, code: "unsupported_parameter" })

export const isUnsupported = ({ _tag, code }: Reason): boolean =>
  _tag === "InvalidRequest" && code === "unsupported_parameter"

/** Tags of what the caller would have to change; as an error rate it would blame the wrong one, and asking again cannot help. */
export const callersOwn: ReadonlySet<string> = new Set<Reason["_tag"]>([
  "InvalidRequest",
  "Unauthorized",
  "Forbidden",
  "ModelNotFound",
  "RouteNotFound",
  "MethodNotAllowed",
  "PayloadTooLarge",
  "UnsupportedMediaType",
  "UpstreamRefused",
  "ContextLengthExceeded",
  "ContentFiltered",
  "CallerRateLimited",
  "BudgetExhausted"
])
