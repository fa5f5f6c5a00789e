import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as E from "../../src/domain/GatewayError.ts"
import { aiErrorOf } from "../../src/gateway/LanguageModelError.ts"

const fields = { message: "no" }
const errorOf = (reason: E.Reason) => aiErrorOf("BreakwaterLanguageModel", "generateText", E.gatewayError(reason), 1000)

describe("failures as Effect AI says them", () => {
  it.each<readonly [E.Reason, string, isRetryable: boolean]>([
    [new E.InvalidRequest(fields), "InvalidRequestError", false],
    [new E.ModelNotFound(fields), "InvalidRequestError", false],
    [new E.UpstreamRefused(fields), "InvalidRequestError", false],
    [new E.ContextLengthExceeded(fields), "InvalidRequestError", false],
    [new E.Unauthorized(fields), "AuthenticationError", false],
    [new E.Forbidden(fields), "AuthenticationError", false],
    [new E.CredentialRejected(fields), "AuthenticationError", false],
    [new E.ContentFiltered(fields), "ContentPolicyError", false],
    [new E.RateLimited(fields), "RateLimitError", true],
    [new E.CallerRateLimited(fields), "RateLimitError", true],
    [new E.QuotaExhausted(fields), "QuotaExhaustedError", false],
    [new E.BudgetExhausted(fields), "QuotaExhaustedError", false],
    [new E.MalformedAnswer(fields), "InvalidResponseError", false],
    [new E.UpstreamTimedOut(fields), "InternalProviderError", true],
    [new E.DeadlineExceeded(fields), "InternalProviderError", true],
    [new E.UpstreamUnreachable(fields), "InternalProviderError", true],
    [new E.CircuitOpen(fields), "InternalProviderError", true],
    [new E.StreamInterrupted(fields), "InternalProviderError", true],
    [new E.InternalFailure(fields), "UnknownError", false]
  ])("$0._tag is $1", (reason, tag, isRetryable) => {
    const error = errorOf(reason)
    expect([error.reason._tag, error.isRetryable]).toEqual([tag, isRetryable])
    expect(error.reason).toMatchObject({ metadata: { breakwater: { reason: reason._tag, status: reason.status } } })
  })

  it("the pause that was asked for, the parameter and the upstream's status are kept", () => {
    const { reason, retryAfter } = errorOf(
      new E.RateLimited({ ...fields, retryAfterMs: 2500, upstreamStatus: 429 })
    )
    expect(retryAfter).toEqual(Duration.millis(2500))
    expect(reason).toMatchObject({
      http: { response: { status: 429 } },
      metadata: { breakwater: { retryAfterMs: 2500, code: "rate_limit_exceeded" } }
    })
    expect(errorOf(new E.InvalidRequest({ ...fields, param: "messages[0]" })).reason).toMatchObject({
      parameter: "messages[0]",
      description: "no"
    })
  })

  it("a quota tells when it is there again", () => {
    expect(errorOf(new E.BudgetExhausted({ ...fields, retryAfterMs: 500 })).reason).toMatchObject({
      resetAt: DateTime.makeUnsafe(1500)
    })
  })
})
