/** What a target's own word does to later requests: pauses, rejected keys, open circuits, and an operator's word over them. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import type { Control } from "../../src/gateway/Health.ts"
import { Health } from "../../src/gateway/Health.ts"
import * as Credential from "../../src/resilience/Credential.ts"
import { ask, flow, script } from "./Scripted.ts"

const overloaded = (retryAfterMs?: number) => new E.Overloaded({ message: "503", upstreamStatus: 503, retryAfterMs })
const limited = (retryAfterMs?: number) => new E.RateLimited({ message: "429", upstreamStatus: 429, retryAfterMs })
const missing = new E.UpstreamModelMissing({ message: "404", upstreamStatus: 404 })
const unreachable = new E.UpstreamUnreachable({ message: "refused" })

/** One request, with a minute of time to run in; what came of it. */
const request = Effect.gen(function*() {
  const completion = yield* Completion
  const asked = ask()
  const fiber = yield* Effect.forkChild(Effect.result(completion.complete(asked)))
  yield* TestClock.adjust("100 millis")
  const result = yield* Fiber.join(fiber)
  return {
    reason: result._tag === "Failure" ? result.failure.reason : undefined,
    order: asked.decision.attempts.map(({ target }) => target.split("/")[0]).join(""),
    skipped: asked.decision.skipped
  }
})

const control = (action: Control["action"], target = "a/a-model") =>
  Effect.flatMap(Health, (health) => health.control({ action, target, reason: "because" }))

const seen = (index = 0) => Effect.flatMap(Health, (health) => Effect.map(health.targets, (all) => all[index]))

describe("a target that asked for a long pause", () => {
  for (const pause of [limited(20_000), overloaded(20_000)]) {
    it.effect(`with ${pause._tag} is passed over until it is over`, () => {
      const a = script("a", pause, "ok")
      return Effect.gen(function*() {
        expect((yield* request).order).toBe("ab")
        expect((yield* seen())?.cooldownMs).toBe(19_900)
        expect(yield* request).toMatchObject({
          order: "b",
          skipped: [{ target: "a/a-model", why: "cooling down" }]
        })
        yield* TestClock.adjust("20 seconds")
        expect((yield* request).order).toBe("a")
      }).pipe(Effect.provide(flow([a, script("b", "ok")])))
    })
  }

  it.effect("is not passed over for a short one", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      yield* Effect.forkChild(completion.complete(ask()))
      yield* TestClock.adjust("10 millis")
      expect((yield* seen())?.cooldownMs).toBe(0)
      expect((yield* request).order).toBe("a")
    }).pipe(Effect.provide(flow([script("a", limited(2000), "ok"), script("b", "ok")]))))

  it.effect("is refused where there is no other, with the shortest of the pauses and at once", () =>
    Effect.gen(function*() {
      yield* request
      const { order, reason } = yield* request
      expect([order, reason?._tag, reason?.status, reason?.retryAfterMs]).toEqual(["", "RateLimited", 429, 19_900])
      expect(reason?.upstreamStatus).toBeUndefined()
    }).pipe(Effect.provide(flow([script("a", overloaded(90_000)), script("b", limited(20_000))]))))

  it.effect("tells the first who hears of it the shortest of the pauses too", () =>
    Effect.gen(function*() {
      expect((yield* request).reason).toMatchObject({ _tag: "RateLimited", retryAfterMs: 20_000 })
    }).pipe(Effect.provide(flow([script("a", limited(20_000)), script("b", overloaded(90_000))]))))

  it.effect("does not have the model for a minute after it said so", () =>
    Effect.gen(function*() {
      expect((yield* request).order).toBe("ab")
      expect((yield* request).skipped).toEqual([{ target: "a/a-model", why: "model missing" }])
      yield* TestClock.adjust("1 minute")
      expect((yield* request).order).toBe("ab")
    }).pipe(Effect.provide(flow([script("a", missing), script("b", "ok")]))))
})

