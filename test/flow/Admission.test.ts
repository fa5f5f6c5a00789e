import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Admission, type AdmissionSettings, layer } from "../../src/admission/Admission.ts"
import { Desk, layerMemory } from "../../src/admission/Desk.ts"
import * as E from "../../src/domain/GatewayError.ts"
import { parseUsd, type PicoUsd } from "../../src/domain/Money.ts"
import type { Principal } from "../../src/domain/Principal.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { costOfAttempt } from "../../src/gateway/Decision.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { ask, askVectors, flow, type Script, script } from "./Scripted.ts"

const usd = (text: string): PicoUsd => parseUsd(text) ?? 0

/** A million tokens of input cost a dollar, of output ten. */
const prices = (name: string) => ({ [name]: { [`${name}-model`]: { usdPerMtok: { input: "1", output: "10" } } } })

const gateway = (
  scripts: ReadonlyArray<Script>,
  settings: Partial<AdmissionSettings> = {},
  guards?: Gateway.GatewaySettings["guards"]
) =>
  flow(scripts, {
    guards,
    prices: Object.assign({}, ...scripts.map(({ name }) => prices(name))),
    retry: { attempts: 1 }
  }).pipe(
    Layer.provideMerge(layer(settings)),
    Layer.provideMerge(layerMemory)
  )

/** The flow over these providers, for keys. */
const gatewayOf = (providers: Layer.Layer<Providers>) =>
  Gateway.layer().pipe(
    Layer.provide(providers),
    Layer.provideMerge(layer()),
    Layer.provideMerge(layerMemory)
  )

/** A request of a caller. */
const from = (caller: Principal, overrides: Parameters<typeof ask>[0] = {}) => {
  const request = ask({ max_tokens: 10, ...overrides })
  request.decision.caller = caller
  return request
}

const budgeted = (text: string): Principal => ({ name: "alice", budget: { limit: usd(text), per: "day", soft: 0.8 } })

const tagOf = (caller: Principal, overrides: Parameters<typeof ask>[0] = {}) =>
  Effect.gen(function*() {
    const completion = yield* Completion
    const result = yield* Effect.result(completion.complete(from(caller, overrides)))
    return result._tag === "Success" ? "ok" : result.failure.reason._tag
  })

const balance = Effect.gen(function*() {
  const [found] = yield* (yield* Desk).balances([{ name: "key:alice", per: "day" }])
  return found
})

/** What one answer of a script costs: 3 tokens in, 4 out. */
const oneAnswer = 3 * 1_000_000 + 4 * 10_000_000

describe("a key with models", () => {
  it.effect("calls those, by name or by beginning, and hears of any other that it does not exist", () => {
    const one = script("one", "ok")
    const caller: Principal = { name: "alice", models: ["fast", "one/a*"] }
    return Effect.gen(function*() {
      expect(yield* tagOf(caller)).toBe("ok")
      expect(yield* tagOf(caller, { model: "one/abc" })).toBe("ok")
      expect(yield* tagOf(caller, { model: "one/b" })).toBe("ModelNotFound")
      expect(yield* tagOf(caller, { model: "nothing" })).toBe("ModelNotFound")
      expect(one.calls.length).toBe(2)
    }).pipe(Effect.provide(gateway([one])))
  })

  it.effect("is told of no model that it may not call, where the one it asks for is nobody's", () => {
    const caller: Principal = { name: "alice", models: ["sim-*", "two*", "simulated/sim-s*"] }
    return Effect.gen(function*() {
      const completion = yield* Completion
      for (const model of ["sim-fst", "simulated/sim-slwo", "two", "two/x"]) {
        const { message } = yield* Effect.flip(completion.complete(from(caller, { model })))
        expect(message).toContain("does not exist or this key may not call it. ")
        const named = message.replace(model, "")
        expect(named).not.toMatch(/sim-fast|fast|one\/|providers|sim-down/)
        expect(named.includes("Did you mean `simulated/sim-slow`? ")).toBe(model === "simulated/sim-slwo")
      }
    }).pipe(Effect.provide(gatewayOf(Providers.layer([Simulated.make("simulated")]))))
  })
})

