import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createServer } from "node:http"
import { start } from "./Gateway.ts"
import { type Listening, listening } from "./Listening.ts"

interface Metric {
  readonly name: string
  readonly unit: string
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: ReadonlyArray<Point> }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<Point> }
}

interface Point {
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue: string } }>
  readonly asDouble?: number
  readonly count?: string
  readonly bucketCounts?: ReadonlyArray<string>
  readonly explicitBounds?: ReadonlyArray<number>
}

let metrics: ReadonlyArray<Metric> = []
const resources: Array<unknown> = []
const asked: Array<string | undefined> = []

/** An OTLP/HTTP receiver that keeps the last metrics it is sent. */
const receiver = createServer((request, response) => {
  let text = ""
  asked.push(request.url)
  request.on("data", (chunk) => (text += chunk)).on("end", () => {
    if (request.url === "/v1/metrics") {
      const [resource] = JSON.parse(text).resourceMetrics
      resources.push(resource.resource)
      metrics = resource.scopeMetrics[0].metrics
    }
    response.end("{}")
  })
})
let collector: Listening
beforeAll(async () => {
  collector = await listening(receiver)
})
afterAll(() => collector.close())

const nameOnPage = ({ name, sum, unit }: Metric): string =>
  `${name.replaceAll(".", "_")}${unit === "s" ? "_seconds" : ""}${sum === undefined ? "" : "_total"}`

describe("the gateway's metrics", () => {
  it("are over OTLP what they are on the page, with the conventions' names and units", async () => {
    const endpoint = collector.url
    const gateway = await start({ telemetry: { otlp: { endpoint, exporter: "native" } } })
    for (const stream of [false, true]) {
      const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "sim-fast", stream, messages: [{ role: "user", content: "hi" }] })
      })
      await answer.text()
    }
    await gateway.monitoring()
    const page = await (await fetch(`${gateway.origin}/metrics`)).text()
    expect(await gateway.stop()).toBe(0)
    const units = new Map(metrics.map(({ name, unit }) => [name, unit]))
    expect(units.get("gen_ai.client.operation.duration")).toBe("s")
    expect(units.get("gen_ai.client.token.usage")).toBe("{token}")
    expect(units.get("http.server.request.duration")).toBe("s")
    const chat = metrics.find(({ name }) => name === "gen_ai.client.operation.duration")?.histogram?.dataPoints[0]
    expect(Object.fromEntries(chat?.attributes.map(({ key, value }) => [key, value.stringValue]) ?? [])).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "simulated",
      "gen_ai.request.model": "sim-fast",
      target: "simulated/sim-fast"
    })
    expect(chat?.count).toBe("2")
    expect(chat?.bucketCounts?.length).toBe((chat?.explicitBounds?.length ?? 0) + 1)
    expect(JSON.stringify(resources[0])).toContain("service.instance.id")
    const families = Array.from(page.matchAll(/^# TYPE (\S+) /gm), ([, name]) => name)
    expect(families.length).toBeGreaterThan(15)
    expect(families.filter((name) => !metrics.some((metric) => nameOnPage(metric) === name))).toEqual([])
  })

  for (const [signal, other] of [["traces", "metrics"], ["metrics", "traces"]] as const) {
    it(`the receiver is sent no ${signal} where it is not to have them, and ${other} as ever`, async () => {
      const gateway = await start({
        telemetry: { otlp: { endpoint: collector.url, exporter: "native", [signal]: false } }
      })
      asked.length = 0
      await (await fetch(`${gateway.origin}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "sim-fast", messages: [{ role: "user", content: "hi" }] })
      })).text()
      expect(await gateway.stop()).toBe(0)
      expect(new Set(asked)).toEqual(new Set([`/v1/${other}`]))
    })
  }
})
