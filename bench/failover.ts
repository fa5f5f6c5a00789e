/**
 * What a failover costs its caller in wall time, against upstreams on raw sockets: beyond their own times where they fail fast,
 * beyond the first-token limit where they are silent, and beyond the deadline in every scenario of the fault table. `--requests N`
 * (default 1000) for each fast failure in each of `--rounds N` (default 3), `--print` writes no file. Ends with 1 if a target is missed.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { call, readAnswer, type Seen } from "../test/faults/Client.ts"
import { cases } from "../test/faults/scenarios.ts"
import { start as startUpstream, type Upstream } from "../test/faults/Upstream.ts"
import { table } from "../tools/markdown-table.ts"
import { freePort, joinLoad, keepAwake, startGateway, stop } from "./Children.ts"
import { machineLine, median, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: {
    requests: { type: "string", default: "1000" },
    rounds: { type: "string", default: "3" },
    print: { type: "boolean", default: false }
  }
})
const requests = Number(flags.requests)
const rounds = Number(flags.rounds)

// The caller and the upstreams are this process, and its own collections would be waited for too: room for most of a round.
const roomy = ["--min-semi-space-size=256", "--max-semi-space-size=256", "--no-allocation-site-pretenuring"]
if (process.execArgv.length === 0) {
  const again = spawnSync(process.execPath, [...roomy, ...process.argv.slice(1)], { stdio: "inherit" })
  process.exit(again.status ?? 1)
}

/** Milliseconds. */
const firstTokenMs = 300
/** Of each scenario. */
const warmUps = 3000
const allowed = { failover: 5, silent: 50, overrun: 50 }

/** Scenarios of the first target that fail at once; the second is well. */
const fast = [
  "500",
  "503",
  "529",
  "429",
  "html:502",
  "reset-before-headers",
  "fin-before-headers",
  "reset-mid-headers",
  "malformed-json",
  "error-first:openai"
]
/** Takes 50 ms for itself, and is warm from the other resets. */
const slow = "reset-mid-headers"
/** Scenarios of the first target in which nothing that counts ever comes. */
const silent = ["silence", "headers-then-silence", "role-then-silence", "comments-only:50", "empty-deltas:50"]

const agent = new Agent({ keepAlive: true })
const primary = await startUpstream()
const fallback = await startUpstream({ name: "fallback" })
const deadPort = await freePort()
const port = await freePort()
const url = `http://127.0.0.1:${port}/v1`

const provider = (baseUrl: string) => ({ kind: "openai-compatible", baseUrl, apiKey: "none" })
const models = Object.fromEntries([
  ...[...fast, ...silent, "ok"].map((scenario) => [
    scenario,
    { targets: [{ provider: "primary", model: scenario }, { provider: "fallback", model: "ok" }] }
  ]),
  ["refused", { targets: [{ provider: "refused", model: "any" }, { provider: "fallback", model: "ok" }] }],
  ...cases.map(({ scenario }, index) => [
    `row-${index}`,
    {
      targets: [{ provider: "primary", model: `${scenario}#${index}` }, {
        provider: "fallback",
        model: `${scenario}#${index}`
      }]
    }
  ])
])

const folder = mkdtempSync(join(tmpdir(), "breakwater-failover-"))
const file = join(folder, "gateway.json")
writeFileSync(
  file,
  JSON.stringify({
    server: { drain: { notReady: "1ms", streams: "1s" } },
    providers: {
      primary: provider(primary.url),
      fallback: provider(fallback.url),
      refused: provider(`http://127.0.0.1:${deadPort}/v1`)
    },
    models,
    // No wait before a retry, so that nothing has to be taken off; and a target that never answers stays worth a retry.
    defaults: {
      timeouts: { firstToken: `${firstTokenMs}ms`, answer: `${firstTokenMs}ms` },
      retry: { base: "0ms", throttleBase: "0ms", budget: 1_000_000 }
    },
    telemetry: { logs: { format: "json", level: "info" } }
  })
)

interface Timed {
  readonly seen: Seen
  readonly totalMs: number
  /** What the upstreams took for themselves, from the request's arrival to their last byte; a silent one takes nothing. */
  readonly upstreamMs: number
}

