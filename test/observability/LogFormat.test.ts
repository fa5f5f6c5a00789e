import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { type Format, renderOf } from "../../src/observability/LogFormat.ts"
import { layerLines } from "../../src/observability/Logger.ts"

const fields = {
  "event.name": "breakwater.request.completed",
  "breakwater.request.id": "r1",
  trace_id: "0af7651916cd43dd8448eb211c80319c",
  span_id: "b7ad6b7169203331",
  "http.request.method": "POST",
  "http.response.status_code": 502,
  "error.type": "UpstreamFailed",
  "exception.stacktrace": "at x",
  absent: undefined,
  duration_ms: 12.5
}
const service = { name: "breakwater", version: "0.1.0" }
const line = (format: Format) => JSON.parse(renderOf(format, service)("error", 1500, "failed", fields))

const common = { timestamp: "1970-01-01T00:00:01.500Z", severity_text: "ERROR", severity_number: 17, message: "failed" }
const { absent: _, ...told } = fields
const otel = { ...common, "service.name": "breakwater", "service.version": "0.1.0", ...told }

describe("a line of the log", () => {
  it("has OpenTelemetry's names", () => {
    expect(line("otel")).toEqual(otel)
    expect(line("json")).toEqual(otel)
  })

  it("says of each member what it is in this line, whatever it was in the one before", () => {
    const list = ["a", "b"]
    const values = [
      1,
      "1",
      true,
      "true",
      null,
      "null",
      Number.NaN,
      0,
      undefined,
      0,
      "a\"b",
      ["a\"b"],
      [1],
      list,
      "x".repeat(200)
    ]
    const render = renderOf("otel", undefined)
    const expected = (value: unknown) => JSON.parse(JSON.stringify({ ...common, message: String(value), value }))
    for (const value of [...values, ...values.toReversed()]) {
      expect(JSON.parse(render("error", 1500, String(value), { value }))).toEqual(expected(value))
    }
    render("error", 1500, "list", { value: list })
    list.pop()
    expect(JSON.parse(render("error", 1500, "list", { value: list }))).toEqual({
      ...common,
      message: "list",
      value: ["a"]
    })
  })

  it("has Datadog's names, ids in decimal and a duration in nanoseconds", () => {
    expect(line("datadog")).toEqual({
      timestamp: "1970-01-01T00:00:01.500Z",
      status: "error",
      message: "failed",
      "dd.service": "breakwater",
      "dd.version": "0.1.0",
      "dd.trace_id": "9532127138774266268",
      "dd.span_id": "13235353014750950193",
      "event.name": "breakwater.request.completed",
      "breakwater.request.id": "r1",
      trace_id: "0af7651916cd43dd8448eb211c80319c",
      span_id: "b7ad6b7169203331",
      "http.method": "POST",
      "http.status_code": 502,
      "error.kind": "UpstreamFailed",
      "error.stack": "at x",
      duration_ms: 12.5,
      duration: 12_500_000
    })
  })

  it("has Elastic's names", () => {
    expect(line("ecs")).toEqual({
      "@timestamp": "1970-01-01T00:00:01.500Z",
      "log.level": "error",
      message: "failed",
      "ecs.version": "8.11.0",
      "service.name": "breakwater",
      "service.version": "0.1.0",
      "event.action": "breakwater.request.completed",
      "breakwater.request.id": "r1",
      "trace.id": "0af7651916cd43dd8448eb211c80319c",
      "span.id": "b7ad6b7169203331",
      "http.request.method": "POST",
      "http.response.status_code": 502,
      "error.type": "UpstreamFailed",
      "error.stack_trace": "at x",
      duration_ms: 12.5,
      "event.duration": 12_500_000
    })
  })

  it("is what Splunk's collector takes", () => {
    expect(line("splunk-hec")).toEqual({ time: 1.5, source: "breakwater", sourcetype: "_json", event: otel })
  })

  it("is for people where that is asked for", () => {
    expect(renderOf("pretty", service)("warn", 0, "x", { a: "b", c: 1, d: "e f", g: "" })).toBe(
      "00:00:00.000 WARN  x a=b c=1 d=\"e f\" g=\"\""
    )
  })

  it("tells people of a request in one short line what its words do not say already", () => {
    const request = {
      "event.name": "breakwater.request.completed",
      "breakwater.request.id": "r1",
      "http.request.method": "POST",
      "http.route": "/v1/chat/completions",
      "http.response.status_code": 200,
      "gen_ai.request.model": "fast",
      "gen_ai.response.model": "sim",
      "gen_ai.usage.input_tokens": 2,
      "gen_ai.usage.output_tokens": 55,
      "gen_ai.usage.reasoning.output_tokens": 0,
      "breakwater.cost.usd": "0.000831",
      "breakwater.attempts": 1,
      "breakwater.attempt.outcomes": ["main/sim=ok"],
      "breakwater.decision": { long: true },
      stream: false,
      duration_ms: 38
    }
    const told = (fields: object) =>
      renderOf("pretty", service)("info", 0, "POST /v1/chat/completions 200", { ...fields })
    expect(told(request)).toBe(
      "00:00:00.000 INFO  POST /v1/chat/completions 200 id=r1 model=fast in=2 out=55 usd=0.000831 tried=main/sim=ok ms=38"
    )
    expect(told({ ...request, "breakwater.attempts": 2, "breakwater.attempt.outcomes": ["a/b=Overloaded", "c/d=ok"] }))
      .toContain(" attempts=2 tried=a/b=Overloaded,c/d=ok ")
  })
})

describe("a line of a forked fiber", () => {
  it.effect("has the ids of its request and of the span at hand", () => {
    const lines: Array<string> = []
    const span = Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" })
    return Effect.gen(function*() {
      const child = yield* Effect.forkChild(Effect.andThen(Effect.forkChild(Effect.logWarning("inner")), Fiber.join))
      yield* Fiber.join(child)
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({
        message: "inner",
        "breakwater.request.id": "r1",
        trace_id: span.traceId,
        span_id: span.spanId
      })
    }).pipe(
      Effect.provideService(Tracer.ParentSpan, span),
      Effect.provide(
        layerLines(
          { format: "json", level: "info" },
          (line) => lines.push(line),
          () => ({ "breakwater.request.id": "r1" })
        )
      )
    )
  })

  it.effect("has no secret in it, whoever wrote it", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      yield* Effect.logError("upstream said sk-abcdefghijklmnop1234")
      expect(lines.join("")).not.toContain("abcdefghijklmnop")
    }).pipe(Effect.provide(layerLines({ format: "json", level: "info" }, (line) => lines.push(line))))
  })
})
