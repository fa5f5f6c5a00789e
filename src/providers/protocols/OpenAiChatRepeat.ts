/**
 * Events of a stream that repeat one that was read and found right in all but their text. Most of a stream is such events, and
 * comparing bytes costs a tenth of parsing them. Trap: it may only say yes where parsing would have said the same.
 */
import type { Frame } from "../Provider.ts"
import type { SseEvent } from "../Sse.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"
import { dataStart, PlainFrame } from "./PlainFrame.ts"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SMALL_U = 0x75
const escaped = new Set(Buffer.from("\"\\/bfnrt"))

/** The members of a delta that may be what changes. */
const texts = ["content", "reasoning_content"] as const

/** Text of no use to anyone, which OpenAI adds so that the sizes of events say nothing. */
const padding = "\"obfuscation\":\""

/** Events kept to be repeated, none of which was, before a stream is taken for one that does not. */
const vainRepeats = 8

/** Where the text at `at` ends with its quote, or -1: empty, not closed, not UTF-8 or not plain. */
const endOfText = (view: Buffer, at: number): number => {
  let isAscii = true
  let index = at
  for (;; index++) {
    const byte = view[index]
    if (byte === QUOTE) break
    if (byte === undefined || byte < 0x20) return -1
    if (byte >= 0x80) isAscii = false
    if (byte !== BACKSLASH) continue
    if (view[index + 1] === SMALL_U && /^[\da-f]{4}$/i.test(view.toString("latin1", index + 2, index + 6))) index += 5
    else if (!escaped.has(view[++index] ?? 0)) return -1
  }
  if (index === at) return -1
  return isAscii || !view.toString("utf8", at, index).includes("\ufffd") ? index : -1
}

const holds = (view: Buffer, part: Buffer, at: number): boolean =>
  at + part.length <= view.length && view.compare(part, 0, part.length, at, at + part.length) === 0

/** One event without its text: what stands before it, and what after it. */
class Repeat {
  private readonly head: Buffer
  private readonly tail: Buffer
  /** What follows the padding, where there is any. */
  private readonly rest: Buffer | undefined
  /** What the caller gets instead of `tail` and `rest`, where that is something else. */
  private readonly sent: readonly [tail: Buffer, rest: Buffer | undefined] | undefined

  private constructor(head: string, tail: readonly [string, string?], sent?: readonly [string, string?]) {
    this.head = Buffer.from(head)
    this.tail = Buffer.from(tail[0])
    this.rest = tail[1] === undefined ? undefined : Buffer.from(tail[1])
    if (sent !== undefined) this.sent = [Buffer.from(sent[0]), sent[1] === undefined ? undefined : Buffer.from(sent[1])]
  }

  /**
   * From an event's text as it came and as it was sent. `delta` is its only one, passed unchanged, and nothing in the event but
   * that text may matter to anyone. Undefined where its text cannot be told from the rest.
   */
  static of(data: string, sent: string, delta: JsonObject): Repeat | undefined {
    const name = texts.find((text) => typeof delta[text] === "string" && delta[text] !== "")
    const at = name === undefined ? -1 : data.indexOf(`"${name}":`)
    if (name === undefined || at < 0 || data.indexOf(`"${name}":`, at + 1) >= 0 || data.includes("\n")) return undefined
    const quote = data.indexOf("\"", at + name.length + 3)
    const text = JSON.stringify(delta[name])
    if (data.slice(quote, quote + text.length) !== text) return undefined
    const head = data.slice(0, quote + 1)
    if (!sent.startsWith(head)) return undefined
    const after = quote + text.length - 1
    const parts = Repeat.split(data.slice(after))
    const own = sent === data ? undefined : Repeat.split(sent.slice(after))
    return new Repeat(`data: ${head}`, parts, own !== undefined && own.length === parts.length ? own : undefined)
  }

  /** What follows the text, parted where the padding stands. */
  private static split(tail: string): readonly [string, string?] {
    const at = tail.indexOf(padding)
    const close = at < 0 ? -1 : tail.indexOf("\"", at + padding.length)
    const isPlain = close > at + padding.length && !tail.slice(at + padding.length, close).includes("\\")
    return isPlain ? [tail.slice(0, at + padding.length), `${tail.slice(close)}\n\n`] : [`${tail}\n\n`]
  }

  /** Reads the events from the beginning of the bytes on that repeat this one, and says where the first other one begins. */
  read(view: Buffer, out: Array<Frame>): number {
    for (let at = 0;;) {
      if (!holds(view, this.head, at)) return at
      const from = at + this.head.length
      const quote = endOfText(view, from)
      if (quote < 0 || !holds(view, this.tail, quote)) return at
      let next = quote + this.tail.length
      let close = next
      if (this.rest !== undefined) {
        close = endOfText(view, next)
        if (close < 0 || !holds(view, this.rest, close)) return at
        next = close + this.rest.length
      }
      out.push(new PlainFrame(this.bytesOf(view, at, quote, close, next), quote - from))
      at = next
    }
  }

  private bytesOf(view: Buffer, at: number, quote: number, close: number, next: number): Uint8Array {
    if (this.sent === undefined) return view.subarray(at, next)
    const [tail, rest] = this.sent
    const parts = [view.subarray(at, quote), tail]
    if (rest !== undefined) parts.push(view.subarray(quote + this.tail.length, close), rest)
    return Buffer.concat(parts)
  }
}

/** The last event of a stream, where others may repeat it. */
export class Repeats {
  private last: Repeat | undefined
  /** How often one was kept in vain. */
  private unrepeated = 0

  /** Reads the events from the beginning of the bytes on that repeat the last one, and says where the first other one begins. */
  read(bytes: Uint8Array, out: Array<Frame>): number {
    if (this.last === undefined) return 0
    const view = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const end = this.last.read(view, out)
    if (end > 0) this.unrepeated = 0
    return end
  }

  forget(): void {
    this.last = undefined
  }

  /** Keeps an event that was right as it came and has one choice, if that has nothing but a text. */
  keep(choice: Json | undefined, event: SseEvent, sent: Uint8Array): void {
    const delta = isObject(choice) && choice["finish_reason"] === null ? choice["delta"] : undefined
    if (!isObject(delta) || event.bytes === undefined || this.unrepeated > vainRepeats) return
    // A role is right only once.
    if (delta["role"] !== undefined) return
    if (delta["tool_calls"] !== undefined || delta["function_call"] !== undefined || isObject(delta["audio"])) return
    const text = sent === event.bytes ? event.data : Buffer.from(sent).toString("utf8", dataStart, sent.length - 2)
    this.last = Repeat.of(event.data, text, delta)
    if (this.last !== undefined) this.unrepeated++
  }
}
