import { describe, expect, it } from "@effect/vitest"
import type { SseEvent } from "../../src/providers/Sse.ts"
import { SseParser } from "../../src/providers/Sse.ts"
import { makeRandom, pick } from "./Seeded.ts"

const pieces = [
  "data: {\"a\":\"é😀\"}",
  "data: x",
  "data:x",
  "data",
  "data:",
  "data:  two",
  "event: error",
  "event",
  ": comment",
  ":",
  "id: 7",
  "retry: 1",
  "unknown",
  "dat: a",
  "\ufeff",
  ""
]

const makeText = (random: () => number): string => {
  const ends = pick(random, [["\n"], ["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
  let text = random() < 0.2 ? "\ufeff" : ""
  for (let line = 0; line < 12; line++) {
    text += (random() < 0.4 ? "" : pick(random, pieces)) + pick(random, ends)
  }
  return text
}

/** An independent, slow reading of the same format. */
const expected = (text: string): ReadonlyArray<{ event: string; data: string }> => {
  const events: Array<{ event: string; data: string }> = []
  let data: Array<string> = []
  let event = ""
  for (const line of text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).slice(0, -1)) {
    if (line === "") {
      if (data.length > 0) events.push({ event, data: data.join("\n") })
      data = []
      event = ""
    }
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? []
    if (name === "data") data.push(value)
    if (name === "event") event = value
  }
  return events
}

const comparable = (events: ReadonlyArray<SseEvent>) =>
  events.map(({ event, data, bytes }) => ({ event, data, bytes: bytes && Buffer.from(bytes).toString() }))

describe("SseParser", () => {
  it("gives the same events for any split of any text, and those of a plain reading", () => {
    const random = makeRandom(11)
    for (let round = 0; round < 400; round++) {
      const text = makeText(random)
      const bytes = Buffer.from(text)
      const whole = comparable(new SseParser().push(bytes))
      expect(whole.map(({ event, data }) => ({ event, data }))).toEqual(expected(text))
      for (const { data, bytes } of whole) if (bytes !== undefined) expect(bytes).toBe(`data: ${data}\n\n`)
      for (let split = 1; split < bytes.length; split++) {
        const parser = new SseParser()
        const events = [...parser.push(bytes.subarray(0, split)), ...parser.push(bytes.subarray(split))]
        expect(comparable(events)).toEqual(whole)
      }
      const parser = new SseParser()
      const single = Array.from(bytes, (byte) => parser.push(Uint8Array.of(byte))).flat()
      expect(comparable(single)).toEqual(whole)
    }
  })
})
