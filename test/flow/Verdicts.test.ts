/** From what an upstream of OpenAI's family says, or the connection does, to what the flow makes of it: both tables together. */
import { describe, expect, it } from "@effect/vitest"
import * as E from "../../src/domain/GatewayError.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import { classify } from "../../src/resilience/Classification.ts"

/** `R` same target again, `F` another target, `X` the caller's; what the breaker hears; `C` left alone as long as it says. */
const verdictOf = (reason: E.Reason): string => {
  const { breaker, cooldownMs, failover, retrySame } = classify(reason)
  const again = retrySame === "no" ? "" : "R"
  return `${again}${failover ? "F" : again === "" ? "X" : ""} ${breaker}${cooldownMs === undefined ? "" : " C"}`
}

interface Body {
  readonly code?: unknown
  readonly type?: string
  readonly status?: string
  readonly message?: string
  readonly details?: unknown
}

const row = (status: number, error: Body | string, tag: E.Reason["_tag"], verdict: string) =>
  ({ status, error, tag, verdict }) as const

const perDay = [{ violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] }]
const perMinute = [{ violations: [{ quotaId: "GenerateRequestsPerMinutePerProjectPerModel" }] }, { retryDelay: "46s" }]

const rows = [
  row(400, { type: "invalid_request_error" }, "UpstreamRefused", "X Ignored"),
  row(400, { code: 400, status: "INVALID_ARGUMENT" }, "UpstreamRefused", "X Ignored"),
  row(422, "", "UpstreamRefused", "X Ignored"),
  row(400, { code: "context_length_exceeded" }, "ContextLengthExceeded", "X Ignored"),
  row(400, { message: "prompt is too long: 9 tokens" }, "ContextLengthExceeded", "X Ignored"),
  row(400, { message: "This model's maximum context length is 4096" }, "ContextLengthExceeded", "X Ignored"),
  row(400, { code: "content_policy_violation" }, "ContentFiltered", "X Ignored"),
  row(400, { code: "content_filter" }, "ContentFiltered", "X Ignored"),
  row(401, { code: "invalid_api_key" }, "CredentialRejected", "F Ignored"),
  row(401, { code: "401" }, "CredentialRejected", "F Ignored"),
  row(403, { code: "unsupported_country_region_territory" }, "CredentialRejected", "F Ignored"),
  row(404, { code: "model_not_found" }, "UpstreamModelMissing", "F Ignored C"),
  row(404, { code: "DeploymentNotFound" }, "UpstreamModelMissing", "F Ignored C"),
  row(404, "model \"x\" not found, try pulling it first", "UpstreamModelMissing", "F Ignored C"),
  row(402, "", "QuotaExhausted", "F Throttled C"),
  row(402, { type: "billing_error" }, "QuotaExhausted", "F Throttled C"),
  ...[405, 410, 415, 501].map((status) => row(status, "", "UpstreamRefused", "X Ignored")),
  row(408, "", "UpstreamTimedOut", "F Failure"),
  row(504, { status: "DEADLINE_EXCEEDED" }, "UpstreamTimedOut", "F Failure"),
  row(504, { type: "timeout_error" }, "UpstreamTimedOut", "F Failure"),
  ...[409, 421, 425].map((status) => row(status, "", "UpstreamFailed", "RF Ignored")),
  row(413, { type: "request_too_large" }, "ContextLengthExceeded", "X Ignored"),
  row(429, { code: "rate_limit_exceeded", type: "requests" }, "RateLimited", "RF Throttled C"),
  row(429, { code: "429", message: "high demand" }, "RateLimited", "RF Throttled C"),
  row(429, { type: "rate_limit_error" }, "RateLimited", "RF Throttled C"),
  row(
    429,
    { code: "rate_limit_exceeded", type: "tokens", message: "Request too large for m on tokens per min" },
    "ContextLengthExceeded",
    "F Ignored"
  ),
  row(429, { code: "slow_down" }, "RateLimited", "RF Throttled C"),
  row(503, { code: "slow_down" }, "RateLimited", "RF Throttled C"),
  ...[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded"
  ].map((code) => row(429, { code, type: "insufficient_quota" }, "QuotaExhausted", "F Throttled C")),
  row(429, { type: "insufficient_quota" }, "QuotaExhausted", "F Throttled C"),
  row(
    429,
    { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } },
    "QuotaExhausted",
    "F Throttled C"
  ),
  row(
    400,
    { type: "invalid_request_error", message: "You have reached your specified API usage limits (usage limit)." },
    "QuotaExhausted",
    "F Throttled C"
  ),
  row(
    400,
    { type: "invalid_request_error", message: "Your credit balance is too low to access the API." },
    "QuotaExhausted",
    "F Throttled C"
  ),
  row(529, { type: "overloaded_error" }, "Overloaded", "RF Failure C"),
  row(429, { code: 429, status: "RESOURCE_EXHAUSTED", details: perMinute }, "RateLimited", "RF Throttled C"),
  row(429, { code: 429, status: "RESOURCE_EXHAUSTED", details: perDay }, "QuotaExhausted", "F Throttled C"),
  row(
    429,
    { code: 429, status: "RESOURCE_EXHAUSTED", message: "Quota exceeded, limit: 0, model: m" },
    "QuotaExhausted",
    "F Throttled C"
  ),
  row(400, { code: 400, status: "FAILED_PRECONDITION" }, "CredentialRejected", "F Ignored"),
  row(500, { code: 500, status: "INTERNAL" }, "UpstreamFailed", "RF Failure C"),
  row(498, { code: "capacity_exceeded" }, "Overloaded", "RF Throttled C"),
  row(400, { code: "tool_use_failed", type: "invalid_request_error" }, "UpstreamRefused", "X Ignored"),
  row(499, "", "UpstreamRefused", "X Ignored"),
  row(503, "server busy, please try again. maximum pending requests exceeded", "Overloaded", "RF Failure C"),
  row(500, { message: "EngineDeadError" }, "UpstreamFailed", "RF Failure C"),
  row(502, { code: 502 }, "UpstreamFailed", "RF Failure C"),
  row(503, { code: 503 }, "Overloaded", "RF Failure C"),
  ...[500, 502, 520, 521, 522, 523, 524, 530].map((status) => row(status, "", "UpstreamFailed", "RF Failure C")),
  row(200, "<html>", "MalformedAnswer", "RF Failure")
]

