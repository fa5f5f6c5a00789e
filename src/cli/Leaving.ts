/**
 * The connections of a Node server that leaves. Trap: closing a kept-alive connection in the moment in which its caller uses it
 * again is a reset, so such connections stay for a moment longer and whoever comes on one is told to come back.
 */
import type * as Fiber from "effect/Fiber"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { errorHeaders, errorText } from "../api/ErrorBody.ts"
import { Draining } from "../domain/GatewayError.ts"
import { requestId } from "../observability/Correlation.ts"
import { routeOf } from "../server/RouteTable.ts"
import { note } from "./Refusal.ts"

type Connection = IncomingMessage["socket"]

/** Pause that a caller is told who comes too late, in milliseconds: whoever takes over listens already. */
const comeBackMs = 1000

const draining = new Draining({
  message: "This process of the gateway is leaving and its connections with it. Ask again on a new one.",
  retryAfterMs: comeBackMs
})

const turnAway = (request: IncomingMessage, response: ServerResponse, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const header = request.headers["x-request-id"]
  const id = requestId(typeof header === "string" ? header : undefined, fiber)
  // A body that nobody has read would make a reset of the close.
  request.resume().once("end", () => {
    response.writeHead(draining.status, {
      ...errorHeaders(draining),
      "content-type": "application/json",
      "x-request-id": id,
      connection: "close"
    }).end(errorText(draining))
  })
  const { method = "_OTHER", url = "" } = request
  const route = routeOf(url)
  response.once(
    "close",
    () => note({ requestId: id, method, route, status: draining.status, error: "Draining" }, fiber)
  )
}

/** The steps of leaving, each called once, in this order. */
export interface Leaving {
  /** Every answer takes its connection with it from here on, so that few are idle when the door closes. */
  readonly begin: () => void
  /** Just before the server closes: who comes on a connection from before `begin` gets a 503. */
  readonly closeDoor: () => void
  /** Cuts the connections that have nothing to wait for. */
  readonly closeIdle: () => void
}

/** Follows the server's connections from the first one on. `lingerMs`: how long one is kept that falls idle while we leave. */
export const make = (server: Server, lingerMs: number, fiber: Fiber.Fiber<unknown, unknown>): Leaving => {
  const open = new Set<Connection>()
  server.on("connection", (socket) => {
    open.add(socket)
    socket.once("close", () => open.delete(socket))
  })
  let old: ReadonlySet<Connection> = new Set()
  return {
    begin: () => {
      old = new Set(open)
      server.keepAliveTimeout = lingerMs
      server.keepAliveTimeoutBuffer = 0
      server.prependListener("request", (_, response) => {
        response.shouldKeepAlive = false
      })
    },
    closeDoor: () => {
      // Node closes the idle ones together with the door.
      server.closeIdleConnections = () => {}
      const serving = server.listeners("request")
      server.removeAllListeners("request").on("request", (request, response) => {
        if (old.has(request.socket)) return turnAway(request, response, fiber)
        for (const serve of serving) Reflect.apply(serve, server, [request, response])
      })
    },
    closeIdle: () => {
      Reflect.deleteProperty(server, "closeIdleConnections")
      server.closeIdleConnections()
      // To Node a connection on which nothing was ever asked is not idle.
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    }
  }
}