describe("a caller who is ruled", () => {
  const members = ["models", "fallbacks", "fallback_models", "context_window_fallbacks", "provider", "providerOptions"]
  const others = ["route", "model_list", "userConfig", "router_settings_override", "Models", "PROVIDER"]
  const ruled: ReadonlyArray<Principal> = [
    { name: "alice", models: ["fast"] },
    { name: "alice", limits: { rpm: 100 } },
    budgeted("1")
  ]

  it.effect("may not have another model asked behind its upstream, at any address", () => {
    const one = script("one", "ok")
    return Effect.gen(function*() {
      const completion = yield* Completion
      for (const caller of ruled) {
        for (const member of [...members, ...others]) {
          const { reason } = yield* Effect.flip(completion.complete(from(caller, { [member]: ["another/model"] })))
          expect([reason._tag, reason.param, reason.errorCode]).toEqual(["InvalidRequest", member, "routing_member"])
        }
      }
      expect(one.calls).toEqual([])
      expect(yield* tagOf({ name: "bob" }, Object.fromEntries(members.map((member) => [member, ["a"]])))).toBe("ok")
    }).pipe(Effect.provide(gateway([one])))
  })
})

describe("a key with limits", () => {
  it.effect("is refused without anybody being asked, and served again when a minute's part has passed", () => {
    const one = script("one", "ok")
    const caller: Principal = { name: "alice", limits: { rpm: 2 } }
    return Effect.gen(function*() {
      expect(yield* tagOf(caller)).toBe("ok")
      expect(yield* tagOf(caller)).toBe("ok")
      expect(yield* tagOf(caller)).toBe("CallerRateLimited")
      expect(one.calls.length).toBe(2)
      yield* TestClock.adjust("30 seconds")
      expect(yield* tagOf(caller)).toBe("ok")
    }).pipe(Effect.provide(gateway([one])))
  })

  it.effect("is refused before a moderation is asked", () => {
    let asked = 0
    const judge: Script = { ...script("judge", "ok"), moderate: () => Effect.sync(() => [void asked++]) }
    const caller: Principal = { name: "alice", limits: { rpm: 1 } }
    return Effect.gen(function*() {
      expect(yield* tagOf(caller, { model: "judge/m" })).toBe("ok")
      expect(yield* tagOf(caller, { model: "judge/m" })).toBe("CallerRateLimited")
      expect(asked).toBe(1)
    }).pipe(Effect.provide(gateway([judge], {}, { moderation: { provider: "judge", whenFailing: "refuse" } })))
  })

  it.effect("owes the tokens that an answer has used, whatever its upstream calls their sum", () => {
    const caller: Principal = { name: "alice", limits: { tpm: 1000 } }
    return Effect.gen(function*() {
      const completion = yield* Completion
      for (const totalTokens of [0, -5000, 600]) {
        const request = from(caller)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* completion.stream(request)
          const [attempt] = request.decision.attempts
          if (attempt !== undefined) attempt.usage = { promptTokens: 100, completionTokens: 500, totalTokens }
        }))
        const after = from(caller)
        yield* completion.complete(after)
        expect(after.decision.standings?.tokens?.remaining).toBeLessThan(400)
        yield* TestClock.adjust("1 minute")
      }
    }).pipe(Effect.provide(gateway([script("one", "ok")])))
  })

  it.effect("holds one place for a stream until it is read or left", () => {
    const caller: Principal = { name: "alice", limits: { concurrent: 1 } }
    return Effect.gen(function*() {
      const completion = yield* Completion
      yield* Effect.scoped(Effect.gen(function*() {
        yield* completion.stream(from(caller))
        expect(yield* tagOf(caller)).toBe("CallerRateLimited")
      }))
      expect(yield* tagOf(caller)).toBe("ok")
    }).pipe(Effect.provide(gateway([script("one", "ok")])))
  })

  it.effect("gives its place back when the caller leaves in the middle", () => {
    const caller: Principal = { name: "alice", limits: { concurrent: 1 } }
    return Effect.gen(function*() {
      const completion = yield* Completion
      const fiber = yield* Effect.forkChild(completion.complete(from(caller)), { startImmediately: true })
      expect(yield* tagOf(caller)).toBe("CallerRateLimited")
      yield* Fiber.interrupt(fiber)
      expect(yield* tagOf(caller)).toBe("ok")
    }).pipe(Effect.provide(gateway([script("one", "silent", "ok")])))
  })
})

describe("a model with limits", () => {
  it.effect("keeps them for all callers together, with a key and without", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      expect(yield* tagOf({ name: "alice" })).toBe("ok")
      yield* completion.complete(ask())
      expect(yield* tagOf({ name: "bob" })).toBe("CallerRateLimited")
      expect(yield* tagOf({ name: "bob" }, { model: "one/other" })).toBe("ok")
    }).pipe(Effect.provide(gateway([script("one", "ok")], { models: { fast: { rpm: 2 } } }))))
})

