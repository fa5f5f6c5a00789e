import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { DecisionRecord } from "../../src/domain/DecisionRecord.ts"
import { defaultOtlpSettings, Destination, layer as tracing } from "../../src/observability/Tracing.ts"
import { makeFake } from "./Fake.ts"
import { listen } from "./Socket.ts"

const settings = { adminKey: Redacted.make("admin") }
const operator = { headers: { authorization: "Bearer admin" } }

interface Answer {
  readonly components: ReadonlyArray<{ readonly component: string; readonly status: string; readonly output?: string }>
}

const healthOf = (telemetry: Layer.Layer<never>, init: RequestInit = {}) =>
  Effect.gen(function*() {
    const url = yield* listen(makeFake(), [], settings, telemetry)
    // The shape is what these tests assert.
    return yield* Effect.promise(async () => await (await fetch(`${url}/api/v1/health`, init)).json() as Answer)
  })

describe("the health of telemetry", () => {
  it.live("is a component where traces have somewhere to go, and names the place to an operator only", () =>
    Effect.gen(function*() {
      const telemetry = Layer.succeed(Destination, "http://127.0.0.1:4318")
      expect(yield* healthOf(telemetry)).toMatchObject({
        components: [{ component: "providers" }, { component: "telemetry", status: "pass" }, {
          component: "event-loop"
        }]
      })
      expect(JSON.stringify(yield* healthOf(telemetry))).not.toContain("4318")
      expect((yield* healthOf(telemetry, operator)).components[1]).toEqual({
        component: "telemetry",
        status: "pass",
        output: "traces go to http://127.0.0.1:4318: 0 spans exported, 0 waiting, 0 dropped",
        counts: { "spans exported": 0, waiting: 0, dropped: 0 }
      })
    }))

  it.live("is no component where they have none", () =>
    Effect.gen(function*() {
      const { components } = yield* healthOf(Layer.empty, operator)
      expect(components.map(({ component }) => component)).toEqual(["providers", "event-loop"])
    }))
})

describe("the place that traces go to", () => {
  it.effect("is told without what its URL may hold of a secret", () =>
    Effect.gen(function*() {
      const otlp = { ...defaultOtlpSettings, exporter: "native" } as const
      const told = (endpoint: string | undefined) =>
        Effect.scoped(Effect.provide(Effect.map(Destination, (found) => found), tracing({ ...otlp, endpoint })))
      expect(yield* told("http://user:secret@127.0.0.1:4318/token")).toBe("http://127.0.0.1:4318")
      expect(yield* told(undefined)).toBeUndefined()
    }))
})

describe("monitoring as events", () => {
  it.live("is the value without the workers' own, again and again, also while the process drains, until its door is closed", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      const url = yield* listen(fake, [], { ...settings, drain: { notReady: 1500, streams: 1000 } })
      yield* Effect.promise(async () => {
        const response = await fetch(`${url}/api/v1/health/monitoring/stream`, operator)
        expect(response.headers.get("content-type")).toContain("text/event-stream")
        const texts: Array<string> = []
        // The second comes a second later; the body ends by itself.
        for await (const bytes of response.body ?? []) {
          texts.push(new TextDecoder().decode(bytes))
          if (texts.length === 2) fake.phase = "draining"
        }
        const values = texts.join("").split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
          JSON.parse(line.slice(6))
        )
        expect(values.length).toBeGreaterThan(1)
        expect(values[0]).toEqual({ uptimeMs: 1, phase: "ready" })
        const draining = values.filter(({ phase }) => phase === "draining")
        expect(draining.length).toBeGreaterThan(1)
        expect(values.at(-1)).toEqual({ uptimeMs: 1, phase: "draining" })
      })
    }))

  it.live("is for operators only", () =>
    Effect.gen(function*() {
      const url = yield* listen(makeFake(), [], settings)
      const response = yield* Effect.promise(() => fetch(`${url}/api/v1/health/monitoring/stream`))
      expect(response.status).toBe(401)
    }))
})

describe("one request's record", () => {
  it.live("is found by its id, and a 404 says that it is not remembered", () =>
    Effect.gen(function*() {
      const record: DecisionRecord = {
        request_id: "mine",
        at_ms: 1,
        alias: "fast",
        stream: false,
        candidates: [],
        skipped: [],
        attempts: [],
        ended: "answered"
      }
      const url = yield* listen({ ...makeFake(), records: [record] }, [], settings)
      const find = (id: string) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}/api/v1/health/monitoring/requests/${id}`, operator)
          const body: unknown = await response.json()
          return [response.status, body]
        })
      expect(yield* find("mine")).toEqual([200, record])
      expect(yield* find("nobodys")).toMatchObject([404, { error: { code: "request_not_found" } }])
    }))
})
