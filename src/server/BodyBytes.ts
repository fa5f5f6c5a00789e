/**
 * The bytes of a request body, up to a limit. Taken from Node's own stream where the request stands on one: the general way
 * caches, waits for the stream's close and takes a fiber for it, which is a third of the cost of a small request.
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

/** Why there are no bytes: more than the limit, or the caller broke off. */
export type BodyFault = "too large" | "broken off"

/** The part of Node's readable stream that is used. */
interface Readable {
  readonly on: (event: string, listener: (value: Uint8Array) => void) => unknown
  readonly off: (event: string, listener: (value: Uint8Array) => void) => unknown
  readonly resume: () => unknown
}

const isReadable = (source: object): source is Readable =>
  "on" in source && "off" in source && "resume" in source && typeof source.on === "function"

const one = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
}

/** What is more than the limit is still taken from the connection, and thrown away, so that the refusal can be read. */
const fromReadable = (source: Readable, limit: number): Effect.Effect<Uint8Array, BodyFault> =>
  Effect.callback((resume) => {
    const chunks: Array<Uint8Array> = []
    let length = 0
    const settle = (result: Effect.Effect<Uint8Array, BodyFault>): void => {
      source.off("data", onData)
      source.off("end", onEnd)
      source.off("error", onBreak)
      source.off("close", onBreak)
      resume(result)
    }
    const onData = (chunk: Uint8Array): void => {
      chunks.push(chunk)
      length += chunk.length
      if (length <= limit) return
      settle(Effect.fail("too large"))
      source.resume()
    }
    const onEnd = (): void => settle(Effect.succeed(one(chunks)))
    const onBreak = (): void => settle(Effect.fail("broken off"))
    source.on("end", onEnd)
    source.on("error", onBreak)
    source.on("close", onBreak)
    source.on("data", onData)
    return Effect.sync(() => settle(Effect.fail("broken off")))
  })

const inGeneral = (request: HttpServerRequest, limit: number): Effect.Effect<Uint8Array, BodyFault> =>
  Effect.matchEffect(
    Effect.provideService(request.arrayBuffer, HttpIncomingMessage.MaxBodySize, ByteSize.bytes(limit)),
    {
      onSuccess: (buffer) => Effect.succeed(new Uint8Array(buffer)),
      onFailure: ({ reason }) =>
        Effect.fail(
          reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? "too large" : "broken off"
        )
    }
  )

/** Reads the body once. A caller who waits for `100 Continue` is told so only by the general way. */
export const readBytes = (request: HttpServerRequest, limit: number): Effect.Effect<Uint8Array, BodyFault> => {
  const { headers, source } = request
  return isReadable(source) && headers["expect"] === undefined ? fromReadable(source, limit) : inGeneral(request, limit)
}
