/**
 * What the flow makes of upstreams that fail: success rates, amplification, herds, recovery, each against its target. Seeded
 * and in virtual time, so that an outage of ten minutes takes a second and a run can be had again. `--requests N` (default
 * 100,000) for the rates, `--seeds N` (default 3), `--print` writes no file. Ends with 1 if a target is missed.
 */
import { parseArgs } from "node:util"
import { RateLimited } from "../src/domain/GatewayError.ts"
import { table } from "../tools/markdown-table.ts"
import type { Record, Weather, World } from "./Outages.ts"
import { down, flaky, healthy, live } from "./Outages.ts"
import { machineLine, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    seeds: { type: "string", default: "3" },
    print: { type: "boolean", default: false }
  }
})
const requests = Number(flags.requests)
const seeds = Array.from({ length: Number(flags.seeds) }, (_, index) => `seed-${index + 1}`)

interface Line {
  readonly what: string
  readonly measured: string
  readonly target: string
  readonly passed: boolean
}

/** Ends of the 95 % Wilson interval of a share. */
const wilson = (hits: number, of: number): readonly [number, number] => {
  const z = 1.959964
  const share = hits / of
  const middle = share + z ** 2 / (2 * of)
  const half = z * Math.sqrt((share * (1 - share) + z ** 2 / (4 * of)) / of)
  return [(middle - half) / (1 + z ** 2 / of), (middle + half) / (1 + z ** 2 / of)]
}

const percent = (share: number, digits = 3): string => `${(100 * share).toFixed(digits)} %`
const times = (value: number): string => `${value.toFixed(3)}×`

const failuresOf = (record: Record): number => record.requests.filter(({ failure }) => failure !== undefined).length

const tallied = (records: ReadonlyArray<Record>): string => {
  const tally = new Map<string, number>()
  for (const { failure } of records.flatMap((record) => record.requests)) {
    if (failure !== undefined) tally.set(failure, (tally.get(failure) ?? 0) + 1)
  }
  return tally.size === 0 ? "no failure" : [...tally].map(([tag, count]) => `${count} ${tag}`).join(", ")
}

const inEach = (world: (seed: string) => World): ReadonlyArray<Record> => seeds.map((seed) => live(world(seed)))

const pair = (first: Weather, second: Weather) => [{ name: "a", weather: first }, { name: "b", weather: second }]

const success = (
  what: string,
  least: number,
  first: Weather,
  second: Weather,
  { breaker, rate = 50 }: Partial<Pick<World, "breaker"> & { readonly rate: number }> = {}
): Line => {
  const records = inEach((seed) => ({
    upstreams: pair(first, second),
    seed,
    requests,
    rate,
    breaker,
    retry: { attempts: 4 }
  }))
  const made = requests * seeds.length
  const failed = records.reduce((sum, record) => sum + failuresOf(record), 0)
  const [low, high] = wilson(made - failed, made)
  return {
    what,
    measured: `${percent(1 - failed / made)} of ${made} (95 %: ${percent(low)} to ${percent(high)}); ${
      tallied(records)
    }`,
    target: `≥ ${percent(least, 2)}`,
    passed: low >= least
  }
}

const patient = { failureRate: 0.9, minimumCalls: 50, consecutiveFailures: 20 }

const successes = (): ReadonlyArray<Line> => [
  success("30 % transient errors on both of two targets", 0.999, flaky(0.3), flaky(0.3)),
  // A failure comes back ten times as fast as an answer, so at many requests a second the first to come back are failures alone.
  success("the same at 200 requests a second", 0.999, flaky(0.3), flaky(0.3), { rate: 200 }),
  success("the same at 500 requests a second", 0.999, flaky(0.3), flaky(0.3), { rate: 500 }),
  // Half of the calls is the share at which a circuit opens by default, and with both open nothing is sent.
  success("50 % transient errors on both of two targets", 0.99, flaky(0.5), flaky(0.5)),
  success("the same where a circuit opens at nine failures in ten", 0.99, flaky(0.5), flaky(0.5), { breaker: patient }),
  success("50 % transient errors on the first, the second healthy", 0.9999, flaky(0.5), healthy),
  success("30 % transient errors on the first, the second healthy", 0.9999, flaky(0.3), healthy),
  success("the first down for good, the second healthy", 0.9999, down(0, Infinity), healthy),
  success("the first healthy, the second down for good", 0.9999, healthy, down(0, Infinity))
]

/** The most attempts on one target for any window of so many requests in a row, as a multiple of them. */
const worstWindow = (record: Record, name: string, size: number, fromMs: number): number => {
  const arrivals = record.requests.map(({ atMs }) => atMs).filter((atMs) => atMs >= fromMs)
  const attempts = (record.attempts.get(name) ?? []).toSorted((one, other) => one - other)
  let worst = 0
  let [start, end] = [0, 0]
  for (let first = 0; first + size <= arrivals.length; first++) {
    const fromAt = arrivals[first] ?? 0
    const toAt = arrivals[first + size] ?? Infinity
    while ((attempts[start] ?? Infinity) < fromAt) start += 1
    while ((attempts[end] ?? Infinity) < toAt) end += 1
    worst = Math.max(worst, (end - start) / size)
  }
  return worst
}

