/**
 * What a stream that stalls costs: memory of the gateway with many of them open, and after they have gone. Written to `results/`.
 * The heap is what is judged, after a full collection; resident memory is shown beside it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { Agent, type ClientRequest, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { answers, type Child, freePort, message, start, stopAll } from "./Children.ts"
import { keepPage } from "./Page.ts"
import { alias, requestBody, upstreamModel } from "./Payload.ts"
import { machine } from "./Report.ts"

/** KiB that one stalled stream may cost, and KiB of growth per stream that count as flat after they have gone. */
const budgetKib = 40
const flatKib = 4

const streams = Number(process.argv[2] ?? 1000)
const rounds = 3

interface Memory {
  readonly heapKib: number
  readonly residentKib: number
}

const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "breakwater-streams-"))

const residentKib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

/** The gateway collects all it can and says what is left. */
const memoryOf = async (gateway: Child): Promise<Memory> => {
  const told = message<{ readonly heapBytes: number }>(gateway)
  gateway.process.send("measure")
  const { heapBytes } = await told
  return { heapKib: Math.round(heapBytes / 1024), residentKib: residentKib(gateway.pid) }
}

/** Resolves with the request once its first byte is here; it is read no further. */
const open = (port: number, agent: Agent): Promise<ClientRequest> =>
  new Promise((resolve, reject) => {
    const body = requestBody("burst")
    const sent = request({
      port,
      path: "/v1/chat/completions",
      method: "POST",
      agent,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body)
      }
    }, (response) => {
      response.on("error", () => {})
      response.once("data", (bytes: Buffer) => {
        if (response.statusCode === 200) return resolve(sent)
        reject(new Error(`a stream was refused with ${response.statusCode}: ${bytes.toString()}`))
      })
    })
    sent.on("error", reject)
    sent.end(body)
  })

const openMany = async (port: number): Promise<ReadonlyArray<ClientRequest>> => {
  const agent = new Agent({ keepAlive: false })
  const all: Array<ClientRequest> = []
  while (all.length < streams) {
    const some = Array.from({ length: Math.min(50, streams - all.length) }, () => open(port, agent))
    all.push(...await Promise.all(some))
  }
  return all
}

const inFlight = async (port: number): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/health/monitoring`)
  const { targets } = await response.json() as { targets: ReadonlyArray<{ inFlight: number }> }
  return targets.reduce((sum, target) => sum + target.inFlight, 0)
}

const leave = async (port: number, all: ReadonlyArray<ClientRequest>): Promise<void> => {
  for (const sent of all) sent.on("error", () => {}).destroy()
  const until = performance.now() + 10_000
  while (await inFlight(port) > 0 && performance.now() < until) await sleep(20)
}

const startGateway = async (): Promise<{ readonly gateway: Child; readonly port: number }> => {
  const [port, upstreamPort] = [await freePort(), await freePort()]
  const upstream = start(
    "upstream",
    "load",
    folder,
    [join(root, "bench/StalledUpstream.ts"), String(upstreamPort)],
    true
  )
  await message(upstream)
  const config = join(folder, "breakwater.json")
  writeFileSync(
    config,
    JSON.stringify({
      // A collection on demand makes the loop late, which would shed the very streams that are to be measured.
      server: { port, drain: { notReady: "0s", streams: "1s" }, limits: { lag: "10s" } },
      providers: {
        up: { kind: "openai-compatible", baseUrl: `http://127.0.0.1:${upstreamPort}/v1`, apiKey: "none" }
      },
      models: { [alias]: { targets: [{ provider: "up", model: upstreamModel }], timeouts: { idle: "10m" } } },
      telemetry: { logs: { level: "error" } }
    })
  )
  const args = ["--expose-gc", "--import", join(root, "bench/HeapProbe.ts"), join(root, "src/main.ts")]
  const gateway = start("gateway", "candidate", folder, [...args, "--config", config], true)
  await answers(gateway, port)
  return { gateway, port }
}

interface Round {
  readonly before: Memory
  readonly during: Memory
  readonly after: Memory
}

const measure = async (gateway: Child, port: number): Promise<Round> => {
  const before = await memoryOf(gateway)
  const all = await openMany(port)
  const during = await memoryOf(gateway)
  await leave(port, all)
  return { before, during, after: await memoryOf(gateway) }
}

const perStream = (more: number, less: number): string => ((more - less) / streams).toFixed(1)

const report = (all: ReadonlyArray<Round>): { readonly text: string; readonly passed: boolean } => {
  // The first round pays for what is made once.
  const judged = all.slice(1)
  const cost = Math.max(...judged.map(({ before, during }) => (during.heapKib - before.heapKib) / streams))
  const growth = Math.max(...judged.map(({ after, before }) => (after.heapKib - before.heapKib) / streams))
  const lines = all.map(({ after, before, during }, at) =>
    `| ${at + 1} | ${perStream(during.heapKib, before.heapKib)} | ${perStream(after.heapKib, before.heapKib)} | `
    + `${perStream(during.residentKib, before.residentKib)} | ${perStream(after.residentKib, before.residentKib)} | `
    + `${Math.round(during.residentKib / 1024)} |`
  )
  const passed = cost <= budgetKib && growth <= flatKib
  const text = [
    `# ${streams} stalled streams`,
    "",
    "KiB for each stream over what was there before, after a full collection. Heap = V8's heap, external and array buffers; "
    + "round 1 pays for what is made once and is not judged.",
    "",
    "| round | heap, open | heap, gone | resident, open | resident, gone | resident MiB, open |",
    "|---|---|---|---|---|---|",
    ...lines,
    "",
    `Cost ≤ ${budgetKib} KiB: ${cost.toFixed(1)}. Flat after release (≤ ${flatKib} KiB): ${growth.toFixed(1)}. `
    + `${passed ? "pass" : "FAIL"}.`,
    "",
    "```json",
    JSON.stringify(machine(), null, 2),
    "```",
    ""
  ].join("\n")
  return { text, passed }
}

try {
  const { gateway, port } = await startGateway()
  const all: Array<Round> = []
  for (let round = 0; round < rounds; round++) all.push(await measure(gateway, port))
  const { passed, text } = report(all)
  keepPage(`streams-${new Date().toISOString().slice(0, 10)}.md`, text)
  process.stdout.write(text)
  process.exitCode = passed ? 0 : 1
} finally {
  await stopAll()
  rmSync(folder, { recursive: true, force: true })
}
