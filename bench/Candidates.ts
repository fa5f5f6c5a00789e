/** Who is measured, and what each may cost in units of the bare proxy. */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Child, freePort, start } from "./Children.ts"
import { alias, callerKey, type Mode, upstreamModel } from "./Payload.ts"

export interface Candidate {
  readonly name: string
  /** The only load that it can be asked under; default every one where the upstream speaks OpenAI's words. */
  readonly only?: Mode
  /** Highest ratio to the bare proxy that is still fine, by load. */
  readonly budgets: { readonly [mode in Mode]?: number }
  /** Arguments of the node process that serves at `port`; may write its settings into `folder`. */
  readonly args: (port: number, upstreamPort: number, folder: string) => ReadonlyArray<string>
  /** Listens to the bench over a channel, as our own small servers do. */
  readonly talks: boolean
}

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const bareProxy = fileURLToPath(import.meta.resolve("./candidates/raw.ts"))

/** The yardstick: every ratio is taken against it, measured twice in a round. */
export const yardstick = "raw"
export const yardstickAgain = "raw again"

export const raw = (name: string): Candidate => ({
  name,
  budgets: {},
  args: (port, upstreamPort) => [bareProxy, String(port), String(upstreamPort)],
  talks: true
})

/** Defaults wherever possible: only what makes the gateway reachable, and no trace export. */
const settings = (kind: string, model: string, upstreamPort: number, level: string, server: string): string =>
  `server:
  host: 127.0.0.1
  drain: { notReady: 10ms, streams: 1s }
${server}providers:
  upstream:
    kind: ${kind}
    baseUrl: http://127.0.0.1:${upstreamPort}/v1
    apiKey: sk-bench
models:
  ${alias}:
    targets:
      - { provider: upstream, model: ${model} }
telemetry:
  logs: { format: json, level: ${level} }
`

interface More {
  readonly name: string
  /** Lines at the end of the `telemetry` section, which is the last one. */
  readonly more: (upstreamPort: number, folder: string) => string
  /** Of the log. Default info: a line for every request. */
  readonly level?: "info" | "warn"
  /** The upstream's name of the model; default {@link upstreamModel}. */
  readonly model?: string
  /** Lines at the end of the `server` section. */
  readonly server?: string
}

export const gateway = (
  kind: string,
  budgets: Candidate["budgets"],
  { level = "info", model = upstreamModel, more, name, server = "" }: More = { name: `gateway ${kind}`, more: () => "" }
): Candidate => ({
  name,
  budgets,
  args: (port, upstreamPort, folder) => {
    const file = join(folder, `${name.replace(/\W+/g, "-")}.yaml`)
    writeFileSync(file, settings(kind, model, upstreamPort, level, server) + more(upstreamPort, folder))
    return [main, "--config", file, "--port", String(port)]
  },
  talks: false
})

const translated = "paced-anthropic"
const translating: More = { name: "gateway anthropic", more: () => "", model: "claude-sonnet-4-5" }

/** The caller has a key and may have every limit and three budgets, none of which he reaches. */
export const guarded = (name: string, isLimited: boolean, isBudgeted: boolean): More => ({
  name: `gateway with ${name}`,
  more: () => "",
  server: `  keys:
    - name: bench
      key: ${callerKey}
      models: [${alias}]
      tags: [team]
${isLimited ? "      limits: { rpm: 1000000000, tpm: 1000000000, concurrent: 10000 }\n" : ""}${
    isBudgeted ? `      budget: { usd: "1000000", per: day }\n` : ""
  }  adminKey: sk-bench-admin-0123456789abcdef
${
    isBudgeted
      ? `  budgets:
    total: { usd: "1000000", per: month }
    tags: { team: { usd: "1000000", per: month } }
    unpriced: allow
`
      : ""
  }`
})

/** `raw again` is the same program as `raw`: how far its ratio strays from 1 is the noise of the run. */
export const candidates: ReadonlyArray<Candidate> = [
  raw(yardstick),
  raw(yardstickAgain),
  gateway("openai-compatible", { json: 2.5, paced: 1.6 }),
  gateway("openai", { json: 3 }),
  gateway("openai-compatible", { json: 2.5, paced: 1.6 }, guarded("keys, limits and budgets", true, true)),
  { ...gateway("anthropic", { [translated]: 3.5 }, translating), only: translated }
]

/** Whether it can be asked under this load: a pipe always. */
export const serves = (candidate: Candidate, mode: Mode): boolean =>
  !isGateway(candidate) || (candidate.only === undefined ? mode !== translated : candidate.only === mode)

export const isGateway = (candidate: Candidate): boolean => candidate.name.startsWith("gateway")

export const gatewayExists = (): boolean => existsSync(main)

export interface Running {
  readonly candidate: Candidate
  readonly child: Child
  readonly port: number
}

/** Starts a candidate before the upstream; with `profiling`, flags of node that go before the program, on whichever core. */
export const launch = async (
  candidate: Candidate,
  upstreamPort: number,
  folder: string,
  profiling: ReadonlyArray<string> = []
): Promise<Running> => {
  const port = await freePort()
  const place = profiling.length > 0 ? "profiled" : "candidate"
  const args = [...profiling, ...candidate.args(port, upstreamPort, folder)]
  return { candidate, child: start(candidate.name, place, folder, args, candidate.talks), port }
}
