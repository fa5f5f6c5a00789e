/** A stream that is held back until it is whole, so that every failure is invisible to the caller; then it is given out. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import { type GatewayError, gatewayError, InternalFailure } from "../domain/GatewayError.ts"
import type { AnswerStream, Frame } from "../providers/Provider.ts"

/** More than this of one answer is not held back. */
const heldBytes = 8 * 1024 * 1024
const heldEvents = 65_536

/** Frames that are given out at once, so that a slow caller is waited for. */
const portion = 64

const tooLarge = gatewayError(
  new InternalFailure({
    message: "The answer is larger than 8 MiB or 65,536 events, and no more is held back until it is whole."
  })
)

/** Reads the stream to its clean end. */
export const hold = (stream: AnswerStream): Effect.Effect<AnswerStream, GatewayError> =>
  Effect.suspend(() => {
    const held: Array<Frame> = []
    let bytes = 0
    let at = 0
    const out: AnswerStream["pull"] = Effect.suspend((): AnswerStream["pull"] => {
      const [first, ...rest] = held.slice(at, at + portion)
      at += portion
      return first === undefined ? Cause.done() : Effect.succeed([first, ...rest] as const)
    })
    const take = Effect.flatMap(stream.pull, (frames) => {
      held.push(...frames)
      for (const frame of frames) bytes += frame.bytes?.length ?? 0
      return held.length > heldEvents || bytes > heldBytes ? Effect.fail(tooLarge) : Effect.void
    })
    return Pull.catchDone(
      Effect.forever(take),
      () => Effect.succeed({ pull: out, upstreamRequestId: stream.upstreamRequestId })
    )
  })
