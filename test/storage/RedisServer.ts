/** A Redis of Debian's package on a loopback port, in a folder of its own, that keeps nothing over a stop unless it is told to. */
import { afterAll, beforeAll } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Certificate } from "../faults/Certificates.ts"
import { freePort } from "./FreePort.ts"

const program = "/usr/bin/redis-server"

/** Says once why tests that need it are skipped. */
export const isMissing = (): boolean => {
  if (existsSync(program)) return false
  process.stderr.write(`skipped: no Redis at ${program} (apt-get install redis-server)\n`)
  return true
}

export interface RedisServer {
  readonly url: string
  readonly password: string
  readonly start: () => Promise<void>
  /** At once, as a crash would. */
  readonly crash: () => Promise<void>
  /** It stands still and keeps its connections, as after a network that swallows everything. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Stops it and removes everything. */
  readonly dispose: () => Promise<void>
}

/** A connection of its own to it. What comes back resolves once it has said something, to a command that was sent at once. */
export const greet = async ({ password, url }: RedisServer): Promise<() => Promise<void>> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const ask = async (command: string): Promise<void> => {
    socket.write(`${command}\r\n`)
    await once(socket, "data")
  }
  await ask(`AUTH ${password}`)
  return async () => {
    await ask("PING")
    socket.destroy()
  }
}

/** With `keeps` everything is written down at once, and there again after a crash; with a certificate it speaks TLS alone. */
export const make = async (
  { certificate, keeps = false }: { readonly keeps?: boolean; readonly certificate?: Certificate } = {}
): Promise<RedisServer> => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-redis-"))
  const port = await freePort()
  const password = "canary-of-redis"
  let running: ChildProcess | undefined
  const tlsOf = ({ cert, key }: Certificate) => {
    const files = { "tls-cert-file": join(folder, "cert.pem"), "tls-key-file": join(folder, "key.pem") }
    writeFileSync(files["tls-cert-file"], cert)
    writeFileSync(files["tls-key-file"], key)
    return { ...files, port: 0, "tls-port": port, "tls-auth-clients": "no" }
  }
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: keeps ? "yes" : "no",
    appendfsync: "always",
    requirepass: password,
    ...(certificate === undefined ? {} : tlsOf(certificate))
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const start = () =>
    new Promise<void>((resolve, reject) => {
      const child = spawn(program, flags, { cwd: folder, env: {}, stdio: ["ignore", "pipe", "ignore"] })
      running = child
      let said = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text
        if (said.includes("Ready to accept connections")) resolve()
      })
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}:\n${said}`)))
    })
  const crash = async () => {
    const child = running
    running = undefined
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGKILL")
    await ended
  }
  return {
    url: `${certificate === undefined ? "redis" : "rediss"}://:${password}@127.0.0.1:${port}`,
    password,
    start,
    crash,
    freeze: () => void running?.kill("SIGSTOP"),
    thaw: () => void running?.kill("SIGCONT"),
    dispose: async () => {
      await crash()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** One for all tests of the file that calls this; where it is missing there is none, and who needs it is skipped. */
export const serving = (): () => RedisServer => {
  let server: RedisServer
  beforeAll(async () => {
    if (isMissing()) return
    server = await make()
    await server.start()
  })
  afterAll(() => server?.dispose())
  return () => server
}
