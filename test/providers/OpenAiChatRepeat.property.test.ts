/** A stream read with the short cut for events that repeat one another says what it says without. */
import { describe, expect, it } from "@effect/vitest"
import { Repeats } from "../../src/providers/protocols/OpenAiChatRepeat.ts"
import { ChatStream } from "../../src/providers/protocols/OpenAiChatStream.ts"
import type { Frame } from "../../src/providers/Provider.ts"
import { SseParser } from "../../src/providers/Sse.ts"
import { makeRandom, pick } from "./Seeded.ts"

const rounds = process.env["BREAKWATER_FULL"] === "1" ? 20_000 : 1500

type Random = () => number

/** Never recognises anything. */
class NoRepeats extends Repeats {
  override keep(): void {}
}

/** How often the short cut was taken. */
class CountedRepeats extends Repeats {
  hits = 0
  override read(bytes: Uint8Array, out: Array<Frame>): number {
    const before = out.length
    const end = super.read(bytes, out)
    this.hits += out.length - before
    return end
  }
}

const texts = ["wave", " the", "\\n", "\\\"", "\\\\", "é", "😀", "", "\\u00e9", "\\ud83d\\ude00", "}", "data: "]
const wrongTexts = ["\\u12", "\\x", "a\"b", "\u0001", "\\"]
const tails = [
  "",
  ",\"obfuscation\":\"x9\"",
  ",\"obfuscation\":\"\"",
  ",\"usage\":null",
  ",\"usage\":null,\"obfuscation\":\"abc\"",
  ",\"obfuscation\":\"a\\n\",\"usage\":null"
]
const deltas: ReadonlyArray<(text: string) => string> = [
  (text) => `"content":"${text}"`,
  (text) => `"content": "${text}"`,
  (text) => `"reasoning_content":"${text}","content":null`,
  (text) => `"content":"","reasoning_content":"${text}"`,
  (text) => `"content":"${text}","extra":{"content":"x"}`,
  (text) => `"content":"${text}","tool_calls":null`,
  (text) => `"refusal":"${text}"`,
  (text) => `"role":"assistant","content":"${text}"`,
  (text) => `"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"${text}"}}]`
]

const event = (random: Random, delta: (text: string) => string, tail: string): string => {
  const finish = random() < 0.02 ? "\"stop\"" : "null"
  const index = random() < 0.05 ? 1 : 0
  const id = random() < 0.03 ? "other" : "chatcmpl-1"
  const body = `{"id":"${id}","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":${index},` +
    `"delta":{${
      delta(pick(random, random() < 0.02 ? wrongTexts : texts))
    }},"logprobs":null,"finish_reason":${finish}}]${tail}}`
  return random() < 0.04 ? `: ping\n\nevent: x\ndata: ${body}\n\n` : `data: ${body}\n\n`
}

const stream = (random: Random): Buffer => {
  let text = ""
  let delta = pick(random, deltas)
  let tail = pick(random, tails)
  for (let count = 0; count < 20; count++) {
    if (random() < 0.1) delta = pick(random, deltas)
    if (random() < 0.1) tail = pick(random, tails)
    text += event(random, delta, tail)
  }
  const bytes = Buffer.from(`${text}${random() < 0.7 ? "data: [DONE]\n\n" : ""}`)
  if (random() < 0.2) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  return bytes
}

const cut = (random: Random, bytes: Buffer): ReadonlyArray<Buffer> => {
  const pieces: Array<Buffer> = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + Math.floor(random() * (random() < 0.5 ? 2000 : 300))
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}

/** Everything that the reader of a stream can tell. */
const read = (pieces: ReadonlyArray<Buffer>, includeUsage: boolean, repeats: Repeats): unknown => {
  const machine = new ChatStream({
    includeUsage,
    choices: 2,
    repeats,
    fallback: { id: "chatcmpl-0", created: 1, model: "m", nowMs: 0 }
  })
  const parser = new SseParser()
  const frames: Array<Frame> = []
  for (const piece of pieces) {
    const at = parser.isIdle ? machine.repeats(piece, frames) : 0
    if (at < piece.length) { for (const event of parser.push(piece.subarray(at))) machine.next(event, frames) }
  }
  for (const event of parser.end()) machine.next(event, frames)
  machine.end(frames)
  const told = frames.map(({ bytes, chunk, isContent, isTerminal, usage }) => ({
    bytes: bytes && Buffer.from(bytes).toString("latin1"),
    chunk: { ...chunk, usage: null },
    isContent,
    isTerminal,
    usage
  }))
  return { told, failure: machine.failure, isDone: machine.isDone, skipped: machine.skippedEvents }
}

describe("an event that repeats another", () => {
  it("is told as parsing tells it, whatever its text, wherever the bytes are split", () => {
    const random = makeRandom(23)
    const counted = { hits: 0 }
    for (let round = 0; round < rounds; round++) {
      const pieces = cut(random, stream(random))
      const includeUsage = random() < 0.5
      const repeats = new CountedRepeats()
      expect(read(pieces, includeUsage, repeats)).toEqual(
        read(pieces, includeUsage, new NoRepeats())
      )
      counted.hits += repeats.hits
    }
    expect(counted.hits).toBeGreaterThan(rounds)
  }, 300_000)
})
