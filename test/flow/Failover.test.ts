import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import type { Decision } from "../../src/gateway/Decision.ts"
import { Health } from "../../src/gateway/Health.ts"
import * as Credential from "../../src/resilience/Credential.ts"
import { ask, flow, type Script, script } from "./Scripted.ts"

const failed = new E.UpstreamFailed({ message: "500", upstreamStatus: 500 })
const overloaded = new E.Overloaded({ message: "503", upstreamStatus: 503 })
const limited = (retryAfterMs?: number) => new E.RateLimited({ message: "429", upstreamStatus: 429, retryAfterMs })
const refused = new E.UpstreamRefused({ message: "400", upstreamStatus: 400 })
const filtered = new E.ContentFiltered({ message: "filtered", upstreamStatus: 400 })
const badKey = new E.CredentialRejected({ message: "401", upstreamStatus: 401 })
const unreachable = new E.UpstreamUnreachable({ message: "refused" })

const order = (decision: Decision) => decision.attempts.map((attempt) => attempt.target.split("/")[0]).join("")

/** Completes one request while time runs, and says how it ended and who was asked. */
const complete = (
  scripts: ReadonlyArray<Script>,
  settings: Parameters<typeof flow>[1] = {},
  patience = "20 minutes" as const
) => {
  const request = ask()
  return Effect.gen(function*() {
    const completion = yield* Completion
    const fiber = yield* Effect.forkChild(completion.complete(request))
    yield* TestClock.adjust(patience)
    const exit = yield* Fiber.await(fiber)
    const reason = Exit.isFailure(exit)
      ? exit.cause.reasons.find((one) => one._tag === "Fail")?.error.reason._tag
      : undefined
    return { reason, decision: request.decision, order: order(request.decision) }
  }).pipe(Effect.provide(flow(scripts, settings)))
}

