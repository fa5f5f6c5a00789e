import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import type { Asked, Credential, Event } from "../../src/resilience/Credential.ts"
import { make, step } from "../../src/resilience/Credential.ts"

const rejected = (upstreamStatus = 401) => new E.CredentialRejected({ message: "", upstreamStatus })
const limited = (retryAfterMs?: number) => new E.RateLimited({ message: "", upstreamStatus: 429, retryAfterMs })
const exhausted = new E.QuotaExhausted({ message: "", upstreamStatus: 429 })

const fresh: Credential = { _tag: "Usable", generation: 0, refreshedAtMs: Number.NEGATIVE_INFINITY }
const run = (...events: ReadonlyArray<Event>) => events.reduce(step, fresh)

const rejection = (nowMs: number, generation = 0, canRefresh = false): Event => ({
  _tag: "Rejected",
  nowMs,
  generation,
  canRefresh
})

describe("a credential", () => {
  it("that is rejected is dead until a reset", () => {
    const dead = run(rejection(0))
    expect(dead).toMatchObject({ _tag: "Dead", why: "rejected" })
    expect(step(dead, { _tag: "Tick", nowMs: 1e12 })).toBe(dead)
    expect(step(dead, { _tag: "Reset", nowMs: 1 })).toMatchObject({ _tag: "Usable", generation: 1 })
  })

  it("whose quota is used up is dead for its pause only", () => {
    const dead = run({ _tag: "Exhausted", nowMs: 0, generation: 0, pauseMs: 1000 })
    expect(step(dead, { _tag: "Tick", nowMs: 999 })).toBe(dead)
    expect(step(dead, { _tag: "Tick", nowMs: 1000 })._tag).toBe("Usable")
  })

  it("is refreshed once where it can be, and dead if that does not help", () => {
    const refreshing = run(rejection(0, 0, true))
    expect(refreshing._tag).toBe("Refreshing")
    expect(step(refreshing, rejection(0, 0, true))).toBe(refreshing)
    const again = step(refreshing, { _tag: "Refreshed", nowMs: 5, generation: 0, isFresh: true })
    expect(again).toMatchObject({ _tag: "Usable", generation: 1 })
    expect(step(again, rejection(10, 1, true))._tag).toBe("Dead")
    expect(step(again, rejection(70_000, 1, true))._tag).toBe("Refreshing")
    expect(step(refreshing, { _tag: "Refreshed", nowMs: 5, generation: 0, isFresh: false })._tag).toBe("Dead")
  })

  it("hears nothing of calls from before its refresh or reset", () => {
    const reset = run(rejection(0), { _tag: "Reset", nowMs: 1 })
    expect(step(reset, rejection(2, 0))).toBe(reset)
    expect(step(reset, { _tag: "Exhausted", nowMs: 2, generation: 0, pauseMs: 9 })).toBe(reset)
    expect(step(reset, { _tag: "Refreshed", nowMs: 2, generation: 0, isFresh: false })).toBe(reset)
  })
})

