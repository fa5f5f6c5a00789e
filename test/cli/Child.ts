/** A server as a child process: wait for what it says, tell it something, see how it ends. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"

export interface Child {
  readonly process: ChildProcess
  /** What it has written so far. */
  readonly output: () => string
  /** The first match in what it writes; fails when the process ends before. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

export const root = fileURLToPath(new URL("../../", import.meta.url))

/** Nothing of the machine's own keys reaches a child, so that a test means the same everywhere. */
const cleanEnvironment = (extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: `${root}node_modules/.bin:${process.env["PATH"] ?? ""}`,
  HOME: process.env["HOME"],
  ...extra
})

export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly detached?: boolean } = {}
): Child => {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: cleanEnvironment(options.env ?? {}),
    stdio: ["ignore", "pipe", "pipe"],
    detached: options.detached ?? false
  })
  let text = ""
  const watchers = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      for (const watch of watchers) watch()
    })
  }
  const ended = once(child, "close").then(() => ({ code: child.exitCode, signal: child.signalCode }))
  const says = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const watch = () => {
        const found = pattern.exec(text)
        if (found === null) return
        watchers.delete(watch)
        resolve(found)
      }
      watchers.add(watch)
      void ended.then(({ code }) => reject(new Error(`ended with ${code} before it said ${pattern}:\n${text}`)))
      watch()
    })
  return { process: child, output: () => text, says, ended }
}

/** The URL in the banner. */
export const url = async (child: Child): Promise<string> => (await child.says(/listening on (https?:\/\/\S+)/))[1] ?? ""

/** True when nobody listens on the port of this URL any more. */
export const isClosed = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(new URL(address).port), "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve(false)
    })
    socket.once("error", () => resolve(true))
  })