describe("failover of whole answers", () => {
  it.effect("the first target answers and nobody else is asked", () =>
    Effect.gen(function*() {
      const b = script("b", "ok")
      const { decision, reason } = yield* complete([script("a", "ok"), b])
      expect(reason).toBeUndefined()
      expect([decision.provider, decision.model, decision.attempts.length]).toEqual(["a", "a-model", 1])
      expect(b.calls.length).toBe(0)
    }))

  it.effect("one failure is retried on the same target while another waits", () =>
    Effect.gen(function*() {
      expect((yield* complete([script("a", failed, "ok"), script("b", "ok")])).order).toBe("aa")
    }))

  it.effect("two failures fail over to the next target", () =>
    Effect.gen(function*() {
      const { decision, order, reason } = yield* complete([script("a", failed), script("b", "ok")])
      expect([order, reason, decision.provider]).toEqual(["aab", undefined, "b"])
    }))

  it.effect("the tries that are left go to a second round, six in all, and the caller hears of the overload", () =>
    Effect.gen(function*() {
      expect(
        yield* complete([script("a", overloaded), script("b", overloaded)], { breaker: { consecutiveFailures: 50 } })
      )
        .toMatchObject({ order: "aabbab", reason: "Overloaded" })
    }))

  it.effect("several keys do not lengthen the list of tries", () =>
    Effect.gen(function*() {
      for (const scripts of [["a"], ["a", "b"]]) {
        const targets = scripts.map((name) => ({
          ...script(name, limited()),
          credentials: { ...Credential.make({ count: 3 }), isFree: () => true }
        }))
        expect((yield* complete(targets)).decision.attempts.length).toBeLessThanOrEqual(6)
      }
    }))

  it.effect("many keys that are all refused leave another target its attempt", () =>
    Effect.gen(function*() {
      const spent = new E.QuotaExhausted({ message: "429", upstreamStatus: 429 })
      for (const failure of [spent, limited(), badKey]) {
        const keyed = {
          ...script("a", failure),
          credentials: { ...Credential.make({ count: 9 }), isFree: () => true }
        }
        const { order, reason } = yield* complete([keyed, script("b", "ok")])
        expect([order, reason]).toEqual(["aaaaab", undefined])
      }
    }))

  it.effect("retries leave each target that was not asked yet its attempt", () =>
    Effect.gen(function*() {
      const down = ["a", "b", "c"].map((name) => script(name, failed))
      expect(yield* complete([...down, script("d", "ok")])).toMatchObject({ order: "aabbcd", reason: undefined })
      const settings = { retry: { attempts: 2 } }
      expect(yield* complete([...down, script("d", "ok")], settings)).toMatchObject({
        order: "abcd",
        reason: undefined
      })
    }))

  it.effect("a lone target is tried three times", () =>
    Effect.gen(function*() {
      expect(yield* complete([script("a", failed)])).toMatchObject({ order: "aaa", reason: "UpstreamFailed" })
    }))

  it.effect("a request that the upstream refuses is neither retried nor sent elsewhere", () =>
    Effect.gen(function*() {
      expect(yield* complete([script("a", refused), script("b", "ok")])).toMatchObject({
        order: "a",
        reason: "UpstreamRefused"
      })
    }))

  it.effect("filtered content is never sent to another provider", () =>
    Effect.gen(function*() {
      expect(yield* complete([script("a", filtered), script("b", "ok")])).toMatchObject({
        order: "a",
        reason: "ContentFiltered"
      })
    }))

  it.effect("a rejected credential fails over at once and is not tried again", () =>
    Effect.gen(function*() {
      expect((yield* complete([script("a", badKey), script("b", overloaded)])).order).toBe("abbb")
    }))

  it.effect("an unreachable target fails over at once", () =>
    Effect.gen(function*() {
      expect((yield* complete([script("a", unreachable), script("b", "ok")])).order).toBe("ab")
    }))

  it.effect("a short Retry-After is waited for on the same target", () =>
    Effect.gen(function*() {
      const { decision, order } = yield* complete([script("a", limited(2000), "ok"), script("b", "ok")])
      expect(order).toBe("aa")
      expect(decision.attempts[1]?.waitedMs).toBeGreaterThanOrEqual(2000)
    }))

  it.effect("a target that asked for an hour is not asked again in the second round", () =>
    Effect.gen(function*() {
      expect((yield* complete([script("a", limited(3_600_000))])).order).toBe("a")
      expect((yield* complete([script("a", limited(3_600_000)), script("b", overloaded)])).order).toBe("abbb")
    }))

  it.effect("a pause that was asked for is kept in the second round too", () =>
    Effect.gen(function*() {
      const { decision, order } = yield* complete([script("a", limited(2000)), script("b", overloaded)])
      expect(order).toBe("aabbab")
      expect(decision.attempts[4]?.waitedMs).toBeGreaterThanOrEqual(2000)
    }))

  it.effect("the second round is paid for from the retry budget", () =>
    Effect.gen(function*() {
      const scripts = [script("a", overloaded), script("b", overloaded)]
      expect((yield* complete(scripts, { retry: { budget: 0 } })).order).toBe("ab")
      expect((yield* complete([script("a", overloaded)], { retry: { budget: 0 } })).order).toBe("a")
    }))

  it.effect("a long Retry-After fails over instead of waiting", () =>
    Effect.gen(function*() {
      expect((yield* complete([script("a", limited(3_600_000)), script("b", "ok")])).order).toBe("ab")
    }))

  it.effect("a silent target is given up at the answer limit after one attempt", () =>
    Effect.gen(function*() {
      const a = script("a", "silent")
      const { decision, order } = yield* complete([a, script("b", "ok")])
      expect(order).toBe("ab")
      expect(a.interrupted).toBe(1)
      expect(decision.attempts[0]?.outcome).toBe("UpstreamTimedOut")
      expect(decision.attempts[1]?.startedAtMs).toBe(60_000)
    }))

  it.effect("the last hope is given the rest of the deadline, not the answer limit", () =>
    Effect.gen(function*() {
      const { decision, order, reason } = yield* complete([script("a", { afterMs: 300_000, play: "ok" })])
      expect([order, reason]).toEqual(["a", undefined])
      expect(decision.attempts[0]?.endedAtMs).toBe(300_000)
    }))

  it.effect("no request outlives its deadline", () =>
    Effect.gen(function*() {
      const { decision, reason } = yield* complete([script("a", "silent")], { timeouts: { totalMs: 30_000 } })
      expect(reason).toBe("DeadlineExceeded")
      expect(decision.attempts[0]?.endedAtMs).toBe(30_000)
    }))

  it.effect("an unknown model is the caller's mistake", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const error = yield* Effect.flip(completion.complete(ask({ model: "nobody" })))
      expect([error.reason._tag, error.reason.status, error.reason.param]).toEqual(["ModelNotFound", 404, "model"])
    }).pipe(Effect.provide(flow([script("a", "ok")]))))
})

