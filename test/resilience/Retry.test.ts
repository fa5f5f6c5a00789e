import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Reason } from "../../src/domain/GatewayError.ts"
import { gatewayError, RateLimited, UpstreamFailed, UpstreamTimedOut } from "../../src/domain/GatewayError.ts"
import { ceilingMs } from "../../src/resilience/Backoff.ts"
import type { Deadline } from "../../src/resilience/Deadline.ts"
import { after } from "../../src/resilience/Deadline.ts"
import { defaultRetrySettings, fromInput, RetrySettingsInput, schedule } from "../../src/resilience/Retry.ts"
import * as RetryBudget from "../../src/resilience/RetryBudget.ts"

const failed = new UpstreamFailed({ message: "failed" })
const limited = (retryAfterMs?: number) => new RateLimited({ message: "limited", retryAfterMs })

/** Tries until the schedule ends; the hour of each, in whole milliseconds, and what is left of the budget. */
const tries = (
  reason: Reason,
  options: { readonly retries?: number; readonly deadline?: Deadline; readonly budget?: number } = {}
) =>
  Effect.gen(function*() {
    const budget = yield* RetryBudget.make(options.budget ?? 100)
    const at: Array<number> = []
    const attempt = Effect.clockWith((clock) => {
      at.push(clock.currentTimeMillisUnsafe())
      return Effect.fail(gatewayError(reason))
    })
    const policy = schedule({
      settings: defaultRetrySettings,
      budget,
      retries: options.retries ?? 2,
      deadline: options.deadline
    })
    const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(attempt, policy)))
    yield* TestClock.adjust("1 hour")
    expect((yield* Fiber.join(fiber)).reason).toBe(reason)
    return { at, left: yield* budget.left }
  })

describe("Retry", () => {
  it.effect("a blip is tried again as often as allowed, soon, and paid for", () =>
    Effect.gen(function*() {
      const { at, left } = yield* tries(failed)
      expect(at.length).toBe(3)
      expect(at[1]! - at[0]!).toBeLessThanOrEqual(50)
      expect(at[2]! - at[1]!).toBeLessThanOrEqual(100)
      expect(left).toBe(98)
    }))

  it.effect("throttling without a pause waits up to a second first", () =>
    Effect.gen(function*() {
      const waits = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, seed) => seed),
        (seed) =>
          tries(limited(), { retries: 1 }).pipe(Effect.map(({ at }) => at[1]! - at[0]!), Random.withSeed(`${seed}`))
      )
      expect(Math.max(...waits)).toBeGreaterThan(800)
      expect(Math.max(...waits)).toBeLessThanOrEqual(1000)
      expect(Math.min(...waits)).toBeLessThan(200)
    }))

  it.effect("a pause that was asked for is kept, and those who were told the same come back apart", () =>
    Effect.gen(function*() {
      const waits = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, seed) => seed),
        (seed) =>
          tries(limited(2000), { retries: 1 }).pipe(Effect.map(({ at }) => at[1]! - at[0]!), Random.withSeed(`${seed}`))
      )
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(2000)
      expect(Math.max(...waits)).toBeLessThanOrEqual(3000)
      expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(500)
    }))

  it.effect("a pause beyond five seconds is not waited out, and costs nothing", () =>
    Effect.gen(function*() {
      expect((yield* tries(limited(5000), { retries: 1 })).at.length).toBe(2)
      const long = yield* tries(limited(5001), { retries: 1 })
      expect(long).toMatchObject({ at: { length: 1 }, left: 100 })
    }))

  it.effect("nor one beyond a third of what is left", () =>
    Effect.gen(function*() {
      const deadline = after(6000, yield* Effect.clockWith(Effect.succeed))
      expect((yield* tries(limited(2001), { retries: 1, deadline })).at.length).toBe(1)
      const later = after(6000, yield* Effect.clockWith(Effect.succeed))
      expect((yield* tries(limited(1999), { retries: 1, deadline: later })).at.length).toBe(2)
    }))

  it.effect("nothing is tried again once the deadline has passed", () =>
    Effect.gen(function*() {
      expect((yield* tries(failed, { deadline: after(0, yield* Effect.clockWith(Effect.succeed)) })).at.length).toBe(1)
    }))

  it.effect("a timeout is never tried again on the same target", () =>
    Effect.gen(function*() {
      expect(yield* tries(new UpstreamTimedOut({ message: "silent" }))).toMatchObject({ at: { length: 1 }, left: 100 })
    }))

  it.effect("an empty budget ends the retries", () =>
    Effect.gen(function*() {
      expect(yield* tries(failed, { budget: 1 })).toMatchObject({ at: { length: 2 }, left: 0 })
    }))

  it("what is not written is the default", () => {
    const decode = Schema.decodeUnknownSync(RetrySettingsInput)
    expect(fromInput(decode({ base: "10ms", attempts: 5 }))).toEqual({
      ...defaultRetrySettings,
      baseMs: 10,
      attempts: 5
    })
    expect(() => decode({ attempts: 0 })).toThrow(/Expected/)
  })
})

describe("Backoff", () => {
  it("the ceiling doubles up to the maximum", () => {
    expect([0, 1, 2, 3, 2000].map((n) => ceilingMs(50, 300, n))).toEqual([50, 100, 200, 300, 300])
  })
})

describe("RetryBudget", () => {
  it.effect("only successes refill it, up to what it holds", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make(3)
      budget.onSuccess()
      expect(yield* budget.left).toBe(3)
      expect(yield* budget.tryTake(2)).toBe(true)
      expect(yield* budget.tryTake(2)).toBe(false)
      expect(yield* budget.left).toBe(1)
      budget.onSuccess()
      expect(yield* budget.tryTake(2)).toBe(true)
    }))
})
