/**
 * How soon health, monitoring and the probes answer while the gateway has nothing to do, while it has a steady load, and while as many
 * callers as it can bear ask it for completions; and what counting a request for monitoring costs. `--seconds N` a phase.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Bench } from "tinybench"
import { makeBook } from "../src/accounting/Cost.ts"
import * as Decision from "../src/gateway/Decision.ts"
import * as Recent from "../src/gateway/Recent.ts"
import * as Tally from "../src/gateway/Tally.ts"
import { answers, freePort, joinLoad, startGateway, stopAll } from "./Children.ts"
import { probe } from "./HealthProbe.ts"
import { closedLoop, openLoop } from "./OpenLoop.ts"
import { machineLine, writePage } from "./Page.ts"
import { alias } from "./Payload.ts"
import { table } from "./Report.ts"

const { values: flags } = parseArgs({
  options: { seconds: { type: "string", default: "8" }, "no-write": { type: "boolean", default: false } }
})
const phaseMs = Number(flags.seconds) * 1000
const callers = 64
/** The steady load, in requests a second: the pace of `bench/load.ts --telemetry`. */
const pace = 1000
/** Goal for the 99th percentile, in milliseconds. */
const goalMs = 5

const routes = ["live", "ready", "", "monitoring"].map((name) => `/api/v1/health${name === "" ? "" : `/${name}`}`)

const quantile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN

const ask = (origin: string) => probe({ origin, routes, ms: phaseMs })

/** By route, how many answers there were and how many took at most `goalMs` by the gateway's own clock. */
const own = async (origin: string): Promise<ReadonlyMap<string, readonly [all: number, soon: number]>> => {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const lines = text.split("\n").filter((line) => /_duration_seconds_bucket\{/.test(line))
  return new Map(routes.map((route) => {
    const within = (le: string): number =>
      lines.filter((line) => line.includes(`route="${route}"`) && line.includes(`le="${le}"`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0)
    return [route, [within("+Inf"), within(String(goalMs / 1000))]]
  }))
}

const share = (before: readonly [number, number] = [0, 0], after: readonly [number, number] = [0, 0]): string =>
  `${(100 * (after[1] - before[1]) / (after[0] - before[0])).toFixed(2)} %`

/** Nanoseconds that counting and remembering one request takes. */
const counting = async (): Promise<number> => {
  const prices = makeBook([{
    name: "a",
    kind: "simulated",
    prices: { m: { usdPerMtok: { input: "3", output: "15" } } }
  }])
  const tally = Tally.make()
  const recent = Recent.make()
  const usage = { promptTokens: 100, completionTokens: 10, totalTokens: 110 }
  const finished = Array.from({ length: 1000 }, (_, index) => {
    const decision: Decision.Decision = {
      ...Decision.make(`req-${index}`, index),
      alias: "fast",
      prices,
      usage,
      provider: "a",
      model: "m"
    }
    decision.attempts.push({
      target: "a/m",
      provider: "a",
      model: "m",
      startedAtMs: index,
      endedAtMs: index + 80,
      outcome: "ok",
      waitedMs: 0
    })
    // The log line has asked for it before.
    Decision.costOf(decision)
    return decision
  })
  const bench = new Bench({ time: 1000, warmupTime: 300 })
  let nowMs = 1e12
  bench.add("a thousand requests", () => {
    for (const decision of finished) {
      tally.note(decision, nowMs)
      recent.add(decision)
    }
    nowMs += 100
  })
  await bench.run()
  const result = bench.tasks[0]?.result
  return result?.state === "completed" ? result.latency.p50 * 1000 : Number.NaN
}

const configuration = {
  server: { drain: { notReady: "10ms", streams: "1s" } },
  providers: { main: { kind: "simulated" } },
  models: { [alias]: { targets: [{ provider: "main", model: "sim-fast" }] } },
  telemetry: { logs: { format: "json" } }
}

const main = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-health-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  const nanos = await counting()
  joinLoad()
  const port = await freePort()
  const file = join(folder, "gateway.json")
  writeFileSync(file, JSON.stringify(configuration))
  const gateway = startGateway(folder, file, port)
  await answers(gateway, port)
  const origin = `http://127.0.0.1:${port}`
  await closedLoop(port, callers, 2000)
  const idle = await ask(origin)
  const steady = openLoop(port, pace, phaseMs)
  const paced = await ask(origin)
  await steady
  const before = await own(origin)
  const load = closedLoop(port, callers, phaseMs)
  const busy = await ask(origin)
  const perSecond = (await load).length / phaseMs * 1000
  const after = await own(origin)
  await stopAll()
  const cell = (values: ReadonlyArray<number> = []): string =>
    `${quantile(values, 0.5).toFixed(1)} / ${quantile(values, 0.99).toFixed(1)}`
  const rows = routes.map((
    route
  ) => [
    route,
    cell(idle.get(route)),
    cell(paced.get(route)),
    cell(busy.get(route)),
    share(before.get(route), after.get(route))
  ])
  const date = new Date().toISOString()
  writePage(`health-${date.slice(0, 10)}.md`, flags["no-write"], [
    `# Health under load, ${date}`,
    "",
    machineLine(),
    "",
    `p50 / p99 in milliseconds, seen by a caller on the other core: while nothing else is asked, while ${pace} completions a second of the simulated`,
    `provider are (open loop), and while ${callers} callers get ${
      perSecond.toFixed(0)
    } a second, as many as the process can give. A caller then waits for its`,
    `turn behind ${callers} others; the last column is the gateway's own clock, from the receipt of the request to its last byte.`,
    "What the machine itself does to times is in the first column.",
    "",
    table([
      ["route", "nothing else", `${pace}/s`, "full load", `own clock, within ${goalMs} ms under full load`],
      ...rows
    ]),
    "",
    `Counting and remembering one finished request for monitoring: ${nanos.toFixed(0)} ns.`,
    ""
  ])
}

process.exitCode = await main().then(() => 0, async (cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  await stopAll()
  return 2
})
process.exit()
