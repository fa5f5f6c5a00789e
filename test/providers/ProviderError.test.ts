import { describe, expect, it } from "@effect/vitest"
import { toReason } from "../../src/providers/ProviderError.ts"
import { retryAfterMs } from "../../src/providers/RetryHint.ts"

const reason = (status: number | undefined, body: unknown, headers = {}) =>
  toReason("openai", { ...(status === undefined ? {} : { status }), body, headers, nowMs: 0 })
const tag = (status: number | undefined, error: unknown) => reason(status, { error })._tag

describe("toReason", () => {
  it("goes by the body's code before the type before the status", () => {
    expect(tag(429, { code: "insufficient_quota", type: "insufficient_quota" })).toBe("QuotaExhausted")
    expect(tag(429, { code: "project_spend_limit_exceeded", type: "rate_limit_error" })).toBe("QuotaExhausted")
    expect(tag(429, { type: "insufficient_quota", code: null })).toBe("QuotaExhausted")
    expect(tag(429, { code: "rate_limit_exceeded", type: "tokens" })).toBe("RateLimited")
    expect(tag(503, { code: "slow_down" })).toBe("RateLimited")
    expect(tag(429, {})).toBe("RateLimited")
    expect(tag(400, { code: "context_length_exceeded", type: "invalid_request_error" })).toBe("ContextLengthExceeded")
    expect(tag(400, { code: "content_filter", status: 400 })).toBe("ContentFiltered")
    expect(tag(404, { code: "DeploymentNotFound" })).toBe("UpstreamModelMissing")
    expect(tag(529, { type: "overloaded_error" })).toBe("Overloaded")
  })

  it("goes by the words of a refusal that has no code", () => {
    const said = (message: string) => tag(400, { message, type: "BadRequestError", code: 400 })
    expect(said("This model's maximum context length is 4096 tokens.")).toBe("ContextLengthExceeded")
    expect(said("prompt is too long: 200001 tokens")).toBe("ContextLengthExceeded")
    expect(said("max_tokens is too large")).toBe("UpstreamRefused")
    expect(
      reason(400, { code: "Client specified an invalid argument", error: "Incorrect API key provided: ab***" })._tag
    )
      .toBe("CredentialRejected")
  })

  it("goes by the status where the body says nothing", () => {
    const byStatus = {
      302: "UpstreamFailed",
      400: "UpstreamRefused",
      401: "CredentialRejected",
      402: "QuotaExhausted",
      403: "CredentialRejected",
      404: "UpstreamModelMissing",
      408: "UpstreamTimedOut",
      413: "ContextLengthExceeded",
      422: "UpstreamRefused",
      429: "RateLimited",
      500: "UpstreamFailed",
      502: "UpstreamFailed",
      503: "Overloaded",
      504: "UpstreamTimedOut",
      520: "UpstreamFailed",
      529: "Overloaded"
    }
    for (const [status, expected] of Object.entries(byStatus)) {
      expect([status, reason(Number(status), "<html>")._tag]).toEqual([status, expected])
    }
  })

  it("reads a numeric code as the status of an error inside an answer", () => {
    expect(tag(undefined, { code: 429, message: "x" })).toBe("RateLimited")
    expect(tag(undefined, { code: 502, message: "x" })).toBe("UpstreamFailed")
    expect(tag(undefined, { type: "invalid_request_error", code: "tool_use_failed" })).toBe("UpstreamRefused")
    expect(tag(undefined, "something broke")).toBe("UpstreamFailed")
  })

  it("keeps a refusal's words, param and code, without keys and bounded", () => {
    const refused = reason(400, {
      error: { message: `bad key sk-proj-abc123456789 ${"x ".repeat(600)}`, param: "messages[0]", code: "bad_thing" }
    })
    expect(refused).toMatchObject({ _tag: "UpstreamRefused", param: "messages[0]", code: "bad_thing" })
    expect(refused.message).toMatch(/^bad key \*\*\* x/)
    expect(refused.message.length).toBeLessThanOrEqual(500)
  })

  it("does not repeat what an upstream says about our account", () => {
    for (const status of [401, 403, 429, 500]) {
      expect(reason(status, { error: { message: "org-abcdef is broke" } }).message).not.toContain("broke")
    }
  })

  it("stands any body", () => {
    const cyclic: Record<string, unknown> = {}
    cyclic["error"] = cyclic
    const bodies = [null, undefined, "", "<html>", 1, [], [[]], [{ error: { code: 1 } }], {}, { error: null }, cyclic]
    for (const body of [...bodies, { error: { message: {}, code: [], type: 3 } }, { detail: [{ msg: "x" }] }]) {
      expect(reason(400, body)._tag).toBe("UpstreamRefused")
    }
    expect(reason(422, { detail: [{ loc: ["x"], msg: "field required" }] }).message).toBe("field required")
  })
})

