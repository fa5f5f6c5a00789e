/**
 * From what an upstream says about a failure to a reason: the body's code first, then its type, its words, the header, the
 * status, because one HTTP 429 hides five facts. Never throws, whatever the body is; every message is scrubbed and bounded.
 */
import type { Reason, ReasonFields } from "../domain/GatewayError.ts"
import {
  ContentFiltered,
  ContextLengthExceeded,
  CredentialRejected,
  MalformedAnswer,
  Overloaded,
  QuotaExhausted,
  RateLimited,
  UpstreamFailed,
  UpstreamModelMissing,
  UpstreamRefused,
  UpstreamTimedOut
} from "../domain/GatewayError.ts"
import * as Redaction from "../observability/Redaction.ts"
import { openAiErrorOf } from "./BedrockError.ts"
import { retryAfterMs } from "./RetryHint.ts"
import type { ResponseHeaders } from "./TransportExchange.ts"

/** Whose error bodies are read; one table per family. */
export type ErrorFamily = "openai" | "anthropic" | "gemini" | "bedrock"

interface ErrorFacts {
  /** As it came, at most 2,000 characters; only looked at, never shown. */
  readonly said: string
  /** Scrubbed and bounded. */
  readonly message: string
  readonly type: string
  readonly code: string
  readonly param: string | undefined
  /** Google's names of the quotas that were violated. */
  readonly quotas: ReadonlyArray<string>
}

