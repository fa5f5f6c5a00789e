/** The processes of the bench: started on the core they belong to, on loopback alone, and stopped by their own id however the bench ends. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { openSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { callerKey, requestBody } from "./Payload.ts"

/**
 * `candidate` = what is measured, core 0; `load` = driver and upstream, core 1; `profiled` = either: a profiler that shares the one
 * core only gets to look when its program waits, and sees nothing but system calls and garbage collection.
 */
export type Place = "candidate" | "load" | "profiled"

export interface Child {
  readonly name: string
  readonly pid: number
  readonly process: ChildProcess
  /** The last lines that the child wrote to stderr. */
  readonly complaints: () => string
}

/** Of util-linux; without it, and on one core, everything runs where the system puts it. */
const taskset = "taskset"

const hasTaskset = (): boolean => {
  try {
    execFileSync(taskset, ["-p", String(process.pid)], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Whether candidates and load have a core each. */
export const pinned = availableParallelism() >= 2 && hasTaskset()

/** Puts this very process beside the load, for a bench that drives the load itself. */
export const joinLoad = (): void => {
  if (pinned) execFileSync(taskset, ["-pc", "1", String(process.pid)], { stdio: "ignore" })
}

const children = new Set<Child>()

/**
 * Something to do for both cores whenever they have nothing else (`SCHED_IDLE`, so it gives way at once). On a virtual machine
 * waking a core that has gone to sleep is paid by whoever wakes it: the slower a candidate, the more often the load sleeps.
 */
export const keepAwake = (): void => {
  if (!pinned) return
  for (const core of ["0", "1"]) {
    const idler = spawn("chrt", ["-i", "0", taskset, "-c", core, process.execPath, "-e", "for(;;){}"], {
      stdio: "ignore"
    })
    idler.unref()
    idler.on("error", () => {})
    process.on("exit", () => idler.kill("SIGKILL"))
  }
}

/** The last resort, also for a crash of the bench: nothing that was started may live on. */
process.on("exit", () => {
  for (const child of children) child.process.kill("SIGKILL")
})

/** What a child may see of the environment: no key and no setting of ours, so that every run is the same. */
const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production" }

export const start = (
  name: string,
  place: Place,
  folder: string,
  args: ReadonlyArray<string>,
  talks: boolean
): Child => {
  const log = join(folder, `${name.replaceAll(/\W+/g, "-")}.stderr`)
  const command = [process.execPath, ...args]
  const pinning = pinned && place !== "profiled" ? [taskset, "-c", place === "candidate" ? "0" : "1"] : []
  const [program = "", ...rest] = [...pinning, ...command]
  const child = spawn(program, rest, {
    cwd: folder,
    env: environment,
    stdio: ["ignore", openSync("/dev/null", "w"), openSync(log, "w"), ...(talks ? ["ipc" as const] : [])]
  })
  child.on("error", () => {})
  const started: Child = {
    name,
    pid: child.pid ?? -1,
    process: child,
    complaints: () => readFileSync(log, "utf8").trim().split("\n").slice(-12).join("\n")
  }
  children.add(started)
  child.on("exit", () => children.delete(started))
  return started
}

const ended = (child: Child): boolean => child.process.exitCode !== null || child.process.signalCode !== null

/** Asks a child to end and, after `patienceMs`, makes it. */
export const stop = async (child: Child, patienceMs = 2000): Promise<void> => {
  child.process.kill("SIGTERM")
  for (let waited = 0; !ended(child) && waited < patienceMs; waited += 20) await sleep(20)
  if (ended(child)) return
  child.process.kill("SIGKILL")
  while (!ended(child)) await sleep(20)
}

export const stopAll = (): Promise<unknown> => Promise.all([...children].map((child) => stop(child)))

/** The next message of a child; rejects when it ends instead. */
export const message = <A>(child: Child): Promise<A> =>
  new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${child.name} ended\n${child.complaints()}`))
    child.process.once("exit", onExit)
    child.process.once("message", (value) => {
      child.process.off("exit", onExit)
      resolve(value as A)
    })
  })

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const ask = async (port: number): Promise<string> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${callerKey}` },
      body: requestBody("json"),
      signal: AbortSignal.timeout(2000)
    })
    const text = await response.text()
    return response.status === 200 ? "ready" : `status ${response.status}: ${text.slice(0, 200)}`
  } catch (cause) {
    return String(cause instanceof Error ? cause.cause ?? cause : cause)
  }
}

/** Waits until the candidate at `port` answers a completion; rejects with the reason after `patienceMs` or when it ended. */
export const answers = async (child: Child, port: number, patienceMs = 20_000): Promise<void> => {
  const until = performance.now() + patienceMs
  let last = ""
  while (performance.now() < until && !ended(child)) {
    last = await ask(port)
    if (last === "ready") return
    await sleep(50)
  }
  throw new Error(`${child.name} ${ended(child) ? "ended" : "does not answer"}: ${last}\n${child.complaints()}`)
}

/** The gateway by a file, on the candidates' core. */
export const startGateway = (folder: string, file: string, port: number): Child =>
  start(
    "gateway",
    "candidate",
    folder,
    [join(import.meta.dirname, "../src/main.ts"), "--config", file, "--port", String(port)],
    false
  )
