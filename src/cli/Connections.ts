/**
 * How many connections may be open at once, in all and from one address. What is beyond is closed before a byte of it is read: an
 * answer would cost what the limit is there to save.
 */
import type { Server } from "node:http"
import type { Settings } from "../config/Settings.ts"
import * as ClientAddress from "../validation/ClientAddress.ts"

type Limits = Pick<Settings["server"], "limits" | "trustedProxies">

/** Closes what one address, or one /64 of IPv6, has beyond its share; a trusted proxy stands for many and is not counted. */
const limitAddresses = (server: Server, most: number, proxies: ReadonlyArray<string>): void => {
  const callers = ClientAddress.make(proxies)
  const open = new Map<string, number>()
  server.on("connection", (socket) => {
    const peer = socket.remoteAddress
    if (peer === undefined || callers.isTrusted(peer)) return
    const address = ClientAddress.callerOf(peer)
    const count = (open.get(address) ?? 0) + 1
    if (count > most) {
      socket.destroy()
      return
    }
    open.set(address, count)
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

/** Sets both limits on a server that does not listen yet. */
export const limitConnections = (server: Server, { limits, trustedProxies }: Limits): void => {
  server.maxConnections = limits.connections
  if (limits.connectionsPerAddress !== undefined) {
    limitAddresses(server, limits.connectionsPerAddress, trustedProxies)
  }
}
