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

  it("goes by Google's reason before its status, past details that give none", () => {
    const refused = (details: unknown) => tag(400, { status: "INVALID_ARGUMENT", details })
    expect(refused([{}, { reason: "" }, { reason: "API_KEY_INVALID" }])).toBe("CredentialRejected")
    expect(refused([{ reason: "SOMETHING_ELSE" }, { reason: "API_KEY_INVALID" }])).toBe("UpstreamRefused")
    expect(refused([{ other: "API_KEY_INVALID" }])).toBe("UpstreamRefused")
    expect(refused(undefined)).toBe("UpstreamRefused")
    // None at all leaves the word to the code.
    expect(tag(400, { code: "content_filter", details: [{}] })).toBe("ContentFiltered")
  })

  it("goes by the inner error's code where the error has none", () => {
    expect(tag(400, { innererror: { code: "content_filter" } })).toBe("ContentFiltered")
    expect(tag(400, { innererror: { other: "content_filter" } })).toBe("UpstreamRefused")
  })

  it("keeps the upstream's request to slow down apart from other limits of rate", () => {
    expect(reason(503, { error: { code: "slow_down" } }).errorCode).toBe("slow_down")
    expect(reason(429, { error: { type: "slow_down", code: null } }).errorCode).toBe("slow_down")
    expect(reason(429, { error: { code: "rate_limit_exceeded" } }).errorCode).toBe("rate_limit_exceeded")
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
      407: "UpstreamFailed",
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

describe("every word that a body may use", () => {
  const words: Readonly<Record<string, ReadonlyArray<string>>> = {
    QuotaExhausted: [
      "insufficient_quota",
      "credit_balance_exhausted",
      "organization_spend_limit_exceeded",
      "project_spend_limit_exceeded",
      "organization_usage_limit_exceeded",
      "billing_hard_limit_reached",
      "billing_not_active",
      "enforced_spend_limit_reached",
      "billing_error",
      "payment_required"
    ],
    RateLimited: ["rate_limit_exceeded", "rate_limit_error", "slow_down", "too_many_requests", "rate_limited"],
    ContextLengthExceeded: [
      "context_length_exceeded",
      "exceed_context_size_error",
      "request_too_large",
      "too_many_prompt_tokens"
    ],
    ContentFiltered: ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"],
    CredentialRejected: [
      "invalid_api_key",
      "authentication_error",
      "invalid_authentication",
      "permission_error",
      "permission_denied",
      "unauthorized",
      "account_deactivated"
    ],
    UpstreamModelMissing: ["model_not_found", "DeploymentNotFound", "model_decommissioned", "model_not_available"],
    UpstreamTimedOut: ["timeout_error", "request_timeout"],
    Overloaded: ["overloaded_error", "server_overloaded", "engine_overloaded", "capacity_exceeded"]
  }

  it.each(Object.entries(words).flatMap(([expected, names]) => names.map((name) => [name, expected] as const)))(
    "%s is %s as a code and as a type, whatever the status",
    (name, expected) => {
      for (const status of [undefined, 405, 500]) {
        expect(tag(status, { code: name })).toBe(expected)
        expect(tag(status, { type: name })).toBe(expected)
      }
    }
  )

  it.each(["invalid_request_error", "invalid_request", "bad_request", "BadRequestError"])(
    "%s is a refusal unless a status says something else",
    (name) => {
      for (const error of [{ code: name }, { type: name }]) {
        expect(tag(undefined, error)).toBe("UpstreamRefused")
        expect(tag(500, error)).toBe("UpstreamFailed")
      }
    }
  )

  it.each(["server_error", "api_error", "internal_error", "internal_server_error", "InternalServerError"])(
    "%s is a failure, and as a code beats the type of a refusal",
    (code) => {
      expect(tag(undefined, { code, type: "invalid_request_error" })).toBe("UpstreamFailed")
    }
  )
})

describe("where a body says it", () => {
  const spend = { error_code: "enforced_spend_limit_reached" }

  it.each<readonly [string, number | undefined, unknown, string]>([
    ["the details before the code", 429, { error: { code: "rate_limit_error", details: spend } }, "QuotaExhausted"],
    ["response.failed", undefined, { response: { error: { code: "rate_limit_exceeded" } } }, "RateLimited"],
    ["the flat form's type", undefined, { object: "error", type: "insufficient_quota" }, "QuotaExhausted"],
    ["the flat form's code", undefined, { object: "error", code: "model_not_found" }, "UpstreamModelMissing"],
    ["the flat form's status", undefined, { statusCode: 429, message: "slow" }, "RateLimited"],
    ["Google's status for a type", 500, { error: { status: "UNAUTHENTICATED" } }, "CredentialRejected"],
    ["a list of one", 400, [{ error: { code: "content_filter" } }], "ContentFiltered"],
    ["an error that is text", undefined, { error: "prompt is too long" }, "ContextLengthExceeded"]
  ])("%s", (_, status, body, expected) => {
    expect(reason(status, body)._tag).toBe(expected)
  })

  it("reads the words and the param of the flat form", () => {
    expect(reason(400, { object: "error", message: "no such thing", param: "tools" }))
      .toMatchObject({ message: "no such thing", param: "tools" })
  })

  it("prefers the inner words", () => {
    const body = { message: "outer", param: "outer", type: "timeout_error", code: "timeout_error", error: {} }
    expect(reason(400, { ...body, error: { message: "inner", param: "inner", type: "slow_down", code: "bad" } }))
      .toMatchObject({ _tag: "RateLimited" })
    expect(reason(400, { ...body, type: "", code: "", error: { message: "inner", param: "inner", code: "bad" } }))
      .toMatchObject({ _tag: "UpstreamRefused", message: "inner", param: "inner", code: "bad" })
  })
})

describe("words without a code", () => {
  it.each<readonly [string, string]>([
    ["maximum context length is 9", "ContextLengthExceeded"],
    ["the context window is full", "ContextLengthExceeded"],
    ["the context size is 9", "ContextLengthExceeded"],
    ["input is too long", "ContextLengthExceeded"],
    ["The input token count (9) exceeds the maximum", "ContextLengthExceeded"],
    ["It said: the input token count", "UpstreamRefused"],
    ["Invalid API key", "CredentialRejected"],
    ["invalid api-key", "CredentialRejected"],
    ["incorrect apikey", "CredentialRejected"],
    ["API key not valid", "CredentialRejected"],
    ["API key is invalid", "CredentialRejected"],
    ["It said: invalid api key", "UpstreamRefused"],
    ["The API key is invalid", "UpstreamRefused"],
    ["Your credit balance is too low", "QuotaExhausted"],
    ["You have reached your monthly usage limit", "QuotaExhausted"],
    ["Your team is at its spend limit", "QuotaExhausted"],
    ["Your team is at its spending limit", "QuotaExhausted"],
    ["You have insufficient funds", "QuotaExhausted"],
    ["You have insufficient credits", "QuotaExhausted"],
    ["Not allowed: your credit balance", "UpstreamRefused"],
    ["You have said 'my credit balance'", "UpstreamRefused"],
    [`${"x".repeat(2000)} prompt is too long`, "UpstreamRefused"],
    ["our content management policy", "ContentFiltered"],
    ["flagged by the filter", "ContentFiltered"],
    ["flagged for violence", "ContentFiltered"],
    ["flagged as unsafe", "ContentFiltered"],
    ["the content filter", "ContentFiltered"],
    ["content_filter said no", "ContentFiltered"]
  ])("%s is %s where the status is a refusal's or absent", (message, expected) => {
    expect(tag(400, { message })).toBe(expected)
    expect(tag(499, { message })).toBe(expected)
    expect(tag(undefined, { message, type: "invalid_request" })).toBe(expected)
  })

  it("mean nothing where the status says something else", () => {
    const message = "maximum context length"
    expect([302, 399, 429, 500, 503].map((status) => tag(status, { message })))
      .toEqual(["UpstreamFailed", "UpstreamFailed", "RateLimited", "UpstreamFailed", "Overloaded"])
  })
})

describe("a file of the caller's that Google does not give out", () => {
  it.each<readonly [string, string]>([
    ["You do not have permission to access the File abc or it may not exist.", "UpstreamRefused"],
    ["CachedContent not found (or permission denied)", "UpstreamRefused"],
    ["It said: you do not have permission to access the file abc", "CredentialRejected"],
    ["It said: CachedContent not found", "CredentialRejected"]
  ])("%s is %s", (message, expected) => {
    expect(tag(403, { code: 403, status: "PERMISSION_DENIED", message })).toBe(expected)
  })
})

describe("Bedrock's own form", () => {
  it("has its name beside the message or in a header", () => {
    const of = (body: unknown, headers = {}) => toReason("bedrock", { status: 400, body, headers, nowMs: 0 })._tag
    expect(of({ __type: "ThrottlingException", message: "Too many requests" })).toBe("RateLimited")
    expect(of({ message: "Too many requests" }, { "x-amzn-errortype": "ThrottlingException" })).toBe("RateLimited")
    expect(of({ message: "Too many requests" })).toBe("UpstreamRefused")
  })
})

describe("a limit of rate", () => {
  const exceeded = (...details: ReadonlyArray<unknown>) =>
    tag(429, { code: 429, status: "RESOURCE_EXHAUSTED", message: "Quota exceeded", details })

  it("of a day is a quota, in any of the violations", () => {
    const minute = { quotaId: "GenerateRequestsPerMinutePerProject" }
    expect(exceeded({ violations: [minute] })).toBe("RateLimited")
    expect(exceeded({ violations: [minute, { quotaId: "GenerateRequestsPerDayPerProject" }] })).toBe("QuotaExhausted")
    expect(exceeded("x", { retryDelay: "1s" }, { violations: [{ quotaId: "tokens per day" }] })).toBe("QuotaExhausted")
  })

  it("stands any details", () => {
    expect(exceeded(null, 1, [], { violations: "per day" }, { violations: [null, "per day", { quotaId: {} }] }))
      .toBe("RateLimited")
    expect(tag(429, { details: "per day" })).toBe("RateLimited")
  })

  it("of nothing at all is a quota", () => {
    expect(tag(429, { message: "Quota exceeded for metric: requests, limit: 0, model: m" })).toBe("QuotaExhausted")
    expect(tag(429, { message: "Quota exceeded for metric: requests, limit: 10, model: m" })).toBe("RateLimited")
  })

  it("that one request exceeds by itself is a request too large", () => {
    const message = "Request too large for m on tokens per min: Limit 30000, Requested 40000"
    expect(reason(429, { error: { code: "rate_limit_exceeded", message } }))
      .toMatchObject({ _tag: "ContextLengthExceeded", message, upstreamStatus: 429 })
    expect(tag(429, { message: "Not the request too large" })).toBe("RateLimited")
  })
})

describe("statuses at the edges", () => {
  it.each<readonly [number, string]>([
    [199, "UpstreamFailed"],
    [200, "MalformedAnswer"],
    [299, "MalformedAnswer"],
    [300, "UpstreamFailed"],
    [399, "UpstreamFailed"],
    [405, "UpstreamRefused"],
    [409, "UpstreamFailed"],
    [421, "UpstreamFailed"],
    [424, "UpstreamFailed"],
    [425, "UpstreamFailed"],
    [498, "Overloaded"],
    [499, "UpstreamRefused"],
    [501, "UpstreamRefused"],
    [530, "UpstreamFailed"]
  ])("%i is %s", (status, expected) => {
    expect(reason(status, "")._tag).toBe(expected)
  })

  it("a code is a status only if it is three digits from 400 to 599", () => {
    const type = "invalid_request_error"
    expect(["429", "x500", "500x", "200"].map((code) => tag(undefined, { code, type })))
      .toEqual(["RateLimited", "UpstreamRefused", "UpstreamRefused", "UpstreamRefused"])
  })
})

describe("what the reason carries", () => {
  it.each<readonly [number, string]>([
    [402, "The gateway's quota with the upstream is used up (402)."],
    [429, "The upstream limits the rate of requests (429)."],
    [413, "The request is too large for the model (413)."],
    [401, "The upstream rejected the gateway's credential (401)."],
    [404, "The upstream does not know the model (404)."],
    [504, "The upstream ran out of time (504)."],
    [503, "The upstream is overloaded (503)."],
    [400, "The upstream refused the request (400)."],
    [200, "The upstream's answer is no completion (200)."],
    [500, "The upstream failed (500)."]
  ])("words of ours for %i", (status, message) => {
    expect(reason(status, "<html>")).toMatchObject({ message, upstreamStatus: status })
    expect(reason(status, "<html>").param).toBeUndefined()
  })

  it("no status in the words where there was none", () => {
    expect(reason(undefined, { error: { code: "content_filter" } }).message)
      .toBe("The upstream's content filter refused the request.")
    expect(reason(undefined, {}).message).toBe("The upstream failed.")
  })

  it("the pause that the headers ask for, and none without headers", () => {
    expect(reason(429, {}, { "retry-after": "2" }).retryAfterMs).toBe(2000)
    expect(toReason("openai", { status: 429, body: {}, nowMs: 0 }).retryAfterMs).toBeUndefined()
  })

  it("a refusal's own code only where it is a word", () => {
    const codeOf = (code: unknown) => reason(400, { error: { code } }).code
    expect([codeOf(""), codeOf(null), codeOf(400), codeOf("12345")])
      .toEqual([undefined, undefined, undefined, undefined])
    expect([codeOf("e12"), codeOf("12e")]).toEqual(["e12", "12e"])
    expect(reason(400, "<html>").code).toBeUndefined()
  })

  it("words in one line, at most 500 characters of the first 2,000", () => {
    const said = (message: string) => reason(400, { error: { message } }).message
    expect(said("  two \n\t words  ")).toBe("two words")
    expect(said("a ".repeat(250))).toBe("a ".repeat(250).trim())
    expect(said("a.".repeat(250))).toBe("a.".repeat(250))
    expect(said(`${"a.".repeat(250)}b`)).toBe(`${"a.".repeat(249)}a…`)
    expect(said(`start${" ".repeat(2000)}end`)).toBe("start")
    expect(said(`start${" ".repeat(2000)}two words`)).toBe("start")
    expect(said(`start${" ".repeat(1991)}word`)).toBe("start word")
    // The beginning of a word may be the beginning of a secret.
    expect(said(`start${" ".repeat(1991)}words`)).toBe("start")
  })

  it("a param of at most 200 characters", () => {
    expect(reason(400, { error: { param: "p".repeat(300) } }).param).toBe("p".repeat(200))
    expect(reason(400, { error: {} }).param).toBeUndefined()
  })

  it.each([
    ["sk-abcd", "***"],
    ["pk_abcd", "***"],
    ["AIza-abcd", "***"],
    ["sk-abc", "sk-abc"],
    ["task-abcd", "task-abcd"],
    ["Bearer  a.b.c", "***"],
    ["bearer: of", "bearer: of"],
    ["0123456789abcdef0123456789abcdef==", "***"],
    ["0123456789abcdef0123456789abcdef", "***"],
    ["0123456789abcdef0123456789ab+/-_", "***"],
    ["0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde"],
    [`a${" ".repeat(3)}${". ".repeat(40)}b`, `a ${". ".repeat(40)}b`]
  ])("%s comes out as %s", (text, expected) => {
    expect(reason(400, { error: { message: text } }).message).toBe(expected)
  })
})

describe("retryAfterMs", () => {
  const nowMs = Date.parse("2026-11-23T00:00:00Z")
  const hint = (headers: Record<string, string>) => retryAfterMs({ headers }, nowMs)

  it("reads milliseconds, seconds and dates, in this order", () => {
    expect(hint({ "retry-after-ms": "50", "retry-after": "3600" })).toBe(50)
    expect(hint({ "retry-after": "1.5" })).toBe(1500)
    expect(hint({ "retry-after": "Mon, 23 Nov 2026 00:00:07 GMT" })).toBe(7000)
    expect(hint({ "retry-after": "Monday, 23-Nov-26 00:00:07 GMT" })).toBe(7000)
    expect(hint({ "retry-after": "2026-11-23T00:00:07Z" })).toBe(7000)
  })
  it("reads a date without a zone as GMT, wherever it runs", () => {
    const zone = process.env["TZ"]
    process.env["TZ"] = "America/New_York"
    expect(hint({ "retry-after": "Mon Nov 23 00:00:07 2026" })).toBe(7000)
    if (zone === undefined) delete process.env["TZ"]
    else process.env["TZ"] = zone
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
    for (const text of ["", "-5", "NaN", "soon", "retry 2050", "Mon, 23 Nov 2020 00:00:00 GMT", "1e9", "0"]) {
      expect(hint({ "retry-after": text })).toBeUndefined()
    }
    expect(hint({ "retry-after-ms": "-1", "retry-after": "2" })).toBe(2000)
    expect(hint({ "retry-after": "604800" })).toBe(86_400_000)
  })
})
