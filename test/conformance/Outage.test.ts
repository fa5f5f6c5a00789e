/** A collector that is down: no request hears of it, what waits is bounded, and what is dropped is counted where operators look. */
import { describe, expect, it } from "@effect/vitest"
import { call, readAnswer } from "../faults/Client.ts"
import { inParallel } from "../faults/Gateway.ts"
import { blackhole, refused } from "../faults/Listeners.ts"
import * as Wire from "../wire/Gateway.ts"
import { startSink } from "./Sink.ts"

const many = 60

const telemetryOf = async (gateway: Wire.Gateway) => {
  const health = await (await fetch(`${gateway.origin}/api/v1/health`)).json()
  // The shape is what is asserted.
  const { components } = health as {
    readonly components: ReadonlyArray<{ readonly component: string; readonly status: string; readonly output: string }>
  }
  const found = components.find(({ component }) => component === "telemetry")
  const [, exported, waiting, dropped] = /(\d+) spans exported, (\d+) waiting, (\d+) dropped/.exec(found?.output ?? "")
    ?? []
  return { ...found, exported: Number(exported), waiting: Number(waiting), dropped: Number(dropped) }
}

const asked = (gateway: Wire.Gateway) =>
  inParallel(
    8,
    Array.from({ length: many }, (_, at) => at),
    async (at) => readAnswer(await call(gateway.url, { model: "sim", stream: at % 30 === 0 }))
  )

describe("a collector that is down", () => {
  for (const exporter of ["native", "sdk"]) {
    for (const kind of ["refuses", "never answers"]) {
      it(`and ${kind} harms no request, and what is dropped is counted (${exporter})`, async () => {
        const hole = kind === "refuses" ? undefined : await blackhole()
        const url = hole?.url ?? await refused()
        const gateway = await Wire.start({
          telemetry: {
            otlp: {
              endpoint: url.replace(/\/v1$/, ""),
              exporter,
              interval: "50ms",
              timeout: "100ms",
              queue: 30,
              batch: 10
            }
          }
        })
        const answers = await asked(gateway)
        expect(answers.every(({ errors, finishReasons }) => errors.length === 0 && finishReasons.length > 0)).toBe(true)
        const seen = await telemetryOf(gateway)
        expect(seen.status).toBe("warn")
        expect(seen.waiting).toBeLessThanOrEqual(30)
        // Three spans a request, and what else was asked.
        expect(seen.exported + seen.waiting + seen.dropped).toBeGreaterThanOrEqual(many * 3)
        expect(seen.exported).toBe(0)
        const metrics = await (await fetch(`${gateway.origin}/metrics`)).text()
        expect(Number(/breakwater_telemetry_spans_total\{outcome="dropped"\} (\d+)/.exec(metrics)?.[1]))
          .toBeGreaterThan(0)
        expect(await gateway.stop()).toBe(0)
        await hole?.close()
      }, 60_000)
    }
  }

  it("and comes back is sent what was kept", async () => {
    const sink = await startSink()
    sink.status = 503
    const gateway = await Wire.start({
      telemetry: { otlp: { endpoint: sink.url, exporter: "native", interval: "20ms" } }
    })
    await call(gateway.url, { model: "sim" })
    await sink.until(() => sink.bodies.length > 1)
    expect(sink.spans).toEqual([])
    sink.status = 200
    await sink.until((spans) => spans.some(({ name }) => name === "chat sim"))
    await gateway.stop()
    await sink.close()
  }, 60_000)
})

describe("what is sent", () => {
  for (const [protocol, type] of [["http/protobuf", "application/x-protobuf"], ["http/json", "application/json"]]) {
    it(`by the SDK is ${protocol} where that is asked for, with the headers of the file and packed`, async () => {
      const sink = await startSink()
      const gateway = await Wire.start({
        telemetry: {
          otlp: { endpoint: sink.url, protocol, compression: "gzip", interval: "20ms", headers: { "x-team": "a" } }
        }
      })
      await Promise.all(Array.from({ length: 20 }, () => call(gateway.url, { model: "sim" })))
      await gateway.stop()
      const typesAt = (at: string) => new Set(sink.bodies.filter(({ path }) => path === at).map((body) => body.type))
      expect(typesAt("/v1/traces")).toEqual(new Set([type]))
      // The same numbers whoever exports, so that there is one way.
      expect(typesAt("/v1/metrics")).toEqual(new Set(["application/json"]))
      expect(new Set(sink.bodies.map(({ path }) => path))).toEqual(new Set(["/v1/traces", "/v1/metrics"]))
      expect(new Set(sink.bodies.map(({ encoding }) => encoding))).toEqual(new Set(["gzip"]))
      expect(new Set(sink.headers.map((headers) => headers["x-team"]))).toEqual(new Set(["a"]))
      expect(new Set(sink.headers.map(({ b3, traceparent }) => [b3, traceparent].join("")))).toEqual(new Set([""]))
      await sink.close()
    }, 60_000)
  }
})