describe("a budget", () => {
  it.effect("counts what an answer cost, and no more once it is over", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(budgeted("1"))).toBe("ok")
      expect(yield* balance).toMatchObject({ spent: oneAnswer, reserved: 0 })
    }).pipe(Effect.provide(gateway([script("one", "ok")]))))

  it.effect("counts a stream at its end", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const request = from(budgeted("1"))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* completion.stream(request)
        expect(yield* balance).toMatchObject({ spent: 0 })
        expect((yield* balance)?.reserved).toBeGreaterThan(0)
        // The upstream's last word.
        const [attempt] = request.decision.attempts
        if (attempt !== undefined) attempt.usage = { promptTokens: 3, completionTokens: 4, totalTokens: 7 }
      }))
      expect(yield* balance).toMatchObject({ spent: oneAnswer, reserved: 0 })
    }).pipe(Effect.provide(gateway([script("one", "ok")]))))

  it.effect("is released by a request that failed", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(budgeted("1"))).toBe("UpstreamFailed")
      expect(yield* balance).toMatchObject({ spent: 0, reserved: 0 })
    }).pipe(Effect.provide(gateway([script("one", new E.UpstreamFailed({ message: "no" }))]))))

  /** What counts of vectors that failed as a whole, and what was held for them. */
  const partly = (used: E.Used, settings: Partial<AdmissionSettings> = {}) => {
    const error = E.gatewayError(new E.RateLimited({ message: "429", upstreamStatus: 429 }), used)
    return Effect.gen(function*() {
      const completion = yield* Completion
      const request = askVectors({ input: Array.from({ length: 16 }, () => "a".repeat(10_000)) })
      request.decision.caller = budgeted("1")
      const fiber = yield* Effect.forkChild(Effect.flip(completion.embed(request)), { startImmediately: true })
      const held = (yield* balance)?.reserved ?? 0
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(fiber)).reason._tag).toBe("RateLimited")
      const { reserved, spent } = (yield* balance) ?? {}
      expect([reserved, request.decision.attempts.length]).toEqual([0, 1])
      expect(held).toBeGreaterThan(100_000 * 1_000_000)
      const [cost] = request.decision.attempts.map((attempt) => costOfAttempt(request.decision, attempt))
      return { held, spent, cost }
    }).pipe(Effect.provide(gateway([script("one", { afterMs: 1000, play: error })], settings)))
  }
  const parts = { promptTokens: 45_000, completionTokens: 0, totalTokens: 45_000 }

  it.effect("takes what some parts of a request for vectors used, although another was refused", () =>
    Effect.map(
      partly({ usage: parts, isUntold: false }),
      ({ cost, spent }) => {
        expect(spent).toBe(45_000 * 1_000_000)
        expect(cost).toMatchObject({ picoUsd: 45_000 * 1_000_000 })
      }
    ))

  it.effect("takes the bound where some of those parts did not say what they used", () =>
    Effect.gen(function*() {
      const some = yield* partly({ usage: parts, isUntold: true })
      expect(some.spent).toBe(some.held)
      // In the ledger it is no cost: what was told is the least that it may be.
      expect(some.cost).toMatchObject({ absent: "usage", estimate: 45_000 * 1_000_000 })
      const none = yield* partly({ usage: undefined, isUntold: true })
      expect(none.spent).toBe(none.held)
      const released = yield* partly({ usage: parts, isUntold: true }, { untold: "release" })
      expect(released.spent).toBe(45_000 * 1_000_000)
    }))

  const left = (settings: Partial<AdmissionSettings>) =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const fiber = yield* Effect.forkChild(completion.complete(from(budgeted("1"))), { startImmediately: true })
      const reserved = (yield* balance)?.reserved ?? 0
      expect(reserved).toBeGreaterThan(0)
      yield* Fiber.interrupt(fiber)
      const { reserved: still, spent = 0 } = (yield* balance) ?? {}
      expect(still).toBe(0)
      return { reserved, spent }
    }).pipe(Effect.provide(gateway([script("one", "silent")], settings)))

  it.effect("takes the bound of a request whose caller left while it was out, for nobody told what it used", () =>
    Effect.map(left({}), ({ reserved, spent }) => expect(spent).toBe(reserved)))

  it.effect("takes the bound of a request that was given up at its caller's own deadline", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const request = { ...from(budgeted("1")), timeoutMs: 1000 }
      const fiber = yield* Effect.forkChild(Effect.flip(completion.complete(request)), { startImmediately: true })
      const reserved = (yield* balance)?.reserved ?? 0
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(fiber)).reason._tag).toBe("DeadlineExceeded")
      expect(yield* balance).toMatchObject({ spent: reserved, reserved: 0 })
    }).pipe(Effect.provide(gateway([script("one", "silent")]))))

  it.effect("takes what a stream that was cut has probably cost", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const request = from(budgeted("1"), { stream: true })
      yield* Effect.scoped(Effect.flatMap(
        completion.stream(request),
        ({ pull }) => Effect.ignore(Effect.forever(pull))
      ))
      const [attempt] = request.decision.attempts
      expect(attempt?.outcome).toBe("StreamInterrupted")
      const { reserved, spent = 0 } = (yield* balance) ?? {}
      expect(reserved).toBe(0)
      expect(spent).toBeGreaterThan(0)
    }).pipe(
      Effect.provide(
        gateway([
          script("one", { words: ["a wave ", "and one more"], end: new E.StreamInterrupted({ message: "cut" }) })
        ])
      )
    ))

  it.effect("takes nothing for it where the operator says so", () =>
    Effect.map(left({ untold: "release" }), ({ spent }) => expect(spent).toBe(0)))

  it.effect("refuses what it could not pay, whatever races, and begins anew the next day", () => {
    const one = script("one", { afterMs: 1000, play: "ok" })
    const caller = budgeted("0.001")
    return Effect.gen(function*() {
      const racing = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 40 }), () => tagOf(caller), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      const tags = yield* Fiber.join(racing)
      expect(new Set(tags)).toEqual(new Set(["ok", "BudgetExhausted"]))
      expect(one.calls.length).toBe(tags.filter((tag) => tag === "ok").length)
      const seen = yield* balance
      expect(seen?.reserved).toBe(0)
      expect(Number(seen?.spent)).toBeLessThanOrEqual(Number(usd("0.001")))
      for (let more = 0; more < 40; more++) {
        const next = yield* Effect.forkChild(tagOf(caller), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(next)
      }
      expect(Number((yield* balance)?.spent)).toBeLessThanOrEqual(Number(usd("0.001")))
      expect(yield* tagOf(caller)).toBe("BudgetExhausted")
      yield* TestClock.adjust("24 hours")
      const tomorrow = yield* Effect.forkChild(tagOf(caller), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(tomorrow)).toBe("ok")
    }).pipe(Effect.provide(gateway([one])))
  })

  it.effect("refuses an answer of more tokens than could be counted, as it does any that it could not pay", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(budgeted("1"), { max_tokens: 1e308, n: 128 })).toBe("BudgetExhausted")
      expect(yield* balance).toMatchObject({ spent: 0, reserved: 0 })
    }).pipe(Effect.provide(gateway([script("one", "ok")]))))

  it.effect("of a tag and of everybody rules keys that have none of their own", () =>
    Effect.gen(function*() {
      expect(yield* tagOf({ name: "bob", tags: ["poor"] })).toBe("BudgetExhausted")
      expect(yield* tagOf({ name: "bob" })).toBe("ok")
      const desk = yield* Desk
      expect(yield* desk.balances([{ name: "total", per: "month" }])).toMatchObject([{ spent: oneAnswer }])
    }).pipe(Effect.provide(gateway([script("one", "ok")], {
      tags: { poor: { limit: 1, per: "day", soft: 0.8 } },
      total: { limit: usd("1"), per: "month", soft: 0.8 }
    }))))

  it.effect("refuses a target without a price, unless the operator allows it", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(budgeted("1"), { model: "one/unknown" })).toBe("Forbidden")
      const allowed = gateway([script("one", "ok")], { unpriced: "allow" })
      expect(yield* Effect.provide(tagOf(budgeted("1"), { model: "one/unknown" }), allowed)).toBe("ok")
    }).pipe(Effect.provide(gateway([script("one", "ok")]))))
})

describe("nothing to limit", () => {
  it.effect("is not asked for", () =>
    Effect.gen(function*() {
      const { isLimited } = yield* Admission
      expect(isLimited(undefined, "fast")).toBe(false)
      expect(isLimited({ name: "alice", tags: ["a"], models: ["fast"] }, "fast")).toBe(false)
    }).pipe(Effect.provide(gateway([script("one", "ok")]))))
})
