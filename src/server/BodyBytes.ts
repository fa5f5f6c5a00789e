/**
 * The bytes of a request body, up to a limit. Taken from Node's own stream where the request stands on one: the general way
 * caches, waits for the stream's close and takes a fiber for it, which is a third of the cost of a small request.
 */
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Stream from "effect/Stream"
import { Pieces } from "../validation/Pieces.ts"

/** The part of a request that is read. */
type Body = Pick<HttpServerRequest, "headers" | "source" | "stream">

/** Why there are no bytes: more than the limit, or the caller broke off. */
export type BodyFault = "too large" | "broken off"

/** The part of Node's readable stream that is used. */
interface Readable {
  readonly on: (event: string, listener: (value: Uint8Array) => void) => unknown
  readonly resume: () => unknown
}

const isReadable = (source: object): source is Readable =>
  "on" in source && "resume" in source && typeof source.on === "function"

/** What is more than the limit is still taken from the connection, and thrown away, so that the refusal can be read. */
const fromReadable = (source: Readable, limit: number): Effect.Effect<Uint8Array, BodyFault> =>
  Effect.callback((resume) => {
    // Listeners that are left have nothing to do and go with the request; taking each off would cost more than reading a small body.
    let pieces: Pieces | undefined = new Pieces()
    const settle = (result: Effect.Effect<Uint8Array, BodyFault>): void => {
      pieces = undefined
      resume(result)
    }
    const onData = (chunk: Uint8Array): void => {
      if (pieces === undefined) return
      pieces.add(chunk)
      if (pieces.length > limit) settle(Effect.fail("too large"))
    }
    const onEnd = (): void => {
      if (pieces !== undefined) settle(Effect.succeed(pieces.whole))
    }
    const onBreak = (): void => {
      if (pieces !== undefined) settle(Effect.fail("broken off"))
    }
    source.on("end", onEnd)
    source.on("error", onBreak)
    source.on("close", onBreak)
    source.on("data", onData)
    return Effect.sync(onBreak)
  })

const inGeneral = ({ source, stream }: Body, limit: number): Effect.Effect<Uint8Array, BodyFault> =>
  Effect.suspend(() => {
    const pieces = new Pieces()
    return stream.pipe(
      Stream.mapError((): BodyFault => "broken off"),
      Stream.runForEach((chunk) => {
        pieces.add(chunk)
        return pieces.length > limit ? Effect.fail<BodyFault>("too large") : Effect.void
      }),
      Effect.tapError(() => Effect.sync(() => isReadable(source) && source.resume())),
      Effect.map(() => pieces.whole)
    )
  })

/** Reads the body once. A caller who waits for `100 Continue` is told so only by the general way. */
export const readBytes = (request: Body, limit: number): Effect.Effect<Uint8Array, BodyFault> => {
  const { headers, source } = request
  // A `Request` without a body has no stream either.
  if ("body" in source && source.body === null) return Effect.succeed(new Uint8Array(0))
  return isReadable(source) && headers["expect"] === undefined ? fromReadable(source, limit) : inGeneral(request, limit)
}
