import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Ai } from "../../src/gateway/Ai.ts"
import type { GatewaySettings } from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { FaultAttempts } from "../../src/providers/FaultProvider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Scenario from "../../src/providers/Scenario.ts"
import * as Testing from "../../src/testing/Rehearsal.ts"
import * as Report from "../../src/testing/Report.ts"

const config = `
providers:
  openai: { kind: openai, apiKey: "\${OPENAI_API_KEY}" }
  backup: { kind: openai-compatible, baseUrl: "\${BACKUP_URL}", models: [listed] }
models:
  fast:
    targets:
      - { provider: openai, model: gpt-5 }
      - { provider: backup, model: qwen }
    timeouts: { answer: "\${ANSWER:-10s}", firstToken: 2s }
defaults:
  breaker: { consecutiveFailures: 3 }
`

const rehearse = (
  scenarios: Testing.GatewayOptions["scenarios"],
  traffic: Partial<Testing.TrafficSettings> = {},
  seed = 0
) => Testing.rehearse({ config, scenarios, traffic: { requestsPerSecond: 20, for: "10s", ...traffic }, seed })

const times = (count: number) => ({ p50: count, p99: count, max: count })

describe("a rehearsal", () => {
  it.effect("of healthy providers is answered by the first target alone", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.answering({ firstToken: "300ms" }) })
      expect(report).toMatchObject({
        requests: 200,
        succeeded: 200,
        failed: 0,
        unfinished: 0,
        failures: {},
        latencyMs: times(300),
        firstContentMs: undefined,
        attempts: { "openai/gpt-5": 200 },
        answeredBy: { "openai/gpt-5": 200 },
        transitions: []
      })
    }))

  it.effect("tells how callers fare while a provider is down, and that it is used again after", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.during("2s", "5s", Scenario.unreachable) }, { for: "30s" })
      expect([report.succeeded, report.failed]).toEqual([600, 0])
      const [opened] = report.transitions
      expect(opened).toEqual({
        atMs: opened?.atMs,
        target: "openai/gpt-5",
        from: "closed",
        to: "open",
        cause: expect.stringMatching(/failure/)
      })
      expect(report.transitions.at(-1)?.to).toBe("closed")
      const asked = (fromMs: number) => report.slices[fromMs / 1000]?.attempts
      expect(asked(1000)).toEqual({ "openai/gpt-5": 20 })
      expect(asked(3000)?.["backup/qwen"]).toBe(20)
      expect(asked(29_000)).toEqual({ "openai/gpt-5": 20 })
    }))

  it.effect("keeps the file's own limits", () =>
    Effect.gen(function*() {
      const whole = yield* rehearse({ openai: Scenario.silent }, { requestsPerSecond: 1, for: "1s" })
      expect(whole.latencyMs).toEqual(times(10_000))
      const streamed = yield* rehearse({ openai: Scenario.silent }, { requestsPerSecond: 1, for: "1s", stream: true })
      expect(streamed.firstContentMs).toEqual(times(2000))
    }))

  it.effect("counts streams that break where the caller sees it, and hides the others", () =>
    Effect.gen(function*() {
      const late = yield* rehearse({ openai: Scenario.everyNth(4, Scenario.cutAfter(2)) }, { stream: true })
      expect(late).toMatchObject({ failed: 50, brokenStreams: 50, failures: { StreamInterrupted: 50 } })
      const early = yield* rehearse({ openai: Scenario.everyNth(4, Scenario.cutAfter(0)) }, { stream: true })
      expect(early).toMatchObject({ failed: 0, brokenStreams: 0 })
      expect(early.failedAttempts["openai/gpt-5"]).toBeGreaterThan(0)
    }))

  it.effect("counts failures by reason when nobody can answer", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.failing(400) })
      expect(report).toMatchObject({ succeeded: 0, failed: 200, failures: { UpstreamRefused: 200 }, answeredBy: {} })
      expect([report.latencyMs, report.failedAfterMs]).toEqual([undefined, times(0)])
    }))

  it.effect("is the same for the same seed, and another for another", () =>
    Effect.gen(function*() {
      const scenarios = { openai: Scenario.withProbability(0.3, Scenario.failing(500)) }
      const run = (seed: number) => rehearse(scenarios, { arrivals: "random" }, seed)
      const first = yield* run(7)
      // As text, for the records hold their flow's prices.
      expect(JSON.stringify(yield* run(7))).toBe(JSON.stringify(first))
      expect((yield* run(8)).samples).not.toEqual(first.samples)
    }))

  it.effect("gives up on callers after its patience and says how many", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.silent }, {
        requestsPerSecond: 5,
        for: "1s",
        patience: "3s"
      })
      expect([report.requests, report.unfinished]).toEqual([5, 5])
    }))

  it.effect("lets callers bring a bound of their own", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.silent, backup: Scenario.silent }, { timeout: "1s" })
      expect(report).toMatchObject({ failures: { DeadlineExceeded: 200 }, failedAfterMs: times(1000) })
    }))

  it.effect("asks for any model of the file", () =>
    Effect.gen(function*() {
      expect((yield* rehearse({}, { model: "backup/listed" })).answeredBy).toEqual({ "backup/listed": 200 })
    }))

  it.effect("takes the settings of a layer as well as a file", () =>
    Effect.gen(function*() {
      const settings: GatewaySettings = {
        aliases: { only: { strategy: "ordered", targets: [{ provider: "mine", model: "m", weight: 1 }] } }
      }
      const report = yield* Testing.rehearse({
        settings,
        scenarios: {},
        traffic: { requestsPerSecond: 1, for: "3s" }
      })
      expect(report.answeredBy).toEqual({ "mine/m": 3 })
    }))

  it.effect("asks a moderation, too, which passes or does what its scenario says", () =>
    Effect.gen(function*() {
      const moderated = config.replace("    timeouts:", "    guards: { moderation: MODERATION }\n    timeouts:")
      const run = (moderation: string, scenarios: Testing.GatewayOptions["scenarios"]) =>
        Testing.rehearse({
          config: moderated.replace("MODERATION", `{ provider: openai, ${moderation} }`),
          scenarios,
          traffic: { requestsPerSecond: 2, for: "10s" }
        })
      const away = { "openai/omni-moderation-latest": Scenario.failing(401) }
      expect(yield* run("whenFailing: refuse", {})).toMatchObject({ succeeded: 20, answeredBy: { "openai/gpt-5": 20 } })
      expect((yield* run("whenFailing: refuse", away)).failures).toEqual({ AdmissionUnavailable: 20 })
      // Its key is still good for chat.
      expect((yield* run("whenFailing: pass", away)).answeredBy).toEqual({ "openai/gpt-5": 20 })
    }))

  it.effect("has a stand-in for a moderation that is nobody's target", () =>
    Effect.gen(function*() {
      const guards = (provider: string) => ({ moderation: { provider, whenFailing: "refuse" } }) as const
      const targets = [{ provider: "mine", model: "m", weight: 1 }]
      const settings: GatewaySettings = {
        guards: guards("everybodys"),
        aliases: {
          only: { strategy: "ordered", targets, guards: guards("judge") },
          other: { strategy: "ordered", targets }
        }
      }
      for (const model of ["only", "other"]) {
        const traffic = { model, requestsPerSecond: 1, for: "3s" } as const
        expect((yield* Testing.rehearse({ settings, scenarios: {}, traffic })).answeredBy).toEqual({ "mine/m": 3 })
      }
    }))

  it.effect("of thousands of requests is told in a few lines", () =>
    Effect.gen(function*() {
      const report = yield* rehearse({ openai: Scenario.flapping({ up: "5s", down: "5s" }) }, {
        requestsPerSecond: 100,
        for: "60s"
      })
      const text = Report.render(report)
      expect(text).toContain("6000 requests: 6000 answered (100.00 %), 0 failed")
      expect(text).toContain(`breakers     ${report.transitions.length} transition(s)`)
      expect(text).toContain("openai/gpt-5: closed to open (")
      expect(text.split("\n").length).toBeLessThan(22)
    }))
})

