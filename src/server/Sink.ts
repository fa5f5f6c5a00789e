/** Where the bytes of an answer go without an effect for each write: Node's response, where a request stands on one. */
import type { ServerResponse } from "node:http"
import * as Context from "effect/Context"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

export interface Sink {
  /** False = full: nothing more before `drain`. */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => boolean
  readonly once: (event: "drain", listener: () => void) => unknown
}

/** A chunk of HTTP/1.1 (RFC 9112 §7.1) with the pieces in it; undefined where there are none, for an empty chunk is the end. */
const chunkOf = (pieces: ReadonlyArray<Uint8Array>): Buffer | undefined => {
  let length = 0
  for (const piece of pieces) length += piece.length
  if (length === 0) return undefined
  const size = length.toString(16)
  const chunk = Buffer.allocUnsafe(size.length + length + 4)
  let at = chunk.latin1Write(size)
  at += chunk.latin1Write("\r\n", at)
  for (const piece of pieces) {
    chunk.set(piece, at)
    at += piece.length
  }
  chunk.latin1Write("\r\n", at)
  return chunk
}

/**
 * Writes each time one chunk, framed here: Node makes four writes of it, which cost more than all that is done for an event. What
 * others write, and the end, stays framed by Node.
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

/** The request's sink; undefined = the server has another way, and its answers are pulled. Only the application on Node sets this. */
export const SinkOf = Context.Reference<(request: HttpServerRequest) => Sink | undefined>(
  "breakwater/server/Sink/SinkOf",
  { defaultValue: () => () => undefined }
)
