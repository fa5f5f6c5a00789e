/** A small server of a test, on a free port of loopback. */
import { once } from "node:events"
import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** Its address without a path, and how to end it with all of its connections. */
export interface Listening {
  readonly url: string
  readonly close: () => void
}

export const listening = async (server: Server): Promise<Listening> => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  // A server that listens on a TCP port has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
