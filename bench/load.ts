/**
 * The gateway beside a bare proxy in one run, CPU a request as a ratio: absolute figures move by a factor of two on a shared
 * machine, ratios inside one round hardly. All candidates live at once and take short turns, in an order that changes every round.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import {
  type Candidate,
  candidates,
  gatewayExists,
  isGateway,
  launch,
  raw,
  type Running,
  serves,
  yardstick,
  yardstickAgain
} from "./Candidates.ts"
import { answers, type Child, freePort, keepAwake, message, pinned, start, stop, stopAll } from "./Children.ts"
import { costs, studies, type Study, writeCosts } from "./Differences.ts"
import { isPaced } from "./Payload.ts"
import { readProfile } from "./Profile.ts"
import { machine, type Report, scenarioTable, write } from "./Report.ts"
import type { DriverReply, SliceOrder, SliceResult } from "./Slice.ts"
import { ratioIn, type Round, type Row, rowOf, type Scenario } from "./Statistics.ts"

const usage = `node bench/load.ts [options]
  --quick             3 rounds of 0.8 s instead of 7 of 2 s
  --rounds N --slice MS
  --scenarios LIST    of json, paced, burst, paced-anthropic (default all)
  --only LIST         candidates beside raw, by how their name ends, such as "openai-compatible,again"
  --profile           profile one candidate (the first of --only, else the first gateway) under the first scenario
  --enforce           end with 1 when a budget is exceeded
  --no-write          leave bench/results alone
  --telemetry         what traces cost: the gateway without and with them, JSON alone
  --books             the same of the log and the ledger
  --guards            the same of keys, limits and budgets
  --peers             the same beside other gateways`

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    slice: { type: "string" },
    scenarios: { type: "string", default: "json,paced,burst,paced-anthropic" },
    only: { type: "string" },
    profile: { type: "boolean", default: false },
    enforce: { type: "boolean", default: false },
    "no-write": { type: "boolean", default: false },
    telemetry: { type: "boolean", default: false },
    books: { type: "boolean", default: false },
    guards: { type: "boolean", default: false },
    peers: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const known: ReadonlyArray<Scenario> = [
  { mode: "json", title: "JSON, 64 connections", unit: "request", connections: 64, warmupMs: 300 },
  { mode: "paced", title: "SSE, 200 streams at one frame per 20 ms", unit: "frame", connections: 200, warmupMs: 1400 },
  { mode: "burst", title: "SSE, 64 streams at full speed", unit: "frame", connections: 64, warmupMs: 300 },
  {
    mode: "paced-anthropic",
    title: "SSE in Anthropic's words, 200 streams at one frame per 20 ms",
    unit: "frame",
    connections: 200,
    warmupMs: 1400
  }
]

/**
 * Of a study, at one pace for all: at full speed the slower candidate lets the load sleep more often, and on a virtual machine
 * each of its writes then pays for waking another core, which is not what its part costs.
 */
const even: Scenario = {
  mode: "json",
  title: "JSON, 64 connections, 1,000 requests a second",
  unit: "request",
  connections: 64,
  warmupMs: 300,
  perSecond: 1000
}

const study: Study | undefined = flags.telemetry
  ? studies.telemetry
  : flags.books
  ? studies.books
  : flags.guards
  ? studies.guards
  : undefined

const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 7))
const sliceMs = Number(flags.slice ?? (flags.quick ? 800 : 2000))
const all = study === undefined ? candidates : [raw(yardstick), raw(yardstickAgain), ...study.candidates]
const scenarios = study !== undefined ? [even] : flags.scenarios.split(",").map((name) => {
  const scenario = known.find(({ mode }) => mode === name.trim())
  if (scenario === undefined) throw new Error(`no scenario ${name}\n${usage}`)
  return scenario
})

const warmupTurns = 5

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

interface Stage {
  readonly folder: string
  readonly driver: Child
  readonly upstream: Child
  readonly upstreamPort: number
}

