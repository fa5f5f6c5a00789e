import { describe, expect, it } from "@effect/vitest"
import { Effect, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { CircuitBreaker, Outcome, Permit, Rejection, Transition } from "../../src/resilience/CircuitBreaker.ts"
import { BreakerSettingsInput, defaultBreakerSettings, fromInput, make } from "../../src/resilience/CircuitBreaker.ts"

const success: Outcome = { _tag: "Success" }
const failure: Outcome = { _tag: "Failure" }
const slow: Outcome = { _tag: "Slow" }
const throttled: Outcome = { _tag: "Throttled" }
const ignored: Outcome = { _tag: "Ignored" }

/** A refusal as a failure, so that a test says which it wants. */
const orFail = (decision: Permit | Rejection) =>
  decision._tag === "Permit" ? Effect.succeed(decision) : Effect.fail(decision)
const admit = (breaker: CircuitBreaker, leaseMs?: number) => Effect.flatMap(breaker.admit(leaseMs), orFail)
const lastResort = (breaker: CircuitBreaker, leaseMs?: number) => Effect.flatMap(breaker.tryLastResort(leaseMs), orFail)

const call = (breaker: CircuitBreaker, outcome: Outcome) =>
  Effect.flatMap(admit(breaker), (permit) => breaker.record(permit, outcome))

const calls = (breaker: CircuitBreaker, outcome: Outcome, times: number) =>
  Effect.repeat(call(breaker, outcome), { times: times - 1 })

const state = (breaker: CircuitBreaker) => Effect.map(breaker.snapshot, (snapshot) => snapshot.state)

/** An open breaker at its first opening, and the milliseconds it will stay so. */
const opened = Effect.gen(function*() {
  const breaker = yield* make(defaultBreakerSettings)
  yield* calls(breaker, failure, 5)
  const { retryAfterMs } = yield* Effect.flip(admit(breaker))
  return { breaker, retryAfterMs }
})

describe("CircuitBreaker", () => {
  it.effect("opens at the twentieth call when half of them failed", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 10)
      yield* calls(breaker, failure, 9)
      expect(yield* state(breaker)).toBe("closed")
      yield* call(breaker, failure)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("stays closed below half", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 15)
      yield* calls(breaker, failure, 14)
      yield* calls(breaker, success, 15)
      yield* calls(breaker, failure, 15)
      expect(yield* state(breaker)).toBe("closed")
    }))

  it.effect("opens after twenty failures in a row, however well all was before", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 1000)
      yield* calls(breaker, failure, 19)
      expect(yield* state(breaker)).toBe("closed")
      yield* call(breaker, failure)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("never opens after fewer failures in a row than it was told, even where twenty calls are enough", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ ...defaultBreakerSettings, consecutiveFailures: 50 })
      yield* calls(breaker, success, 1000)
      yield* calls(breaker, failure, 49)
      expect(yield* state(breaker)).toBe("closed")
      yield* call(breaker, failure)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("fast failures do not open it while the slow answers of the same burst are out", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const permits = yield* Effect.forEach(Array.from({ length: 100 }), () => admit(breaker))
      yield* Effect.forEach(permits.slice(0, 30), (permit) => breaker.record(permit, failure))
      expect(yield* breaker.snapshot).toMatchObject({ state: "closed", failureRate: 0.3, callsInWindow: 30 })
      yield* Effect.forEach(permits.slice(30), (permit) => breaker.record(permit, success))
      expect(yield* breaker.snapshot).toMatchObject({ state: "closed", failureRate: 0.3, callsInWindow: 100 })
    }))

  it.effect("a burst of which half has failed opens it, whatever the rest may come to", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const permits = yield* Effect.forEach(Array.from({ length: 100 }), () => admit(breaker))
      yield* Effect.forEach(permits.slice(0, 49), (permit) => breaker.record(permit, failure))
      expect(yield* state(breaker)).toBe("closed")
      yield* Effect.forEach(permits.slice(49, 50), (permit) => breaker.record(permit, failure))
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("five failures in a row wait for five other calls that are out, however often a stream reports", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const permits = yield* Effect.forEach(Array.from({ length: 11 }), () => admit(breaker))
      yield* Effect.forEach(permits.slice(0, 5), (permit) => breaker.record(permit, failure))
      expect(yield* state(breaker)).toBe("closed")
      // A call that says nothing is out no more; the second report of one that is back frees nothing.
      yield* breaker.record(permits[0]!, ignored)
      yield* breaker.record(permits[5]!, throttled)
      expect(yield* state(breaker)).toBe("closed")
      yield* breaker.record(permits[0]!, failure)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("silent calls open it though as many more are out", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const permits: Array<Permit> = []
      for (let second = 0; second < 120 && (yield* state(breaker)) === "closed"; second++) {
        permits.push(yield* admit(breaker))
        if (second >= 60) yield* breaker.record(permits.shift()!, slow)
        yield* TestClock.adjust("1 second")
      }
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("tells whether it would admit, and takes nothing", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      const now = Effect.clockWith((clock) => clock.currentTimeMillis)
      expect(breaker.wouldAdmit(yield* now)).toBe(false)
      yield* TestClock.adjust(retryAfterMs)
      for (let looks = 0; looks < 3; looks++) expect(breaker.wouldAdmit(yield* now)).toBe(true)
      expect((yield* breaker.snapshot).state).toBe("open")
      const probe = yield* admit(breaker)
      expect(breaker.wouldAdmit(yield* now)).toBe(false)
      yield* breaker.record(probe, success)
      expect(breaker.wouldAdmit(yield* now)).toBe(true)
      yield* breaker.control({ _tag: "ForceOpen", ttlMs: 1000 })
      expect(breaker.wouldAdmit(yield* now)).toBe(false)
      yield* TestClock.adjust("1 second")
      expect(breaker.wouldAdmit(yield* now)).toBe(true)
    }))

  it.effect("a probe may take as long as its caller allows it, and then it counts as failed", () =>
    Effect.gen(function*() {
      for (const ask of [admit, lastResort]) {
        const { breaker } = yield* opened
        yield* TestClock.adjust("2 seconds")
        const probe = yield* ask(breaker, 60_000)
        expect((yield* Effect.flip(admit(breaker))).retryAfterMs).toBe(15_000)
        yield* TestClock.adjust("59 seconds")
        expect(yield* state(breaker)).toBe("half-open")
        yield* breaker.record(probe, success)
        expect(yield* state(breaker)).toBe("closed")
        const again = yield* opened
        yield* TestClock.adjust("2 seconds")
        yield* ask(again.breaker, 6000)
        yield* TestClock.adjust("6 seconds")
        expect(yield* state(again.breaker)).toBe("open")
      }
    }))

  it.effect("opens when four in five are slow", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 4)
      yield* calls(breaker, slow, 15)
      expect(yield* state(breaker)).toBe("closed")
      yield* call(breaker, slow)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("opens after five failures in a row where there is little traffic", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      for (let index = 0; index < 5; index++) {
        expect(yield* state(breaker)).toBe("closed")
        yield* call(breaker, failure)
        yield* TestClock.adjust("1 minute")
      }
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("five failures in a row do not open it while a success is in the window", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* call(breaker, success)
      yield* calls(breaker, failure, 6)
      expect(yield* state(breaker)).toBe("closed")
      yield* TestClock.adjust("30 seconds")
      yield* call(breaker, failure)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("a thousand ignored calls leave it closed and uncounted", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, ignored, 1000)
      expect(yield* breaker.snapshot).toMatchObject({ state: "closed", callsInWindow: 0 })
    }))

  it.effect("forgets what is older than two windows, however long nothing happened", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 12)
      yield* calls(breaker, failure, 8)
      expect(yield* breaker.snapshot).toMatchObject({ callsInWindow: 20, failureRate: 0.4 })
      yield* TestClock.adjust("45 seconds")
      expect(yield* breaker.snapshot).toMatchObject({ callsInWindow: 10, failureRate: 0.4 })
      yield* TestClock.adjust("1 hour")
      expect(yield* breaker.snapshot).toMatchObject({ callsInWindow: 0, failureRate: 0 })
    }))

  it.effect("the first opening lasts between one and two seconds, by the seed", () =>
    Effect.gen(function*() {
      const first = yield* opened.pipe(Random.withSeed("one"))
      const second = yield* opened.pipe(Random.withSeed("two"))
      expect(first.retryAfterMs).not.toBe(second.retryAfterMs)
      for (const { retryAfterMs } of [first, second]) {
        expect(retryAfterMs).toBeGreaterThanOrEqual(1000)
        expect(retryAfterMs).toBeLessThanOrEqual(2000)
      }
    }))

  it.effect("the dice are thrown for openings alone, so that calls and commands before one do not change it", () =>
    Effect.gen(function*() {
      const openMs = (before: (breaker: CircuitBreaker) => Effect.Effect<unknown, unknown>) =>
        Effect.gen(function*() {
          const breaker = yield* make(defaultBreakerSettings)
          yield* before(breaker)
          yield* calls(breaker, failure, 5)
          return (yield* Effect.flip(admit(breaker))).retryAfterMs
        }).pipe(Random.withSeed("one"))
      const first = yield* openMs(() => Effect.void)
      expect(yield* openMs((breaker) => calls(breaker, ignored, 3))).toBe(first)
      expect(yield* openMs((breaker) => breaker.control({ _tag: "Reset" }))).toBe(first)
    }))

  it.effect("a failure after a success of one call is one call, which failed", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const permit = yield* admit(breaker)
      yield* breaker.record(permit, success)
      yield* breaker.record(permit, failure)
      expect(yield* breaker.snapshot).toMatchObject({ callsInWindow: 1, failureRate: 1 })
    }))

  it.effect("openings double up to the maximum", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      let wait = retryAfterMs
      const fulls = [4000, 8000, 15_000, 15_000]
      for (const full of fulls) {
        yield* TestClock.adjust(wait)
        yield* call(breaker, failure)
        wait = (yield* Effect.flip(admit(breaker))).retryAfterMs
        expect(wait).toBeGreaterThanOrEqual(full / 2)
        expect(wait).toBeLessThanOrEqual(full)
      }
      expect((yield* breaker.snapshot).openings).toBe(5)
    }))

  it.effect("an opening is never shorter than the Retry-After, within the maximum", () =>
    Effect.gen(function*() {
      for (const [asked, got] of [[9000, 9000], [3_600_000, 15_000]] as const) {
        const breaker = yield* make(defaultBreakerSettings)
        yield* calls(breaker, failure, 4)
        yield* call(breaker, { _tag: "Failure", retryAfterMs: asked })
        expect((yield* Effect.flip(admit(breaker))).retryAfterMs).toBe(got)
      }
    }))

  it.effect("of many at once only one is the probe, and its success closes the circuit", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      yield* TestClock.adjust(retryAfterMs)
      const answers = yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () => Effect.exit(Effect.yieldNow.pipe(Effect.andThen(admit(breaker)))),
        { concurrency: "unbounded" }
      )
      const admitted = answers.filter((answer) => answer._tag === "Success")
      expect(admitted.length).toBe(1)
      yield* breaker.record(admitted[0]!.value, success)
      expect(yield* state(breaker)).toBe("closed")
    }))

  it.effect("after a trip in much traffic it probes with one, two and four at once and closes after three successes", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      yield* calls(breaker, success, 10)
      yield* calls(breaker, failure, 10)
      yield* TestClock.adjust((yield* Effect.flip(admit(breaker))).retryAfterMs)
      const atOnce: Array<number> = []
      const permits: Array<Permit> = []
      while ((yield* state(breaker)) !== "closed") {
        let admitted = yield* Effect.result(admit(breaker))
        while (admitted._tag === "Success") {
          permits.push(admitted.success)
          admitted = yield* Effect.result(admit(breaker))
        }
        atOnce.push(permits.length)
        yield* breaker.record(permits.shift()!, success)
      }
      expect(atOnce).toEqual([1, 2, 4])
    }))

  it.effect("one bad probe of the ramp opens it again, even one that was well until its first content", () =>
    Effect.gen(function*() {
      for (const late of [false, true]) {
        const breaker = yield* make(defaultBreakerSettings)
        yield* calls(breaker, success, 10)
        yield* calls(breaker, failure, 10)
        yield* TestClock.adjust((yield* Effect.flip(admit(breaker))).retryAfterMs)
        const first = yield* admit(breaker)
        yield* breaker.record(first, success)
        yield* breaker.record(late ? first : yield* admit(breaker), failure)
        expect(yield* breaker.snapshot).toMatchObject({ state: "open", openings: 2 })
      }
    }))

  it.effect("a throttled call changes no rate, and as a probe only frees its slot", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      yield* TestClock.adjust(retryAfterMs)
      yield* call(breaker, throttled)
      expect(yield* state(breaker)).toBe("half-open")
      yield* call(breaker, success)
      yield* calls(breaker, throttled, 50)
      expect(yield* breaker.snapshot).toMatchObject({ state: "closed", callsInWindow: 0 })
    }))

  it.effect("an ignored probe frees the slot at once", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      yield* TestClock.adjust(retryAfterMs)
      yield* call(breaker, ignored)
      expect(yield* state(breaker)).toBe("half-open")
      expect((yield* admit(breaker)).lease).toBe(2)
    }))

  it.effect("a probe that never comes back counts as failed when its lease ends, and its late answer as nothing", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      yield* TestClock.adjust(retryAfterMs)
      const hung = yield* admit(breaker)
      expect((yield* Effect.flip(admit(breaker))).retryAfterMs).toBe(15_000)
      yield* TestClock.adjust("15 seconds")
      expect(yield* breaker.snapshot).toMatchObject({ state: "open", openings: 2 })
      yield* breaker.record(hung, success)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("a success from before the trip does not close a half-open circuit", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const old = yield* admit(breaker)
      yield* calls(breaker, failure, 5)
      yield* TestClock.adjust("2 seconds")
      yield* admit(breaker)
      yield* breaker.record(old, success)
      expect(yield* state(breaker)).toBe("half-open")
    }))

  it.effect("a slow probe opens it again", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      yield* TestClock.adjust(retryAfterMs)
      yield* call(breaker, slow)
      expect(yield* state(breaker)).toBe("open")
    }))

  it.effect("the backoff starts over only after it stayed closed as long as it was open", () =>
    Effect.gen(function*() {
      for (const [rest, openings] of [["100 millis", 2], ["2 seconds", 1]] as const) {
        const { breaker, retryAfterMs } = yield* opened
        yield* TestClock.adjust(retryAfterMs)
        yield* call(breaker, success)
        yield* TestClock.adjust(rest)
        yield* calls(breaker, failure, 5)
        expect((yield* breaker.snapshot).openings).toBe(openings)
      }
    }))

  it.effect("a last resort probes an open circuit early, once per openFor", () =>
    Effect.gen(function*() {
      const { breaker, retryAfterMs } = yield* opened
      expect((yield* Effect.flip(lastResort(breaker))).retryAfterMs).toBe(retryAfterMs)
      for (const openings of [2, 3, 4, 5]) {
        yield* TestClock.adjust("2 seconds")
        yield* breaker.record(yield* lastResort(breaker), failure)
        expect(yield* breaker.snapshot).toMatchObject({ openings, lastResortAfterMs: 2000 })
      }
      expect((yield* breaker.snapshot).retryAfterMs).toBeGreaterThan(7000)
      expect((yield* Effect.flip(lastResort(breaker))).retryAfterMs).toBe(2000)
      yield* TestClock.adjust("2 seconds")
      yield* breaker.record(yield* lastResort(breaker), success)
      expect(yield* state(breaker)).toBe("closed")
    }))

  it.effect("a forced-open circuit refuses until its time is up", () =>
    Effect.gen(function*() {
      const breaker = yield* make(defaultBreakerSettings)
      const change = yield* breaker.control({ _tag: "ForceOpen", reason: "maintenance", ttlMs: 60_000 })
      expect(change).toEqual({ from: "closed", to: "forced-open", cause: "control", reason: "maintenance" })
      expect(yield* breaker.snapshot).toMatchObject({
        state: "forced-open",
        reason: "maintenance",
        retryAfterMs: 15_000
      })
      yield* Effect.flip(lastResort(breaker))
      yield* TestClock.adjust("1 minute")
      yield* admit(breaker)
      expect(yield* state(breaker)).toBe("closed")
    }))

  it.effect("shows how long a force still lasts, and only a force that ends by itself", () =>
    Effect.gen(function*() {
      const lasts = (breaker: CircuitBreaker) => Effect.map(breaker.snapshot, ({ forcedForMs }) => forcedForMs)
      const breaker = yield* make(defaultBreakerSettings)
      expect(yield* lasts(breaker)).toBeUndefined()
      yield* breaker.control({ _tag: "ForceOpen", ttlMs: 60_000 })
      expect(yield* lasts(breaker)).toBe(60_000)
      yield* TestClock.adjust("20 seconds")
      expect(yield* lasts(breaker)).toBe(40_000)
      yield* breaker.control({ _tag: "ForceOpen" })
      expect(yield* lasts(breaker)).toBeUndefined()
      expect(yield* lasts((yield* opened).breaker)).toBeUndefined()
    }))

  it.effect("forced closed and metrics only count but never open", () =>
    Effect.gen(function*() {
      for (const [command, name] of [["ForceClosed", "forced-closed"], ["MetricsOnly", "metrics-only"]] as const) {
        const breaker = yield* make(defaultBreakerSettings)
        yield* breaker.control({ _tag: command })
        yield* calls(breaker, failure, 50)
        expect(yield* breaker.snapshot).toMatchObject({ state: name, failureRate: 1, callsInWindow: 50 })
      }
    }))

  it.effect("a command that finds it so is answered, but told to nobody", () =>
    Effect.gen(function*() {
      const told: Array<Transition> = []
      const breaker = yield* make(defaultBreakerSettings, (transition) => Effect.sync(() => void told.push(transition)))
      expect(yield* breaker.control({ _tag: "Reset" })).toMatchObject({ from: "closed", to: "closed" })
      yield* breaker.control({ _tag: "ForceOpen" })
      yield* breaker.control({ _tag: "ForceOpen", reason: "again" })
      expect(told.map(({ from, to }) => `${from} ${to}`)).toEqual(["closed forced-open"])
      expect((yield* breaker.snapshot).reason).toBe("again")
    }))

  it.effect("what time did before a command is told, and a command that then changes nothing is not", () =>
    Effect.gen(function*() {
      const told: Array<Transition> = []
      const breaker = yield* make(defaultBreakerSettings, (transition) => Effect.sync(() => void told.push(transition)))
      yield* breaker.control({ _tag: "ForceOpen", ttlMs: 1000 })
      yield* TestClock.adjust("1 second")
      yield* breaker.control({ _tag: "Reset" })
      expect(told.map(({ cause }) => cause)).toEqual(["control", "ttl-elapsed"])
    }))

  it.effect("a reset closes it and forgets the openings", () =>
    Effect.gen(function*() {
      const { breaker } = yield* opened
      yield* breaker.control({ _tag: "Reset" })
      yield* calls(breaker, failure, 5)
      expect((yield* breaker.snapshot).openings).toBe(1)
    }))

  it.effect("tells every transition to the listener, in order", () =>
    Effect.gen(function*() {
      const seen: Array<Transition> = []
      const breaker = yield* make(defaultBreakerSettings, (transition) => Effect.sync(() => void seen.push(transition)))
      yield* calls(breaker, failure, 5)
      yield* TestClock.adjust("2 seconds")
      yield* admit(breaker)
      yield* TestClock.adjust("1 minute")
      yield* call(breaker, success)
      expect(seen.map(({ cause, from, to }) => `${from} > ${to}: ${cause}`)).toEqual([
        "closed > open: consecutive-failures",
        "open > half-open: open-elapsed",
        "half-open > open: lease-expired",
        "open > half-open: open-elapsed",
        "half-open > closed: probe-succeeded"
      ])
    }))
})

describe("breaker settings", () => {
  const decode = Schema.decodeUnknownSync(BreakerSettingsInput)

  it("what is not written is the default", () => {
    expect(fromInput(decode({}))).toEqual(defaultBreakerSettings)
    expect(fromInput(decode({ window: "1m", openFor: "500ms" })))
      .toEqual({ ...defaultBreakerSettings, windowMs: 60_000, openForMs: 500 })
  })

  it.each([
    ["window", "0s"],
    ["minimumCalls", 0],
    ["failureRate", 0],
    ["failureRate", 1.5],
    ["consecutiveFailures", 0],
    ["openFor", "0ms"]
  ])("refuses %s: %s", (key, value) => {
    expect(() => decode({ [key]: value })).toThrow(/Expected/)
  })
})
