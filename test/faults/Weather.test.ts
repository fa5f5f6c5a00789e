import { describe, expect, it } from "@effect/vitest"
import type { Record, Weather, World } from "../../bench/Outages.ts"
import { down, flaky, healthy, live } from "../../bench/Outages.ts"
import { RateLimited, UpstreamRefused } from "../../src/domain/GatewayError.ts"

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

/** Hours of virtual time are some seconds of a machine that has nothing else to do. */
const patient = { timeout: 120_000 }

describe("a storm of 429", patient, () => {
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

describe("a brownout", patient, () => {
  const world = { requests: 10_000, rate: 50, retry: { attempts: 4 } } as const
  const shareWhole = (record: Record) => 1 - failures(record).length / record.requests.length

  it("of 30 % on both targets leaves 99.9 % of the requests whole", () => {
    expect(shareWhole(overAll(flaky(0.3), flaky(0.3), world))).toBeGreaterThanOrEqual(0.999)
  })

  it("of 50 % on one target leaves every request whole while the other is well", () => {
    expect(failures(overAll(flaky(0.5), healthy, world))).toEqual([])
  })

  it("of 50 % on both targets leaves 99 % whole where a circuit opens at nine failures in ten", () => {
    // Half of the calls is the share at which a circuit opens by default, and with both open nothing is sent.
    const lenient = { failureRate: 0.9, minimumCalls: 50, consecutiveFailures: 20 }
    expect(shareWhole(overAll(flaky(0.5), flaky(0.5), { ...world, breaker: lenient }))).toBeGreaterThanOrEqual(0.99)
  })
})

describe("a slow brownout", patient, () => {
  const limitMs = 1000
  /** Three times the longest that callers wait, for this share of the calls. */
  const slow = (share: number): Weather => (_, random) => random < share ? { takesMs: 3 * limitMs } : "ok"
  const world = { requests: 3000, rate: 20, timeouts: { answerMs: limitMs } }
  const times = (record: Record) =>
    record.requests.map(({ atMs, endedAtMs }) => endedAtMs - atMs).toSorted((a, b) => a - b)

  it("of half of the calls costs nobody more than the limit and an answer elsewhere", () => {
    const record = overAll(slow(0.5), healthy, world)
    expect(failures(record)).toEqual([])
    expect(times(record).at(-1)).toBeLessThanOrEqual(limitMs + 300)
  })

  it("of half of the calls opens the circuit where half is too many, and the traffic moves", () => {
    const record = overAll(slow(0.5), healthy, { ...world, breaker: { slowRate: 0.4 } })
    const half = minute / 2
    expect(failures(record)).toEqual([])
    // Half of the probes find it well, and then it takes twenty calls to open the circuit again.
    expect(attemptsOf(record, "a", half).length).toBeLessThan(0.25 * attemptsOf(record, "b", half).length)
    expect(times(record)[Math.floor(0.9 * world.requests)]).toBeLessThanOrEqual(300)
  })

  it("of nine calls in ten opens the circuit by default", () => {
    const record = overAll(slow(0.9), healthy, world)
    const half = minute / 2
    expect(failures(record)).toEqual([])
    expect(attemptsOf(record, "a", half).length).toBeLessThan(0.1 * attemptsOf(record, "b", half).length)
  })
})

describe("a target that flaps", patient, () => {
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

  it("every five seconds never reaches the caller, and is left alone for longer and longer, but for one probe", () => {
    const record = overAll(flapping(5000), healthy, { requests: 3000, rate: 10 })
    expect(failures(record)).toEqual([])
    const changes = record.transitions.filter(({ target }) => target === "a/m")
    let inARow = 0
    for (const [at, { atMs, from, to }] of changes.entries()) {
      const endMs = changes[at + 1]?.atMs ?? Infinity
      if (to === "closed") inARow = 0
      const isDown = atMs % 10_000 >= 5000
      if (to === "half-open" && isDown) expect(attemptsOf(record, "a", atMs, endMs).length).toBe(1)
      if (to !== "open") continue
      inARow = from === "half-open" ? inARow + 1 : 1
      expect(attemptsOf(record, "a", atMs + 1, endMs)).toEqual([])
      // Half of a doubling delay is certain, the other half is jitter.
      expect(endMs - atMs).toBeGreaterThanOrEqual(Math.min(15_000, 2000 * 2 ** (inARow - 1)) / 2)
    }
    const openings = changes.filter(({ to }) => to === "open").length
    expect(openings).toBeGreaterThan(10)
    expect(openings).toBeLessThanOrEqual(2 * 30)
  })
})

describe("a target that is down", patient, () => {
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

describe("a target that is well", patient, () => {
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