const setUp = async (): Promise<Stage> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-bench-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  keepAwake()
  const upstreamPort = await freePort()
  const upstream = start(
    "upstream",
    "load",
    folder,
    [join(import.meta.dirname, "upstream.ts"), String(upstreamPort)],
    true
  )
  await message(upstream)
  const driver = start("driver", "load", folder, [join(import.meta.dirname, "driver.ts")], true)
  await message(driver)
  return { folder, driver, upstream, upstreamPort }
}

const runSlice = async (stage: Stage, scenario: Scenario, running: Running, ms: number): Promise<SliceResult> => {
  const order: SliceOrder = {
    mode: scenario.mode,
    connections: scenario.connections,
    perSecond: scenario.perSecond,
    port: running.port,
    pid: running.child.pid,
    upstreamPid: stage.upstream.pid,
    warmupMs: scenario.warmupMs,
    sliceMs: ms
  }
  stage.driver.process.send(order)
  const reply = await message<DriverReply>(stage.driver)
  if ("failure" in reply) throw new Error(`${running.candidate.name}: ${reply.failure}\n${running.child.complaints()}`)
  return reply.result
}

const selected = (): ReadonlyArray<Candidate> => {
  const wanted = flags.only?.split(",").map((name) => name.trim())
  return all.filter((one) =>
    one.name === yardstick
    || (scenarios.some(({ mode }) => serves(one, mode)) && (wanted?.some((part) => one.name.endsWith(part)) ?? true))
  )
}

/** Starts every candidate; one that does not come up is named in `missing` and left out. */
const launchAll = async (stage: Stage, missing: Array<string>): Promise<ReadonlyArray<Running>> => {
  const running: Array<Running> = []
  for (const candidate of selected()) {
    if (isGateway(candidate) && !gatewayExists()) {
      missing.push(`${candidate.name}: there is no src/main.ts`)
      continue
    }
    const launched = await launch(candidate, stage.upstreamPort, stage.folder)
    try {
      await answers(launched.child, launched.port)
      running.push(launched)
      say(`  ${candidate.name} is up, pid ${launched.child.pid}, port ${launched.port}`)
    } catch (cause) {
      missing.push(`${candidate.name}: ${String(cause)}`)
      say(`  ${candidate.name} did not start: ${String(cause)}`)
      await stop(launched.child)
    }
  }
  return running
}

/** Another begins each round, and every other round goes backwards: nobody always follows the same neighbour or himself. */
const inTurn = (running: ReadonlyArray<Running>, n: number): ReadonlyArray<Running> => {
  const first = (n >> 1) % running.length
  const turned = [...running.slice(first), ...running.slice(0, first)]
  return n % 2 === 0 ? turned : turned.toReversed()
}

const runScenario = async (
  stage: Stage,
  scenario: Scenario,
  all: ReadonlyArray<Running>
): Promise<ReadonlyArray<Row>> => {
  say(`\n${scenario.title}`)
  const running = all.filter(({ candidate }) => serves(candidate, scenario.mode))
  // Turns that do not count, so that no candidate is measured before its hot code is compiled: a gateway's takes about 25,000 requests, which cost twice as much.
  // Paced streams are too few for that, 185 a second, so they are opened at full speed here.
  const fullSpeed = isPaced(scenario.mode) ? "burst" : scenario.mode
  const warmup = known.find(({ mode }) => mode === fullSpeed) ?? scenario
  for (let n = 0; n < warmupTurns; n++) {
    for (const one of running) await runSlice(stage, warmup, one, Math.max(sliceMs, 1500))
  }
  if (warmup !== scenario) { for (const one of running) await runSlice(stage, scenario, one, sliceMs) }
  const done: Array<Round> = []
  for (let n = 0; n < rounds; n++) {
    const round = new Map<string, SliceResult>()
    for (const one of inTurn(running, n)) {
      round.set(one.candidate.name, await runSlice(stage, scenario, one, sliceMs))
    }
    done.push(round)
    const ratios = running.map(({ candidate: { name } }) => `${name} ${ratioIn(round, name)?.toFixed(2) ?? "-"}`)
    say(`  round ${n + 1}/${rounds}: ${ratios.join(", ")}`)
  }
  const rows = running.map(({ candidate }) => rowOf(candidate, scenario, done))
  say(`\n${scenarioTable(scenario, rows)}`)
  return rows
}

