/**
 * The connections of a Node server that leaves. Trap: closing a kept-alive connection in the moment in which its caller uses it
 * again is a reset, so such connections stay for a moment longer and whoever comes on one is served a last time.
 */
import type { IncomingMessage, Server } from "node:http"

type Connection = IncomingMessage["socket"]

/** The steps of leaving, each called once, in this order. */
export interface Leaving {
  /** Every answer takes its connection with it from here on, so that few are idle when the door closes. */
  readonly begin: () => void
  /** Just before the server closes: what is idle is kept, for its caller may have looked away since before `begin`. */
  readonly closeDoor: () => void
  /** Cuts the connections that have nothing to wait for. */
  readonly closeIdle: () => void
}

/** Follows the server's connections from the first one on. `lingerMs`: how long one is kept that falls idle while we leave. */
export const make = (server: Server, lingerMs: number): Leaving => {
  const open = new Set<Connection>()
  const follow = (socket: Connection): void => {
    open.add(socket)
    socket.once("close", () => open.delete(socket))
  }
  // Under TLS the one that is secure tells what was asked on it.
  server.on("connection", follow).on("secureConnection", follow)
  return {
    begin: () => {
      server.keepAliveTimeout = lingerMs
      server.keepAliveTimeoutBuffer = 0
      server.prependListener("request", (_, response) => {
        response.shouldKeepAlive = false
      })
    },
    closeDoor: () => {
      // Node closes the idle ones together with the door.
      server.closeIdleConnections = () => {}
    },
    closeIdle: () => {
      Reflect.deleteProperty(server, "closeIdleConnections")
      server.closeIdleConnections()
      // To Node a connection on which nothing was ever asked is not idle.
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    }
  }
}
