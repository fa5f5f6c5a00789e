/** Recorded streams, mutated, read the same wherever their bytes are split. */
import { describe, expect, it } from "@effect/vitest"
import { SseParser } from "../../src/providers/Sse.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"
import { exchanges, isPresent, isStream, sseOf } from "./Recorded.ts"

const rounds = process.env["BREAKWATER_FULL"] === "1" ? 100_000 : 1000

/** Mostly around one frame of a recording, so that every split can be tried. */
const longest = 200

type Random = () => number

const mutations: ReadonlyArray<(random: Random, text: string) => string> = [
  (_, text) => text,
  (_, text) => text.replaceAll("\n", "\r\n"),
  (_, text) => text.replaceAll("\n", "\r"),
  (random, text) => text.replace(/\n/g, () => pick(random, ["\n", "\r\n", "\r"])),
  (_, text) => text.replaceAll("\n\n", "\n\n: ping\n\n"),
  (_, text) => text.replaceAll("data: ", "data:"),
  (_, text) => text.replaceAll("data: ", "event: x\ndata: "),
  (_, text) => text.replaceAll(",\"", ",\ndata: \""),
  (random, text) => {
    const at = Math.floor(random() * text.length)
    return text.slice(0, at) + pick(random, ["\n", "\r", "é😀", "\ufeff", ":", "\n\n", "data"]) + text.slice(at)
  }
]

const flipped = (random: Random, bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  return copy
}

const read = (pieces: ReadonlyArray<Uint8Array>): string => {
  const parser = new SseParser()
  let out = ""
  const add = (events: ReturnType<SseParser["push"]>) => {
    for (const { bytes, data, event } of events) out += `${event}|${data}|${bytes === undefined ? "" : "own"}\u0000`
  }
  for (const piece of pieces) add(parser.push(piece))
  add(parser.end())
  return out
}

describe.skipIf(!isPresent)("a recorded stream that was mutated", () => {
  it("is read the same at every split", () => {
    const random = makeRandom(17)
    const texts = exchanges.filter(isStream).map(sseOf)
    for (let round = 0; round < rounds; round++) {
      const text = pick(random, texts)
      const from = text.indexOf("data:", Math.floor(random() * text.length))
      const mutated = pick(random, mutations)(random, text.slice(Math.max(0, from)).slice(0, longest))
      const bytes = random() < 0.3 ? flipped(random, Buffer.from(mutated)) : Buffer.from(mutated)
      const whole = read([bytes])
      for (let at = 1; at < bytes.length; at++) {
        const split = read([bytes.subarray(0, at), bytes.subarray(at)])
        if (split !== whole) expect(split, `round ${round} split at ${at}`).toBe(whole)
      }
      expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(whole)
    }
  }, 900_000)
})
