import { describe, expect, it } from "@effect/vitest"
import { mergeChecks, mergeMonitoring, mergeOverall } from "../../src/gateway/FleetMonitoring.ts"

const target = (state: string, inFlight: number, callsInWindow: number, failureRate: number) => ({
  target: "a/m",
  inFlight,
  waiting: 1,
  retryBudget: 100,
  breaker: { state, failureRate, slowRate: 0, callsInWindow, openings: 0, retryAfterMs: null }
})

const part = (state: string, inFlight: number, calls: number, rate: number, recent: ReadonlyArray<unknown>) => ({
  status: state === "closed" ? "pass" : "warn",
  components: [{ component: "provider:a", status: state === "closed" ? "pass" : "warn" }],
  phase: "ready",
  uptimeMs: 1,
  totals: { requests: calls },
  now: { atMs: 100_000, inFlight },
  tally: {
    totals: { requests: calls },
    slots: [{
      number: 10,
      requests: calls,
      failed: 1,
      refused: 0,
      cancelled: 0,
      again: 0,
      inputTokens: 5,
      outputTokens: 2,
      usd: 0,
      latency: [4, calls],
      firstContent: []
    }],
    targets: [{
      target: "a/m",
      attempts: calls,
      failures: 1,
      lastErrorAtMs: calls,
      answer: [4, calls],
      firstContent: []
    }],
    spending: [{
      provider: "a",
      model: "m",
      requests: calls,
      inputTokens: 5,
      outputTokens: 2,
      cachedTokens: 0,
      picoUsd: "9007199254740991",
      unpriced: 0
    }],
    failures: [{ target: "a/m", reason: "Overloaded", count: 1, retried: 1, failedOver: 0, ended: 0 }],
    skips: []
  },
  targets: [target(state, inFlight, calls, rate)],
  recent
})

const record = (request_id: string, at_ms: number, duration_ms = 1) => ({ request_id, at_ms, duration_ms })

describe("monitoring of two processes", () => {
  const one = part("closed", 2, 30, 0, [record("newest", 50), record("refused", 49), record("oldest", 10)])
  const two = part("open", 3, 10, 1, [record("second", 20, 20), record("third", 30)])
  const merged = mergeMonitoring(one, [{ worker: 1, body: one }, { worker: 2, body: two }])

  it("shows each target once: the worst state, counts added up, rates over all calls", () => {
    expect(merged["targets"]).toMatchObject([{
      ...target("open", 5, 40, 0.25),
      retryBudget: 200,
      waiting: 2
    }])
  })

  it("shows what only one of them knows of a target: a pause, a refused key, the last failure of all", () => {
    const closed = (atMs: number, own: object) => ({
      ...part("closed", 0, 10, 0, []),
      targets: [{ ...target("closed", 0, 10, 0), lastErrorAtMs: atMs, ...own }]
    })
    const well = closed(20, { cooldownMs: 0, credentials: ["usable", "refreshing"], lastError: "Overloaded" })
    const ill = closed(30, {
      cooldownMs: 5000,
      credentials: ["dead: revoked", "usable"],
      lastError: "CredentialRejected"
    })
    for (const [one, two] of [[well, ill], [ill, well]] as const) {
      expect(mergeMonitoring(one, [{ worker: 1, body: one }, { worker: 2, body: two }])["targets"]).toMatchObject([{
        retryBudget: 200,
        cooldownMs: 5000,
        credentials: ["dead: revoked", "refreshing"],
        lastError: "CredentialRejected"
      }])
    }
  })

  it("adds up what each has counted, money to the pico-dollar", () => {
    expect(merged).toMatchObject({
      totals: { requests: 40 },
      now: { inFlight: 5, errorRate: 0.05 },
      latency: { count: 40, p50: 2 },
      spending: [{ requests: 40, inputTokens: 10, costUsd: "18014.398509481982" }],
      failures: [{ count: 2, retried: 2 }],
      targets: [{ attempts: 40, failures: 2, lastErrorAtMs: 30 }]
    })
  })

  it("shows each process's own without what only helps to add up", () => {
    expect(merged["workers"]).toMatchObject([{ worker: 1, totals: { requests: 30 } }, { worker: 2 }])
    expect(JSON.stringify(merged["workers"])).not.toContain("tally")
  })

  it("keeps every process's measurements apart, by its number", () => {
    const check = { "a/m:circuit": [{ componentId: "a/m", status: "pass" }] }
    expect(mergeChecks(check, [{ worker: 1, body: check }, { worker: 2, body: check }])).toEqual({
      "a/m:circuit": [
        { componentId: "a/m", status: "pass", worker: 1 },
        { componentId: "a/m", status: "pass", worker: 2 }
      ]
    })
  })

  it("shows the worst of each component, and of all", () => {
    expect(merged).toMatchObject({ status: "warn", components: [{ component: "provider:a", status: "warn" }] })
    expect(mergeOverall({ status: "pass", components: [] }, [{ worker: 2, body: { status: "fail", components: [] } }]))
      .toEqual({ status: "fail", components: [] })
  })

  it("adds up what a component of each has counted, in the words of the worst too", () => {
    const health = (status: "pass" | "warn", written: number, dropped: number, why = "") => ({
      status,
      components: [{
        component: "storage",
        status,
        output: `sqlite: ${written} written, ${dropped} dropped${why}`,
        counts: { written, dropped }
      }]
    })
    const one = health("pass", 152, 0)
    const two = health("warn", 248, 3, "; 1 written by another")
    for (const own of [one, two]) {
      expect(mergeOverall(own, [{ worker: 1, body: one }, { worker: 2, body: two }]).components).toEqual([{
        component: "storage",
        status: "warn",
        output: "sqlite: 400 written, 3 dropped; 1 written by another",
        counts: { written: 400, dropped: 3 }
      }])
    }
  })

  it("shows the records of both, newest first, with their process, and at most 50", () => {
    expect(merged["recent"]).toMatchObject([
      { request_id: "newest", worker: 1 },
      { request_id: "refused", worker: 1 },
      { request_id: "second", worker: 2 },
      { request_id: "third", worker: 2 },
      { request_id: "oldest", worker: 1 }
    ])
    const many = part("closed", 0, 0, 0, Array.from({ length: 40 }, (_, index) => record(String(index), index)))
    expect(mergeMonitoring(many, [{ worker: 1, body: many }, { worker: 2, body: many }])["recent"]).toHaveLength(50)
  })
})
