import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { makeBook } from "../../src/accounting/Cost.ts"
import * as Decision from "../../src/gateway/Decision.ts"
import { mergeTallies, shown, statisticsOf } from "../../src/gateway/Monitoring.ts"
import * as Recent from "../../src/gateway/Recent.ts"
import * as Tally from "../../src/gateway/Tally.ts"

const prices = makeBook([{
  name: "a",
  kind: "simulated",
  prices: { m: { usdPerMtok: { input: "3", output: "15" } } }
}])

const usage = { promptTokens: 100, completionTokens: 10, totalTokens: 110, cachedTokens: 40 }

/** A finished request: each attempt is a target and what it came to. */
const request = (
  attempts: ReadonlyArray<readonly [target: string, outcome: string]>,
  more: Partial<Decision.Decision> = {}
): Decision.Decision => {
  const won = attempts.at(-1)?.[1] === "ok" ? { provider: "a", model: "m", usage } : {}
  const decision: Decision.Decision = { ...Decision.make("req", 1000), alias: "fast", prices, ...won, ...more }
  for (const [target, outcome] of attempts) {
    const [provider = "", model = ""] = target.split("/")
    decision.attempts.push({ target, provider, model, outcome, startedAtMs: 1000, endedAtMs: 1080, waitedMs: 0 })
  }
  return decision
}

const tallied = (decisions: ReadonlyArray<Decision.Decision>, nowMs = 1100) => {
  const tally = Tally.make()
  for (const decision of decisions) tally.note(decision, nowMs)
  return tally.read(nowMs)
}

describe("the tally", () => {
  it("tells of each failed attempt by target and reason what followed it", () => {
    const parts = tallied([
      request([["a/m", "Overloaded"], ["a/m", "Overloaded"], ["b/m", "ok"]]),
      request([["a/m", "Overloaded"]], { error: "Overloaded" })
    ])
    expect(parts.failures).toEqual([
      { target: "a/m", reason: "Overloaded", count: 3, retried: 1, failedOver: 1, ended: 1 }
    ])
    expect(parts.totals).toMatchObject({ requests: 2, failed: 1, attempts: 4, retries: 1, failovers: 1, recovered: 1 })
  })

  it("counts tokens and the exact cost for who answered, and what is not known", () => {
    const parts = tallied([
      request([["a/m", "ok"]]),
      request([["a/m", "ok"]]),
      request([["a/m", "ok"]], { usage: undefined })
    ])
    expect(shown(parts, 1100, 0).spending).toEqual([{
      provider: "a",
      model: "m",
      requests: 3,
      inputTokens: 200,
      outputTokens: 20,
      cachedTokens: 80,
      costUsd: "0.0009",
      unpriced: 1
    }])
  })

  it("names at most a hundred models of a provider, whatever callers make up", () => {
    const many = Array.from({ length: 500 }, (_, index) => request([["a/*", "ok"]], { model: `m${index}` }))
    const { spending } = tallied(many)
    expect(spending).toHaveLength(101)
    expect(spending.find(({ model }) => model === "*")?.requests).toBe(400)
  })

  it("blames nobody here for what a caller has to change", () => {
    const parts = tallied([
      request([], { error: "ModelNotFound" }),
      request([["a/m", "ok"]]),
      request([], { error: "CircuitOpen" }),
      request([["a/m", "ok"]], { cancelled: true })
    ])
    expect(shown(parts, 1100, 0).now).toMatchObject({ errorRate: 0.25 })
    expect(parts.slots[0]).toMatchObject({ requests: 4, failed: 1, refused: 1, cancelled: 1 })
    expect(parts.totals).toMatchObject({ failed: 2, refused: 1 })
  })

  it("tells a target's speed apart for whole answers and for the first content of streams", () => {
    const parts = tallied([request([["a/m", "ok"]]), request([["a/m", "ok"]], { stream: true })])
    const statistics = statisticsOf(parts).get("a/m")
    expect(statistics).toMatchObject({ attempts: 2, failures: 0, answer: { count: 1 }, firstContent: { count: 1 } })
    expect(statistics).not.toHaveProperty("lastErrorAtMs")
  })

  it("counts what was passed over and why", () => {
    const skipped = [{ target: "b/m", why: "circuit open" }]
    expect(tallied([request([["a/m", "ok"]], { skipped })])).toMatchObject({
      skips: [{ target: "b/m", why: "circuit open", count: 1 }],
      totals: { recovered: 1, skipped: 1 }
    })
  })

  it("survives JSON, and the counts of two processes add up to those of one", () => {
    const some = [request([["a/m", "Overloaded"], ["b/m", "ok"]]), request([["a/m", "ok"]])]
    const others = [
      request([["a/m", "ok"]], { stream: true, firstContentMs: 80 }),
      request([], { error: "CircuitOpen" })
    ]
    const travelled = [tallied(some), tallied(others)].map((parts) =>
      Schema.decodeUnknownSync(Tally.TallyParts)(JSON.parse(JSON.stringify(parts)))
    )
    expect(shown(mergeTallies(travelled), 1100, 0)).toEqual(shown(tallied([...some, ...others]), 1100, 0))
  })
})

