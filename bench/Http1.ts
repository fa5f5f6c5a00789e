/** Reads HTTP/1.1 messages off a socket with as little work as possible, so that load and upstream do not outweigh what is measured. */

/** Told of each part of each message in order; `body` slices are only valid during the call. */
export interface MessageSink {
  readonly head: (text: string) => void
  readonly body: (slice: Buffer) => void
  readonly end: () => void
}

type State = "head" | "body" | "size" | "data" | "gap" | "trailer"

const nothing: Buffer = Buffer.alloc(0)

/** A function to be fed with what the socket delivers. Understands content-length and chunked; a message with neither has no body. */
export const messageReader = (sink: MessageSink): (incoming: Buffer) => void => {
  let state: State = "head"
  let left = 0
  let pending = nothing
  let buffer = nothing
  let at = 0

  /** The text up to the next `mark`, moving past it; undefined when it has not arrived yet. */
  const until = (mark: string): string | undefined => {
    const found = buffer.indexOf(mark, at, "latin1")
    if (found === -1) return undefined
    const text = buffer.toString("latin1", at, found)
    at = found + mark.length
    return text
  }
  const finish = (): true => {
    state = "head"
    sink.end()
    return true
  }
  /** Hands on what has arrived of `left`; true once nothing is left. */
  const take = (): boolean => {
    const length = Math.min(left, buffer.length - at)
    if (length > 0) sink.body(buffer.subarray(at, at + length))
    at += length
    left -= length
    return left === 0
  }
  const head = (): boolean => {
    const text = until("\r\n\r\n")
    if (text === undefined) return false
    sink.head(text)
    if (/\r\ntransfer-encoding: *chunked/i.test(text)) {
      state = "size"
      return true
    }
    left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    state = "body"
    return left > 0 || finish()
  }
  const size = (): boolean => {
    const text = until("\r\n")
    if (text === undefined) return false
    left = Number.parseInt(text, 16)
    if (Number.isNaN(left)) throw new Error(`not a chunk size: ${JSON.stringify(text)}`)
    state = left === 0 ? "trailer" : "data"
    return true
  }
  const data = (): boolean => {
    if (!take()) return false
    state = "gap"
    return true
  }
  const gap = (): boolean => {
    if (until("\r\n") === undefined) return false
    state = "size"
    return true
  }
  const trailer = (): boolean => {
    const line = until("\r\n")
    return line === undefined ? false : line !== "" || finish()
  }
  const steps: Record<State, () => boolean> = { head, body: () => take() && finish(), size, data, gap, trailer }

  return (incoming) => {
    buffer = pending.length === 0 ? incoming : Buffer.concat([pending, incoming])
    pending = nothing
    at = 0
    while (at < buffer.length && steps[state]()) {
      // each step has moved on
    }
    if (at < buffer.length) pending = Buffer.from(buffer.subarray(at))
    buffer = nothing
  }
}
