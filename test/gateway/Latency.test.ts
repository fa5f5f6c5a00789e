import { describe, expect, it } from "@effect/vitest"
import * as Latency from "../../src/gateway/Latency.ts"

const of = (durations: ReadonlyArray<number>) => {
  const buckets = Latency.empty()
  for (const ms of durations) Latency.add(buckets, ms)
  return buckets
}

describe("percentiles from buckets", () => {
  it("are within a fifth of the exact ones, from 1 ms to ten minutes", () => {
    const durations = Array.from(
      { length: 5000 },
      (_, index) => Math.round(600_000 ** (((index * 7919) % 5000) / 5000))
    )
    const sorted = durations.toSorted((a, b) => a - b)
    const found = Latency.percentiles(of(durations))
    for (const [share, value] of [[0.5, found.p50], [0.95, found.p95], [0.99, found.p99]] as const) {
      const exact = sorted[Math.floor(share * sorted.length)] ?? 0
      expect(Math.abs((value ?? 0) / exact - 1)).toBeLessThan(0.2)
    }
  })

  it("of nothing are absent", () => {
    expect(Latency.percentiles(Latency.empty())).toEqual({ count: 0 })
  })

  it("of counts that were added up are those of all durations", () => {
    const [left, right] = [[3, 30, 300], [5, 50, 500_000, 10_000_000]]
    const joined = Latency.addSparse(of(left ?? []), Latency.toSparse(of(right ?? [])))
    expect(Latency.percentiles(joined)).toEqual(Latency.percentiles(of([...left ?? [], ...right ?? []])))
  })

  it("take what came from elsewhere without growing", () => {
    const odd = Latency.addSparse(Latency.empty(), [-1, 1, 1e9, 2, 3])
    expect(Latency.percentiles(odd).count).toBe(3)
    expect(odd).toHaveLength(Latency.empty().length)
  })
})

describe("what was counted lately", () => {
  it("is kept for at least five minutes and no longer than ten", () => {
    const recent = Latency.lately()
    Latency.addLately(recent, 299_000, 10)
    const seen = (nowMs: number) =>
      Latency.percentiles(Latency.addSparse(Latency.empty(), Latency.latelySparse(recent, nowMs)))
    expect(seen(300_000).count).toBe(1)
    expect(seen(599_999).count).toBe(1)
    expect(seen(600_000).count).toBe(0)
  })
})
