/**
 * The real gateway as a child process on a port of its own, in an empty folder and without a provider key of this machine, so
 * that a test means the same everywhere.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "../cli/Child.ts"

export interface Gateway {
  /** `http://127.0.0.1:port` */
  readonly origin: string
  /** The base URL that clients are given. */
  readonly url: string
  /** What it has written so far, logs and banner. */
  readonly output: () => string
  /** The first match in what it writes; fails when the process ends before. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
  /** True until the process has ended. */
  readonly isRunning: () => boolean
  readonly pid: number | undefined
  /** The monitoring value. */
  readonly monitoring: () => Promise<Monitoring>
  /** Asks for the monitoring value until it is as wanted; rejects with the last one after `limitMs`, default 5000. */
  readonly until: (wanted: (seen: Monitoring) => boolean, limitMs?: number) => Promise<Monitoring>
  readonly signal: (name: NodeJS.Signals) => void
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
    readonly breaker: { readonly state: string; readonly callsInWindow: number; readonly failureRate: number }
    readonly inFlight: number
    readonly waiting: number
    /** Absent before the first. */
    readonly attempts?: number
  }>
  readonly recent: ReadonlyArray<{ readonly alias: string; readonly error?: string }>
}

/** Leaving takes no time unless a test asks for it. */
const drain = { notReady: "1ms", streams: "1s" }

interface Sections {
  readonly server?: Readonly<Record<string, unknown>>
  readonly [section: string]: unknown
}

/**
 * Starts a gateway with this configuration file; resolves when it is ready to serve.
 * @param preload a module that the process loads first
 * @param env what its environment has beside the way to node
 */
export const start = async (
  configuration: Sections = {},
  preload?: string,
  env: Readonly<Record<string, string>> = {}
): Promise<Gateway> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-wire-"))
  const file = join(folder, "gateway.json")
  writeFileSync(file, JSON.stringify({ ...configuration, server: { port: 0, drain, ...configuration.server } }))
  const first = preload === undefined ? [] : ["--import", preload]
  const child = Child.start("node", [...first, join(Child.root, "src/main.ts"), "--config", file], { cwd: folder, env })
  // A failing test run must not leave a server behind.
  const kill = () => child.process.kill("SIGKILL")
  process.once("exit", kill)
  const ended = child.ended.then(({ code }) => {
    process.removeListener("exit", kill)
    rmSync(folder, { recursive: true, force: true })
    return code
  })
  const origin = await Child.url(child)
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
      if (performance.now() > end) {
        const { recent: _, targets, ...rest } = seen
        const busy = targets.filter((target) => target.inFlight + target.waiting > 0)
        throw new Error(`not so within ${limitMs} ms: ${JSON.stringify({ ...rest, busy })}`)
      }
    }
  }
  return {
    origin,
    url: `${origin}/v1`,
    output: child.output,
    says: child.says,
    pid: child.process.pid,
    isRunning: () => child.process.exitCode === null && child.process.signalCode === null,
    monitoring,
    until,
    signal: (name) => void child.process.kill(name),
    stop: () => {
      child.process.kill("SIGTERM")
      return ended
    }
  }
}

/** Requests that hold or wait for a place on any target. */
export const inFlight = (seen: Monitoring): number =>
  seen.targets.reduce((sum, target) => sum + target.inFlight + target.waiting, 0)
