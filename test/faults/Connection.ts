/** One accepted socket: its requests are served one after the other, and its end is written into the log. */
import type { Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import type { Outage } from "./Catalogue.ts"
import { askedIn, isCompletion, scriptOf } from "./Catalogue.ts"
import type { Attempt, Exchange } from "./Exchange.ts"
import { Gone, sendError } from "./Exchange.ts"
import type { HttpRequest } from "./Http1.ts"
import { makeReader } from "./Http1.ts"
import type { Journal } from "./Journal.ts"
import { now } from "./Journal.ts"

/** What all connections of one server share. */
export interface Server {
  readonly name: string
  readonly scale: number
  readonly journal: Journal
  readonly connections: Set<Socket>
  random: () => number
  outage: Outage | undefined
  sockets: number
  serial: number
}

interface Connection {
  readonly server: Server
  readonly id: number
  readonly socket: Socket
  /** Aborted when the client left or the socket closed. */
  readonly gone: AbortController
  readonly attempts: Array<Attempt>
  closedBy: "client" | "server" | undefined
}

/** The writes, waits and ends of one connection; waits and writes end by `Gone`. */
const operationsOf = (connection: Connection, attempt: Attempt) => {
  const { gone: { signal }, server, socket } = connection
  const wait = (ms: number): Promise<void> =>
    delay(ms, undefined, { signal }).catch(() => {
      throw new Gone()
    })
  return {
    write: (bytes: string | Uint8Array) =>
      new Promise<void>((resolve, reject) => {
        if (signal.aborted || !socket.writable) return reject(new Gone())
        socket.write(bytes, (error) => {
          if (error) return reject(new Gone())
          attempt.written += Buffer.byteLength(bytes)
          resolve()
        })
      }),
    sleep: (ms: number) => wait(ms / server.scale),
    settle: () => wait(25),
    forever: () =>
      new Promise<never>((_, reject) => {
        if (signal.aborted) reject(new Gone())
        signal.addEventListener("abort", () => reject(new Gone()), { once: true })
      }),
    reset: () => {
      connection.closedBy ??= "server"
      socket.resetAndDestroy()
    },
    fin: () => {
      connection.closedBy ??= "server"
      socket.end()
      socket.resume()
    },
    stopReading: () => {
      socket.pause()
    }
  }
}

const exchangeOf = (connection: Connection, request: HttpRequest): Exchange => {
  const { attempts, id, server } = connection
  const body = request.body.toString("utf8")
  const asked = askedIn(body)
  const scenario = isCompletion(request) ? asked.model : `${request.method} ${request.path}`
  const attempt = server.journal.log({ scenario, body, headers: request.headers, socketId: id })
  attempts.push(attempt)
  return {
    attempt,
    request,
    args: asked.model.split("#")[0]?.split(":").slice(1) ?? [],
    server: server.name,
    serial: ++server.serial,
    stream: asked.stream,
    includeUsage: asked.includeUsage,
    lastRole: asked.lastRole,
    onSocket: attempts.filter((earlier) => earlier.scenario === scenario).length,
    random: () => server.random(),
    ...operationsOf(connection, attempt)
  }
}

const serve = async (connection: Connection, request: HttpRequest): Promise<void> => {
  const { server, socket } = connection
  const exchange = exchangeOf(connection, request)
  try {
    await scriptOf(request, exchange.attempt.scenario, server.outage).run(exchange)
    exchange.attempt.finishedAt = now()
    server.journal.notify()
    if (!request.keepAlive && socket.writable) exchange.fin()
  } catch (error) {
    if (error instanceof Gone) return
    if (exchange.attempt.written > 0) return exchange.reset()
    await sendError(exchange, 501, { message: String(error), type: "scenario_error" }).catch(() => exchange.reset())
  }
}

const closed = ({ attempts, closedBy, gone, server, socket }: Connection): void => {
  gone.abort()
  server.connections.delete(socket)
  for (const attempt of attempts) {
    attempt.closedAt = now()
    attempt.closedBy = closedBy ?? "server"
  }
  server.journal.notify()
}

/** Takes over an accepted socket. */
export const accept = (server: Server, socket: Socket): void => {
  const id = ++server.sockets
  const gone = new AbortController()
  const connection: Connection = { server, id, socket, gone, attempts: [], closedBy: undefined }
  let queue = Promise.resolve()
  const read = makeReader(
    (request) => {
      queue = queue.then(() => gone.signal.aborted ? undefined : serve(connection, request))
    },
    () => socket.write("HTTP/1.1 100 Continue\r\n\r\n")
  )
  server.connections.add(socket)
  server.journal.notify()
  socket.on("data", (bytes) => {
    try {
      read(bytes)
    } catch {
      connection.closedBy ??= "server"
      socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }
  })
  socket.on("end", () => {
    connection.closedBy ??= "client"
    gone.abort()
    socket.end()
  })
  socket.on("error", () => {
    connection.closedBy ??= "client"
  })
  socket.on("close", () => closed(connection))
}