describe("retryAfterMs", () => {
  const nowMs = Date.parse("2026-11-23T00:00:00Z")
  const hint = (headers: Record<string, string>) => retryAfterMs({ headers }, nowMs)

  it("reads milliseconds, seconds and dates, in this order", () => {
    expect(hint({ "retry-after-ms": "50", "retry-after": "3600" })).toBe(50)
    expect(hint({ "retry-after": "1.5" })).toBe(1500)
    expect(hint({ "retry-after": "Mon, 23 Nov 2026 00:00:07 GMT" })).toBe(7000)
  })
  it("reads the reset of a window that is used up", () => {
    const reset = { "x-ratelimit-reset-requests": "12ms", "x-ratelimit-reset-tokens": "6m0s" }
    expect(hint({ ...reset, "x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "9" })).toBe(12)
    expect(hint({ ...reset, "x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "0" })).toBe(360_000)
    expect(hint(reset)).toBeUndefined()
  })
  it("reads Anthropic's windows, whose resets are dates", () => {
    const headers = {
      "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-11-23T00:00:09Z",
      "anthropic-ratelimit-tokens-remaining": "7",
      "anthropic-ratelimit-tokens-reset": "2026-11-23T01:00:00Z"
    }
    expect(hint(headers)).toBe(9000)
    expect(hint({ ...headers, "retry-after": "2" })).toBe(2000)
    expect(hint({ ...headers, "anthropic-ratelimit-requests-reset": "2020-01-01T00:00:00Z" })).toBeUndefined()
  })
  it("reads Azure's other name, Google's RetryInfo and the words", () => {
    const info = { error: { details: [{ "@type": "QuotaFailure" }, { "@type": "RetryInfo", retryDelay: "46.5s" }] } }
    expect(hint({ "x-ms-retry-after-ms": "70" })).toBe(70)
    expect(retryAfterMs({ body: info }, nowMs)).toBe(46_500)
    expect(retryAfterMs({ body: [info] }, nowMs)).toBe(46_500)
    expect(retryAfterMs({ body: info, headers: { "retry-after": "3" } }, nowMs)).toBe(3000)
    expect(retryAfterMs({ message: "Limit reached. Please try again in 1h2m3.5s. Visit us." }, nowMs)).toBe(3_723_500)
    for (const body of [null, [], { error: { details: {} } }, { error: { details: [null, { retryDelay: 5 }] } }]) {
      expect(retryAfterMs({ body }, nowMs)).toBeUndefined()
    }
    expect(reason(429, { error: { message: "try again in 250ms" } }).retryAfterMs).toBe(250)
  })
  it("takes nonsense and the past for nobody's word, and a week for a day", () => {
    for (const text of ["", "-5", "NaN", "soon", "Mon, 23 Nov 2020 00:00:00 GMT", "1e9", "0"]) {
      expect(hint({ "retry-after": text })).toBeUndefined()
    }
    expect(hint({ "retry-after-ms": "-1", "retry-after": "2" })).toBe(2000)
    expect(hint({ "retry-after": "604800" })).toBe(86_400_000)
  })
})
