import { describe, expect, it } from "@effect/vitest"
import * as Errors from "../../src/domain/GatewayError.ts"
import { classify, isOfCredential } from "../../src/resilience/Classification.ts"

const what = (reason: Errors.Reason) => {
  const { breaker, failover, retrySame } = classify(reason)
  return `${retrySame}, ${failover ? "failover" : "stays"}, ${breaker}`
}

describe("Classification", () => {
  it.each([
    ["a wrong request", new Errors.InvalidRequest({ message: "" })],
    ["a request the upstream refused", new Errors.UpstreamRefused({ message: "" })],
    ["too much context", new Errors.ContextLengthExceeded({ message: "" })],
    ["filtered content", new Errors.ContentFiltered({ message: "" })],
    ["a passed deadline", new Errors.DeadlineExceeded({ message: "" })]
  ])("%s ends the request and says nothing about the target", (_, reason) => {
    expect(what(reason)).toBe("no, stays, Ignored")
  })

  it.each([
    ["rejected credentials", new Errors.CredentialRejected({ message: "" })],
    ["a missing model", new Errors.UpstreamModelMissing({ message: "" })],
    ["a full queue of ours", new Errors.QueueFull({ message: "" })],
    ["an open circuit", new Errors.CircuitOpen({ message: "" })]
  ])("%s goes to another target at once and leaves the breaker alone", (_, reason) => {
    expect(what(reason)).toBe("no, failover, Ignored")
  })

  it.each([
    ["a server error", new Errors.UpstreamFailed({ message: "" })],
    ["overload", new Errors.Overloaded({ message: "" })],
    ["a reset connection", new Errors.ConnectionReset({ message: "" })],
    ["a malformed answer", new Errors.MalformedAnswer({ message: "" })],
    ["a stream cut before its first content", new Errors.StreamInterrupted({ message: "" })]
  ])("%s is tried again, then elsewhere, and counts against the target", (_, reason) => {
    expect(what(reason)).toBe("transient, failover, Failure")
  })

  it("what one target cannot be told may be told to another", () => {
    expect(what(Errors.unsupported("n", ""))).toBe("no, failover, Ignored")
  })

  it("a refused connection goes elsewhere at once and counts", () => {
    expect(what(new Errors.UpstreamUnreachable({ message: "" }))).toBe("no, failover, Failure")
  })

  it("a timeout goes elsewhere at once and counts, whether it is the upstream's word or a connection that is not opened", () => {
    expect(what(new Errors.UpstreamTimedOut({ message: "" }))).toBe("no, failover, Failure")
    expect(what(new Errors.UpstreamTimedOut({ message: "", upstreamStatus: 504 }))).toBe("no, failover, Failure")
    expect(what(new Errors.UpstreamFailed({ message: "", upstreamStatus: 504 }))).toBe("transient, failover, Failure")
  })

  it("a rate limit is waited out or avoided, and is no fault of the target", () => {
    expect(classify(new Errors.RateLimited({ message: "" })))
      .toEqual({ retrySame: "throttle", failover: true, breaker: "Throttled", cooldownMs: 0 })
  })

  it("an exhausted quota is never tried again on the same target", () => {
    expect(what(new Errors.QuotaExhausted({ message: "" }))).toBe("no, failover, Throttled")
  })

  it("a missing model rests for a minute", () => {
    expect(classify(new Errors.UpstreamModelMissing({ message: "" })).cooldownMs).toBe(60_000)
  })

  it.each([409, 421, 425])("a %i of an edge is tried again and says nothing about the target", (upstreamStatus) => {
    expect(what(new Errors.UpstreamFailed({ message: "", upstreamStatus }))).toBe("transient, failover, Ignored")
  })

  it("a tier without capacity is no broken target, and a request beyond one account's limit may fit another's", () => {
    expect(what(new Errors.Overloaded({ message: "", upstreamStatus: 498 }))).toBe("throttle, failover, Throttled")
    expect(what(new Errors.ContextLengthExceeded({ message: "", upstreamStatus: 429 }))).toBe("no, failover, Ignored")
  })

  it("what one of our own accounts or an overload asks for binds everyone, what one request met does not", () => {
    const all = [Errors.RateLimited, Errors.QuotaExhausted, Errors.Overloaded, Errors.UpstreamFailed]
    expect(all.map((Reason) => classify(new Reason({ message: "" })).cooldownMs)).toEqual([0, 0, 0, 0])
    const one = [Errors.ConnectionReset, Errors.CredentialRejected, Errors.UpstreamTimedOut, Errors.InvalidRequest]
    expect(one.map((Reason) => classify(new Reason({ message: "" })).cooldownMs)).toEqual(one.map(() => undefined))
  })

  it("a rejected, an exhausted and a limited credential leave another one alone, and nothing else is a credential's", () => {
    const own = [Errors.CredentialRejected, Errors.QuotaExhausted, Errors.RateLimited]
    expect(own.map((Reason) => isOfCredential(new Reason({ message: "" })))).toEqual([true, true, true])
    expect(isOfCredential(new Errors.UpstreamFailed({ message: "" }))).toBe(false)
  })
})
