import { describe, expect, it } from "@effect/vitest"
import { catalogue } from "../../src/observability/Catalogue.ts"
import { type Definition, Instruments } from "../../src/observability/Instruments.ts"
import { nameOf, render } from "../../src/observability/Prometheus.ts"

const counter = { name: "a.things", kind: "counter", unit: "{thing}", description: "Things.", labels: ["x"] } as const
const histogram = {
  name: "b.wait",
  kind: "histogram",
  unit: "s",
  description: "Waits.",
  labels: ["x", "error.type"],
  bounds: [0.1, 1]
} as const

describe("the page of metrics", () => {
  it("has the names and lines that a collector would give them", () => {
    const instruments = new Instruments()
    instruments.counter(counter).of("y\"\\\n").add(2)
    const wait = instruments.histogram(histogram).of("y", undefined)
    for (const seconds of [0.1, 0.2, 1, 5]) wait.observe(seconds)
    expect(render(instruments)).toBe(`# HELP a_things_total Things.
# TYPE a_things_total counter
a_things_total{x="y\\"\\\\\\n"} 2
# HELP b_wait_seconds Waits.
# TYPE b_wait_seconds histogram
b_wait_seconds_bucket{x="y",le="0.1"} 1
b_wait_seconds_bucket{x="y",le="1"} 3
b_wait_seconds_bucket{x="y",le="+Inf"} 4
b_wait_seconds_sum{x="y"} 6.3
b_wait_seconds_count{x="y"} 4
`)
  })

  it("is the same however often it is read, and follows what is added", () => {
    const instruments = new Instruments()
    const things = instruments.counter(counter).of("y")
    things.add(1)
    expect(render(instruments)).toBe(render(instruments))
    things.add(1)
    expect(render(instruments)).toContain("a_things_total{x=\"y\"} 2\n")
  })

  it("leaves out a histogram in which nothing is, and its head with it", () => {
    const instruments = new Instruments()
    instruments.histogram(histogram).of("y", "Overloaded")
    expect(render(instruments)).toBe("")
  })

  it("counts series beyond the most that there may be together", () => {
    const instruments = new Instruments()
    const things = instruments.counter(counter)
    for (let at = 0; at < 2100; at++) things.of(`value ${at}`).add(1)
    expect(things.series.size).toBe(2001)
    expect(render(instruments)).toContain("a_things_total{otel_metric_overflow=\"true\"} 100\n")
  })

  it("runs what sets gauges before each reading", () => {
    const instruments = new Instruments()
    expect(instruments.read()).toEqual([])
    expect(render(instruments)).toBe("")
  })
})

describe("the catalogue", () => {
  const all: ReadonlyArray<Definition> = catalogue

  it("names every metric once, under both names", () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
    expect(new Set(all.map(nameOf)).size).toBe(all.length)
  })

  it("counters end in _total, durations in _seconds, and nothing in a name is repeated", () => {
    for (const definition of all) {
      const name = nameOf(definition)
      expect([name, name.endsWith("_total")]).toEqual([name, definition.kind === "counter"])
      expect([name, /_seconds(?:_total)?$/.test(name)]).toEqual([name, definition.unit === "s"])
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    }
  })

  it("has no unit of which a collector would make a name of its own, such as _ratio of 1", () => {
    for (const { name, unit } of all) {
      expect([name, unit]).toEqual([name, expect.stringMatching(/^(?:|s|ms|By|\{\w+\})$/)])
    }
  })

  it("has the conventions' buckets", () => {
    const boundsOf = (name: string) => all.find((definition) => definition.name === name)?.bounds
    const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
    expect(boundsOf("gen_ai.client.operation.duration")).toEqual(seconds)
    expect(boundsOf("gen_ai.client.operation.time_to_first_chunk")).toEqual(seconds)
    expect(boundsOf("gen_ai.client.operation.time_per_output_chunk")).toEqual(seconds)
    expect(boundsOf("gen_ai.client.token.usage")).toEqual(
      [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]
    )
    const http = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    expect(boundsOf("http.server.request.duration")).toEqual(http)
    expect(boundsOf("http.client.request.duration")).toEqual(http)
  })
})