describe("the breaker in the flow", () => {
  it.effect("a circuit that opens between two tries does not hide what the upstream said", () =>
    Effect.gen(function*() {
      const seen = yield* complete([script("a", failed)], { breaker: { consecutiveFailures: 2 } })
      expect(seen).toMatchObject({ reason: "UpstreamFailed", order: "aa" })
      expect(seen.decision.skipped).toEqual([{ target: "a/a-model", why: "circuit open" }])
    }))

  it.effect("five failures in a row open it, and the next request does not reach the target", () => {
    const a = script("a", overloaded)
    return Effect.gen(function*() {
      const completion = yield* Completion
      for (let index = 0; index < 3; index++) {
        const fiber = yield* Effect.forkChild(completion.complete(ask()))
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.join(fiber)
      }
      const before = a.calls.length
      const request = ask()
      yield* completion.complete(request)
      expect(before).toBe(5)
      expect(a.calls.length).toBe(before)
      expect(request.decision.skipped).toEqual([{ target: "a/a-model", why: "circuit open" }])
    }).pipe(Effect.provide(flow([a, script("b", "ok")])))
  })

  it.effect("a lone target with an open circuit answers 503 with Retry-After and sends nothing", () => {
    const a = script("a", overloaded)
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      yield* health.control({ action: "open", target: "a/a-model", reason: "maintenance", ttlMs: 60_000 })
      const error = yield* Effect.flip(completion.complete(ask()))
      expect([error.reason._tag, error.reason.status]).toEqual(["CircuitOpen", 503])
      expect(error.reason.retryAfterMs).toBeGreaterThan(0)
      expect(a.calls.length).toBe(0)
    }).pipe(Effect.provide(flow([a])))
  })

  it.effect("a hundred refusals by the upstream leave it closed", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      for (let index = 0; index < 100; index++) yield* Effect.exit(completion.complete(ask()))
      expect((yield* health.targets)[0]?.breaker.state).toBe("closed")
    }).pipe(Effect.provide(flow([script("a", refused)]))))

  it.effect("a caller's own short deadline tells the breaker nothing", () => {
    const a = script("a", "silent")
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      for (let index = 0; index < 30; index++) {
        const fiber = yield* Effect.forkChild(Effect.flip(completion.complete({ ...ask(), timeoutMs: 1 })))
        yield* TestClock.adjust("10 millis")
        expect((yield* Fiber.join(fiber)).reason._tag).toBe("DeadlineExceeded")
      }
      const target = (yield* health.targets)[0]
      expect([target?.breaker.state, target?.breaker.callsInWindow]).toEqual(["closed", 0])
    }).pipe(Effect.provide(flow([a])))
  })

  it.effect("a caller's deadline shorter than a limit still leaves another target its time", () => {
    const [a, b] = [script("a", "silent"), script("b", { words: ["hi"], end: "clean" })]
    return Effect.gen(function*() {
      const completion = yield* Completion
      for (let index = 0; index < 24; index++) {
        for (const stream of [false, true]) {
          const asked = { ...ask({ stream }), timeoutMs: 300 }
          const run = stream ? Effect.asVoid(completion.stream(asked)) : Effect.asVoid(completion.complete(asked))
          const fiber = yield* Effect.forkChild(Effect.exit(Effect.scoped(run)))
          yield* TestClock.adjust("300 millis")
          expect([Exit.isSuccess(yield* Fiber.join(fiber)), order(asked.decision)]).toEqual([true, "ab"])
        }
      }
      const targets = yield* (yield* Health).targets
      expect(targets[0]?.breaker).toMatchObject({ state: "closed", callsInWindow: 0 })
    }).pipe(Effect.provide(flow([a, b])))
  })

  it.effect("a share of a deadline that is at least half a limit is heard as slow", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      for (let index = 0; index < 24; index++) {
        const fiber = yield* Effect.forkChild(completion.complete({ ...ask(), timeoutMs: 1000 }))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
      }
      expect((yield* (yield* Health).targets)[0]?.breaker.state).toBe("open")
    }).pipe(Effect.provide(flow([script("a", "silent"), script("b", "ok")], { timeouts: { answerMs: 1000 } }))))

  it.effect("a caller who leaves gives the permit back and counts as nothing", () => {
    const a = script("a", "silent")
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(completion.complete(ask())))
      yield* TestClock.adjust("1 seconds")
      yield* Effect.forEach(fibers, Fiber.interrupt)
      const target = (yield* health.targets)[0]
      expect([a.interrupted, target?.inFlight, target?.breaker.callsInWindow]).toEqual([3, 0, 0])
    }).pipe(Effect.provide(flow([a], { perProvider: { a: { maxConcurrency: 3 } } })))
  })

  it.effect("a provider that asks to slow down is asked half as much at once, whatever the file allows", () => {
    const a = script("a", "silent", new E.RateLimited({ message: "", code: "slow_down" }), "ok")
    const b = script("b", "ok")
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      yield* Effect.forkChild(completion.complete(ask()))
      yield* Effect.forkChild(completion.complete(ask()))
      yield* TestClock.adjust("5 seconds")
      expect((yield* health.targets).map(({ limit }) => limit)).toEqual([6, undefined, 12, undefined])
    }).pipe(Effect.provide(flow([a, b], { perProvider: { a: { maxConcurrency: 12 } } })))
  })

  it.effect("a full bulkhead fails over and the breaker does not hear of it", () => {
    const a = script("a", "silent")
    const b = script("b", "ok")
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      yield* Effect.forkChild(completion.complete(ask()))
      yield* Effect.forkChild(completion.complete(ask()))
      yield* TestClock.adjust("3 seconds")
      const request = ask()
      yield* Effect.forkChild(completion.complete(request))
      yield* TestClock.adjust("3 seconds")
      expect(order(request.decision)).toBe("b")
      expect((yield* health.targets)[0]?.breaker.callsInWindow).toBe(0)
    }).pipe(Effect.provide(flow([a, b], { perProvider: { a: { maxConcurrency: 1 } } })))
  })
})