const measure = async (stage: Stage): Promise<number> => {
  const missing: Array<string> = []
  say(
    `${rounds} rounds of ${sliceMs} ms${
      pinned ? ", candidates on core 0, load and upstream on core 1" : ", not pinned"
    }`
  )
  const running = await launchAll(stage, missing)
  if (!running.some(({ candidate }) => candidate.name === yardstick)) throw new Error(missing.join("\n"))
  const results: Array<Report["scenarios"][number]> = []
  for (const scenario of scenarios) results.push({ scenario, rows: await runScenario(stage, scenario, running) })
  const date = new Date().toISOString()
  const report: Report = {
    date,
    machine: machine(),
    method: { rounds, sliceMs, quick: flags.quick },
    scenarios: results,
    missing
  }
  if (study !== undefined) {
    const text = results.map(({ rows, scenario }) => `${scenarioTable(scenario, rows)}\n\n${costs(study, rows)}`).join(
      "\n\n"
    )
    say(`\n${text}`)
    if (!flags["no-write"]) say(writeCosts(study, join(import.meta.dirname, "results"), date, text))
  } else if (!flags["no-write"]) say(`\n${write(report, join(import.meta.dirname, "results")).join("\n")}`)
  for (const text of missing) say(`not measured: ${text}`)
  const rows = results.flatMap((result) => result.rows)
  const failed = rows.filter((row) => row.passed === false).length
  say(`${rows.filter((row) => row.passed === true).length} budgets held, ${failed} exceeded`)
  return flags.enforce && (failed > 0 || missing.length > 0) ? 1 : 0
}

const profile = async (stage: Stage): Promise<number> => {
  const scenario = scenarios[0]
  const choice = flags.only === undefined ? candidates : selected().filter(({ name }) => name !== yardstick)
  const candidate = choice.find((one) => gatewayExists() ? isGateway(one) || flags.only !== undefined : !isGateway(one))
  if (scenario === undefined || candidate === undefined) throw new Error(`nothing to profile\n${usage}`)
  const prof = [
    "--cpu-prof",
    "--cpu-prof-interval=500",
    `--cpu-prof-dir=${stage.folder}`,
    "--cpu-prof-name=candidate.cpuprofile"
  ]
  const running = await launch(candidate, stage.upstreamPort, stage.folder, prof)
  await answers(running.child, running.port)
  say(`profile of ${candidate.name}: ${scenario.title}`)
  await runSlice(stage, scenario, running, sliceMs)
  const result = await runSlice(stage, scenario, running, sliceMs * 3)
  say(`${(result.cpuNanos / 1000 / result.units).toFixed(1)} µs a ${scenario.unit} with the profiler on\n`)
  await stop(running.child, 20_000)
  say(readProfile(join(stage.folder, "candidate.cpuprofile"), result.fromMicros, result.toMicros))
  return 0
}

const run = async (): Promise<number> => {
  if (flags.help) {
    say(usage)
    return 0
  }
  if (flags.peers) {
    say("No peer is installed: Breakwater does not depend on other gateways. None of the figures needs one.")
    return 0
  }
  const stage = await setUp()
  try {
    return await (flags.profile ? profile(stage) : measure(stage))
  } finally {
    await stopAll()
  }
}

// Ending through `exit` kills what was started and removes the folder.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

process.exitCode = await run().catch((cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  return 2
})
process.exit()
