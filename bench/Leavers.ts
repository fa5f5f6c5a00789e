/**
 * Callers who leave, in crowds, in each phase of a request; and what a gateway that they have left still holds. The gateway is a
 * process of its own, the upstream is here and never answers to the end.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, get, type Server } from "node:http"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { makeRandom } from "../test/providers/Seeded.ts"
import { type Child, freePort, message, start, stop } from "./Children.ts"
import type { Left } from "./LeftBehind.ts"
import { streamEvents } from "./Payload.ts"

/** In which phase of its request a caller leaves. */
export const phases = [
  "body upload",
  "queue",
  "pause before a retry",
  "head",
  "held stream",
  "committed stream",
  "after the last token"
] as const
export type Phase = (typeof phases)[number]

/** What is left in the gateway and of it at the upstream. */
export interface After extends Left {
  /** Calls that hold or wait for a place on a target, and requests that hold one at the door. */
  readonly permits: number
  readonly upstreamSockets: number
}

export interface Sea {
  /** So many leave in this phase, some dozens at a time, each at a random moment after it is reached. */
  readonly leave: (phase: Phase, callers: number, seed: number) => Promise<void>
  /** What is alive; asked again for up to 5 s while it is not `wanted`. */
  readonly after: (wanted: (after: After) => boolean) => Promise<After>
  readonly stop: () => Promise<void>
}

const crowd = 40
/** Places of the target whose queue the callers of that phase wait in. */
const places = crowd * 2
const events = streamEvents(false)
const [role = "", word = ""] = events
/** The event with the finish_reason; nothing follows it, not even the end. */
const finish = events.find((event) => event.includes("\"finish_reason\":\"stop\"")) ?? ""

const bodyOf = (model: string): string =>
  JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Is anybody there?" }] })

const modelOf: Readonly<Record<Phase, string>> = {
  "body upload": "up/head",
  queue: "narrow/head",
  "pause before a retry": "up/busy",
  head: "up/head",
  "held stream": "up/held",
  "committed stream": "up/committed",
  "after the last token": "up/finished"
}

/** What the upstream sends at once, by model, and then no more. */
const saidTo: Readonly<Record<string, string>> = { held: role, committed: role + word, finished: role + word + finish }

/** Answers `head` never and `busy` with a pause of 5 s, the others with a part of a stream; `arrived` is told of each. */
const upstreamOf = (arrived: () => void): { readonly server: Server; readonly sockets: Set<Socket> } => {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    let text = ""
    request.setEncoding("utf8").on("data", (piece: string) => {
      text += piece
    }).on("end", () => {
      const model = /"model":"(\w+)"/.exec(text)?.[1] ?? ""
      if (model === "busy") response.writeHead(429, { "retry-after": "5" }).end("{}")
      else if (model !== "head") {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(saidTo[model] ?? "")
      }
      arrived()
    })
  })
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket)).on("error", () => {})
  })
  return { server, sockets }
}

const portOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.on("error", reject).listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

const textOf = (port: number, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ port, path, agent: false, headers: { connection: "close" } }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece
      }).on("end", () => resolve(text)).on("error", reject)
    }).on("error", reject)
  })

interface Monitoring {
  readonly targets: ReadonlyArray<{ readonly inFlight: number; readonly waiting: number }>
}

const targetsOf = async (port: number): Promise<Monitoring["targets"]> =>
  // The gateway's own value; what is read of it is all that is declared.
  (JSON.parse(await textOf(port, "/api/v1/health/monitoring")) as Monitoring).targets

const waiting = async (port: number): Promise<number> =>
  (await targetsOf(port)).reduce((sum, target) => sum + target.waiting, 0)

