/** A Postgres of Debian's package on a loopback port, in a folder of its own, as a user that is not root. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./FreePort.ts"

const packages = "/usr/lib/postgresql"

/** Where its programs are; undefined where the package is not installed. */
const programs: string | undefined = (existsSync(packages) ? readdirSync(packages) : [])
  .toSorted((left, right) => Number(right) - Number(left))
  .map((version) => join(packages, version, "bin"))
  .find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")))

/** Says once why tests that need it are skipped. */
export const isMissing = (): boolean => {
  if (programs !== undefined) return false
  process.stderr.write("skipped: no Postgres under /usr/lib/postgresql (apt-get install postgresql)\n")
  return true
}

/** Postgres refuses to run as root: the package's own user then, or nobody. */
const user = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
  const found = lines.find(([name]) => name === "postgres") ?? lines.find(([name]) => name === "nobody")
  return { uid: Number(found?.[2] ?? 65_534), gid: Number(found?.[3] ?? 65_534) }
}

export interface PostgresServer {
  readonly url: string
  readonly start: () => Promise<void>
  /** At once, as a crash would. */
  readonly crash: () => Promise<void>
  /** Its processes stand still and keep their connections, as after a network that swallows everything. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** The rows of a statement as text, asked by a process of its own. */
  readonly ask: (sql: string) => Promise<string>
  /** Asks until that is the answer. */
  readonly until: (sql: string, expected: string) => Promise<void>
  /** Stops it and removes everything. */
  readonly dispose: () => Promise<void>
}

/** Makes the database, without starting it. */
export const make = async (): Promise<PostgresServer> => {
  const owner = user()
  const folder = mkdtempSync(join(tmpdir(), "breakwater-postgres-"))
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, "data")
  const options = { ...owner, cwd: folder, env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" } }
  execFileSync(join(programs ?? "", "initdb"), ["-D", data, "-U", "breakwater", "-A", "trust", "--no-sync"], {
    ...options,
    stdio: "ignore"
  })
  const port = await freePort()
  let running: ChildProcess | undefined
  const start = () =>
    new Promise<void>((resolve, reject) => {
      const settings = { port, listen_addresses: "127.0.0.1", unix_socket_directories: folder, fsync: "off" }
      const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
      const child = spawn(join(programs ?? "", "postgres"), ["-D", data, ...flags], {
        ...options,
        stdio: ["ignore", "ignore", "pipe"]
      })
      running = child
      let said = ""
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text
        if (said.includes("ready to accept connections")) resolve()
      })
      child.once("exit", (code) => reject(new Error(`postgres ended with ${code}:\n${said}`)))
    })
  const crash = async () => {
    const child = running
    running = undefined
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGQUIT")
    await ended
  }
  // Those of its connections are its children, each with a group of its own.
  const signal = (name: NodeJS.Signals) => {
    const parent = String(running?.pid)
    const children = readdirSync("/proc").filter((entry) => {
      if (!/^\d+$/.test(entry)) return false
      try {
        return readFileSync(`/proc/${entry}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[1] === parent
      } catch {
        return false
      }
    })
    for (const pid of [parent, ...children]) process.kill(Number(pid), name)
  }
  const dispose = async () => {
    if (running !== undefined) signal("SIGCONT")
    await crash()
    rmSync(folder, { recursive: true, force: true })
  }
  const url = `postgres://breakwater@127.0.0.1:${port}/postgres`
  const ask = (sql: string) =>
    new Promise<string>((resolve, reject) =>
      execFile(join(programs ?? "", "psql"), [url, "-Atc", sql], options, (error, text) => {
        if (error === null) resolve(String(text).trim())
        else reject(error)
      })
    )
  const until = async (sql: string, expected: string): Promise<void> => {
    if ((await ask(sql)) !== expected) await until(sql, expected)
  }
  return {
    url,
    ask,
    until,
    start,
    crash,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    dispose
  }
}
