import { describe, expect, it } from "@effect/vitest"
import { corruptFrame, crc32, EventStreamParser } from "../../src/providers/EventStream.ts"
import { eventFrame, exceptionFrame, frameOf, rawFrame } from "./AwsFrames.ts"
import { makeRandom, pick } from "./Seeded.ts"

const read = (pieces: Iterable<Uint8Array>) => {
  const parser = new EventStreamParser()
  return [...[...pieces].flatMap((piece) => parser.push(piece)), ...parser.end()]
    .map(({ data, event }) => `${event}|${data}`)
}

const payloads = ["", "{}", "{\"a\":\"é😀\"}", "x".repeat(300), "\u0000\n"]
const types = ["messageStart", "contentBlockDelta", "é", ""]

interface Drawn {
  readonly frame: Buffer
  readonly said: string
}

const draw = (random: () => number): Drawn => {
  const type = pick(random, types)
  const payload = pick(random, payloads)
  if (random() < 0.2) {
    return { frame: exceptionFrame(type, payload), said: `:exception:${type}|${JSON.stringify({ message: payload })}` }
  }
  const more = random() < 0.3 ? { "x-other": payload.slice(0, 20) } : {}
  return {
    frame: frameOf({ ...more, ":message-type": "event", ":event-type": type }, payload),
    said: `${type}|${payload}`
  }
}

describe("EventStreamParser", () => {
  it("reads the same events wherever the bytes are split", () => {
    const random = makeRandom(23)
    for (let round = 0; round < 60; round++) {
      const drawn = Array.from({ length: 1 + Math.floor(random() * 4) }, () => draw(random))
      const bytes = Buffer.concat(drawn.map(({ frame }) => frame))
      const said = drawn.map((each) => each.said)
      expect(read([bytes])).toEqual(said)
      for (let at = 1; at < bytes.length; at++) {
        const split = read([bytes.subarray(0, at), bytes.subarray(at)])
        if (split.join("\n") !== said.join("\n")) expect(split, `round ${round} split at ${at}`).toEqual(said)
      }
      expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(said)
    }
  })

  it("puts a frame together as it comes, and keeps none of its pieces but the first", () => {
    const [first, ...rest] = eventFrame("one", { a: 1 })
    const again = Buffer.alloc(1)
    const parser = new EventStreamParser()
    parser.push(Uint8Array.of(first ?? 0))
    const events = rest.flatMap((byte) => {
      again.writeUInt8(byte)
      return parser.push(again)
    })
    expect(events.map(({ data }) => data)).toEqual(["{\"a\":1}"])
  })

  it("never takes a frame with a flipped bit for a whole one, and reads nothing behind it", () => {
    const random = makeRandom(29)
    const [first, second, third] = [eventFrame("one", { a: 1 }), eventFrame("two", { b: 2 }), eventFrame("three", {})]
    for (let bit = 0; bit < second.length * 8; bit++) {
      const spoiled = Buffer.from(second)
      spoiled[bit >> 3] = (spoiled[bit >> 3] ?? 0) ^ 1 << (bit & 7)
      const bytes = Buffer.concat([first, spoiled, third])
      const at = Math.floor(random() * bytes.length)
      const events = read([bytes.subarray(0, at), bytes.subarray(at)])
      expect(events[0]).toBe("one|{\"a\":1}")
      expect(events.slice(1).map((said) => said.split("|")[0])).toEqual([corruptFrame])
    }
  })

  it("says nothing of a frame that is cut off", () => {
    const whole = eventFrame("one", { a: 1 })
    for (let length = 0; length < whole.length; length++) expect(read([whole.subarray(0, length)])).toEqual([])
  })

  it("passes over headers of every other type", () => {
    const header = (name: string, type: number, value: ReadonlyArray<number>) =>
      Buffer.from([name.length, ...Buffer.from(name), type, ...value])
    const headers = Buffer.concat([
      header("t", 0, []),
      header("f", 1, []),
      header("b", 2, [1]),
      header("s", 3, [1, 2]),
      header("i", 4, [1, 2, 3, 4]),
      header("l", 5, [1, 2, 3, 4, 5, 6, 7, 8]),
      header("a", 6, [0, 3, 1, 2, 3]),
      header("d", 8, [1, 2, 3, 4, 5, 6, 7, 8]),
      header("u", 9, Array.from({ length: 16 }, () => 7)),
      header(":event-type", 7, [0, 2, 111, 107])
    ])
    expect(read([rawFrame(headers, Buffer.from("{}"))])).toEqual(["ok|{}"])
  })

  it("takes headers that break off or have an unknown type for a broken frame", () => {
    for (const bytes of [[5, 97], [1, 97, 99], [1, 97, 7, 0, 9, 98], [1, 97, 5, 1], [1, 97, 7, 0], [0]]) {
      expect(read([rawFrame(Buffer.from(bytes), Buffer.from("{}"))])[0]).toMatch(/^:corrupt\|/)
    }
  })

  it("reads an error frame as an exception with its message", () => {
    const headers = { ":message-type": "error", ":error-code": "InternalFailure", ":error-message": "no" }
    expect(read([frameOf(headers, "")])).toEqual([":exception:InternalFailure|{\"message\":\"no\"}"])
  })

  it("gives up on a frame beyond the limit before it has come", () => {
    const parser = new EventStreamParser(100)
    expect(parser.isIdle).toBe(true)
    const frame = eventFrame("big", { text: "x".repeat(200) })
    expect(parser.push(frame.subarray(0, 12))).toEqual([])
    expect([parser.isTooLarge, parser.isIdle]).toEqual([true, false])
    expect(parser.push(frame.subarray(12))).toEqual([])
  })

  it("is idle between frames alone", () => {
    const parser = new EventStreamParser()
    const frame = eventFrame("one", {})
    parser.push(frame.subarray(0, 5))
    expect(parser.isIdle).toBe(false)
    parser.push(frame.subarray(5))
    expect(parser.isIdle).toBe(true)
  })

  it("has the CRC of gzip", () => {
    expect(crc32(Buffer.from("123456789"), 0, 9)).toBe(0xcbf43926)
  })
})
