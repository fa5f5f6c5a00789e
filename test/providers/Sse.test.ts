import { describe, expect, it } from "@effect/vitest"
import type { SseEvent } from "../../src/providers/Sse.ts"
import { SseParser } from "../../src/providers/Sse.ts"

const read = (text: string): ReadonlyArray<SseEvent> => new SseParser().push(Buffer.from(text))
const payloads = (text: string) => read(text).map((event) => event.data)

describe("SseParser", () => {
  it("reads LF, CRLF and CR alike", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      expect(payloads(`data: a${end}${end}data: b${end}${end}`)).toEqual(["a", "b"])
    }
    expect(payloads("data: a\r\ndata: b\r\rdata: c\n\r\n")).toEqual(["a\nb", "c"])
  })
  it("joins data lines, and takes off one space only", () => {
    expect(payloads("data:{\ndata:  1\ndata\ndata: }\n\n")).toEqual(["{\n 1\n\n}"])
  })
  it("passes over comments, ids, retries, unknown fields and events without data", () => {
    expect(payloads(": x\n\n:\nid: 1\nretry: 5\nfoo: bar\ndata: a\n\nevent: ping\n\ndatum: b\n\n")).toEqual(["a"])
  })
  it("tells the event's name", () => {
    expect(read("event: error\ndata: {}\n\ndata: x\n\n").map((event) => event.event)).toEqual(["error", ""])
  })
  it("skips a byte order mark", () => {
    expect(payloads("\ufeffdata: a\n\n")).toEqual(["a"])
  })
  it("hands out the bytes of an exact event, uncopied", () => {
    const chunk = Buffer.from(": c\n\ndata: {\"ü\":1}\n\n: c\ndata: x\n\n")
    const [first, second] = new SseParser().push(chunk)
    expect(Buffer.from(first?.bytes ?? []).toString()).toBe("data: {\"ü\":1}\n\n")
    expect(first?.bytes?.buffer).toBe(chunk.buffer)
    expect(Buffer.from(second?.bytes ?? []).toString()).toBe("data: x\n\n")
  })
  it("hands out no bytes of an event in any other form, or with invalid UTF-8", () => {
    const odd = ["data:a\n\n", "data: a\r\n\r\n", "data: a\ndata: b\n\n", "id: 1\ndata: a\n\n", "data: a\nid: 1\n\n"]
    for (const text of odd) expect(read(text).map((event) => event.bytes)).toEqual([undefined])
    const [broken] = new SseParser().push(Buffer.from([...Buffer.from("data: "), 0xff, 10, 10]))
    expect(broken).toEqual({ event: "", data: "\ufffd", bytes: undefined })
  })
  it("reads an event that the end of the body closed, and keeps an open one back until then", () => {
    const parser = new SseParser()
    expect(parser.push(Buffer.from("data: [DO"))).toEqual([])
    expect(parser.push(Buffer.from("NE]"))).toEqual([])
    expect(parser.end().map((event) => event.data)).toEqual(["[DONE]"])
  })
  it("stops at an event beyond the limit, after the events before it", () => {
    for (const chunkSize of [1, 7, 1000]) {
      const parser = new SseParser(20)
      const bytes = Buffer.from(
        `data: a\n\ndata: ${"x".repeat(12)}\n\n: ${"c".repeat(15)}\ndata: ${"x".repeat(13)}\n\ndata: b\n\n`
      )
      const seen: Array<string> = []
      for (let at = 0; at < bytes.length; at += chunkSize) {
        for (const event of parser.push(bytes.subarray(at, at + chunkSize))) seen.push(event.data)
      }
      expect(seen).toEqual(["a", "x".repeat(12)])
      expect(parser.isTooLarge).toBe(true)
    }
  })
})