describe("where every circuit is open", () => {
  const a = () => script("a", unreachable)
  const b = () => script("b", unreachable)

  it.effect("one early probe an openFor is made, on the target that would be probed next", () => {
    const scripts = [a(), b()]
    return Effect.gen(function*() {
      const orders: Array<string> = []
      for (let index = 0; index < 400; index++) orders.push((yield* request).order)
      // What is left of 40 s once both are open, at ten requests a second.
      const asked = orders.slice(50).filter((order) => order !== "")
      expect(asked.every((order) => order.length === 1)).toBe(true)
      expect(asked.length).toBeGreaterThan(10)
      expect(asked.length).toBeLessThanOrEqual(18)
    }).pipe(Effect.provide(flow(scripts)))
  })

  it.effect("everyone else is refused with the shortest wait", () =>
    Effect.gen(function*() {
      for (let index = 0; index < 5; index++) yield* request
      const { order, reason } = yield* request
      const waits = [(yield* seen(0))?.breaker.retryAfterMs ?? 0, (yield* seen(1))?.breaker.retryAfterMs ?? 0]
      expect([order, reason?._tag, reason?.status]).toEqual(["", "CircuitOpen", 503])
      expect(reason?.retryAfterMs).toBe(Math.min(...waits) + 100)
    }).pipe(Effect.provide(flow([a(), b()]))))

  it.effect("a probe that finds the target well answers its caller", () => {
    const scripts = [script("a", unreachable, unreachable, unreachable, unreachable, unreachable, "ok")]
    return Effect.gen(function*() {
      for (let index = 0; index < 5; index++) yield* request
      yield* TestClock.adjust("2 seconds")
      expect(yield* request).toMatchObject({ order: "a", reason: undefined })
      expect((yield* seen())?.breaker.state).toBe("closed")
    }).pipe(Effect.provide(flow(scripts)))
  })
})

describe("a target whose credentials are all dead", () => {
  const dead = () => {
    const credentials = Credential.make({ count: 1 })
    const a = { ...script("a", "ok"), credentials }
    const kill = Effect.clockWith((clock) =>
      Effect.sync(() =>
        credentials.note(
          { index: 0, generation: 0 },
          "a-model",
          new E.CredentialRejected({ message: "", upstreamStatus: 401 }),
          clock
        )
      )
    )
    return { a, kill }
  }

  it.effect("is passed over", () => {
    const { a, kill } = dead()
    return Effect.gen(function*() {
      yield* kill
      expect(yield* request).toMatchObject({
        order: "b",
        skipped: [{ target: "a/a-model", why: "credential rejected" }]
      })
      expect((yield* (yield* Health).overall).components[0]).toMatchObject({ status: "warn" })
    }).pipe(Effect.provide(flow([a, script("b", "ok")])))
  })

  it.effect("alone is a 502 that is ours, and an operator's reset is heard by the next call", () => {
    const { a, kill } = dead()
    return Effect.gen(function*() {
      yield* kill
      expect((yield* request).reason).toMatchObject({ _tag: "CredentialRejected", status: 502 })
      expect((yield* seen())?.credentials).toEqual(["dead: rejected"])
      yield* control("reset")
      expect(yield* request).toMatchObject({ order: "a", reason: undefined })
    }).pipe(Effect.provide(flow([a])))
  })
})

describe("an operator's word", () => {
  for (const action of ["reset", "close", "metrics-only"] as const) {
    it.effect(`${action} ends a pause before the next call`, () =>
      Effect.gen(function*() {
        yield* request
        expect((yield* request).order).toBe("b")
        yield* control(action)
        expect((yield* seen())?.cooldownMs).toBe(0)
        expect((yield* request).order).toBe("a")
      }).pipe(Effect.provide(flow([script("a", limited(60_000), "ok"), script("b", "ok")]))))
  }

  it.effect("that a target is never refused holds against its own pauses", () =>
    Effect.gen(function*() {
      yield* control("close")
      expect((yield* request).order).toBe("ab")
      expect((yield* request).order).toBe("ab")
    }).pipe(Effect.provide(flow([script("a", limited(60_000)), script("b", "ok")]))))

  it.effect("is in the log with its reason, also where it changes nothing", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function*() {
      yield* request
      yield* control("reset")
      yield* control("open")
      expect(lines).toEqual([
        "cooldown of a/a-model: ready to cooling",
        "circuit of a/a-model: closed to closed",
        "cooldown of a/a-model: cooling to ready",
        "circuit of a/a-model: closed to forced-open"
      ])
    }).pipe(
      Effect.provide(Layer.merge(flow([script("a", limited(60_000)), script("b", "ok")]), logger))
    )
  })
})
