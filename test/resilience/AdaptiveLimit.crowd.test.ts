import { describe, expect, it } from "@effect/vitest"
import { crowd, type CrowdSettings, type Served } from "./Crowd.ts"

const seeds = [1, 2, 3, 4, 5]
const serviceMs = 400
const capacity = 20

/** Three times what the upstream bears. */
const threefold = (seed: number): CrowdSettings => ({
  seed,
  perSecond: 3 * capacity * 1000 / serviceMs,
  serviceMs,
  capacity: () => capacity,
  durationMs: 60_000
})

/** Answers between two moments, as a share of what the upstream bears. */
const goodput = (served: ReadonlyArray<Served>, fromMs: number, toMs: number, places = capacity): number =>
  served.filter(({ atMs, isAnswer }) => isAnswer && atMs >= fromMs && atMs < toMs).length
  / ((toMs - fromMs) / serviceMs * places)

const refusals = (served: ReadonlyArray<Served>, fromMs: number, toMs: number): number => {
  const seen = served.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
  return seen.filter(({ isAnswer }) => !isAnswer).length / seen.length
}

describe("a limit that learns, under three times what the upstream bears", () => {
  it.for(seeds)("keeps at least 97 % of its places at work, seed %i", (seed) => {
    expect(goodput(crowd(threefold(seed)), 3000, 60_000)).toBeGreaterThan(0.97)
  })

  it.for(seeds)("has fewer than one call in a hundred refused, seed %i", (seed) => {
    expect(refusals(crowd(threefold(seed)), 5000, 60_000)).toBeLessThan(0.01)
  })

  it.for(seeds)("follows an upstream that bears a quarter all at once within two seconds, seed %i", (seed) => {
    const served = crowd({ ...threefold(seed), capacity: (atMs) => atMs < 20_000 ? 20 : 5 })
    expect(goodput(served, 22_000, 60_000, 5)).toBeGreaterThan(0.95)
    expect(refusals(served, 22_000, 60_000)).toBeLessThan(0.05)
  })

  it.for(seeds)("follows one that bears eight times as much within ten seconds, seed %i", (seed) => {
    const served = crowd({ ...threefold(seed), capacity: (atMs) => atMs < 20_000 ? 5 : 40 })
    expect(goodput(served, 30_000, 60_000, 40)).toBeGreaterThan(0.95)
  })

  it.for(seeds)("is back five seconds after an upstream that refused everything for two, seed %i", (seed) => {
    const served = crowd({ ...threefold(seed), capacity: (atMs) => atMs < 20_000 || atMs > 22_000 ? 20 : 0 })
    expect(goodput(served, 27_000, 60_000)).toBeGreaterThan(0.95)
  })

  it.for(seeds)(
    "leaves each of three gateways that share an upstream two fifths of its part or more, seed %i",
    (seed) => {
      const served = crowd({ ...threefold(seed), gateways: 3, perSecond: 225, capacity: () => 30 })
      expect(goodput(served, 10_000, 60_000, 30)).toBeGreaterThan(0.95)
      for (const gateway of [0, 1, 2]) {
        const own = served.filter((one) => one.gateway === gateway)
        expect(goodput(own, 10_000, 60_000, 10)).toBeGreaterThan(0.4)
      }
    }
  )
})
