/**
 * Three times as many requests as can be served, as an open loop: what is still answered, how soon, and how soon the rest is
 * told no. Three scenes, by who says no: a target's fixed limit, one that learns from 429, the door itself.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { answers, type Child, freePort, joinLoad, message, start, stop, stopAll } from "./Children.ts"
import { closedLoop, openLoop, type Seen } from "./OpenLoop.ts"
import { keepPage } from "./Page.ts"
import { alias, upstreamModel } from "./Payload.ts"
import { machine, table } from "./Report.ts"

const { values: flags } = parseArgs({
  options: { seconds: { type: "string", default: "12" }, "no-write": { type: "boolean", default: false } }
})
const phaseMs = Number(flags.seconds) * 1000
/** Of each phase so much is not counted: queues fill, limits are found. */
const settleMs = Math.min(3000, phaseMs / 3)

const serviceMs = 400
const places = 20
const capacityPerSecond = places * 1000 / serviceMs

interface Scene {
  readonly title: string
  /** What the upstream bears at once before it says 429. */
  readonly capacity: number
  readonly server: object
  readonly provider: object
  readonly priorities: ReadonlyArray<string>
}

const scenes: ReadonlyArray<Scene> = [
  {
    title: `maxConcurrency: ${places}`,
    capacity: Infinity,
    server: {},
    provider: { maxConcurrency: places },
    priorities: ["normal"]
  },
  {
    title: `maxConcurrency: adaptive, an upstream that says 429 beyond ${places} at once`,
    capacity: places,
    server: {},
    provider: { maxConcurrency: "adaptive" },
    priorities: ["normal"]
  },
  {
    title: "server.limits.inFlight: 20, a quarter of the requests in each class",
    capacity: Infinity,
    server: { limits: { inFlight: places } },
    provider: {},
    priorities: ["batch", "best-effort", "normal", "critical"]
  }
]

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

const settled = (seen: ReadonlyArray<Seen>): ReadonlyArray<Seen> => seen.filter(({ dueMs }) => dueMs >= settleMs)
const served = (seen: ReadonlyArray<Seen>) => seen.filter(({ status }) => status === 200)
const times = (seen: ReadonlyArray<Seen>) => seen.map(({ ms }) => ms)
const perSecond = (seen: ReadonlyArray<Seen>): number => seen.length / ((phaseMs - settleMs) / 1000)

interface Result {
  readonly scene: Scene
  readonly unloadedP99: number
  readonly peak: number
  readonly overload: ReadonlyArray<Seen>
  /** Of a liveness probe, in milliseconds: what the machine itself does to times. */
  readonly idleProbes: ReadonlyArray<number>
  /** The same while overloaded. */
  readonly probes: ReadonlyArray<number>
  /** Refusals while overloaded by the gateway's own clock, from receipt to last byte: all, and those within 10 and 25 ms. */
  readonly own: readonly [number, number, number]
  /** Of the first requests after the overload, one after the other. */
  readonly after: ReadonlyArray<Seen>
}

const probing = async (port: number, during: Promise<unknown>): Promise<ReadonlyArray<number>> => {
  const seen: Array<number> = []
  const run = { isOver: false }
  void during.then(() => {
    run.isOver = true
  })
  while (!run.isOver) {
    const at = performance.now()
    await (await fetch(`http://127.0.0.1:${port}/api/v1/health/live`)).text()
    seen.push(performance.now() - at)
    await sleep(100)
  }
  return seen
}

/** Refusals since the start: all, within 10 ms, within 25 ms. */
const refusals = async (port: number): Promise<readonly [number, number, number]> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const within = (le: string): number =>
    text.split("\n").filter((line) => line.startsWith("breakwater_request_duration_seconds_bucket"))
      .filter((line) => line.includes("status=\"5xx\"") && line.includes(`le="${le}"`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0)
  return [within("+Inf"), within("0.01"), within("0.025")]
}

const measure = async (scene: Scene, port: number): Promise<Result> => {
  await openLoop(port, capacityPerSecond * 3, Math.max(phaseMs, 8000), scene.priorities)
  await sleep(1500)
  const calm = openLoop(port, capacityPerSecond / 3, phaseMs)
  const idleProbes = await probing(port, calm)
  const unloaded = served(settled(await calm))
  const peak = perSecond(served(settled(await closedLoop(port, places * 0.9, phaseMs)))) / 0.9
  const before = await refusals(port)
  const loaded = openLoop(port, capacityPerSecond * 3, phaseMs, scene.priorities)
  const probes = await probing(port, loaded)
  const overload = settled(await loaded)
  const [all, within10, within25] = await refusals(port)
  const own = [all - before[0], within10 - before[1], within25 - before[2]] as const
  await sleep(1000)
  const after = await closedLoop(port, 1, 1000)
  return { scene, unloadedP99: quantile(times(unloaded), 0.99), peak, overload, idleProbes, probes, own, after }
}

const configuration = (scene: Scene, upstreamPort: number): string =>
  JSON.stringify({
    server: { drain: { notReady: "10ms", streams: "1s" }, ...scene.server },
    providers: {
      upstream: {
        kind: "openai-compatible",
        baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
        apiKey: "sk-bench",
        ...scene.provider
      }
    },
    models: { [alias]: { targets: [{ provider: "upstream", model: upstreamModel }] } },
    telemetry: { logs: { format: "json", level: "info" } }
  })

