/**
 * The real gateway as a child process on a port of its own, in an empty folder and without a provider key of this machine, so
 * that a test means the same everywhere.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export interface Gateway {
  /** `http://127.0.0.1:port` */
  readonly origin: string
  /** The base URL that clients are given. */
  readonly url: string
  /** What it has written so far, logs and banner. */
  readonly output: () => string
  /** True until the process has ended. */
  readonly isRunning: () => boolean
  /** The monitoring value. */
  readonly monitoring: () => Promise<Monitoring>
  /** Asks for the monitoring value until it is as wanted; rejects with the last one after `limitMs`, default 5000. */
  readonly until: (wanted: (seen: Monitoring) => boolean, limitMs?: number) => Promise<Monitoring>
  /** SIGTERM; resolves with the exit code. */
  readonly stop: () => Promise<number | null>
}

/** The part of the monitoring value that tests look at. */
export interface Monitoring {
  readonly status: string
  readonly phase: string
  readonly totals: { readonly requests: number; readonly failed: number; readonly attempts: number }
  readonly targets: ReadonlyArray<{
    readonly target: string
    readonly breaker: { readonly state: string }
    readonly inFlight: number
    readonly waiting: number
  }>
  readonly recent: ReadonlyArray<{ readonly alias: string; readonly error?: string }>
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Leaving takes no time unless a test asks for it. */
const drain = { notReady: "1ms", streams: "1s" }

interface Sections {
  readonly server?: Readonly<Record<string, unknown>>
  readonly [section: string]: unknown
}

const launch = (configuration: Sections) => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-wire-"))
  const file = join(folder, "gateway.json")
  writeFileSync(file, JSON.stringify({ ...configuration, server: { port: 0, drain, ...configuration.server } }))
  const child = spawn(join(root, "node_modules/.bin/node"), [join(root, "src/main.ts"), "--config", file], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder },
    stdio: ["ignore", "pipe", "pipe"]
  })
  // A failing test run must not leave a server behind.
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const ended = once(child, "close").then(() => {
    process.removeListener("exit", kill)
    rmSync(folder, { recursive: true, force: true })
    return child.exitCode
  })
  return { child, ended }
}

/** Starts a gateway with this configuration file; resolves when it is ready to serve. */
export const start = async (configuration: Sections = {}): Promise<Gateway> => {
  const { child, ended } = launch(configuration)
  let text = ""
  const origin = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (piece: string) => {
        text += piece
        const found = /listening on (http:\/\/\S+)/.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    }
    void ended.then((code) => reject(new Error(`the gateway ended with ${code} before it was ready:\n${text}`)))
  })
  const monitoring = async (): Promise<Monitoring> => {
    const response = await fetch(`${origin}/api/v1/health/monitoring`)
    // The shape is the gateway's promise; what a test reads of it, it also asserts.
    return await response.json() as Monitoring
  }
  const until = async (wanted: (seen: Monitoring) => boolean, limitMs = 5000): Promise<Monitoring> => {
    const end = performance.now() + limitMs
    while (true) {
      const seen = await monitoring()
      if (wanted(seen)) return seen
      if (performance.now() > end) throw new Error(`not so within ${limitMs} ms: ${JSON.stringify(seen)}`)
    }
  }
  return {
    origin,
    url: `${origin}/v1`,
    output: () => text,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    monitoring,
    until,
    stop: () => {
      child.kill("SIGTERM")
      return ended
    }
  }
}

/** Requests that hold or wait for a place on any target. */
export const inFlight = (seen: Monitoring): number =>
  seen.targets.reduce((sum, target) => sum + target.inFlight + target.waiting, 0)
