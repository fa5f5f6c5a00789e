import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { CredentialRejected, UpstreamUnreachable } from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { Health } from "../../src/gateway/Health.ts"
import * as Plan from "../../src/gateway/Plan.ts"
import * as Credential from "../../src/resilience/Credential.ts"
import { ask, flow, script } from "../flow/Scripted.ts"

const unreachable = new UpstreamUnreachable({ message: "down" })

const three = flow([script("a", "ok"), script("b", "ok"), script("c", "ok")])

const lines = (plan: Plan.Plan) => plan.targets.map(({ target, wouldAsk, why }) => [target[0], wouldAsk, why])

const state = (name: string, breaker: Partial<Plan.PlanState["breaker"]>, more: Partial<Plan.PlanState> = {}) => ({
  target: `${name}/${name}-model`,
  breaker: { state: "closed" as const, failureRate: 0, slowRate: 0, callsInWindow: 0, openings: 0, ...breaker },
  inFlight: 0,
  waiting: 0,
  ...more
})

describe("a plan", () => {
  it.effect("asks idle targets in the order of the file", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast")
      expect(plan).toMatchObject({ kind: "alias", strategy: "ordered", wouldAsk: true })
      expect(lines(plan)).toEqual([
        ["a", true, "asked first"],
        ["b", true, "asked when a/a-model fails"],
        ["c", true, "asked when b/b-model fails"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("skips what an operator has forced open, as the next request does", () =>
    Effect.gen(function*() {
      yield* (yield* Health).control({ action: "open", target: "a/a-model", reason: "repair" })
      expect(lines(yield* Plan.make("fast"))).toEqual([
        ["a", false, "skipped: forced open by an operator (repair)"],
        ["b", true, "asked first"],
        ["c", true, "asked when b/b-model fails"]
      ])
      const request = ask()
      yield* (yield* Completion).complete(request)
      expect(request.decision.skipped.map(({ target }) => target)).toEqual(["a/a-model"])
      expect(request.decision.attempts.map(({ target }) => target)).toEqual(["b/b-model"])
    }).pipe(Effect.provide(three)))

  it.effect("says so when nobody would be asked, and how long that lasts", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", { state: "open", retryAfterMs: 1200 }),
        state("b", { state: "half-open", retryAfterMs: 800 }),
        state("c", { state: "open", retryAfterMs: 90_000 })
      ])
      expect([plan.wouldAsk, plan.retryAfterMs]).toEqual([false, 800])
      expect(lines(plan)).toEqual([
        ["a", false, "skipped: circuit open, next try in 1.2s"],
        ["b", false, "skipped: circuit half-open, a probe is under way"],
        ["c", false, "skipped: circuit open, next try in 90s"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("probes the circuit that is due first where all are open, as the next request does", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", { state: "open", retryAfterMs: 1200 }),
        state("b", { state: "open", retryAfterMs: 800 }),
        state("c", { state: "forced-open" })
      ])
      expect([plan.wouldAsk, plan.retryAfterMs]).toEqual([true, undefined])
      expect(lines(plan)).toEqual([
        ["a", false, "skipped: circuit open, next try in 1.2s"],
        ["b", true, "asked first, as the last resort: its open circuit is probed before its time"],
        ["c", false, "skipped: forced open by an operator"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("asks nobody where all are open and one was probed not long ago, or rests", () =>
    Effect.gen(function*() {
      const probed = yield* Plan.make("fast", [
        state("a", { state: "open", retryAfterMs: 1200, lastResortAfterMs: 300 }),
        state("b", { state: "open", retryAfterMs: 800 }),
        state("c", { state: "open", retryAfterMs: 900 })
      ])
      expect([probed.wouldAsk, probed.retryAfterMs]).toEqual([false, 800])
      const resting = yield* Plan.make(
        "fast",
        ["a", "b", "c"].map((name) => state(name, { state: "open", retryAfterMs: 800 }, { cooldownMs: 500 }))
      )
      expect(resting.wouldAsk).toBe(false)
    }).pipe(Effect.provide(three)))

  it.effect("names whom the next request asks first, from the first failure to the last resort and back", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const wrong: Array<string> = []
      const said = new Set<string>()
      for (let count = 0; count < 200; count++) {
        const { targets } = yield* Plan.make("fast")
        const planned = targets.find(({ wouldAsk }) => wouldAsk)
        const request = ask()
        const fiber = yield* Effect.forkChild(Effect.exit(completion.complete(request)))
        yield* TestClock.adjust("100 millis")
        yield* Fiber.interrupt(fiber)
        const first = request.decision.attempts[0]?.target
        if (first !== planned?.target) wrong.push(`${count}: ${planned?.target} ${first}`)
        said.add(planned === undefined ? "nobody" : planned.why.replace(/^asked \w+(?: \S+ fails)?,? ?/, ""))
      }
      expect(wrong).toEqual([])
      expect(said).toContain("nobody")
      expect(said).toContain("as the last resort: its open circuit is probed before its time")
    }).pipe(Effect.provide(flow([script("a", unreachable), script("b", unreachable)]))))

  it.effect("tells a probe, a full target and a forced one from an ordinary one", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", { state: "open" }),
        state("b", {}, { inFlight: 2, limit: 2 }),
        state("c", { state: "forced-closed" })
      ])
      expect(lines(plan)).toEqual([
        ["a", true, "asked first, as a probe of its open circuit"],
        ["b", true, "asked when a/a-model fails, after waiting for one of its 2 places"],
        ["c", true, "asked when b/b-model fails, forced closed by an operator"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("skips a target that asked for a pause, and one whose credentials are all dead", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", {}, { cooldownMs: 4000 }),
        state("b", {}, { credentials: ["dead: rejected", "dead: quota"] }),
        state("c", {}, { cooldownMs: 0, credentials: ["dead: rejected", "usable"] })
      ])
      expect(lines(plan)).toEqual([
        ["a", false, "skipped: cooling down, asked again in 4s"],
        ["b", false, "skipped: no credential left that the provider takes"],
        ["c", true, "asked first"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("asks a target that is forced closed whatever it said, as the next request does", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", { state: "forced-closed" }, { cooldownMs: 4000 }),
        state("b", { state: "metrics-only" }, { credentials: ["dead: rejected"] }),
        state("c", {})
      ])
      expect(lines(plan)).toEqual([
        ["a", true, "asked first, forced closed by an operator"],
        ["b", true, "asked when a/a-model fails, its breaker only counts"],
        ["c", true, "asked when b/b-model fails"]
      ])
    }).pipe(Effect.provide(three)))

  it.effect("passes over what cannot serve the request, as the request does, and may be refused as it would", () =>
    Effect.gen(function*() {
      const request = ask({ tools: [{ type: "function", function: { name: "f" } }] })
      const plan = yield* Plan.make("fast", undefined, request)
      expect(lines(plan)).toEqual([["a", false, "skipped: no tools"], ["b", true, "asked first"]])
      expect(lines(yield* Plan.make("fast", undefined, ask()))[0]).toEqual(["a", true, "asked first"])
      yield* (yield* Completion).complete(request)
      expect(request.decision.skipped).toEqual([{ target: "a/m", why: "no tools" }])
      expect((yield* Effect.flip(Plan.make("a", undefined, request))).reason.code).toBe("unsupported_capability")
    }).pipe(Effect.provide(
      flow([script("a", "ok"), script("b", "ok")], {
        aliases: {
          fast: {
            strategy: "ordered",
            targets: [
              { provider: "a", model: "m", weight: 1, capabilities: { tools: false } },
              { provider: "b", model: "m", weight: 1 }
            ]
          },
          a: {
            strategy: "ordered",
            targets: [{ provider: "a", model: "m", weight: 1, capabilities: { tools: false } }]
          }
        }
      })
    )))

  it.effect("skips a target whose only key may not use its model, as the next request does, and health warns of it", () => {
    const forbidden = new CredentialRejected({ message: "403", upstreamStatus: 403 })
    const credentials = Credential.make({ count: 1 })
    return Effect.gen(function*() {
      const clock = yield* Effect.clockWith(Effect.succeed)
      credentials.note(credentials.pick("a-model", clock), "a-model", forbidden, clock)
      expect(lines(yield* Plan.make("fast"))[0]).toEqual([
        "a",
        false,
        "skipped: no credential left that the provider takes"
      ])
      const { components } = yield* (yield* Health).overall
      expect(components).toContainEqual(expect.objectContaining({ component: "provider:a", status: "warn" }))
      const request = ask()
      yield* (yield* Completion).complete(request)
      expect(request.decision.skipped.map(({ target }) => target)).toEqual(["a/a-model"])
    }).pipe(Effect.provide(flow([{ ...script("a", "ok"), credentials }, script("b", "ok")])))
  })

  it.effect("does not promise a caller a wait that a target without an end has not", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("fast", [
        state("a", { state: "half-open", retryAfterMs: 1200 }),
        state("b", {}, { credentials: ["dead: rejected"] }),
        state("c", {}, { credentials: ["dead: rejected"] })
      ])
      expect([plan.wouldAsk, plan.retryAfterMs]).toEqual([false, 1200])
    }).pipe(Effect.provide(three)))

  it.effect("of a provider's own model names the model", () =>
    Effect.gen(function*() {
      const plan = yield* Plan.make("b/other/model")
      expect([plan.kind, lines(plan), plan.targets[0]?.target]).toEqual([
        "model",
        [["b", true, "asked first"]],
        "b/other/model"
      ])
    }).pipe(Effect.provide(three)))

  it.effect("of an unknown model fails as the request would", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(Plan.make("nope"))).reason._tag).toBe("ModelNotFound")
    }).pipe(Effect.provide(three)))

  it.effect("of a weighted alias shows the shares, and the order that the seed draws", () =>
    Effect.gen(function*() {
      const plan = yield* Random.withSeed(Plan.make("fast"), "7")
      const again = yield* Random.withSeed(Plan.make("fast"), "7")
      const shares = Object.fromEntries(plan.targets.map(({ share, target }) => [target, share]))
      expect(shares).toEqual({ "a/m": 0.75, "b/m": 0.25, "c/m": 0 })
      expect(again).toEqual(plan)
      expect(plan.targets.at(-1)?.target).toBe("c/m")
    }).pipe(Effect.provide(
      flow([script("a", "ok"), script("b", "ok"), script("c", "ok")], {
        aliases: {
          fast: {
            strategy: "weighted",
            targets: [3, 1, 0].map((weight, at) => ({ provider: "abc"[at] ?? "", model: "m", weight }))
          }
        }
      })
    )))
})

describe("a duration", () => {
  it("carries its unit", () => {
    expect([0, 350, 1200, 90_000, 600_000].map(Plan.duration)).toEqual(["0ms", "350ms", "1.2s", "90s", "10m"])
  })
})
