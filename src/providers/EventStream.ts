/**
 * AWS's binary event stream to events, wherever the bytes are split: a length, a prelude and its CRC, headers, a payload, and the CRC
 * of all of it. A frame whose CRC is wrong ends the reading, because where the next one begins is not known any more.
 */
import { Pieces } from "../validation/Pieces.ts"
import type { SseEvent } from "./Sse.ts"

/** Event name of a frame that is broken; nothing follows. */
export const corruptFrame = ":corrupt"

/** Beginning of the event name of an exception or an error of the service; its own name follows. */
export const exceptionFrame = ":exception:"

/** Bytes that one frame may have. */
const maxFrameBytes = 1024 * 1024

/** Two lengths and their CRC. */
const preludeBytes = 12
const crcBytes = 4

/** Type 7 of a header's value is a string; the others are told by their size. */
const stringType = 7
const sizes: ReadonlyMap<number, number> = new Map([[0, 0], [1, 0], [2, 1], [3, 2], [4, 4], [5, 8], [8, 8], [9, 16]])

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ value >>> 1 : value >>> 1
  return value
})

/** CRC-32 as in gzip. */
export const crc32 = (bytes: Uint8Array, from: number, to: number): number => {
  let value = ~0
  for (let at = from; at < to; at++) value = (table[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ value >>> 8
  return ~value >>> 0
}

/** Headers with a string as their value; undefined where they are no headers. */
const readHeaders = (frame: Buffer, from: number, to: number): ReadonlyMap<string, string> | undefined => {
  const headers = new Map<string, string>()
  let at = from
  while (at < to) {
    const nameEnd = at + 1 + frame.readUInt8(at)
    if (nameEnd >= to) return undefined
    const name = frame.toString("utf8", at + 1, nameEnd)
    const type = frame.readUInt8(nameEnd)
    const size = sizes.get(type)
    at = nameEnd + 1
    if (size === undefined) {
      if ((type !== stringType && type !== 6) || at + 2 > to) return undefined
      const end = at + 2 + frame.readUInt16BE(at)
      if (end > to) return undefined
      if (type === stringType) headers.set(name, frame.toString("utf8", at + 2, end))
      at = end
    } else {
      at += size
    }
  }
  return at === to ? headers : undefined
}

const event = (name: string, data: string): SseEvent => ({ event: name, data, bytes: undefined })

const eventOf = (headers: ReadonlyMap<string, string>, payload: string): SseEvent => {
  const type = headers.get(":message-type")
  if (type === "exception") return event(exceptionFrame + (headers.get(":exception-type") ?? ""), payload)
  if (type === "error") {
    const message = headers.get(":error-message") ?? ""
    return event(exceptionFrame + (headers.get(":error-code") ?? ""), JSON.stringify({ message }))
  }
  return event(headers.get(":event-type") ?? "", payload)
}

/** The lengths can be believed: their CRC is right, and the parts fit into the whole. */
const isPrelude = (bytes: Buffer, at: number, size: number): boolean =>
  crc32(bytes, at, at + 8) === bytes.readUInt32BE(at + 8) &&
  preludeBytes + bytes.readUInt32BE(at + 4) + crcBytes <= size

const readFrame = (frame: Buffer): SseEvent | undefined => {
  const end = frame.length - crcBytes
  if (crc32(frame, 0, end) !== frame.readUInt32BE(end)) return undefined
  const headersEnd = preludeBytes + frame.readUInt32BE(4)
  const headers = readHeaders(frame, preludeBytes, headersEnd)
  return headers === undefined ? undefined : eventOf(headers, frame.toString("utf8", headersEnd, end))
}

/** A parser of the wire, see `EventParser`: an event's name is `:event-type`, its data the payload. */
export class EventStreamParser {
  /** A frame was larger than the limit: nothing is read any more. */
  isTooLarge = false

  private readonly maxBytes: number
  private isCorrupt = false
  /** What has come of the frame that is not whole yet, put together once there is enough of it. */
  private pieces = new Pieces()
  private needed = preludeBytes

  constructor(maxBytes: number = maxFrameBytes) {
    this.maxBytes = maxBytes
  }

  get isIdle(): boolean {
    return this.pieces.length === 0 && !this.isTooLarge && !this.isCorrupt
  }

  push(chunk: Uint8Array): ReadonlyArray<SseEvent> {
    const events: Array<SseEvent> = []
    if (this.isTooLarge || this.isCorrupt || chunk.length === 0) return events
    this.pieces.add(chunk)
    if (this.pieces.length < this.needed) return events
    const { buffer, byteLength, byteOffset } = this.pieces.whole
    const bytes = Buffer.from(buffer, byteOffset, byteLength)
    this.pieces = new Pieces()
    this.pieces.add(bytes.subarray(this.readFrames(bytes, events)))
    return events
  }

  /** A frame that is not whole is nothing. */
  end(): ReadonlyArray<SseEvent> {
    return []
  }

  /** Reads the frames that are whole, and says where the first other one begins. */
  private readFrames(bytes: Buffer, events: Array<SseEvent>): number {
    let at = 0
    for (;;) {
      this.needed = preludeBytes
      if (bytes.length - at < preludeBytes) return at
      const size = bytes.readUInt32BE(at)
      if (!isPrelude(bytes, at, size)) return this.spoil(bytes, events, "a frame's beginning is wrong")
      if (size > this.maxBytes) {
        this.isTooLarge = true
        return bytes.length
      }
      this.needed = size
      if (bytes.length - at < size) return at
      const read = readFrame(bytes.subarray(at, at + size))
      if (read === undefined) return this.spoil(bytes, events, "a frame's checksum or headers are wrong")
      events.push(read)
      at += size
    }
  }

  private spoil(bytes: Buffer, events: Array<SseEvent>, why: string): number {
    this.isCorrupt = true
    events.push(event(corruptFrame, why))
    return bytes.length
  }
}