describe("the pool of credentials", () => {
  const pool = (count: number, refresh?: (index: number) => Effect.Effect<void, E.GatewayError>) =>
    Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
      const credentials = make({ count, refresh })
      return {
        clock,
        credentials,
        use: (model = "m") => credentials.pick(model, clock).index,
        fail: (reason: E.Reason, model = "m") => credentials.note(credentials.pick(model, clock), model, reason, clock)
      }
    })

  it.effect("keeps to one until it is refused, and all dead is all dead", () =>
    Effect.gen(function*() {
      const { credentials, fail, use } = yield* pool(2)
      expect([use(), use()]).toEqual([0, 0])
      expect(fail(rejected())).toEqual({ death: "rejected" })
      expect([use(), use("other"), credentials.death("m", 0)]).toEqual([1, 1, undefined])
      expect(fail(exhausted)).toEqual({ death: "quota" })
      expect(credentials.death("m", 0)).toBe("quota")
      expect([credentials.isFree("m", 0), credentials.waitMs("m", 0)]).toEqual([false, 3_600_000])
      expect(credentials.states(0)).toEqual(["dead: rejected", "dead: quota"])
      expect([credentials.reset(0), credentials.reset(0)]).toEqual([true, false])
      expect([credentials.death("m", 0), use()]).toEqual([undefined, 1])
    }))

  it.effect("passes over one that is slowed down, for that model, until its pause is over", () =>
    Effect.gen(function*() {
      const { credentials, fail, use } = yield* pool(2)
      fail(limited(5000))
      expect([use("m"), credentials.isFree("m", 0)]).toEqual([1, true])
      fail(limited(9000))
      expect([use("m"), credentials.isFree("m", 0), credentials.waitMs("m", 0)]).toEqual([0, false, 5000])
      expect(credentials.isFree("other", 0)).toBe(true)
      expect(credentials.death("m", 0)).toBeUndefined()
      yield* TestClock.adjust(5000)
      expect([use("m"), credentials.isFree("m", 5000)]).toEqual([0, true])
    }))

  it.effect("a limit without a hint makes way for the others for a second", () =>
    Effect.gen(function*() {
      const { credentials, fail } = yield* pool(1)
      fail(limited())
      expect([credentials.waitMs("m", 0), credentials.waitMs("m", 1000)]).toEqual([1000, 0])
    }))

  it.effect("what is forbidden with one model is not with another", () =>
    Effect.gen(function*() {
      const { credentials, fail } = yield* pool(1)
      expect(fail(rejected(403))).toEqual({ death: "rejected" })
      expect([credentials.death("m", 0), credentials.death("other", 0)]).toEqual(["rejected", undefined])
      expect(credentials.states(0)).toEqual(["usable"])
      expect([credentials.states(0, "m"), credentials.states(0, "other")]).toEqual([["dead: rejected"], ["usable"]])
    }))

  it.effect("what is rejected for vectors is held against that model alone, but where it can be refreshed", () =>
    Effect.gen(function*() {
      const { clock, credentials } = yield* pool(1)
      const fail = (asked: Asked) => credentials.note(credentials.pick("m", clock), "m", rejected(), clock, asked)
      expect(fail("vectors")).toEqual({ death: "rejected" })
      expect([credentials.death("m", 0), credentials.death("other", 0)]).toEqual(["rejected", undefined])
      expect(credentials.states(0)).toEqual(["usable"])
      const { credentials: renewable } = yield* pool(1, () => Effect.void)
      expect(renewable.note(renewable.pick("m", clock), "m", rejected(), clock, "vectors").refresh).toBeDefined()
    }))

  it.effect("what was forbidden to the credential that it was before a reset is forgotten", () =>
    Effect.gen(function*() {
      const { clock, credentials } = yield* pool(1)
      const before = credentials.pick("m", clock)
      credentials.reset(0)
      expect(credentials.note(before, "m", rejected(403), clock)).toEqual({})
      expect(credentials.isFree("m", 0)).toBe(true)
    }))

  it.effect("other failures are none of its business", () =>
    Effect.gen(function*() {
      const { credentials, fail } = yield* pool(1)
      expect(fail(new E.UpstreamFailed({ message: "" }))).toEqual({})
      expect(credentials.isFree("m", 0)).toBe(true)
    }))

  it.effect("many rejected at once wait for one refresh", () =>
    Effect.gen(function*() {
      let refreshes = 0
      const { credentials, fail } = yield* pool(1, () => Effect.delay(Effect.sync(() => void refreshes++), 1000))
      const waits = [1, 2, 3].map(() => fail(rejected()).refresh ?? Effect.die("no refresh to wait for"))
      expect([credentials.isFree("m", 0), credentials.states(0)]).toEqual([false, ["refreshing"]])
      const all = yield* Effect.forkChild(Effect.all(waits, { concurrency: "unbounded", discard: true }))
      yield* TestClock.adjust(1000)
      yield* Effect.yieldNow
      expect(all.pollUnsafe()?._tag).toBe("Success")
      expect([refreshes, credentials.isFree("m", 1000)]).toEqual([1, true])
    }))

  it.effect("a refresh that fails leaves it dead", () =>
    Effect.gen(function*() {
      const gone = E.gatewayError(new E.UpstreamFailed({ message: "" }))
      const { credentials, fail } = yield* pool(1, () => Effect.fail(gone))
      yield* fail(rejected()).refresh ?? Effect.die("no refresh to wait for")
      expect(credentials.death("m", 0)).toBe("rejected")
    }))
})
