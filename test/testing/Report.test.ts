import { describe, expect, it } from "@effect/vitest"
import * as Decision from "../../src/gateway/Decision.ts"
import * as Report from "../../src/testing/Report.ts"

const decision = (outcome: string, startedAtMs: number, firstContentMs?: number): Decision.Decision => ({
  ...Decision.make("r"),
  attempts: [{ target: "a/m", provider: "a", model: "m", startedAtMs, endedAtMs: startedAtMs, outcome, waitedMs: 0 }],
  ...(firstContentMs === undefined ? {} : { firstContentMs })
})

/** A hundred answers of 1 to 100 ms, one each 100 ms. */
const answered = Array.from({ length: 100 }, (_, at): Report.Sample => ({
  atMs: at * 100,
  endedAtMs: at * 100 + at + 1,
  decision: decision("ok", 5000 + at * 100)
}))

const run = (samples: ReadonlyArray<Report.Sample>, more: Partial<Report.Run> = {}): Report.Report =>
  Report.make({ startedAtMs: 5000, requests: samples.length, sliceMs: 1000, samples, transitions: [], ...more })

describe("a report", () => {
  it("takes percentiles by nearest rank", () => {
    expect(run(answered).latencyMs).toEqual({ p50: 50, p99: 99, max: 100 })
  })

  it("has no percentiles of nothing", () => {
    expect(run([])).toMatchObject({
      latencyMs: undefined,
      failedAfterMs: undefined,
      firstContentMs: undefined,
      slices: []
    })
  })

  it("cuts the run in slices by when requests and attempts began, from its start", () => {
    const { slices } = run(answered)
    expect(slices.length).toBe(10)
    expect(slices[9]).toEqual({
      fromMs: 9000,
      requests: 10,
      succeeded: 10,
      failed: 0,
      latencyMs: { p50: 95, p99: 100, max: 100 },
      attempts: { "a/m": 10 }
    })
  })

  it("shows a slice in which nothing happened", () => {
    const [first] = answered
    const last = answered.at(-1)
    const { slices } = run(first === undefined || last === undefined ? [] : [first, last])
    expect(slices[5]).toEqual({
      fromMs: 5000,
      requests: 0,
      succeeded: 0,
      failed: 0,
      latencyMs: undefined,
      attempts: {}
    })
  })

  it("counts a stream that broke after its first content as failed and as broken", () => {
    const report = run([
      { atMs: 0, endedAtMs: 30, error: "StreamInterrupted", decision: decision("StreamInterrupted", 5000, 10) },
      { atMs: 0, endedAtMs: 40, error: "Overloaded", decision: decision("Overloaded", 5000) }
    ])
    expect(report).toMatchObject({
      failed: 2,
      brokenStreams: 1,
      failures: { StreamInterrupted: 1, Overloaded: 1 },
      failedAttempts: { "a/m": 2 },
      firstContentMs: { p50: 10, p99: 10, max: 10 },
      failedAfterMs: { p50: 30, p99: 40, max: 40 }
    })
  })

  it("says how many were still waiting", () => {
    const report = run(answered, { requests: 103 })
    expect(report.unfinished).toBe(3)
    expect(Report.render(report)).toContain("103 requests: 100 answered (97.09 %), 0 failed, 3 unfinished")
  })

  it("shows the first twelve transitions and counts the rest", () => {
    const transition = { target: "a/m", from: "closed", to: "open", cause: "failure-rate" }
    const transitions = Array.from({ length: 14 }, (_, at) => ({ ...transition, atMs: at * 1000 }))
    const lines = Report.render(run(answered, { transitions })).split("\n")
    expect(lines).toContain("    11.0 s  a/m: closed to open (failure-rate)")
    expect(lines.at(-1)).toBe("          and 2 more")
  })
})
