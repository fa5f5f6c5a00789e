/** A stream of a dialect's bytes played through its parser and its machine, without a provider around them. */
import type { Dialect } from "../../src/providers/Dialect.ts"
import type { Frame } from "../../src/providers/Provider.ts"
import { SseParser } from "../../src/providers/Sse.ts"

export const fallback = { id: "chatcmpl-x", created: 1, model: "asked", nowMs: 0 }

export interface Played {
  readonly frames: ReadonlyArray<Frame>
  /** What the caller reads, frame by frame. */
  readonly texts: ReadonlyArray<string>
  /** The tag of the reason why it is broken. */
  readonly failure: string | undefined
  readonly isDone: boolean
  readonly skippedEvents: number
}

export const play = (
  dialect: Pick<Dialect, "openParser" | "openStream">,
  pieces: Iterable<Uint8Array>,
  includeUsage = true
): Played => {
  const parser = dialect.openParser?.() ?? new SseParser()
  const machine = dialect.openStream({ includeUsage, fallback })
  const frames: Array<Frame> = []
  for (const piece of pieces) for (const event of parser.push(piece)) machine.next(event, frames)
  for (const event of parser.end()) machine.next(event, frames)
  machine.end(frames)
  return {
    frames,
    texts: frames.flatMap(({ bytes }) => bytes === undefined ? [] : [Buffer.from(bytes).toString()]),
    failure: machine.failure?._tag,
    isDone: machine.isDone,
    skippedEvents: machine.skippedEvents
  }
}