const outageFromMs = 60_000

/**
 * The outage counts from the last answer on: until then the answers of requests that came before it still refill the budget.
 */
const amplification = (what: string, weathers: ReadonlyArray<Weather>): Line => {
  const worst = inEach((seed) => ({
    upstreams: weathers.map((weather, index) => ({ name: `target-${index}`, weather })),
    seed,
    requests: 10_000,
    rate: 50,
    isBreakerOff: true
  })).map((record) => {
    const answered = record.requests.filter(({ failure }) => failure === undefined).map(({ endedAtMs }) => endedAtMs)
    const worstFrom = (fromMs: number) =>
      Math.max(...[...record.attempts.keys()].map((name) => worstWindow(record, name, 1000, fromMs)))
    return { strict: worstFrom(Math.max(...answered)), loose: worstFrom(outageFromMs) }
  })
  const strict = Math.max(...worst.map((one) => one.strict))
  const loose = Math.max(...worst.map((one) => one.loose))
  return {
    what,
    measured: `${times(strict)} from the last answer on, ${times(loose)} from the first failure on`,
    target: "≤ 1.1×",
    passed: strict <= 1.1
  }
}

/** Attempts on the target that is down, as a share of the requests of the outage's minute. */
const outageMinute = (what: string, rate: number, fromMs: number, weathers: readonly [Weather, Weather]): Line => {
  const records = inEach((seed) => ({
    upstreams: pair(...weathers),
    seed,
    requests: Math.ceil(rate * (fromMs / 1000 + 70)),
    rate
  }))
  const shares = records.map((record) => {
    const isInside = (atMs: number) => atMs >= fromMs && atMs < fromMs + 60_000
    const tried = Math.max(...[...record.attempts.values()].map((attempts) => {
      const inside = attempts.filter(isInside).length
      return attempts === record.attempts.get("b") && weathers[1] === healthy ? 0 : inside
    }))
    return tried / record.requests.filter(({ atMs }) => isInside(atMs)).length
  })
  const worst = Math.max(...shares)
  return { what, measured: times(worst), target: "≤ 0.05×", passed: worst <= 0.05 }
}

/** When the attempts on a target that went down after a minute of health first pause for a second, and how many there were. */
const opening = (what: string, weathers: readonly [Weather, Weather]): Line => {
  const seen = inEach((seed) => ({ upstreams: pair(...weathers), seed, requests: 6000, rate: 50 })).map((record) => {
    const attempts = (record.attempts.get("a") ?? []).filter((atMs) => atMs >= outageFromMs)
    const last = attempts.findIndex((atMs, index) => (attempts[index + 1] ?? Infinity) - atMs >= 1000)
    return { count: last + 1, seconds: ((attempts[last] ?? Infinity) - outageFromMs) / 1000 }
  })
  const count = Math.max(...seen.map((one) => one.count))
  const seconds = Math.max(...seen.map((one) => one.seconds))
  return {
    what,
    measured: `${count} attempts, ${seconds.toFixed(1)} s`,
    target: "≤ 25 attempts or 1 s",
    passed: count <= 25 || seconds <= 1
  }
}

const amplifications = (): ReadonlyArray<Line> => {
  const ill = down(outageFromMs, Infinity)
  const always = down(0, Infinity)
  return [
    amplification("breakers off, the only target down: worst 1,000 requests", [ill]),
    amplification("breakers off, both of two down: worst 1,000 requests, worst target", [ill, ill]),
    outageMinute("breakers on, 50 requests a second, the first down from the start, 60 s", 50, 0, [always, healthy]),
    outageMinute("breakers on, 50 requests a second, both down from the start, 60 s", 50, 0, [always, always]),
    outageMinute("breakers on, the first down after a minute of health, 60 s", 50, outageFromMs, [ill, healthy]),
    outageMinute("breakers on, both down after a minute of health, 60 s", 50, outageFromMs, [ill, ill]),
    opening("until the circuit opens, 50 requests a second, after a minute of health", [ill, healthy])
  ]
}

/** All were told the same pause at once: how many come back in one tenth of a second, against an even spread over a second. */
const herd = (what: string, callers: number, budget: number): Line => {
  const pauseMs = 2000
  const told = new RateLimited({ message: "429", upstreamStatus: 429, retryAfterMs: pauseMs })
  const weather: Weather = (atMs) => atMs < pauseMs ? told : "ok"
  const peaks = inEach((seed) => ({
    upstreams: [{ name: "a", weather }],
    seed,
    requests: callers,
    rate: "at once",
    retry: { budget }
  })).map((record) => {
    const returns = (record.attempts.get("a") ?? []).filter((atMs) => atMs >= pauseMs).toSorted((a, b) => a - b)
    const peak = Math.max(
      ...returns.map((fromMs) => returns.filter((atMs) => atMs >= fromMs && atMs < fromMs + 100).length)
    )
    const spreadMs = (returns.at(-1) ?? 0) - (returns[0] ?? 0)
    return { returned: returns.length, ratio: peak / (returns.length / 10), spreadMs }
  })
  const worst = peaks.toSorted((one, other) => other.ratio - one.ratio)[0]
  if (worst === undefined) throw new Error("no seed")
  return {
    what,
    measured: `${times(worst.ratio)}; ${worst.returned} came back over ${worst.spreadMs.toFixed(0)} ms`,
    target: "≤ 3× uniform",
    passed: worst.ratio <= 3
  }
}

