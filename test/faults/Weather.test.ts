import { describe, expect, it } from "@effect/vitest"
import type { Record, Weather, World } from "../../bench/Outages.ts"
import { down, flaky, healthy, live } from "../../bench/Outages.ts"
import { RateLimited, UpstreamRefused, UpstreamTimedOut } from "../../src/domain/GatewayError.ts"

const overAll = (first: Weather, second: Weather | undefined, world: Omit<World, "upstreams" | "seed">): Record =>
  live({
    upstreams: [{ name: "a", weather: first }, ...(second === undefined ? [] : [{ name: "b", weather: second }])],
    seed: "weather",
    ...world
  })

const failures = (record: Record) => record.requests.filter(({ failure }) => failure !== undefined)
const attemptsOf = (record: Record, name: string, fromMs = 0, toMs = Infinity) =>
  (record.attempts.get(name) ?? []).filter((atMs) => atMs >= fromMs && atMs < toMs)

/** Pauses between two attempts in a row. */
const pausesOf = (attempts: ReadonlyArray<number>): ReadonlyArray<number> =>
  attempts.slice(1).map((atMs, index) => atMs - (attempts[index] ?? atMs))

const minute = 60_000

describe("a storm of 429", () => {
  const told = new RateLimited({ message: "429", upstreamStatus: 429, retryAfterMs: 2000 })

  it("of 1,000 callers at once brings back no more than the budget, spread over at least half of the jitter", () => {
    const storm = overAll((atMs) => atMs < 2000 ? told : "ok", undefined, { requests: 1000, rate: "at once" })
    const returns = attemptsOf(storm, "a", 2000).toSorted((a, b) => a - b)
    expect(attemptsOf(storm, "a").length).toBeLessThanOrEqual(1100)
    expect((returns.at(-1) ?? 0) - (returns[0] ?? 0)).toBeGreaterThanOrEqual(500)
  })

  it("reaches no caller while another target is well", () => {
    const storm = overAll((atMs) => atMs < 10_000 ? told : "ok", healthy, { requests: 1000, rate: "at once" })
    expect(failures(storm)).toEqual([])
    expect(attemptsOf(storm, "a").length).toBeLessThanOrEqual(1100)
  })
})

describe("a brownout", () => {
  it.each([[0.3, 0.999], [0.5, 0.99]])("of %d on both targets leaves %d of the requests whole", (share, least) => {
    const record = overAll(flaky(share), flaky(share), {
      requests: 10_000,
      rate: 50,
      retry: { attempts: 4 },
      // Half of the calls is the very rate that opens a circuit: with breakers on this is open (Rows.ts).
      isBreakerOff: share === 0.5
    })
    expect(1 - failures(record).length / record.requests.length).toBeGreaterThanOrEqual(least)
  })

  it("in which nine answers in ten come too late opens the circuit, and the traffic moves", () => {
    const late = new UpstreamTimedOut({ message: "late" })
    const record = overAll((_, random) => random < 0.9 ? late : "ok", healthy, { requests: 3000, rate: 20 })
    expect(failures(record)).toEqual([])
    expect(attemptsOf(record, "a", minute / 2).length).toBeLessThan(0.1 * attemptsOf(record, "b", minute / 2).length)
  })
})

describe("a target that flaps", () => {
  const flapping = (everyMs: number): Weather => (atMs, random) =>
    atMs % (2 * everyMs) < everyMs ? "ok" : down(0, Infinity)(atMs, random)

  it("once a minute never reaches the caller, and is back within 16 s of each recovery", () => {
    const record = overAll(flapping(minute), healthy, { requests: 1500, rate: 2 })
    expect(failures(record)).toEqual([])
    for (const recoveredMs of [2 * minute, 4 * minute, 6 * minute]) {
      const back = record.requests.find(({ atMs, provider }) => atMs >= recoveredMs && provider === "a")
      expect((back?.atMs ?? Infinity) - recoveredMs).toBeLessThanOrEqual(16_000)
    }
  })

  it("every five seconds never reaches the caller", () => {
    expect(failures(overAll(flapping(5000), healthy, { requests: 3000, rate: 10 }))).toEqual([])
  })
})

describe("a target that is down", () => {
  it("for ten minutes is probed about once in 7 to 15 s, and is back within 16 s", () => {
    const toMs = 11 * minute
    const record = overAll(down(minute, toMs), healthy, { requests: 3000, rate: 4 })
    // From the second minute on, when the openings have their full length.
    const probes = attemptsOf(record, "a", 3 * minute, toMs)
    expect(failures(record)).toEqual([])
    expect(probes.length).toBeLessThanOrEqual(8 * 60 / 7 + 1)
    expect(Math.min(...pausesOf(probes))).toBeGreaterThanOrEqual(7000)
    const back = record.requests.find(({ atMs, provider }) => atMs >= toMs && provider === "a")
    expect((back?.atMs ?? Infinity) - toMs).toBeLessThanOrEqual(16_000)
  })

  it("like every other is asked no more than 1.1 times a request, and then refuses at once", () => {
    const record = overAll(down(0, Infinity), down(0, Infinity), { requests: 3000, rate: 50 })
    for (const name of ["a", "b"]) expect(attemptsOf(record, name).length).toBeLessThanOrEqual(0.05 * 3000)
    const late = record.requests.filter(({ atMs }) => atMs > 5000)
    expect(late.filter(({ failure }) => failure === undefined)).toEqual([])
    expect(late.filter(({ atMs, endedAtMs }) => endedAtMs === atMs).length).toBeGreaterThan(0.99 * late.length)
  })
})

describe("a target that is well", () => {
  const refused = new UpstreamRefused({ message: "400", upstreamStatus: 400 })

  it("and refuses a thousand requests in a row is asked every one of them", () => {
    const record = overAll(() => refused, healthy, { requests: 1000, rate: 50 })
    expect(attemptsOf(record, "a").length).toBe(1000)
    expect(attemptsOf(record, "b").length).toBe(0)
  })

  it("again but answers its probe with a refusal is asked again at once", () => {
    const weather: Weather = (atMs, random) =>
      atMs < minute ? down(0, minute)(atMs, random) : atMs < minute + 30_000 ? refused : "ok"
    const record = overAll(weather, healthy, { requests: 1200, rate: 10 })
    const first = attemptsOf(record, "a", minute)[0] ?? Infinity
    expect(first - minute).toBeLessThanOrEqual(16_000)
    expect(attemptsOf(record, "a", first, first + 5000).length).toBeGreaterThan(5)
  })
})
