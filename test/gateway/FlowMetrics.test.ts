import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Ai } from "../../src/gateway/Ai.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Decision from "../../src/gateway/Decision.ts"
import * as FlowMetrics from "../../src/gateway/FlowMetrics.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { CurrentConventions, latest } from "../../src/observability/Conventions.ts"
import { CurrentInstruments, Instruments } from "../../src/observability/Instruments.ts"
import * as Prometheus from "../../src/observability/Prometheus.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { askVectors } from "../flow/Scripted.ts"

const simulated = Providers.layer([Simulated.make("a"), Simulated.make("b")])

/** A fresh flow and its page. */
const makeFlow = () => {
  const instruments = new Instruments()
  const gateway = Gateway.layer({
    prices: { b: { "sim-fast": { usdPerMtok: { input: "1", output: "1" } } } },
    aliases: {
      fast: {
        strategy: "ordered",
        targets: [{ provider: "a", model: "sim-down", weight: 1 }, { provider: "b", model: "sim-fast", weight: 1 }]
      }
    }
  }).pipe(
    Layer.provide(simulated),
    Layer.provide(Layer.succeed(CurrentInstruments, instruments))
  )
  /** The value of a line of the page, by the beginning of the line. */
  const valueOf = (beginning: string): number | undefined => {
    const line = Prometheus.render(instruments).split("\n").find((line) => line.startsWith(`${beginning} `))
    return line === undefined ? undefined : Number(line.slice(beginning.length + 1))
  }
  return { gateway, instruments, valueOf, page: () => Prometheus.render(instruments) }
}

const messages = [{ role: "user" as const, content: "hello" }] as const

/** Lets time run until the effect has its answer. */
const later = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

const down =
  `gen_ai_operation_name="chat",gen_ai_provider_name="simulated",gen_ai_request_model="sim-down",target="a/sim-down"`
const fast =
  `gen_ai_operation_name="chat",gen_ai_provider_name="simulated",gen_ai_request_model="sim-fast",target="b/sim-fast"`

