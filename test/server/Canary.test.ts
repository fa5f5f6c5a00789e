import { describe, expect, it } from "@effect/vitest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import { CurrentInstruments, Instruments } from "../../src/observability/Instruments.ts"
import { layerLines } from "../../src/observability/Logger.ts"
import { render } from "../../src/observability/Prometheus.ts"
import { ServerSpans } from "../../src/observability/Tracing.ts"
import { correlate } from "../../src/server/RequestLog.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask, post } from "./Client.ts"
import { layerFake, makeFake } from "./Fake.ts"

const canary = "canary capercaillie quill"

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "bigint"
      ? String(inner)
      : inner instanceof Map
      ? [...inner]
      : inner instanceof Error
      ? [inner.name, inner.message, inner.stack, inner.cause]
      : inner)

describe("a defect that holds what a caller wrote", () => {
  it("tells nobody of it: neither the line, nor the span, the metrics or the answer", async () => {
    const fake = makeFake()
    fake.defect = new Error(canary, { cause: { prompt: canary } })
    const lines: Array<string> = []
    const spans: Array<Tracer.NativeSpan> = []
    const instruments = new Instruments()
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const server = HttpRouter.toWebHandler(
      Server.layer(defaultServerSettings).pipe(
        Layer.provideMerge(layerFake(fake)),
        Layer.provideMerge(Layer.mergeAll(
          layerLines({ format: "json", level: "trace" }, (line) => lines.push(line), correlate),
          Layer.succeed(Tracer.Tracer, tracer),
          Layer.succeed(ServerSpans, { sample: 1 }),
          Layer.succeed(CurrentInstruments, instruments)
        )),
        Layer.provide(HttpServer.layerServices)
      ),
      { disableLogger: true }
    )
    const answers: Array<string> = []
    for (const stream of [false, true]) {
      const reply = await post(server, { model: "fast", stream, messages: [{ role: "user", content: canary }] })
      expect(reply.status).toBe(500)
      answers.push(reply.text)
    }
    answers.push((await ask(server, "/metrics")).text)
    await server.dispose()
    const log = lines.map((line) => JSON.parse(line))
    expect(log.filter((line) => line["event.name"] === "breakwater.request.defect").length).toBe(2)
    expect(log.filter((line) => line["breakwater.request.id"] === undefined)).toEqual([])
    expect(log.filter((line) => line["trace_id"] === undefined && line["http.route"] !== "/metrics")).toEqual([])
    expect(spans.length).toBeGreaterThan(1)
    expect(render(instruments)).toContain("error_type=\"InternalFailure\"")
    const told = shown([
      lines,
      answers,
      spans.map(({ attributes, events, status }) => ({ attributes, events, status }))
    ])
    expect(told).not.toContain("capercaillie")
  })
})
