/** An upstream on loopback that answers as a test says and keeps what it was asked. */
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"

export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Told {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Each is written by itself. */
  readonly pieces: ReadonlyArray<string | Uint8Array>
}

export interface CloudUpstream {
  readonly url: string
  readonly asked: ReadonlyArray<Asked>
  readonly close: () => Promise<void>
}

/** Listens on a free port. */
export const start = async (answer: (asked: Asked) => Told): Promise<CloudUpstream> => {
  const asked: Array<Asked> = []
  const server = createServer(async (request, response) => {
    const parts: Array<Buffer> = []
    for await (const part of request) parts.push(part)
    const one = { path: request.url ?? "", headers: request.headers, body: Buffer.concat(parts).toString() }
    asked.push(one)
    const { headers = {}, pieces, status = 200 } = answer(one)
    response.writeHead(status, headers)
    for (const piece of pieces) await new Promise<unknown>((resolve) => response.write(piece, resolve))
    response.end()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    url: typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "",
    asked,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