describe("a rehearsal of a caller without types", () => {
  it.effect("is refused with what is missing", () =>
    Effect.gen(function*() {
      const traffic = { requestsPerSecond: 1, for: "1s" }
      const refused = (options: object) =>
        // What the types would not let through.
        Effect.map(
          Effect.flip(Testing.rehearse(options as Testing.RehearsalOptions)),
          ({ problems }) => problems.map(({ path }) => path)
        )
      expect(yield* refused({ config, traffic })).toEqual(["scenarios"])
      expect(yield* refused({ scenarios: {}, traffic })).toEqual(["config|settings"])
      expect(yield* refused({ config, scenarios: {} })).toEqual(["traffic"])
      expect(yield* refused({})).toEqual(["config|settings", "scenarios", "traffic"])
    }))
})

describe("the gateway of a rehearsal", () => {
  it.effect("serves an app's own code, and remembers what it asked", () =>
    Effect.gen(function*() {
      const ai = yield* Ai
      const fiber = yield* Effect.forkChild(ai.complete({ model: "fast", messages: [{ role: "user", content: "hi" }] }))
      yield* TestClock.adjust("1 minute")
      const answer = yield* Fiber.join(fiber)
      expect([answer.provider, answer.attempts]).toEqual(["backup", 2])
      const { all } = yield* FaultAttempts
      expect(all().map(({ plays, target }) => `${target} ${plays}`)).toEqual([
        "openai/gpt-5 CredentialRejected",
        "backup/qwen answer"
      ])
    }).pipe(Effect.provide(Testing.gateway({ config, scenarios: { openai: Scenario.failing(401) } }))))

  it.effect("asks each rejected key once, then passes the provider over until an operator resets it", () =>
    Effect.gen(function*() {
      const { all } = yield* FaultAttempts
      const first = yield* Testing.traffic({ requestsPerSecond: 5, for: "10s" })
      expect(first).toMatchObject({ requests: 50, succeeded: 0, attempts: { "openai/gpt-5": 2 } })
      expect(all()).toHaveLength(2)
      const health = yield* Health
      expect((yield* health.targets)[0]?.credentials).toEqual(["dead: rejected", "dead: rejected"])
      yield* health.control({ action: "reset" })
      yield* Testing.traffic({ requestsPerSecond: 5, for: "10s" })
      expect(all()).toHaveLength(4)
    }).pipe(Effect.provide(Testing.gateway({
      config: `
providers:
  openai: { kind: openai, apiKeys: ["\${KEY_1}", "\${KEY_2}"] }
models:
  fast: { targets: [{ provider: openai, model: gpt-5 }] }
`,
      scenarios: { openai: Scenario.failing(401) }
    }))))

  it.effect("is driven by traffic in a test of one's own", () =>
    Effect.gen(function*() {
      const report = yield* Testing.traffic({ requestsPerSecond: 10, for: "2s" })
      expect(report.succeeded).toBe(20)
    }).pipe(Effect.provide(Testing.gateway({ config, scenarios: {} }))))

  it.live("is driven in real time under a live clock", () =>
    Effect.gen(function*() {
      const report = yield* Testing.traffic({ requestsPerSecond: 200, for: "50ms", stream: true })
      expect([report.requests, report.succeeded]).toEqual([10, 10])
    }).pipe(Effect.provide(Testing.gateway({ config, scenarios: { openai: Scenario.failing(401) } }))))

  it.effect("dies of traffic without sense", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Testing.traffic({ requestsPerSecond: 0, for: "1s" }))
      expect(exit).toEqual(Exit.die("traffic needs requestsPerSecond above 0"))
    }).pipe(Effect.provide(Testing.gateway({ config, scenarios: {} }))))

  it.effect("has a stand-in for every provider of the file, the simulated one too", () =>
    Effect.gen(function*() {
      const { providers } = yield* Providers
      expect([...providers.values()].map(({ kind, name }) => `${name} ${kind}`)).toEqual(
        ["openai fault", "backup fault", "simulated fault"]
      )
      expect(providers.get("backup")?.models).toEqual(["listed"])
    }).pipe(Effect.provide(Testing.gateway({ config, scenarios: {} }))))

  const refusal = (options: Testing.GatewayOptions) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(Testing.gateway(options)))), ({ message }) => message)

  it.effect("refuses a file as the start would, and a scenario for nobody", () =>
    Effect.gen(function*() {
      expect(yield* refusal({ config: "modles: {}", scenarios: {} })).toContain("did you mean models?")
      expect(yield* refusal({ config, scenarios: { opnai: Scenario.silent } })).toContain(
        "scenarios.opnai"
      )
    }))

  it.effect("reads the variables it is given, defaults, and no others", () =>
    Effect.gen(function*() {
      const asked = (env: Record<string, string>) =>
        Testing.rehearse({
          config,
          env,
          scenarios: { openai: Scenario.silent },
          traffic: { requestsPerSecond: 1, for: "1s" }
        })
      expect((yield* asked({ ANSWER: "4s" })).latencyMs).toEqual(times(4000))
      expect((yield* asked({})).latencyMs).toEqual(times(10_000))
    }))
})
