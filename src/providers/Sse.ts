/**
 * Bytes to server-sent events, whatever the line ends and wherever the bytes are split. An event whose raw bytes are exactly
 * `data: <payload>\n\n` keeps them, uncopied where it came in one read, so that it can pass as it is.
 */

export interface SseEvent {
  /** The `event` field; empty when there was none. */
  readonly event: string
  readonly data: string
  /** The event's own bytes where they are `data: <payload>\n\n` in valid UTF-8 to the letter; otherwise undefined. */
  readonly bytes: Uint8Array | undefined
}

/** Bytes that one event may have. */
const maxEventBytes = 1024 * 1024

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const BOM = [0xef, 0xbb, 0xbf]
const empty = Buffer.alloc(0)

/** Lower-case names of the two fields that matter, as bytes. */
const dataField = Buffer.from("data")
const eventField = Buffer.from("event")

export class SseParser {
  /** An event was larger than the limit: nothing is read any more. */
  isTooLarge = false

  private readonly maxBytes: number
  /** Valid up to `length`; bytes that were handed out are never overwritten, only followed. */
  private buffer: Buffer = empty
  private length = 0
  private isOwned = false
  private eventStart = 0
  private lineStart = 0
  private scanned = 0
  private skipsLf = false
  private isBeginning = true
  private data: string | undefined
  private event = ""
  private isPlain = false

  constructor(maxBytes: number = maxEventBytes) {
    this.maxBytes = maxBytes
  }

  /** Nothing of an event has been read: what comes next begins one. */
  get isIdle(): boolean {
    return this.length === this.eventStart && !this.skipsLf && !this.isBeginning && this.data === undefined &&
      this.event === "" && !this.isTooLarge
  }

  push(chunk: Uint8Array): ReadonlyArray<SseEvent> {
    const events: Array<SseEvent> = []
    if (this.isTooLarge || chunk.length === 0) return events
    this.append(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    if (this.isBeginning && !this.skipBom()) return events
    this.readLines(events)
    if (this.length - this.eventStart > this.maxBytes) this.isTooLarge = true
    return events
  }

  /** The last event where the body ended without the empty line that should have closed it. */
  end(): ReadonlyArray<SseEvent> {
    return this.push(Buffer.from("\n\n"))
  }

  private append(chunk: Buffer): void {
    const kept = this.length - this.eventStart
    if (kept === 0) {
      this.buffer = chunk
      this.length = chunk.length
      this.isOwned = false
      this.eventStart = this.lineStart = this.scanned = 0
      return
    }
    if (!this.isOwned || this.length + chunk.length > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(1024, 2 * (kept + chunk.length)))
      this.buffer.copy(grown, 0, this.eventStart, this.length)
      this.buffer = grown
      this.isOwned = true
      this.lineStart -= this.eventStart
      this.scanned -= this.eventStart
      this.eventStart = 0
      this.length = kept
    }
    chunk.copy(this.buffer, this.length)
    this.length += chunk.length
  }

  /** False while the bytes that decide it are not there. */
  private skipBom(): boolean {
    const shared = BOM.findIndex((byte, index) => index >= this.length || this.buffer[index] !== byte)
    if (shared >= 0 && shared >= this.length) return false
    this.isBeginning = false
    if (shared < 0) this.eventStart = this.lineStart = this.scanned = BOM.length
    return true
  }

  private readLines(events: Array<SseEvent>): void {
    const view = this.buffer.subarray(0, this.length)
    let nextCr = -1
    for (;;) {
      if (this.skipsLf) {
        if (this.scanned >= this.length) return
        this.skipsLf = false
        if (view[this.scanned] === LF) {
          if (this.eventStart === this.scanned) this.eventStart++
          this.lineStart = ++this.scanned
        }
      }
      const lf = view.indexOf(LF, this.scanned)
      if (nextCr < this.scanned) {
        nextCr = view.indexOf(CR, this.scanned)
        if (nextCr < 0) nextCr = this.length
      }
      const lineEnd = lf < 0 || nextCr < lf ? nextCr : lf
      if (lineEnd === this.length) {
        this.scanned = this.length
        return
      }
      const isLf = lineEnd === lf
      this.skipsLf = !isLf
      if (lineEnd === this.lineStart) this.dispatch(events, view, lineEnd + 1, isLf)
      else this.readLine(view, lineEnd, isLf)
      this.lineStart = this.scanned = lineEnd + 1
      if (this.isTooLarge) return
    }
  }

  private readLine(view: Buffer, lineEnd: number, isLf: boolean): void {
    const start = this.lineStart
    const isFirst = start === this.eventStart
    if (view[start] === COLON) {
      if (isFirst) this.eventStart = lineEnd + 1
      this.isPlain = false
      return
    }
    if (this.isField(view, start, lineEnd, dataField)) {
      const from = start + dataField.length + 1
      const hasSpace = from < lineEnd && view[from] === SPACE
      const value = view.toString("utf8", Math.min(hasSpace ? from + 1 : from, lineEnd), lineEnd)
      this.isPlain = isFirst && isLf && hasSpace && !value.includes("\ufffd")
      this.data = this.data === undefined ? value : `${this.data}\n${value}`
      return
    }
    this.isPlain = false
    if (this.isField(view, start, lineEnd, eventField)) {
      const from = start + eventField.length + 1
      this.event = view.toString("utf8", Math.min(view[from] === SPACE ? from + 1 : from, lineEnd), lineEnd)
    }
  }

  /** The field's name, then a colon or the line's end. */
  private isField(view: Buffer, start: number, lineEnd: number, name: Buffer): boolean {
    const end = start + name.length
    if (end > lineEnd || (end < lineEnd && view[end] !== COLON)) return false
    for (let index = 0; index < name.length; index++) {
      if (view[start + index] !== name[index]) return false
    }
    return true
  }

  private dispatch(events: Array<SseEvent>, view: Buffer, end: number, isLf: boolean): void {
    if (end - this.eventStart > this.maxBytes) {
      this.isTooLarge = true
    } else if (this.data !== undefined) {
      events.push({
        event: this.event,
        data: this.data,
        bytes: this.isPlain && isLf ? view.subarray(this.eventStart, end) : undefined
      })
    }
    this.data = undefined
    this.event = ""
    this.isPlain = false
    this.eventStart = end
  }
}
