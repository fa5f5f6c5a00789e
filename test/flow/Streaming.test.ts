import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { make } from "../../src/gateway/Decision.ts"
import { Health } from "../../src/gateway/Health.ts"
import { Targets } from "../../src/gateway/Target.ts"
import { ask, drain, flow, type Script, script } from "./Scripted.ts"

const cut = new E.StreamInterrupted({ message: "cut" })
const words = ["one ", "two ", "three"]

/** Streams one request while time runs. */
const stream = (scripts: ReadonlyArray<Script>, patience: Duration.Input = "20 minutes") => {
  const request = ask({ stream: true })
  return Effect.gen(function*() {
    const completion = yield* Completion
    const health = yield* Health
    const fiber = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(completion.stream(request), drain)))
    yield* TestClock.adjust(patience)
    const exit = yield* Fiber.await(fiber)
    const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error.reason._tag : undefined
    const result = Exit.isSuccess(exit) ? exit.value : undefined
    return { ...result, reason, decision: request.decision, targets: yield* health.targets }
  }).pipe(Effect.provide(flow(scripts)))
}

describe("streams", () => {
  it.effect("a whole stream arrives in order and ends cleanly", () =>
    Effect.gen(function*() {
      const { decision, end, text } = yield* stream([script("a", { words, end: "clean" })])
      expect([text, end, decision.finishReasons]).toEqual(["one two three", "clean", ["stop"]])
    }))

  it.effect("the time to its first content is counted from the receipt of the request", () =>
    Effect.gen(function*() {
      const request = { ...ask({ stream: true }), decision: make("req-1", 1000) }
      yield* TestClock.adjust("3 seconds")
      yield* Effect.scoped(Effect.flatMap(Completion, (completion) => completion.stream(request)))
      expect(request.decision.firstContentMs).toBe(2000)
    }).pipe(Effect.provide(flow([script("a", "ok")]))))

  it.effect("a stream that breaks before its first content is failed over invisibly", () =>
    Effect.gen(function*() {
      const { decision, end, text } = yield* stream([
        script("a", { words: [], end: cut }),
        script("b", { words, end: "clean" })
      ])
      expect([text, end, decision.provider]).toEqual(["one two three", "clean", "b"])
    }))

  it.effect("a stream that is silent before its first content is failed over at the first-token limit", () =>
    Effect.gen(function*() {
      const { decision, text } = yield* stream([
        script("a", { words: [], end: "stall" }),
        script("b", { words, end: "clean" })
      ])
      expect(text).toBe("one two three")
      expect(decision.attempts.map(({ outcome, startedAtMs }) => [outcome, startedAtMs])).toEqual([[
        "UpstreamTimedOut",
        0
      ], ["ok", 10_000]])
    }))

  it.effect("a cut after the first content ends in an error, never cleanly, and nobody else is asked", () =>
    Effect.gen(function*() {
      const b = script("b", "ok")
      const { end, targets, text } = yield* stream([script("a", { words, end: cut }), b], "1 seconds")
      expect([text, end, b.calls.length]).toEqual(["one two three", "StreamInterrupted", 0])
      expect(targets[0]?.lastError).toBe("StreamInterrupted")
      expect(targets[0]?.breaker.failureRate).toBeGreaterThan(0)
    }))

  it.effect("a long pause that is asked for after the first content is everyone's", () =>
    Effect.gen(function*() {
      const limited = new E.RateLimited({ message: "429", retryAfterMs: 60_000 })
      const { end, targets } = yield* stream([script("a", { words, end: limited }), script("b", "ok")], "1 second")
      expect(end).toBe("RateLimited")
      expect(targets.filter(({ cooldownMs }) => cooldownMs > 0).map(({ target }) => target)).toEqual(["a/a-model"])
    }))

  it.effect("a stall after the first content ends in an error at the idle limit", () =>
    Effect.gen(function*() {
      const { decision, end } = yield* stream([script("a", { words, end: "stall" })])
      expect([end, decision.attempts[0]?.endedAtMs]).toEqual(["UpstreamTimedOut", 20_000])
    }))

  it.effect("a stream that is closed mid-way gives its permit back and counts as answered", () => {
    const a = script("a", { words, end: "stall" })
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      const scope = yield* Scope.make()
      const answer = yield* Scope.provide(completion.stream(ask({ stream: true })), scope)
      yield* answer.pull
      expect((yield* health.targets)[0]?.inFlight).toBe(1)
      yield* Scope.close(scope, Exit.void)
      const target = (yield* health.targets)[0]
      expect([target?.inFlight, target?.breaker.callsInWindow, target?.breaker.failureRate]).toEqual([0, 1, 0])
    }).pipe(Effect.provide(flow([a], { perProvider: { a: { maxConcurrency: 1 } } })))
  })

  it.effect("a caller who does not read gives the permit back soon after the deadline, and hears of it when he reads", () => {
    const a = script("a", { words, end: "stall" })
    return Effect.gen(function*() {
      const completion = yield* Completion
      const health = yield* Health
      const answer = yield* completion.stream(ask({ stream: true }))
      yield* answer.pull
      yield* TestClock.adjust("4 seconds")
      expect((yield* health.targets)[0]?.inFlight).toBe(1)
      yield* TestClock.adjust("3 seconds")
      expect((yield* health.targets)[0]?.inFlight).toBe(0)
      expect((yield* drain(answer)).end).toBe("DeadlineExceeded")
    }).pipe(
      Effect.scoped,
      Effect.provide(flow([a], { timeouts: { totalMs: 5000 }, perProvider: { a: { maxConcurrency: 1 } } }))
    )
  })

  it.effect("a target that cuts most of its streams after their first content is opened, and its retries are not paid for", () => {
    const cuts = Array.from({ length: 30 }, (_, at) => ({ words, end: at % 10 === 0 ? "clean" as const : cut }))
    return Effect.gen(function*() {
      const completion = yield* Completion
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      yield* guards.budget.tryTake(50)
      let asked = 0
      while ((yield* guards.breaker.snapshot).state === "closed" && asked < 30) {
        asked++
        yield* Effect.exit(Effect.scoped(Effect.flatMap(completion.stream(ask({ stream: true })), drain)))
      }
      expect(asked).toBe(20)
      expect(yield* guards.budget.left).toBe(52)
    }).pipe(Effect.provide(flow([script("a", ...cuts)])))
  })

  it.effect("a target that cuts a tenth of its streams stays closed", () => {
    const cuts = Array.from({ length: 100 }, (_, at) => ({ words, end: at % 10 === 0 ? cut : "clean" as const }))
    return Effect.gen(function*() {
      const completion = yield* Completion
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      for (let asked = 0; asked < 100; asked++) {
        yield* Effect.exit(Effect.scoped(Effect.flatMap(completion.stream(ask({ stream: true })), drain)))
      }
      expect(yield* guards.breaker.snapshot).toMatchObject({ state: "closed", callsInWindow: 100, failureRate: 0.1 })
    }).pipe(Effect.provide(flow([script("a", ...cuts)])))
  })

  it.effect("every target failing before content is one honest error", () =>
    Effect.gen(function*() {
      expect(
        (yield* stream([script("a", { words: [], end: cut }), script("b", new E.Overloaded({ message: "503" }))]))
          .reason
      )
        .toBeDefined()
    }))
})
