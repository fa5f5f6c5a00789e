/** Node's response as the sink of a stream. Trap: it frames here what Node would frame, and must leave the end to Node. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { ServerResponse } from "node:http"
import type { Sink } from "../server/Sink.ts"

/** A chunk of HTTP/1.1 (RFC 9112 §7.1) with the pieces in it; undefined where there are none, for an empty chunk is the end. */
const chunkOf = (pieces: ReadonlyArray<Uint8Array>): Buffer | undefined => {
  let length = 0
  for (const piece of pieces) length += piece.length
  if (length === 0) return undefined
  const size = `${length.toString(16)}\r\n`
  const chunk = Buffer.allocUnsafe(size.length + length + 2)
  let at = chunk.write(size, "latin1")
  for (const piece of pieces) {
    chunk.set(piece, at)
    at += piece.length
  }
  chunk.write("\r\n", at, "latin1")
  return chunk
}

/**
 * Writes one chunk at a time, framed here: Node makes four writes of it, which cost more than all else that is done for an event.
 * What others write, and the end, stays framed by Node.
 */
export const overResponse = (response: ServerResponse): Sink => ({
  write: (pieces) => {
    if (!response.headersSent || !response.chunkedEncoding) return response.write(Buffer.concat(pieces))
    const chunk = chunkOf(pieces)
    if (chunk === undefined) return true
    response.chunkedEncoding = false
    const hasRoom = response.write(chunk)
    response.chunkedEncoding = true
    return hasRoom
  },
  once: (event, listener) => response.once(event, listener)
})

/** The sink of a request that came over HTTP/1.1. */
export const sinkOf = (request: HttpServerRequest): Sink | undefined => {
  const response = NodeHttpServerRequest.toServerResponse(request)
  return response instanceof ServerResponse ? overResponse(response) : undefined
}