/** Requests that hold a place at the door. */
const admitted = async (port: number): Promise<number> => {
  const line = (await textOf(port, "/metrics")).split("\n").find((text) => /^breakwater_in_flight[ {]/.test(text))
  if (line === undefined) throw new Error("the gateway does not say how many requests it has in flight")
  return Number(line.slice(line.lastIndexOf(" ") + 1))
}

const held = async (port: number): Promise<number> =>
  (await targetsOf(port)).reduce((sum, target) => sum + target.inFlight, 0)

const permits = async (port: number): Promise<number> =>
  (await targetsOf(port)).reduce((sum, target) => sum + target.inFlight + target.waiting, await admitted(port))

/** Resolves once `isReached`; fails after 20 s. */
const until = async (isReached: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const end = performance.now() + 20_000
  while (!await isReached()) {
    if (performance.now() > end) throw new Error(`not within 20 s: ${what}`)
    await sleep(1)
  }
}

interface Caller {
  readonly socket: Socket
  /** What it has heard. */
  heard: string
}

const call = (port: number, phase: Phase): Caller => {
  const body = bodyOf(modelOf[phase])
  const socket = connect(port, "127.0.0.1")
  const caller: Caller = { socket, heard: "" }
  socket.on("error", () => {}).on("data", (piece) => {
    caller.heard += piece.toString("latin1")
  })
  const head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
  socket.write(`${head}content-length: ${body.length}\r\n\r\n${phase === "body upload" ? body.slice(0, 20) : body}`)
  return caller
}

const startGateway = async (
  baseUrl: string,
  folder: string
): Promise<{ readonly child: Child; readonly port: number }> => {
  const file = join(folder, "gateway.json")
  const provider = { kind: "openai-compatible", baseUrl, apiKey: "none" }
  writeFileSync(
    file,
    JSON.stringify({
      // A collection on demand makes the loop late, which would shed the very callers that are to leave.
      server: { drain: { notReady: "1ms", streams: "1s" }, limits: { lag: "10s" } },
      providers: { up: provider, narrow: { ...provider, maxConcurrency: places } },
      defaults: {
        timeouts: { firstToken: "5m", answer: "5m", idle: "5m", total: "10m" },
        // Nobody here is ever answered, so nothing pays for the retries that they wait for.
        retry: { budget: 1_000_000 }
      },
      telemetry: { logs: { level: "error" } }
    })
  )
  const port = await freePort()
  const probe = join(import.meta.dirname, "LeftBehind.ts")
  const main = join(import.meta.dirname, "../src/main.ts")
  const args = ["--expose-gc", "--import", probe, main, "--config", file, "--port", String(port)]
  const child = start("gateway", "candidate", folder, args, true)
  await until(() => textOf(port, "/api/v1/health/ready").then(() => true, () => false), "a gateway that is ready")
  return { child, port }
}

/** Starts the gateway and what it speaks to. */
export const begin = async (): Promise<Sea> => {
  let arrivals = 0
  const { server, sockets } = upstreamOf(() => arrivals++)
  const folder = mkdtempSync(join(tmpdir(), "breakwater-leavers-"))
  const { child, port } = await startGateway(`http://127.0.0.1:${await portOf(server)}/v1`, folder)

  const isReached = async (phase: Phase, callers: ReadonlyArray<Caller>, before: number): Promise<boolean> => {
    switch (phase) {
      case "body upload":
        return await admitted(port) === callers.length
      case "queue":
        return await waiting(port) === callers.length
      case "pause before a retry":
        return arrivals - before === callers.length && await held(port) === 0 && await admitted(port) === callers.length
      case "head":
      case "held stream":
        return arrivals - before === callers.length
      case "committed stream":
        return callers.every(({ heard }) => heard.includes(" wave"))
      case "after the last token":
        return callers.every(({ heard }) => heard.includes("\"finish_reason\":\"stop\""))
    }
  }
  const isLeft = async (phase: Phase): Promise<boolean> => {
    if (phase === "body upload" || phase === "pause before a retry") return await admitted(port) === 0
    return phase === "queue" ? await waiting(port) === 0 : sockets.size === 0
  }
  const some = async (phase: Phase, count: number, random: () => number): Promise<void> => {
    const before = arrivals
    const callers = Array.from({ length: count }, () => call(port, phase))
    await until(() => isReached(phase, callers, before), `${count} callers in the phase "${phase}"`)
    await Promise.all(callers.map(async ({ socket }) => {
      await sleep(random() * 5)
      socket.destroy()
    }))
    await until(() => isLeft(phase), `nobody in the phase "${phase}"`)
  }
  const leave = async (phase: Phase, count: number, seed: number): Promise<void> => {
    const random = makeRandom(seed)
    const holders = phase === "queue" ? Array.from({ length: places }, () => call(port, phase)) : []
    await until(() => sockets.size === holders.length, "every place of the target is taken")
    for (let left = count; left > 0; left -= crowd) await some(phase, Math.min(crowd, left), random)
    for (const { socket } of holders) socket.destroy()
  }
  const look = async (): Promise<After> => {
    const told = message<Left>(child)
    child.process.send("left")
    return { ...await told, permits: await permits(port), upstreamSockets: sockets.size }
  }
  return {
    leave,
    after: async (wanted) => {
      const end = performance.now() + 5000
      let seen = await look()
      while (!wanted(seen) && performance.now() < end) seen = await look()
      return seen
    },
    stop: async () => {
      await stop(child)
      server.close()
      for (const socket of sockets) socket.destroy()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/**
 * Some callers leave in each phase, so that what is made once is made, code, pools and the one timer; answers the most that was
 * alive after any of them, which may not grow with the number of callers.
 */
export const warmUp = async (sea: Sea, callers: number): Promise<After> => {
  let last: After | undefined
  let [fibers, sockets] = [0, 0]
  for (const [at, phase] of phases.entries()) {
    await sea.leave(phase, callers, at)
    last = await sea.after(({ permits, upstreamSockets }) => permits + upstreamSockets === 0)
    fibers = Math.max(fibers, last.fibers)
    sockets = Math.max(sockets, last.sockets)
  }
  return { fibers, sockets, heapBytes: last?.heapBytes ?? 0, permits: 0, upstreamSockets: 0 }
}

/** Nothing is left of those who left. */
export const isCalm = (seen: After, most: After): boolean =>
  seen.permits + seen.upstreamSockets === 0 && seen.sockets <= most.sockets && seen.fibers <= most.fibers