export interface UpstreamError {
  /** Undefined for an error inside an answer of status 200. */
  readonly status?: number
  readonly headers?: ResponseHeaders
  /** The parsed body, or its text where it is no JSON. */
  readonly body: unknown
  /** Milliseconds since 1970, for dates in Retry-After. */
  readonly nowMs: number
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : ""

/** Bounded to 500 characters, and without anything that looks like a key or an account. */
const scrub = (message: string): string => {
  // A word that is cut in two may be a secret that is not known as such any more.
  const said = message.length > 2000 ? message.slice(0, 2000).replace(/\S+$/, "") : message
  const clean = Redaction.scrub(said).replaceAll(/\s+/g, " ").trim()
  return clean.length > 500 ? `${clean.slice(0, 499)}…` : clean
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => isRecord(value) ? value : {}

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** `error.details[].violations[].quotaId` of Google's QuotaFailure. */
const quotasOf = (details: unknown): ReadonlyArray<string> =>
  listOf(details)
    .flatMap((detail) => listOf(recordOf(detail)["violations"]))
    .map((violation) => textOf(recordOf(violation)["quotaId"]))

/** `error.details[].reason` of Google's ErrorInfo, which says more than its status: a bad key is an INVALID_ARGUMENT there. */
const googleReasonOf = (details: unknown): string =>
  listOf(details).map((detail) => textOf(recordOf(detail)["reason"])).find((reason) => reason !== "") ?? ""

const firstDetail = (detail: unknown): string =>
  Array.isArray(detail) ? textOf(recordOf(detail[0])["msg"]) : textOf(detail)

/** Reads `{error: {…}}`, `{error: "text"}`, the flat form, `{detail}`, lists of one, response.failed and plain text. */
const readFacts = (body: unknown): ErrorFacts => {
  const outer = recordOf(Array.isArray(body) ? body[0] : body)
  const nested = outer["error"] ?? recordOf(outer["response"])["error"]
  const inner = recordOf(nested)
  const said = textOf(inner["message"]) || textOf(nested) || textOf(outer["message"]) || firstDetail(outer["detail"])
  const detailed = textOf(recordOf(inner["details"])["error_code"])
  const param = textOf(inner["param"]) || textOf(outer["param"])
  return {
    said: said.slice(0, 2000),
    message: scrub(said),
    // Google's `status` is what others call a type.
    type: (textOf(inner["type"]) || textOf(inner["status"]) || textOf(outer["type"])).toLowerCase(),
    code: detailed || googleReasonOf(inner["details"]) || textOf(inner["code"]) ||
      textOf(recordOf(inner["innererror"])["code"]) || textOf(outer["code"]) ||
      textOf(outer["statusCode"]),
    param: param === "" ? undefined : param.slice(0, 200),
    quotas: quotasOf(inner["details"])
  }
}

type Kind =
  | "quota"
  | "rate"
  | "context"
  | "filtered"
  | "credential"
  | "model"
  | "timeout"
  | "overloaded"
  | "failed"
  | "refused"
  | "malformed"

const words = (kind: Kind, names: ReadonlyArray<string>): ReadonlyArray<readonly [string, Kind]> =>
  names.map((name) => [name, kind])

/** OpenAI's word for traffic that grows too fast. */
const slowDown = "slow_down"

/** Codes and types in lower case; both are looked up here, the code first. */
const openAiWords: ReadonlyMap<string, Kind> = new Map([
  ...words("quota", [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "enforced_spend_limit_reached",
    "billing_disabled",
    "quota_exhausted",
    "billing_error",
    "payment_required"
  ]),
  ...words("rate", [
    "rate_limit_exceeded",
    "rate_limit_error",
    slowDown,
    "too_many_requests",
    "rate_limited",
    "resource_exhausted"
  ]),
  ...words("context", [
    "context_length_exceeded",
    "exceed_context_size_error",
    "request_too_large",
    "too_many_prompt_tokens"
  ]),
  ...words("filtered", ["content_filter", "content_policy_violation", "responsibleaipolicyviolation"]),
  ...words("credential", [
    "invalid_api_key",
    "api_key_invalid",
    "access_token_expired",
    "consumer_suspended",
    "service_disabled",
    "authentication_error",
    "invalid_authentication",
    "permission_error",
    "permission_denied",
    "unauthorized",
    "unauthenticated",
    "account_deactivated",
    "failed_precondition"
  ]),
  ...words("model", ["model_not_found", "deploymentnotfound", "model_decommissioned", "model_not_available"]),
  ...words("timeout", ["timeout_error", "request_timeout", "deadline_exceeded"]),
  ...words("overloaded", [
    "overloaded_error",
    "server_overloaded",
    "engine_overloaded",
    "capacity_exceeded",
    "model_capacity_exhausted"
  ])
])

/** Weaker words: a status that says something else wins over them. */
const vagueWords: ReadonlyMap<string, Kind> = new Map([
  ...words("failed", ["server_error", "api_error", "internal_error", "internal_server_error", "internalservererror"]),
  ...words("refused", ["invalid_request_error", "invalid_request", "bad_request", "badrequesterror"])
])

const contextLooks =
  /maximum context length|^the input token count\b|prompt is too long|context (?:length|window|size|limit)|input is too long/i
// At the beginning only: further on a refusal may repeat the caller's words, and those must not cost us a credential.
const keyLooks = /^(?:incorrect|invalid) api[ -]?key|^api key (?:not valid|is invalid)/i
const moneyLooks =
  /^you(?:r| have)\b[^"'`]{0,80}\b(?:spend(?:ing)? limit|usage limit|credit balance|insufficient (?:funds|credits))/i
const filterLooks = /content management policy|flagged (?:by|for|as)|content[ _]filter/i

const byWords = (text: string): Kind | undefined =>
  contextLooks.test(text)
    ? "context"
    : moneyLooks.test(text)
    ? "quota"
    : keyLooks.test(text)
    ? "credential"
    : filterLooks.test(text)
    ? "filtered"
    : undefined

/** A limit that no waiting helps against: a day's, one that is none at all, or one that the request exceeds by itself. */
const dayLooks = /per ?day/i
const noneLooks = /\blimit: 0\b/i
const unfittingLooks = /^request too large\b/i

const limitOf = ({ quotas, said }: ErrorFacts): Kind =>
  quotas.some((quota) => dayLooks.test(quota)) || noneLooks.test(said)
    ? "quota"
    : unfittingLooks.test(said)
    ? "context"
    : "rate"

const byStatus = (status: number): Kind => {
  if (status === 401 || status === 403) return "credential"
  if (status === 402) return "quota"
  if (status === 404) return "model"
  if (status === 408 || status === 504) return "timeout"
  if (status === 413) return "context"
  if (status === 429) return "rate"
  if (status === 498 || status === 503 || status === 529) return "overloaded"
  // A proxy on the way that does not know us, a conflict, a misdirected or an early request, and a failed model: none of them
  // is the caller's, and all but the first may go well the next time.
  if ([407, 409, 421, 424, 425].includes(status)) return "failed"
  if (status === 501) return "refused"
  if (status >= 400 && status < 500) return "refused"
  return status >= 200 && status < 300 ? "malformed" : "failed"
}

/** Google's refusal of a file of the caller's reads like one of our credential. */
const fileLooks = /^you do not have permission to access the file\b|^cachedcontent not found\b/i

const read = (facts: ErrorFacts, status: number | undefined): Kind => {
  if (fileLooks.test(facts.said)) return "refused"
  const code = facts.code.toLowerCase()
  const named = openAiWords.get(code) ?? openAiWords.get(facts.type)
  if (named !== undefined) return named
  const isRefusal = status === undefined || (status >= 400 && status < 500 && status !== 429)
  const said = isRefusal ? byWords(facts.said) : undefined
  if (said !== undefined) return said
  if (status !== undefined) return byStatus(status)
  // Inside an answer of status 200 a numeric code stands for the status.
  if (/^[45]\d\d$/.test(code)) return byStatus(Number(code))
  return vagueWords.get(code) ?? vagueWords.get(facts.type) ?? "failed"
}

const kindOf = (facts: ErrorFacts, status: number | undefined): Kind => {
  const kind = read(facts, status)
  return kind === "rate" ? limitOf(facts) : kind
}

const reasonOf = (kind: Kind, facts: ErrorFacts, fields: Omit<ReasonFields, "message" | "param" | "code">): Reason => {
  const status = fields.upstreamStatus === undefined ? "" : ` (${fields.upstreamStatus})`
  const ours = (message: string) => ({ ...fields, message: `${message}${status}.` })
  const theirs = (message: string) => ({
    ...fields,
    message: facts.message === "" ? `${message}${status}.` : facts.message,
    param: facts.param
  })
  switch (kind) {
    case "quota":
      return new QuotaExhausted(ours("The gateway's quota with the upstream is used up"))
    case "rate":
      return new RateLimited({
        ...ours("The upstream limits the rate of requests"),
        // The one word that also halves how much the upstream is asked at once.
        code: facts.code === slowDown || facts.type === slowDown ? slowDown : undefined
      })
    case "context":
      return new ContextLengthExceeded(theirs("The request is too large for the model"))
    case "filtered":
      return new ContentFiltered(theirs("The upstream's content filter refused the request"))
    case "credential":
      return new CredentialRejected(ours("The upstream rejected the gateway's credential"))
    case "model":
      return new UpstreamModelMissing(ours("The upstream does not know the model"))
    case "timeout":
      return new UpstreamTimedOut(ours("The upstream ran out of time"))
    case "overloaded":
      return new Overloaded(ours("The upstream is overloaded"))
    case "refused":
      return new UpstreamRefused({
        ...theirs("The upstream refused the request"),
        code: facts.code === "" || /^\d+$/.test(facts.code) ? undefined : scrub(facts.code)
      })
    case "malformed":
      return new MalformedAnswer(ours("The upstream's answer is no completion"))
    case "failed":
      return new UpstreamFailed(ours("The upstream failed"))
  }
}

/** The reason behind an error answer, or behind an error inside an answer of status 200. */
export const toReason = (family: ErrorFamily, error: UpstreamError): Reason => {
  const facts = readFacts(family === "bedrock" ? openAiErrorOf(error.body, error.headers) : error.body)
  return reasonOf(kindOf(facts, error.status), facts, {
    upstreamStatus: error.status,
    retryAfterMs: retryAfterMs({ headers: error.headers, body: error.body, message: facts.said }, error.nowMs)
  })
}