const ownMs = (upstream: Upstream, from: number): number =>
  upstream.attempts.slice(from).reduce(
    (sum, { at, finishedAt }) => sum + (finishedAt === undefined ? 0 : finishedAt - at),
    0
  )

const timed = async (model: string, stream: boolean, headers: Record<string, string> = {}): Promise<Timed> => {
  const [first, second] = [primary.attempts.length, fallback.attempts.length]
  const beganAt = performance.now()
  const seen = await call(url, { model, stream, agent, headers })
  const totalMs = performance.now() - beganAt
  return { seen, totalMs, upstreamMs: ownMs(primary, first) + ownMs(fallback, second) }
}

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

interface Line {
  readonly what: string
  readonly values: ReadonlyArray<number>
  /** The same of requests without a failover, one before each. */
  readonly calm?: ReadonlyArray<number>
  readonly limitMs: number
  /** Which part of them must keep to the limit. */
  readonly share: number
  /** The name of the worst. */
  readonly worst?: string | undefined
  /** What was added in each round, where there were several. */
  readonly rounds?: ReadonlyArray<number>
}

/** What the failover adds to what the gateway, the wire and the machine take of a request without one. */
const judgedMs = ({ calm, rounds, share, values }: Line): number =>
  rounds === undefined ? quantile(values, share) - (calm === undefined ? 0 : quantile(calm, share)) : median(rounds)

/** The rounds of one line as one: a machine that was away for a moment spoils a round, and not the median of them. */
const joined = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> =>
  lines.slice(0, 1).map((line) => ({
    ...line,
    values: lines.flatMap(({ values }) => values),
    calm: lines.flatMap(({ calm = [] }) => calm),
    rounds: lines.map(judgedMs)
  }))

const isHeld = (line: Line): boolean => judgedMs(line) < line.limitMs

const requireAnswer = ({ seen }: Timed, what: string, provider: string): void => {
  const from = seen.headers["x-breakwater-provider"]
  if (readAnswer(seen).finishReasons[0] === "stop" && from === provider) return
  throw new Error(`${what}: ${seen.status} from ${String(from)}: ${seen.text.slice(0, 300)}`)
}

interface Pair {
  readonly calm: number
  readonly value: number
}

/** One request without a failover and then one with it: how much longer each takes than the upstreams and a silent one's limit. */
const pair = async (model: string, takenOffMs: number): Promise<Pair> => {
  const stream = model.startsWith("error-first") || takenOffMs > 0
  const plain = await timed("ok", stream)
  const one = await timed(model, stream)
  requireAnswer(plain, "ok", "primary")
  requireAnswer(one, model, "fallback")
  return { calm: plain.totalMs - plain.upstreamMs, value: one.totalMs - one.upstreamMs - takenOffMs }
}

/** Every scenario in turn, `count` times, so that none has the machine's good or bad minute, or the compiler, to itself. */
const inTurn = async (scenarios: ReadonlyArray<string>, count: number, takenOffMs: number, limitMs: number) => {
  const heard = new Map<string, Array<Pair>>(scenarios.map((scenario) => [scenario, []]))
  for (let made = 0; made < count; made++) {
    if (made % 100 === 0) {
      primary.reset()
      fallback.reset()
    }
    for (const [scenario, pairs] of heard) pairs.push(await pair(scenario, takenOffMs))
  }
  return [...heard].map(([what, pairs]): Line => ({
    what,
    values: pairs.map(({ value }) => value),
    calm: pairs.map(({ calm }) => calm),
    limitMs,
    share: 0.99
  }))
}

/** How long after its deadline each row of the fault table ended, both targets being as the row says; 0 = before it. */
const overruns = async (deadlineMs: number): Promise<Line> => {
  const values: Array<number> = []
  for (const [index, { headers, stream }] of cases.entries()) {
    const { totalMs } = await timed(`row-${index}`, stream, { ...headers, "x-request-timeout-ms": String(deadlineMs) })
    values.push(Math.max(0, totalMs - deadlineMs))
  }
  const worst = cases[values.indexOf(Math.max(...values))]?.name
  return { what: `a deadline of ${deadlineMs} ms`, values, limitMs: allowed.overrun, share: 1, worst }
}