describe("an upstream's refusal", () => {
  it.each(rows.map((each) => [each.status, JSON.stringify(each.error).slice(0, 90), each] as const))(
    "%i %s",
    (_, __, { error, status, tag, verdict }) => {
      const body = error === "<html>" ? error : { error }
      const reason = toReason("openai", { status, headers: {}, body, nowMs: 0 })
      expect([reason._tag, verdictOf(reason)]).toEqual([tag, verdict])
    }
  )

  it("does not cost us a credential because it repeats the caller's words", () => {
    for (const said of ["invalid api key", "your credit balance is too low", "limit: 0"]) {
      const reason = toReason("openai", {
        status: 400,
        body: { error: { message: `Invalid value for role: '${said}'.`, type: "invalid_request_error" } },
        nowMs: 0
      })
      expect(reason._tag).toBe("UpstreamRefused")
    }
  })
})

describe("what happens on the way", () => {
  it.each<readonly [string, E.Reason, string]>([
    ["a refused connection or an unknown name", new E.UpstreamUnreachable({ message: "" }), "F Failure"],
    ["a connection that is not opened in time", new E.UpstreamTimedOut({ message: "" }), "F Failure"],
    ["a reset before the answer", new E.ConnectionReset({ message: "" }), "RF Failure"],
    ["an end in the middle, before anything was sent on", new E.StreamInterrupted({ message: "" }), "RF Failure"],
    ["a body that is no completion", new E.MalformedAnswer({ message: "" }), "RF Failure"],
    ["a full queue of ours", new E.QueueFull({ message: "" }), "F Ignored"],
    ["an open circuit", new E.CircuitOpen({ message: "" }), "F Ignored"],
    ["a deadline that passed", new E.DeadlineExceeded({ message: "" }), "X Ignored"]
  ])("%s", (_, reason, verdict) => {
    expect(verdictOf(reason)).toBe(verdict)
  })
})
