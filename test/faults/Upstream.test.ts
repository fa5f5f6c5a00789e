import { afterAll, afterEach, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Agent } from "node:http"
import { connect } from "node:net"
import { answer } from "./Answer.ts"
import { call, readAnswer } from "./Client.ts"
import { blackhole, refused } from "./Listeners.ts"
import type { Upstream } from "./Upstream.ts"
import { acquire, start } from "./Upstream.ts"

let upstream: Upstream

beforeAll(async () => {
  upstream = await start({ scale: 100 })
})
afterEach(() => upstream.reset())
afterAll(() => upstream.close())

/** Sends raw pieces over one socket and reads until the server closes or the text holds `until` so many times. */
const raw = (pieces: ReadonlyArray<string>, until: string, times = 1): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(upstream.url).port), "127.0.0.1")
    let text = ""
    socket.setNoDelay(true)
    socket.on("error", reject)
    socket.on("close", () => resolve(text))
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1")
      if (text.split(until).length > times) socket.destroy()
    })
    const send = ([piece, ...rest]: ReadonlyArray<string>): void => {
      if (piece !== undefined) socket.write(piece, () => setImmediate(send, rest))
    }
    send(pieces)
  })

const post = (headers: string, body: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${headers}\r\n${body}`

describe("requests", () => {
  const body = JSON.stringify({ model: "ok#raw" })

  it("are read when every byte comes alone", async () => {
    const text = await raw([...post(`content-length: ${body.length}\r\n`, body)], "}}}")
    expect(text.startsWith("HTTP/1.1 200 OK\r\n")).toBe(true)
    expect(upstream.attemptsOf("ok#raw")[0]?.body).toBe(body)
  })

  it("are read from a chunked body with a trailer", async () => {
    const half = body.length >> 1
    const chunks = [body.slice(0, half), body.slice(half)].map((part) =>
      `${part.length.toString(16)};x=1\r\n${part}\r\n`
    )
    await raw([post("transfer-encoding: chunked\r\n", `${chunks.join("")}0\r\ntrailer: yes\r\n\r\n`)], "}}}")
    expect(upstream.attemptsOf("ok#raw").map((attempt) => attempt.body)).toEqual([body])
  })

  it("are answered in order when they are pipelined", async () => {
    const each = (model: string) => post(`content-length: ${model.length + 12}\r\n`, `{"model":"${model}"}`)
    const text = await raw([each("401") + each("404") + each("503")], "\"error\"", 3)
    expect([...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(["401", "404", "503"])
    expect(upstream.attempts.map((attempt) => attempt.socketId).every((id, _, [first]) => id === first)).toBe(true)
  })

  it("get 100 Continue when they ask for it", async () => {
    const text = await raw([post(`expect: 100-continue\r\ncontent-length: ${body.length}\r\n`, body)], "}}}")
    expect(text.startsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")).toBe(true)
  })

  it("that are not HTTP are answered 400 and closed", async () => {
    expect(await raw(["hello\r\n\r\n"], "never")).toContain("HTTP/1.1 400")
  })

  it("for a scenario that does not exist are answered 501", async () => {
    const seen = await call(upstream.url, { model: "no-such-thing" })
    expect([seen.status, readAnswer(seen).errors]).toMatchObject([501, [{ type: "scenario_error" }]])
  })

  it("for anything but a completion are logged by method and path", async () => {
    expect(await raw(["GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"], "]}")).toContain("\"object\":\"list\"")
    expect(upstream.attempts[0]).toMatchObject({ scenario: "GET /v1/models", n: 1 })
  })
})

describe("connections", () => {
  it("are kept for the next request", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await call(upstream.url, { model: "ok", agent })
    await call(upstream.url, { model: "ok", stream: true, agent })
    const [first, second] = upstream.attemptsOf("ok")
    expect(first?.socketId).toBe(second?.socketId)
    agent.destroy()
    await upstream.waitFor(() => second?.closedAt !== undefined)
    expect(second?.closedBy).toBe("client")
  })

  it("are reset at the second request where the scenario says so", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect((await call(upstream.url, { model: "reset-on-reuse", agent })).status).toBe(200)
    expect((await call(upstream.url, { model: "reset-on-reuse", agent })).error).toBe("ECONNRESET")
    expect((await call(upstream.url, { model: "reset-on-reuse", agent })).status).toBe(200)
    expect(upstream.attempts.map((attempt) => attempt.n)).toEqual([1, 2, 3])
    agent.destroy()
  })

  it("tell a client that left from an answer that ended", async () => {
    const leave = new AbortController()
    const left = call(upstream.url, {
      model: "stall",
      stream: true,
      signal: leave.signal,
      onPiece: () => leave.abort()
    })
    await call(upstream.url, { model: "cut", stream: true })
    await left
    await upstream.waitFor(() => upstream.attempts.every((attempt) => attempt.closedAt !== undefined))
    const [stall] = upstream.attemptsOf("stall")
    const [cut] = upstream.attemptsOf("cut")
    expect([stall?.closedBy, stall?.finishedAt]).toEqual(["client", undefined])
    expect([cut?.closedBy, cut?.finishedAt]).toEqual(["server", expect.any(Number)])
  })

  it("are all gone when every client has left", async () => {
    const leave = new AbortController()
    const models = [
      "silence",
      "headers-then-silence",
      "stall",
      "stall-comments",
      "drip:10",
      "never-ending",
      "slow-headers"
    ]
    const calls = models.map((model) => call(upstream.url, { model, stream: true, signal: leave.signal }))
    await upstream.waitFor(() => upstream.attempts.length === models.length)
    leave.abort()
    await Promise.all(calls)
    await upstream.waitFor((now) => now.openSockets === 0)
    expect(upstream.attempts.map((attempt) => attempt.closedBy)).toEqual(models.map(() => "client"))
  })

  it("feel the backpressure of a reader that stops", async () => {
    const text = `{"model":"flood:33554432","stream":true}`
    const socket = connect(Number(new URL(upstream.url).port), "127.0.0.1")
    socket.pause()
    socket.write(post(`content-length: ${text.length}\r\n`, text))
    await upstream.waitFor(() => upstream.attempts.length === 1)
    socket.resume()
    await new Promise((resolve) => socket.once("data", resolve))
    socket.pause()
    socket.resetAndDestroy()
    await upstream.waitFor((now) => now.openSockets === 0)
    expect(upstream.attempts[0]?.written).toBeLessThan(33_554_432)
  })
})

describe("the server", () => {
  it("calls listeners at each attempt until they stop", async () => {
    const heard: Array<string> = []
    const stop = upstream.onAttempt((attempt) => heard.push(`${attempt.scenario} ${attempt.n}`))
    await call(upstream.url, { model: "401" })
    await call(upstream.url, { model: "401" })
    stop()
    await call(upstream.url, { model: "401" })
    expect(heard).toEqual(["401 1", "401 2"])
  })

  it("says what it saw when a wait is in vain", async () => {
    await expect(upstream.waitFor(() => false, 1)).rejects.toThrow("not so within 1 ms")
  })

  it("counts a tagged scenario apart", async () => {
    const statuses = []
    for (const model of ["500-once#a", "500-once#b", "500-once#a"]) {
      statuses.push((await call(upstream.url, { model })).status)
    }
    expect(statuses).toEqual([500, 500, 200])
  })

  it("forgets its counts at a reset", async () => {
    await call(upstream.url, { model: "500-once" })
    upstream.reset()
    expect((await call(upstream.url, { model: "500-once" })).status).toBe(500)
    expect(upstream.attempts.length).toBe(1)
  })

  it("has outages that begin and end at will", async () => {
    upstream.outage("503")
    expect((await call(upstream.url, { model: "ok" })).status).toBe(503)
    upstream.outage("reset-before-headers")
    expect((await call(upstream.url, { model: "ok" })).error).toBe("ECONNRESET")
    upstream.outage()
    expect((await call(upstream.url, { model: "ok" })).status).toBe(200)
    expect(upstream.attemptsOf("ok").length).toBe(3)
  })

  it("makes the same random choices for the same seed", async () => {
    const statuses = async () => {
      const seen = []
      for (let n = 0; n < 20; n++) seen.push((await call(upstream.url, { model: "brownout:0.5" })).status)
      return seen
    }
    const first = await statuses()
    upstream.reset()
    expect(await statuses()).toEqual(first)
    expect(new Set(first)).toEqual(new Set([200, 500]))
  })

  it.live("runs twice at once as a scoped Effect and closes with the scope", () =>
    Effect.gen(function*() {
      const url = yield* Effect.scoped(Effect.gen(function*() {
        const primary = yield* acquire({ name: "primary" })
        const fallback = yield* acquire({ name: "fallback" })
        const ids = yield* Effect.promise(() =>
          Promise.all(
            [primary, fallback].map(async ({ url }) => JSON.parse((await call(url, { model: "ok" })).text).id)
          )
        )
        expect(ids).toEqual(["chatcmpl-primary-1", "chatcmpl-fallback-1"])
        return primary.url
      }))
      expect((yield* Effect.promise(() => call(url, { model: "ok" }))).error).toBe("ECONNREFUSED")
    }))
})

describe("addresses below HTTP", () => {
  it("refuse a connection", async () => {
    expect((await call(await refused(), { model: "ok" })).error).toBe("ECONNREFUSED")
  })

  it.skipIf(process.platform !== "linux")("never establish a connection", async () => {
    const hole = await blackhole()
    const socket = connect(Number(new URL(hole.url).port), "127.0.0.1")
    const first = await Promise.race([
      new Promise((resolve) => socket.once("connect", () => resolve("connected"))),
      call(upstream.url, { model: "slow-answer:20000" }).then(() => "nothing")
    ])
    expect(first).toBe("nothing")
    socket.destroy()
    await hole.close()
  })

  it("do not disturb the healthy answer", async () => {
    expect(readAnswer(await call(upstream.url, { model: "ok", stream: true })).content).toBe(answer)
  })
})