const control = async (): Promise<void> => {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/health/circuit-breakers/metrics-only`, { method: "POST" })
  if (!answer.ok) throw new Error(`the breakers cannot be set to count only: ${answer.status}`)
}

const ready = async (): Promise<void> => {
  const end = performance.now() + 20_000
  while (performance.now() < end) {
    const isUp = await fetch(`http://127.0.0.1:${port}/api/v1/health/ready`).then(({ ok }) => ok, () => false)
    if (isUp) return
    await sleep(20)
  }
  throw new Error("the gateway does not start")
}

const section = (title: string, lines: ReadonlyArray<Line>): ReadonlyArray<string> => [
  `## ${title}`,
  "",
  table(
    ["What", "Requests", "p50 ms", "p99 ms", "worst ms", "p50, p99 without a failover", "added ms", "limit", ""],
    lines.map((line) => [
      line.what,
      String(line.values.length),
      quantile(line.values, 0.5).toFixed(2),
      quantile(line.values, 0.99).toFixed(2),
      `${Math.max(...line.values).toFixed(2)}${line.worst === undefined ? "" : ` (${line.worst})`}`,
      line.calm === undefined ? "" : `${quantile(line.calm, 0.5).toFixed(2)}, ${quantile(line.calm, 0.99).toFixed(2)}`,
      judgedMs(line).toFixed(2),
      `${line.share === 1 ? "worst" : "p99"} < ${line.limitMs} ms`,
      isHeld(line) ? "held" : "**NOT HELD**"
    ])
  ),
  ""
]

joinLoad()
keepAwake()
const gateway = startGateway(folder, file, port)
try {
  await ready()
  // A target that always fails must go on being asked.
  await control()
  // The gateway's code for a failure is compiled only after thousands of them, and that is not what a failover adds.
  const failures = [...fast, "refused"]
  for (let made = 0; made < warmUps; made += 500) {
    await inTurn(failures.filter((scenario) => scenario !== slow), 500, 0, allowed.failover)
    await inTurn([slow], 50, 0, allowed.failover)
    process.stderr.write(`warm-up: ${made + 500} of ${warmUps} of each\n`)
  }
  const heard: Array<Line> = []
  for (let round = 0; round < rounds; round++) {
    heard.push(...await inTurn(failures, requests, 0, allowed.failover))
    process.stderr.write(`round ${round + 1} of ${rounds}\n`)
  }
  const failing = failures.flatMap((scenario) => joined(heard.filter(({ what }) => what === scenario)))
  await inTurn(silent, 3, firstTokenMs, allowed.silent)
  const waiting = await inTurn(silent, 25, firstTokenMs, allowed.silent)
  const late = [await overruns(700), await overruns(300)]
  const lines = [...failing, ...waiting, ...late]
  const missed = lines.filter((line) => !isHeld(line)).length
  const date = new Date().toISOString().slice(0, 10)
  writePage(`failover-${date}.md`, flags.print, [
    `# What a failover costs, ${date}`,
    "",
    "`node bench/failover.ts`: one request at a time, timed by its caller. The upstreams' own times run from a request's arrival to",
    "the last byte of its answer. Breakers only count, and a retry waits for nothing, so what is left is the gateway's own, the wire's",
    "and the machine's; a request without a failover before each one shows how much of it that takes anyway. Added = the p99 less",
    `that of those, the median of ${rounds} rounds.`,
    "",
    machineLine(),
    "",
    missed === 0 ? "All limits are kept." : `**${missed} of ${lines.length} limits are not kept.**`,
    "",
    ...section(
      "Beyond the upstreams' own times: the first target fails at once, is tried again where it may, then the second",
      failing
    ),
    ...section(
      `Beyond the second target's time and a first-token limit of ${firstTokenMs} ms: the first target is silent`,
      waiting
    ),
    ...section("Beyond the deadline: every row of the fault table, both targets alike", late)
  ])
  process.exitCode = missed === 0 ? 0 : 1
} finally {
  await stop(gateway)
  await Promise.all([primary.close(), fallback.close()])
  agent.destroy()
  rmSync(folder, { recursive: true, force: true })
}
