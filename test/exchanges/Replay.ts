/** An upstream on loopback that answers with the recorded bytes of the exchange that a request names as its model. */
import { once } from "node:events"
import { createServer } from "node:http"
import { type Exchange, isStream, sseOf } from "./Recorded.ts"

export interface Replay {
  readonly url: string
  /** The bodies that were asked, by exchange. */
  readonly asked: ReadonlyMap<string, ReadonlyArray<Readonly<Record<string, unknown>>>>
  readonly close: () => Promise<void>
}

/** The recording's own framing does not hold for bytes that are sent anew. */
const framing = new Set(["transfer-encoding", "content-length", "content-encoding", "connection"])

const headersOf = ({ response }: Exchange, type: string): Record<string, string> => ({
  "content-type": type,
  ...Object.fromEntries(Object.entries(response.headers).filter(([name]) => !framing.has(name.toLowerCase())))
})

/** Streams leave in pieces that end anywhere, also within a character. */
const pieces = 7

const piecesOf = (bytes: Buffer): ReadonlyArray<Buffer> => {
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, index) => bytes.subarray(index * size, (index + 1) * size)
  )
}

/** Listens on a free port. */
export const start = async (exchanges: ReadonlyArray<Exchange>): Promise<Replay> => {
  const byName = new Map(exchanges.map((exchange) => [exchange.name, exchange]))
  const asked = new Map<string, Array<Readonly<Record<string, unknown>>>>()
  const server = createServer(async (request, response) => {
    const parts: Array<Buffer> = []
    for await (const part of request) parts.push(part)
    const body = JSON.parse(Buffer.concat(parts).toString())
    const exchange = byName.get(body.model)
    if (exchange === undefined) {
      response.writeHead(500).end()
      return
    }
    asked.set(exchange.name, [...asked.get(exchange.name) ?? [], body])
    if (!isStream(exchange)) {
      response.writeHead(exchange.response.status, headersOf(exchange, "application/json"))
        .end(JSON.stringify(exchange.response.body))
      return
    }
    response.writeHead(exchange.response.status, headersOf(exchange, "text/event-stream"))
    for (const piece of piecesOf(Buffer.from(sseOf(exchange)))) {
      await new Promise<unknown>((resolve) => response.write(piece, resolve))
    }
    response.end()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    url: typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}/v1` : "",
    asked,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
