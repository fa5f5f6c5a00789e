import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import { StreamInterrupted } from "../../src/domain/GatewayError.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { chatPath, hello } from "./Client.ts"
import { makeFake } from "./Fake.ts"
import { listen } from "./Socket.ts"

const post = (url: string, body: unknown, signal?: AbortSignal) =>
  fetch(`${url}${chatPath}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", "x-request-id": "req-1" },
    ...(signal === undefined ? {} : { signal })
  })

/** Waits until there are `count` lines of ended requests. */
const ended = (lines: ReadonlyArray<string>, count: number) =>
  Effect.gen(function*() {
    for (;;) {
      const found = lines.map((line) => JSON.parse(line)).filter((line) =>
        line["event.name"] === "breakwater.request.completed"
      )
      if (found.length >= count) return found
      yield* Effect.sleep(5)
    }
  })

describe("on a socket", () => {
  it.live("each request leaves one line, written after its last byte", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const url = yield* listen(makeFake(), lines)
      yield* Effect.promise(async () => (await post(url, hello)).text())
      yield* Effect.promise(async () => (await post(url, { ...hello, stream: true })).text())
      yield* Effect.promise(async () => (await post(url, { ...hello, n: 0 })).text())
      const [whole, stream, refused] = yield* ended(lines, 3)
      expect(whole).toMatchObject({
        severity_text: "INFO",
        "breakwater.request.id": "req-1",
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.request.model": "fast",
        "breakwater.provider": "openai",
        "breakwater.attempts": 1,
        stream: false
      })
      expect(whole).toHaveProperty("duration_ms")
      expect(stream).toMatchObject({ stream: true, "http.response.status_code": 200 })
      expect(refused).toMatchObject({ "error.type": "InvalidRequest", "http.response.status_code": 400 })
    }))

  it.live("a caller who leaves a stream closes its scope and is logged as cancelled", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      fake.ending = "hang"
      const lines: Array<string> = []
      const url = yield* listen(fake, lines)
      const controller = new AbortController()
      yield* Effect.promise(async () => {
        const response = await post(url, { ...hello, stream: true }, controller.signal)
        const reader = response.body?.getReader()
        await reader?.read()
        controller.abort()
        await reader?.read().catch(() => undefined)
      })
      const [line] = yield* ended(lines, 1)
      expect(line).toMatchObject({ cancelled: true, "error.type": "cancelled", stream: true })
      expect(fake.closed).toBe(1)
    }))

  it.live("a stream that fails after its head is logged with the reason", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      fake.ending = new StreamInterrupted({ message: "cut" })
      const lines: Array<string> = []
      const url = yield* listen(fake, lines)
      const text = yield* Effect.promise(async () => (await post(url, { ...hello, stream: true })).text())
      expect(text).toContain("stream_interrupted")
      const [line] = yield* ended(lines, 1)
      expect(line).toMatchObject({ severity_text: "WARN", "error.type": "StreamInterrupted" })
    }))

  it.live("a body that grows past the limit is a 413 and the server goes on", () =>
    Effect.gen(function*() {
      const url = yield* listen(makeFake(), [], {
        limits: { ...defaultServerSettings.limits, body: 1000, depth: 10, messages: 10 }
      })
      const body = new ReadableStream({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode(JSON.stringify({ ...hello, user: "x".repeat(5000) })))
          controller.close()
        }
      })
      const response = yield* Effect.promise(() =>
        fetch(`${url}${chatPath}`, {
          method: "POST",
          body,
          headers: { "content-type": "application/json" },
          duplex: "half"
        })
      )
      expect(response.status).toBe(413)
      expect((yield* Effect.promise(() => post(url, hello))).status).toBe(200)
    }))

  it.live("no prompt, key or error text is in any line", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      const lines: Array<string> = []
      const url = yield* listen(fake, lines)
      const secret = {
        ...hello,
        messages: [{ role: "user", content: "CANARY prompt" }],
        metadata: { a: "CANARY meta" }
      }
      const headers = { authorization: "Bearer CANARY-key", "content-type": "application/json" }
      const ask = (body: unknown) =>
        Effect.promise(async () =>
          (await fetch(url + chatPath, { method: "POST", headers, body: JSON.stringify(body) })).text()
        )
      yield* ask(secret)
      yield* ask({ ...secret, stream: true })
      yield* ask({ ...secret, messages: [{ role: "CANARY", content: 1 }] })
      fake.defect = new TypeError("CANARY in a defect")
      yield* ask(secret)
      yield* ended(lines, 4)
      expect(lines.join("\n")).toContain("TypeError")
      expect(lines.join("\n")).not.toContain("CANARY")
    }))

  it.live("a whole answer that nobody reads gives up its place a second after the deadline", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      fake.text = JSON.stringify({ text: "water ".repeat(4 * 1024 ** 2) })
      fake.totalMs = 1
      const lines: Array<string> = []
      const url = yield* listen(fake, lines)
      const socket = connect(Number(new URL(url).port), "127.0.0.1")
      const body = JSON.stringify(hello)
      const head = [`POST ${chatPath} HTTP/1.1`, "host: a", "content-type: application/json"]
      socket.write([...head, `content-length: ${body.length}`, "", body].join("\r\n"))
      const [line] = yield* ended(lines, 1)
      expect(line).toMatchObject({ "http.response.status_code": 200, "error.type": "DeadlineExceeded" })
      socket.destroy()
    }))
})
