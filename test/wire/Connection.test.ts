import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { request } from "node:http"
import { connect } from "node:net"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { inParallel } from "../faults/Gateway.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"

let upstream: Upstream
let gateway: Gateway.Gateway

beforeAll(async () => {
  upstream = await start()
  gateway = await Gateway.start({
    server: { limits: { body: "1mb" } },
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const open = async () => {
  const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1")
  socket.on("error", () => undefined)
  await once(socket, "connect")
  return socket
}

const completion = (model: string, options: { readonly stream?: boolean; readonly version?: string } = {}): string => {
  const { stream = false, version = "1.1" } = options
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], stream })
  const head = [`POST /v1/chat/completions HTTP/${version}`, "host: 127.0.0.1", "content-type: application/json"]
  return [...head, `content-length: ${body.length}`, "", body].join("\r\n")
}

/** All that comes until the other side ends the connection, or until it is enough. */
const readUntil = async (socket: Awaited<ReturnType<typeof open>>, isEnough: (text: string) => boolean) => {
  let text = ""
  for await (const piece of socket.setEncoding("utf8")) {
    text += piece
    if (isEnough(text)) break
  }
  return text
}

const count = (text: string, part: string): number => text.split(part).length - 1

describe("a connection", () => {
  it("whose sending side the caller closes is one whose caller has left, for the two look alike", async () => {
    const model = "silence#half-closed"
    const socket = await open()
    socket.end(completion(`upstream/${model}`, { stream: true }))
    await upstream.waitFor(() => upstream.attempts.some((attempt) => attempt.closedBy === "client"))
  })

  it("answers pipelined requests in their order", async () => {
    const socket = await open()
    const models = ["upstream/slow-answer:200#first", "upstream/ok#second", "upstream/ok#third"]
    socket.write(models.map((model) => completion(model)).join(""))
    const text = await readUntil(socket, (seen) => count(seen, "HTTP/1.1 200") === 3 && seen.endsWith("}"))
    socket.destroy()
    expect([...text.matchAll(/"model":"([^"]+)"/g)].map((found) => `upstream/${found[1]}`)).toEqual(models)
  })

  it("of HTTP/1.0 gets its stream ended by the connection's end", async () => {
    const socket = await open()
    socket.write(completion("upstream/ok#old", { stream: true, version: "1.0" }))
    const text = await readUntil(socket, () => false)
    expect(text).toContain("data: [DONE]")
    expect(text).not.toMatch(/transfer-encoding/i)
  })

  it("that expects to be told to go on is told so", async () => {
    const socket = await open()
    const [head = "", body = ""] = completion("upstream/ok#expects").split("\r\n\r\n")
    socket.write(`${head}\r\nexpect: 100-continue\r\n\r\n`)
    const text = readUntil(socket, (seen) => {
      if (seen === "HTTP/1.1 100 Continue\r\n\r\n") socket.write(body)
      return seen.includes("HTTP/1.1 200") && seen.endsWith("}")
    })
    expect(await text).toContain("Stone after stone")
    socket.destroy()
  })

  it("that sends a body without a length is refused once the body is over the limit", async () => {
    const sent = request(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" }
    })
    const response = once(sent, "response")
    sent.on("error", () => undefined)
    for (let piece = 0; piece < 64 && !sent.destroyed; piece++) sent.write(`"${"x".repeat(65_536)}"`)
    const [{ statusCode }] = await response
    expect(statusCode).toBe(413)
    sent.destroy()
  })

  it("whose caller stops reading stops the upstream, and takes nothing from the others", async () => {
    const flood = 1024 ** 3
    const model = `flood:${flood}#unread`
    const socket = await open()
    socket.write(completion(`upstream/${model}`, { stream: true }))
    await once(socket, "readable")
    // Nothing is read from here on, while the others work.
    const others = await inParallel(
      4,
      Array.from({ length: 100 }),
      () => call(gateway.url, { model: "upstream/ok#other" })
    )
    expect(others.map((seen) => readAnswer(seen).content)).toEqual(others.map(() => answer))
    const attempt = upstream.attemptsOf(model)[0]
    expect(attempt?.closedAt).toBeUndefined()
    expect(attempt?.written).toBeLessThan(64 * 1024 ** 2)
    socket.destroy()
    await upstream.waitFor(() => attempt?.closedAt !== undefined)
    await gateway.until((seen) => Gateway.inFlight(seen) === 0)
  })
})

describe("a caller's own deadline", () => {
  const patience = { "x-request-timeout-ms": "300" }

  it.for([true, false])("ends a silent attempt with 504 and closes its socket (streamed: %s)", async (stream) => {
    const model = `silence#deadline-${stream}`
    const seen = await call(gateway.url, { model: `upstream/${model}`, stream, headers: patience })
    expect(seen.status).toBe(504)
    expect(readAnswer(seen).errors).toMatchObject([{ code: "deadline_exceeded" }])
    await upstream.waitFor(() => upstream.attemptsOf(model)[0]?.closedBy === "client")
  })

  it("ends a committed stream with an error event", async () => {
    const seen = await call(gateway.url, { model: "upstream/drip:50#deadline", stream: true, headers: patience })
    const { content, dones, errors, finishReasons } = readAnswer(seen)
    expect(seen).toMatchObject({ status: 200, clean: true })
    expect(answer.startsWith(content)).toBe(true)
    expect({ dones, errors, finishReasons }).toMatchObject({
      dones: 0,
      errors: [{ code: "deadline_exceeded" }],
      finishReasons: []
    })
  })

  it("counts from its first line: a body that comes after it is a 504 and asks nobody", async () => {
    const model = "ok#late-body"
    const text = completion(`upstream/${model}`).replace("host:", "x-request-timeout-ms: 300\r\nhost:")
    const socket = await open()
    socket.write(text.slice(0, -10))
    const seen = await readUntil(socket, (all) => all.includes("deadline_exceeded"))
    expect(seen).toMatch(/^HTTP\/1\.1 504 /)
    expect(upstream.attemptsOf(model)).toEqual([])
    socket.destroy()
  })

  it("cuts the connection of who has not read the end of a stream a second later", { timeout: 15_000 }, async () => {
    const text = completion(`upstream/flood:${1024 ** 3}#late-reader`, { stream: true })
      .replace("host:", "x-request-timeout-ms: 2000\r\nx-request-id: late-reader\r\nhost:")
    const socket = await open()
    socket.write(text)
    await once(socket, "readable")
    // Nothing is read: the line comes only when the exchange is over.
    await gateway.says(/"breakwater.request.id":"late-reader"/)
    const line = gateway.output().split("\n").find((one) => one.includes(`"late-reader"`)) ?? ""
    expect(line).toMatch(/chat\/completions 200".*"error.type":"DeadlineExceeded"/)
    socket.destroy()
  })
})