describe("what the flow counts", () => {
  it.effect("embeddings are an operation of their own, and use no output tokens", () => {
    const { gateway, instruments, page, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const request = askVectors({ model: "b/sim-fast", input: "hello" })
      yield* later((yield* Completion).embed(request))
      request.decision.meter?.ended(request.decision, 0, 10)
      const vectors = fast.replace("chat", "embeddings")
      expect(valueOf(`gen_ai_client_operation_duration_seconds_count{${vectors}}`)).toBe(1)
      expect(valueOf(`gen_ai_client_token_usage_count{${vectors},gen_ai_token_type="input"}`)).toBe(1)
      expect(page()).not.toContain(`gen_ai_operation_name="chat"`)
      expect(valueOf(`breakwater_cost_usd_total{target="b/sim-fast"}`)).toBe(0.000002)
    }).pipe(Effect.provide(gateway), Effect.provideService(CurrentInstruments, instruments))
  })

  it.effect("a failover is one failed call with its retry, one that answered, and what lies between", () => {
    const { gateway, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const answer = yield* later((yield* Ai).complete({ model: "fast", messages }))
      const duration = "gen_ai_client_operation_duration_seconds"
      expect(valueOf(`${duration}_count{${down},error_type="Overloaded"}`)).toBe(1)
      expect(valueOf(`${duration}_count{${down}}`)).toBe(undefined)
      expect(valueOf(`${duration}_count{${fast}}`)).toBe(1)
      expect(valueOf("breakwater_retries_total{target=\"a/sim-down\",error_type=\"Overloaded\"}")).toBe(1)
      expect(
        valueOf("breakwater_failovers_total{from=\"a/sim-down\",to=\"b/sim-fast\",error_type=\"Overloaded\"}")
      ).toBe(1)
      const tokens = "gen_ai_client_token_usage_sum"
      expect(valueOf(`${tokens}{${fast},gen_ai_token_type="input"}`)).toBe(answer.usage?.promptTokens)
      expect(valueOf(`${tokens}{${fast},gen_ai_token_type="output"}`)).toBe(answer.usage?.completionTokens)
      expect(valueOf("breakwater_cost_usd_total{target=\"b/sim-fast\"}")).toBe(Number(answer.costUsd))
      const http = "http_client_request_duration_seconds_count"
      const sent = "{http_request_method=\"POST\",http_response_status_code="
      expect(valueOf(`${http}${sent}"503",target="a/sim-down",error_type="503"}`)).toBe(2)
      expect(valueOf(`${http}${sent}"200",target="b/sim-fast"}`)).toBe(1)
    }).pipe(Effect.provide(gateway))
  })

  it.effect("an open circuit is a transition, a state and rejections", () => {
    const { gateway, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const ai = yield* Ai
      for (let at = 0; at < 3; at++) {
        const fiber = yield* Effect.forkChild(ai.complete({ model: "fast", messages }))
        yield* TestClock.adjust("600 millis")
        yield* Fiber.join(fiber)
      }
      expect(valueOf("breakwater_breaker_transitions_total{target=\"a/sim-down\",from=\"closed\",to=\"open\"}")).toBe(1)
      expect(valueOf("breakwater_breaker_state{target=\"a/sim-down\"}")).toBe(2)
      expect(valueOf("breakwater_breaker_state{target=\"b/sim-fast\"}")).toBe(0)
      expect(valueOf("breakwater_breaker_rejections_total{target=\"a/sim-down\"}")).toBe(1)
      expect(valueOf("breakwater_skips_total{target=\"a/sim-down\",reason=\"circuit_open\"}")).toBe(1)
    }).pipe(Effect.provide(gateway))
  })

  it.effect("a stream has a first chunk, and a gap for each chunk after it", () => {
    const { gateway, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const events = yield* later(Stream.runCollect((yield* Ai).stream({ model: "b/sim-fast", messages })))
      const contents = events.filter((event) => event._tag === "Delta" && event.text !== "")
      expect(valueOf(`gen_ai_client_operation_time_to_first_chunk_seconds_count{${fast}}`)).toBe(1)
      expect(valueOf(`gen_ai_client_operation_time_per_output_chunk_seconds_count{${fast}}`)).toBe(contents.length - 1)
    }).pipe(Effect.provide(gateway))
  })

  it.effect("a stream that another target went on with is a resumption of that target, and two calls", () => {
    const { instruments, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const meter = yield* FlowMetrics.make
      const record = Decision.make("r", 0)
      record.stream = true
      record.attempts.push(
        {
          target: "a/sim-cut",
          provider: "a",
          model: "sim-cut",
          startedAtMs: 0,
          waitedMs: 0,
          outcome: "StreamInterrupted",
          tookMs: 400,
          settledAtMs: 400
        },
        {
          target: "a/sim",
          provider: "a",
          model: "sim",
          startedAtMs: 500,
          waitedMs: 50,
          outcome: "ok",
          tookMs: 100,
          settledAtMs: 600
        }
      )
      Object.assign(record, { provider: "a", model: "sim", resumed: 1, endedAtMs: 1500 })
      meter.ended(record, 0, 1500)
      expect(valueOf("breakwater_resumptions_total{target=\"a/sim\"}")).toBe(1)
      const duration = "gen_ai_client_operation_duration_seconds_sum"
      const named = (model: string) =>
        `gen_ai_operation_name="chat",gen_ai_provider_name="simulated",gen_ai_request_model="${model}",target="a/${model}"`
      expect(valueOf(`${duration}{${named("sim-cut")},error_type="StreamInterrupted"}`)).toBe(0.4)
      expect(valueOf(`${duration}{${named("sim")}}`)).toBe(1)
      expect(valueOf("breakwater_overhead_duration_seconds_sum")).toBe(0.05)
    }).pipe(Effect.provide(simulated), Effect.provideService(CurrentInstruments, instruments))
  })

  it.effect("has the names that the conventions have now, where those are chosen", () => {
    const { instruments, page, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const meter = yield* FlowMetrics.make
      const record = Decision.make("r", 0)
      record.attempts.push({
        target: "b/sim",
        provider: "b",
        model: "sim",
        startedAtMs: 0,
        waitedMs: 0,
        outcome: "ok",
        tookMs: 20,
        settledAtMs: 20
      })
      Object.assign(record, { provider: "b", model: "sim", endedAtMs: 21 })
      record.usage = { promptTokens: 10, completionTokens: 20, totalTokens: 30, cachedTokens: 4 }
      meter.ended(record, 0, 21)
      const labels =
        "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"simulated\",gen_ai_request_model=\"sim\",target=\"b/sim\""
      const counted = (name: string) =>
        valueOf(`gen_ai_client_inference_usage_${name}_total{${labels},gen_ai_token_modality="unknown"}`)
      expect([counted("input_tokens"), counted("output_tokens"), counted("cache_read_input_tokens")]).toEqual([
        10,
        20,
        4
      ])
      expect(valueOf(`gen_ai_client_inference_duration_seconds_count{${labels}}`)).toBe(1)
      expect(page()).not.toContain("gen_ai_client_operation")
    }).pipe(
      Effect.provide(simulated),
      Effect.provideService(CurrentInstruments, instruments),
      Effect.provideService(CurrentConventions, latest)
    )
  })

  it.effect("what the gateway takes itself is without the upstream's time and without pauses", () => {
    const { instruments, valueOf } = makeFlow()
    return Effect.gen(function*() {
      const meter = yield* FlowMetrics.make
      const record = Decision.make("r", 0)
      record.attempts.push(
        {
          target: "b/sim",
          provider: "b",
          model: "sim",
          startedAtMs: 1,
          waitedMs: 0,
          outcome: "Overloaded",
          tookMs: 100,
          settledAtMs: 1101
        },
        {
          target: "b/sim",
          provider: "b",
          model: "sim",
          startedAtMs: 151,
          waitedMs: 50,
          outcome: "ok",
          tookMs: 200,
          settledAtMs: 1351
        }
      )
      meter.ended(record, 1000, 1354)
      expect(valueOf("breakwater_overhead_duration_seconds_count")).toBe(1)
      expect(valueOf("breakwater_overhead_duration_seconds_sum")).toBe(0.004)
    }).pipe(Effect.provide(simulated), Effect.provideService(CurrentInstruments, instruments))
  })

  it.effect("a model that only callers name is never a label", () => {
    const { gateway, page } = makeFlow()
    return Effect.gen(function*() {
      yield* Effect.flip(later((yield* Ai).complete({ model: "a/secret-model", messages })))
      expect(page()).not.toContain("secret-model")
    }).pipe(Effect.provide(gateway))
  })
})