/**
 * Evenly spaced requests, for a target that is well again cannot be found out while nobody asks: among random ones of one a second
 * there are pauses of three and more.
 */
const recovery = (what: string, rate: number, outageMs: number, second: Weather | undefined): Line => {
  const toMs = outageFromMs + outageMs
  const weather = down(outageFromMs, toMs)
  const delays = Array.from({ length: seeds.length * 10 }, (_, index) => {
    const record = live({
      upstreams: second === undefined ? [{ name: "a", weather }] : pair(weather, second),
      seed: `recovery-${index}`,
      // Enough of them that the last one comes well after the recovery.
      requests: Math.ceil(rate * (toMs / 1000 + 120)),
      rate,
      isEven: true
    })
    const back = record.requests.find(({ atMs, failure, provider }) =>
      atMs >= toMs && failure === undefined && provider === "a"
    )
    return (back?.atMs ?? Infinity) - toMs
  })
  const worst = Math.max(...delays) / 1000
  return { what, measured: `${worst.toFixed(1)} s at worst of ${delays.length}`, target: "≤ 16 s", passed: worst <= 16 }
}

const recoveries = (): ReadonlyArray<Line> => [
  ...[30_000, 60_000, 600_000].flatMap((outageMs) => [
    recovery(`back after ${outageMs / 1000} s of outage, 1 request a second, two targets`, 1, outageMs, healthy),
    recovery(`back after ${outageMs / 1000} s of outage, 1 request a second, alone`, 1, outageMs, undefined)
  ]),
  recovery("back after 60 s of outage, 20 requests a second, two targets", 20, 60_000, healthy)
]

const reduction = (share: number, isAlone: boolean): Line => {
  const made = Math.ceil(requests / 5)
  const records = inEach((seed) => ({
    upstreams: isAlone ? [{ name: "a", weather: flaky(share) }] : pair(flaky(share), flaky(share)),
    seed,
    requests: made,
    rate: 50
  }))
  const failed = records.reduce((sum, record) => sum + failuresOf(record), 0) / (made * seeds.length)
  const [, worst] = wilson(Math.round(failed * made * seeds.length), made * seeds.length)
  return {
    what: `${share * 100} % errors, ${isAlone ? "one target" : "two targets"}`,
    measured: `${percent(failed)} fail instead of ${share * 100} %: ${percent(1 - failed / share, 1)} fewer; ${
      tallied(records)
    }`,
    target: "≥ 80 % fewer",
    passed: 1 - worst / share >= 0.8
  }
}

const started = performance.now()
const sections: ReadonlyArray<readonly [string, ReadonlyArray<Line>]> = [
  ["Success with `attempts: 4`, the rest default", successes()],
  ["Attempts on a target that is down", amplifications()],
  ["Return after a shared Retry-After of 2 s", [
    herd("1,000 callers, the default budget of 100 retries", 1000, 100),
    herd("1,000 callers, a budget for all of them", 1000, 100_000)
  ]],
  ["Recovery", recoveries()],
  [
    "Failed requests against a client of one try without the gateway, all settings default",
    [0.05, 0.1, 0.2, 0.3].flatMap((share) => [reduction(share, true), reduction(share, false)])
  ]
]
const lines = sections.flatMap(([, all]) => all)
const missed = lines.filter(({ passed }) => !passed).length
const seconds = ((performance.now() - started) / 1000).toFixed(0)
const date = new Date().toISOString().slice(0, 10)
writePage(`resilience-${date}.md`, flags.print, [
  `# Resilience, ${date}`,
  "",
  "`node bench/resilience.ts`: the whole flow under virtual time over upstreams that fail by a seeded plan; an answer takes 100 to",
  `300 ms, a failure 20 ms. ${seeds.length} seeds, the worst of them where nothing is summed. Took ${seconds} s.`,
  "",
  machineLine(),
  "",
  missed === 0 ? `All ${lines.length} targets are met.` : `**${missed} of ${lines.length} targets are missed.**`,
  "",
  ...sections.flatMap(([title, all]) => [
    `## ${title}`,
    "",
    table(
      ["What", "Measured", "Target", ""],
      all.map(({ measured, passed, target, what }) => [what, measured, target, passed ? "met" : "**missed**"])
    ),
    ""
  ])
])
process.exitCode = missed === 0 ? 0 : 1