describe("the traffic of the last ten minutes", () => {
  it("has sixty slots that end now, and forgets what is older", () => {
    const tally = Tally.make()
    tally.note(request([["a/m", "ok"]]), 5000)
    tally.note(request([["a/m", "ok"]]), 15_000)
    const points = (nowMs: number) => shown(tally.read(nowMs), nowMs, 0).traffic.points
    expect(points(19_000)).toHaveLength(60)
    expect(points(19_000).slice(-2).map(({ requests }) => requests)).toEqual([1, 1])
    expect(points(605_000).reduce((sum, { requests }) => sum + requests, 0)).toBe(1)
    tally.note(request([["a/m", "ok"]]), 605_000)
    expect(points(605_000).reduce((sum, { requests }) => sum + requests, 0)).toBe(2)
  })

  it("keeps what is newer when the clock is set back", () => {
    const tally = Tally.make()
    tally.note(request([["a/m", "ok"]]), 605_000)
    tally.note(request([["a/m", "ok"]]), 5000)
    expect(tally.read(605_000).slots).toMatchObject([{ number: 60, requests: 1 }])
  })

  it("counts the slot before as far as ten seconds reach into it", () => {
    const tally = Tally.make()
    for (let sent = 0; sent < 10; sent++) tally.note(request([["a/m", "ok"]]), 15_000)
    expect(shown(tally.read(20_000), 20_000, 0).now.requestsPerSecond).toBe(1)
    expect(shown(tally.read(25_000), 25_000, 0).now.requestsPerSecond).toBe(0.5)
    expect(shown(tally.read(31_000), 31_000, 0).now.requestsPerSecond).toBe(0)
  })
})

describe("what is remembered of requests", () => {
  const named = (requestId: string, more: Partial<Decision.Decision> = {}) => ({
    ...request([["a/m", "ok"]], more),
    requestId
  })

  it("is the last hundred, newest first, and among the last four hundred those with trouble", () => {
    const recent = Recent.make()
    recent.add(named("trouble", { error: "Overloaded" }))
    recent.add(named("clean"))
    for (let index = 0; index < 300; index++) recent.add(named(`later-${index}`))
    expect(recent.last(2).map(({ requestId }) => requestId)).toEqual(["later-299", "later-298"])
    expect(recent.last(1000)).toHaveLength(100)
    expect(recent.find("trouble")?.error).toBe("Overloaded")
    expect(recent.find("clean")).toBeUndefined()
    expect(recent.find("later-250")?.requestId).toBe("later-250")
  })

  it("is of two with the same id the newer", () => {
    const recent = Recent.make()
    recent.add(named("same", { alias: "older" }))
    recent.add(named("same", { alias: "newer" }))
    expect(recent.find("same")?.alias).toBe("newer")
  })
})