const launch = async (name: string, place: "candidate" | "load", folder: string, args: ReadonlyArray<string>) => {
  const child = start(name, place, folder, args, place === "load")
  if (place === "load") await message(child)
  return child
}

const run = async (scene: Scene, folder: string): Promise<Result> => {
  const children: Array<Child> = []
  try {
    const upstreamPort = await freePort()
    const upstream = [join(import.meta.dirname, "upstream.ts"), String(upstreamPort), String(serviceMs)]
    children.push(
      await launch(
        "upstream",
        "load",
        folder,
        Number.isFinite(scene.capacity) ? [...upstream, `${scene.capacity}`] : upstream
      )
    )
    const port = await freePort()
    const file = join(folder, "gateway.json")
    writeFileSync(file, configuration(scene, upstreamPort))
    const main = join(import.meta.dirname, "../src/main.ts")
    const gateway = await launch("gateway", "candidate", folder, [main, "--config", file, "--port", String(port)])
    children.push(gateway)
    await answers(gateway, port)
    return await measure(scene, port)
  } finally {
    await Promise.all(children.map((child) => stop(child)))
  }
}

const fixed = (value: number, digits = 0): string => Number.isFinite(value) ? value.toFixed(digits) : "-"
const verdict = (isHeld: boolean): string => isHeld ? "held" : "NOT HELD"

const report = ({ after, idleProbes, overload, own, peak, probes, scene, unloadedP99 }: Result): string => {
  const good = served(overload)
  const refused = overload.filter(({ status }) => status === 503 || status === 429)
  const other = overload.length - good.length - refused.length
  const ratio = perSecond(good) / peak
  const p99 = quantile(times(good), 0.99)
  const at = (values: ReadonlyArray<number>) =>
    `p50 ${fixed(quantile(values, 0.5), 1)}, p99 ${fixed(quantile(values, 0.99), 1)}, worst ${
      fixed(Math.max(...values), 1)
    } ms`
  const classes = scene.priorities.map((priority) => {
    const own = overload.filter((seen) => seen.priority === priority)
    return `${priority} ${fixed(100 * served(own).length / own.length)} %`
  })
  return table([
    ["what", "seen", "goal", ""],
    ["offered", `${fixed(perSecond(overload))}/s`, "", ""],
    [
      "served",
      `${fixed(perSecond(good))}/s of at most ${fixed(peak)}/s: ${fixed(ratio * 100)} %`,
      "at least 90 %",
      verdict(ratio >= 0.9)
    ],
    [
      "served, how soon",
      `${at(times(good))}; unloaded p99 ${fixed(unloadedP99, 1)} ms: x ${fixed(p99 / unloadedP99, 2)}`,
      "p99 at most x 2",
      verdict(p99 <= 2 * unloadedP99)
    ],
    [
      "refused, how soon",
      `${at(times(refused))} (${refused.length}, of which 429: ${
        refused.filter(({ status }) => status === 429).length
      })`,
      "p99 under 20 ms",
      verdict(quantile(times(refused), 0.99) < 20)
    ],
    [
      "refused, by the gateway's own clock",
      `${fixed(100 * own[1] / own[0], 1)} % within 10 ms, ${fixed(100 * own[2] / own[0], 1)} % within 25 ms`,
      "",
      ""
    ],
    ["anything else", String(other), "0", verdict(other === 0)],
    ["liveness probe", at(probes), "", ""],
    ["liveness probe, unloaded", at(idleProbes), "", ""],
    ["served by class", classes.join(", "), "", ""],
    [
      "a second later",
      `${served(after).length} of ${after.length} served, ${at(times(after))}`,
      "all",
      verdict(
        served(after).length === after.length
      )
    ]
  ])
}

const main = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-overload-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  joinLoad()
  const date = new Date().toISOString()
  const parts: Array<string> = []
  for (const scene of scenes) {
    say(`\n${scene.title}`)
    const text = report(await run(scene, folder))
    say(text)
    parts.push(`## ${scene.title}\n\n${text}`)
  }
  const facts = Object.entries(machine()).map(([name, value]) => `${name} ${value}`).join(", ")
  const page = `# Overload, ${date}

${facts}. The load average was ${loadavg()[0]?.toFixed(1)} at the end.

An upstream that takes ${serviceMs} ms for each answer, ${places} at once: ${capacityPerSecond}/s. Offered three times that, as Poisson arrivals that wait for
nobody (open loop), ${phaseMs / 1000} s a phase of which the first ${
    settleMs / 1000
  } s do not count. Times run from the moment a request was due. The most
that can be served is measured with a closed loop on nine tenths of the places; unloaded is a third of the capacity.

${parts.join("\n\n")}
`
  if (flags["no-write"]) return
  say(`\n${keepPage(`overload-${date.slice(0, 10)}.md`, page)}`)
}

// Ending through `exit` kills what was started and removes the folder.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

process.exitCode = await main().then(() => 0, async (cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  await stopAll()
  return 2
})
process.exit()
