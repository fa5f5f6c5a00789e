/** Every scenario's exported trace against the conventions, in both profiles and through both exporters. */
import { beforeAll, describe, expect, it } from "@effect/vitest"
import { inParallel } from "../faults/Gateway.ts"
import { check, traces } from "./Check.ts"
import { mutants } from "./Mutants.ts"
import { ask, caller, factsOf, startWorld, traceOf } from "./Run.ts"
import { scenarios } from "./Scenarios.ts"
import type { Span } from "./Sink.ts"

const worlds = [["1.41", "native"], ["latest", "sdk"], ["1.41", "sdk"], ["latest", "native"]] as const

const isCall = (span: Span): boolean => "gen_ai.operation.name" in span.attributes
const isWire = (span: Span): boolean => span.kind === 3 && !isCall(span)

for (const [profile, exporter] of worlds) {
  describe(`traces by the conventions ${profile}, through ${exporter}`, () => {
    let all: ReadonlyMap<string, ReadonlyArray<Span>>
    let upstreamHeaders: ReadonlyArray<Readonly<Record<string, unknown>>>
    const statuses = new Map<string, number>()
    const id = (name: string) => traceOf(`${profile} ${exporter} ${name}`)

    beforeAll(async () => {
      const world = await startWorld(profile, exporter)
      await inParallel(6, scenarios, async (scenario) => {
        for (let made = 0; made < (scenario.earlier ?? 0); made++) {
          await ask(world, scenario, id(`${scenario.name} before ${made}`))
        }
        statuses.set(scenario.name, await ask(world, scenario, id(scenario.name)))
      })
      upstreamHeaders = world.seen()
      all = traces(await world.end())
    }, 60_000)

    it.for(scenarios.map((scenario) => [scenario.name, scenario] as const))("%s", ([name, scenario]) => {
      const spans = all.get(id(name)) ?? []
      const { calls, cancelled, events = [], status, wires = calls } = scenario.wanted
      expect(check(spans, profile, factsOf(scenario, exporter), caller)).toEqual([])
      expect({ status: statuses.get(name), calls: spans.filter(isCall).length, wires: spans.filter(isWire).length })
        .toEqual({ status, calls, wires })
      const seen = spans.flatMap((span) => span.events.map((event) => event.name))
      expect(seen).toEqual(expect.arrayContaining([...events]))
      expect(spans.some(({ attributes }) => attributes["breakwater.cancelled"] === true)).toBe(cancelled === true)
    })

    it("do not conform any more when any one attribute is taken away or has another name", () => {
      const missed = new Set<string>()
      let tried = 0
      for (const scenario of scenarios) {
        const spans = all.get(id(scenario.name)) ?? []
        const isFound = (changed: ReadonlyArray<Span>) =>
          check(changed, profile, factsOf(scenario, exporter), caller).length > 0
        for (const { span, text, to } of mutants(spans)) {
          tried++
          if (!isFound(spans.map((one) => one === span ? to : one))) missed.add(text)
        }
      }
      expect([...missed]).toEqual([])
      expect(tried).toBeGreaterThan(2000)
    })

    it("keep the caller's trace, all of them", () => {
      const asked = scenarios.flatMap(({ earlier = 0, name }) => [
        id(name),
        ...Array.from({ length: earlier }, (_, at) => id(`${name} before ${at}`))
      ])
      expect(new Set(all.keys())).toEqual(new Set(asked))
    })

    it("tell no third party anything", () => {
      expect(upstreamHeaders.length).toBeGreaterThan(0)
      const told = upstreamHeaders.flatMap(Object.keys).filter((name) => /traceparent|tracestate|b3|baggage/.test(name))
      expect(told).toEqual([])
    })

    it("hold no content", () => {
      const text = JSON.stringify(
        [...all.values()].flat(),
        (_, value: unknown) => typeof value === "bigint" ? String(value) : value
      )
      for (const secret of ["A wall.", "base64", "sk-test", "secret", "\"look\""]) expect(text).not.toContain(secret)
    })
  })
}
