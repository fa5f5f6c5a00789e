import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { start, type Upstream } from "../faults/Upstream.ts"
import { envelopeFaults } from "../server/Client.ts"
import * as Gateway from "./Gateway.ts"

let upstream: Upstream
let talkative: Server
/** With limits that bite within a test, */
let gateway: Gateway.Gateway
/** and with those that it has by itself. */
let patient: Gateway.Gateway
const heard: Array<IncomingHttpHeaders> = []

/** An upstream that tells more in its head than anybody should pass on. */
const startTalkative = async (): Promise<Server> => {
  const server = createServer((request, response) => {
    heard.push(request.headers)
    request.resume().on("end", () => {
      response.writeHead(200, {
        "content-type": "application/json",
        "set-cookie": "session=SECRET",
        "server": "nginx/1.0 SECRET",
        "x-powered-by": "SECRET",
        "openai-organization": "SECRET",
        "x-hop": "SECRET",
        "connection": "x-hop, keep-alive",
        "proxy-authenticate": "SECRET",
        "trailer": "SECRET",
        "access-control-allow-origin": "*",
        "content-security-policy": "SECRET"
      }).end(JSON.stringify({
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [{ index: 0, finish_reason: "stop", logprobs: null, message: { role: "assistant", content: "Hi" } }]
      }))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return server
}

beforeAll(async () => {
  upstream = await start()
  talkative = await startTalkative()
  patient = await Gateway.start({
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } }
  })
  const { port } = talkative.address() as AddressInfo
  gateway = await Gateway.start({
    server: {
      timeouts: { headers: "400ms", body: "900ms", idle: "500ms" },
      limits: { connectionsPerAddress: 40 },
      cors: { origins: ["https://app.example.com"] }
    },
    providers: {
      upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" },
      talkative: { kind: "openai-compatible", baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: "OURS" }
    }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await patient?.stop()
  await upstream?.close()
  talkative?.close()
})

const open = async () => {
  const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1")
  socket.on("error", () => undefined)
  await once(socket, "connect")
  return socket
}

/** All that comes back for raw bytes until the other side closes, which the gateway's own limits see to. */
const raw = async (bytes: string): Promise<string> => {
  const socket = await open()
  let text = ""
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece))
  socket.write(bytes, "latin1")
  await once(socket, "close")
  return text
}

const statuses = (text: string): ReadonlyArray<number> =>
  Array.from(text.matchAll(/^HTTP\/1\.1 (\d+)/gm), ([, status]) => Number(status))

const errorIn = (text: string) => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)).error

const head = (...lines: ReadonlyArray<string>) => [...lines, "", ""].join("\r\n")
const chat = "POST /v1/chat/completions HTTP/1.1"
const json = "content-type: application/json"
const body = (model: string) => JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] })

const post = (text: string | ReadableStream<Uint8Array>, to = gateway) =>
  fetch(`${to.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: text,
    duplex: "half"
  })

describe("a caller who is slow on purpose", () => {
  const slow: Readonly<Record<string, string>> = {
    "says nothing": "",
    "begins a request line": "POST /v1/chat",
    "never ends the headers": `${chat}\r\nhost: a\r\nx-a: b\r\n`,
    "sends a body that does not come": head(chat, "host: a", json, "content-length: 100") + "{\"model\":",
    "sends a chunk that does not come": head(chat, "host: a", json, "transfer-encoding: chunked") + "ff\r\n{\"mo",
    "never sends the last chunk": head(chat, "host: a", json, "transfer-encoding: chunked") + "2\r\n{}\r\n"
  }

  it.each(Object.entries(slow))("%s: is told 408 and cut", async (_, bytes) => {
    const text = await raw(bytes)
    expect(statuses(text)).toEqual([408])
    expect(errorIn(text)).toMatchObject({ code: "request_timeout" })
  })

  it("trickles headers without end: each byte buys no time", async () => {
    const socket = await open()
    let text = ""
    socket.setEncoding("latin1").on("data", (piece: string) => (text += piece))
    socket.write(`${chat}\r\nhost: a\r\n`)
    const drip = setInterval(() => socket.write("x-a: b\r\n"), 50)
    await once(socket, "close")
    clearInterval(drip)
    expect(statuses(text)).toEqual([408])
  })

  it("keeps nobody else from being served", async () => {
    const slow = await Promise.all(Array.from({ length: 20 }, open))
    for (const socket of slow) socket.write(`${chat}\r\nhost: a\r\n`)
    expect((await post(body("upstream/ok"))).status).toBe(200)
    for (const socket of slow) socket.destroy()
  })

  it("is no one who waits for a long answer", async () => {
    const reply = await post(body("upstream/slow-answer:1500"))
    expect(reply.status).toBe(200)
  })
})

describe("connections", () => {
  it("of one address are as many as the file says, and there is room again when they are gone", async () => {
    const sockets = await Promise.all(Array.from({ length: 60 }, open))
    const gone = (count: number) =>
      new Promise<void>((resolve) => {
        let left = count
        for (const socket of sockets) socket.once("close", () => --left === 0 && resolve())
      })
    const all = gone(sockets.length)
    // What is beyond is closed at once; what is in waits for its headers, so the first twenty ends are those.
    await gone(20)
    for (const socket of sockets) socket.destroy()
    await all
    while ((await fetch(`${gateway.origin}/api/v1/health/live`).catch(() => undefined))?.status !== 200);
  })

  it("without a request are closed after their time", async () => {
    const socket = await open()
    socket.write(head("GET /api/v1/health/live HTTP/1.1", "host: a"))
    socket.resume()
    await once(socket, "close")
    expect(socket.closed).toBe(true)
  })
})

const smuggled = head("GET /api/v1/health/monitoring HTTP/1.1", "host: a")

const smuggling: Readonly<Record<string, string>> = {
  "a length and chunks": head(chat, "host: a", "content-length: 4", "transfer-encoding: chunked") +
    `0\r\n\r\n${smuggled}`,
  "chunks and a length": head(chat, "host: a", "transfer-encoding: chunked", "content-length: 4") + `5c\r\n${smuggled}`,
  "two lengths": head(chat, "host: a", "content-length: 0", "content-length: 44") + smuggled,
  "two lengths in one": head(chat, "host: a", "content-length: 0, 44") + smuggled,
  "a length with a sign": head(chat, "host: a", "content-length: +0") + smuggled,
  "a length in hex": head(chat, "host: a", "content-length: 0x0") + smuggled,
  "an unknown coding": head(chat, "host: a", "transfer-encoding: xchunked") + smuggled,
  "a coding behind a blank": head(chat, "host: a", "transfer-encoding : chunked") + `0\r\n\r\n${smuggled}`,
  "a coding behind a tab": head(chat, "host: a", "transfer-encoding:\x0bchunked") + `0\r\n\r\n${smuggled}`,
  "chunked before another coding": head(chat, "host: a", "transfer-encoding: chunked, identity") +
    `0\r\n\r\n${smuggled}`,
  "a folded coding": head(chat, "host: a", "x: y", " transfer-encoding: chunked") + `0\r\n\r\n${smuggled}`,
  "a bare line feed": `${chat}\nhost: a\ncontent-length: 0\n\n${smuggled}`,
  "a chunk's size that is none": head(chat, "host: a", "transfer-encoding: chunked") + `0_2e\r\n${smuggled}`,
  "a chunk's size beyond 64 bits": head(chat, "host: a", "transfer-encoding: chunked") +
    `ffffffffffffffff1\r\n${smuggled}`,
  "a chunk longer than it says": head(chat, "host: a", "transfer-encoding: chunked") +
    `1\r\nab\r\n0\r\n\r\n${smuggled}`,
  "two hosts": head(chat, "host: a", "host: b", "connection: close", "content-length: 0"),
  "a host with a path": head(chat, "host: a/public?x=", "connection: close", "content-length: 0"),
  "a host with a name for the log": head(chat, "host: a b", "connection: close", "content-length: 0"),
  "a host with credentials": head(chat, "host: u@a", "connection: close", "content-length: 0"),
  "an absolute target": head("GET http://a/api/v1/health/monitoring HTTP/1.1", "host: b", "connection: close"),
  "more than a hundred headers": head(
    "GET /api/v1/health/live HTTP/1.1",
    "host: a",
    "connection: close",
    ...Array.from({ length: 101 }, (_, index) => `x-${index}: a`)
  )
}

describe("a head that two servers could read in two ways", () => {
  it.each(Object.entries(smuggling))("%s: is refused once, and what is behind it is not answered", async (_, bytes) => {
    const text = await raw(bytes)
    expect(statuses(text)).toEqual([400])
    expect(text).not.toContain("uptime")
    expect(envelopeFaults(text.slice(text.indexOf("\r\n\r\n") + 4))).toEqual([])
  })

  it.each(["a", "127.0.0.1:8000", "[::1]:8000", "a_b.example.com", ""])("the host %j is one", async (host) => {
    const text = await raw(head("GET /api/v1/health/live HTTP/1.1", `host: ${host}`, "connection: close"))
    expect(statuses(text)).toEqual([200])
  })
})

describe("a body that is too much", () => {
  it("10,000 levels deep is a 400, as objects, arrays or both, unclosed or not", async () => {
    for (const [left, right] of [["[", "]"], ["{\"a\":", "}"], ["[{\"a\":", "}]"]] as const) {
      const whole = `${left.repeat(10_000)}1${right.repeat(10_000)}`
      for (const text of [whole, `{"model":"upstream/ok","messages":${whole}}`, left.repeat(10_000)]) {
        const reply = await post(text, patient)
        expect(reply.status).toBe(400)
        expect(envelopeFaults(await reply.text())).toEqual([])
      }
    }
  })

  it("of 20 MB is taken whole, and one byte more is a 413, declared or not", { timeout: 60_000 }, async () => {
    const limit = 20 * 1024 ** 2
    const frame = JSON.stringify({ model: "upstream/ok#large", messages: [{ role: "user", content: "" }] })
    const text = frame.replace("\"\"", () => `"${"x".repeat(limit - frame.length)}"`)
    expect((await post(text, patient)).status).toBe(200)
    expect(upstream.attemptsOf("ok#large")[0]?.body.length).toBe(limit - "upstream/".length)
    const declared = await post(`${text} `, patient)
    expect(declared.status).toBe(413)
    expect(envelopeFaults(await declared.text())).toEqual([])
    const bytes = new TextEncoder().encode(`${text} `)
    const chunked = await post(
      new ReadableStream({
        start: (controller) => {
          for (let at = 0; at < bytes.length; at += 65_536) controller.enqueue(bytes.subarray(at, at + 65_536))
          controller.close()
        }
      }),
      patient
    )
    expect(chunked.status).toBe(413)
  })

  it("in chunks of one byte with extensions and trailers is the request that it is", async () => {
    const chunks = Array.from(body("upstream/ok"), (letter) => `1;a=b\r\n${letter}\r\n`).join("")
    const text = await raw(
      head(chat, "host: a", json, "connection: close", "transfer-encoding: chunked", "trailer: authorization") +
        `${chunks}0\r\nauthorization: Bearer x\r\n\r\n`
    )
    expect(statuses(text)).toEqual([200])
  })

  it("with extensions of chunks without end is refused", async () => {
    const text = await raw(
      head(chat, "host: a", json, "transfer-encoding: chunked") + `1;${"a".repeat(20_000)}\r\n{\r\n`
    )
    expect(statuses(text)).toEqual([413])
  })
})

describe("headers", () => {
  const secrets = {
    "authorization": "Bearer THEIRS",
    "proxy-authorization": "Basic THEIRS",
    "cookie": "session=THEIRS",
    "x-api-key": "THEIRS",
    "api-key": "THEIRS",
    "x-goog-api-key": "THEIRS",
    "x-forwarded-for": "THEIRS",
    "forwarded": "for=THEIRS",
    "via": "THEIRS",
    "te": "THEIRS",
    "x-hop": "THEIRS",
    "openai-organization": "THEIRS",
    "x-anything": "THEIRS"
  }

  it("of a caller do not go upstream, nor does what belongs to one hop", async () => {
    const lines = Object.entries(secrets).map(([name, value]) => `${name}: ${value}`)
    const text = body("talkative/m")
    const reply = await raw(
      head(chat, "host: a", json, "connection: close, x-hop", ...lines, `content-length: ${text.length}`) + text
    )
    expect(statuses(reply)).toEqual([200])
    expect(heard).toHaveLength(1)
    expect(JSON.stringify(heard)).not.toContain("THEIRS")
    expect(heard[0]?.["authorization"]).toBe("Bearer OURS")
  })

  it.each(["h2c", "websocket"])(
    "that ask for %s instead are passed over, and the request is answered",
    async (other) => {
      const text = body("upstream/ok")
      const upgrade = [
        "connection: close, Upgrade, HTTP2-Settings",
        `upgrade: ${other}`,
        "http2-settings: AAMAAABkAAQAAP__"
      ]
      const reply = await raw(head(chat, "host: a", json, ...upgrade, `content-length: ${text.length}`) + text)
      expect(statuses(reply)).toEqual([200])
    }
  )

  it("of an upstream do not come back, nor does its key", async () => {
    const reply = await post(body("talkative/m"))
    const headers = JSON.stringify([...reply.headers])
    expect(headers).not.toMatch(/SECRET|OURS/)
    expect(reply.headers.get("access-control-allow-origin")).toBeNull()
  })

  const answers: ReadonlyArray<readonly [method: string, path: string, status: number]> = [
    ["GET", "/v1/models", 200],
    ["GET", "/v1/models/nobody", 404],
    ["GET", "/api/v1/health", 200],
    ["GET", "/api/v1/health/live", 200],
    ["GET", "/api/v1/health/ready", 200],
    ["GET", "/api/v1/health/monitoring", 200],
    ["GET", "/metrics", 200],
    ["GET", "/dashboard", 200],
    ["GET", "/docs", 200],
    ["GET", "/openapi.json", 200],
    ["GET", "/nowhere", 404],
    ["DELETE", "/v1/models", 405],
    ["OPTIONS", "/v1/chat/completions", 405],
    ["POST", "/v1/chat/completions", 400]
  ]

  it.each(answers)("of the answer to %s %s say what a browser may do with it", async (method, path, status) => {
    const reply = await fetch(`${gateway.origin}${path}`, { method })
    await reply.arrayBuffer()
    expect(reply.status).toBe(status)
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff")
    expect(reply.headers.get("referrer-policy")).toBe("no-referrer")
    expect(reply.headers.get("cache-control")).toMatch(/no-store|no-cache/)
    expect(reply.headers.get("content-security-policy")).toMatch(/^default-src 'none'.*frame-ancestors 'none'/)
    expect(reply.headers.get("content-type") ?? "").toMatch(/^$|application\/|charset=utf-8|^text\/plain/)
    expect(reply.headers.get("server")).toBeNull()
    expect(reply.headers.get("x-powered-by")).toBeNull()
  })

  it("of completions, streams and of what the parser refuses say the same", async () => {
    const whole = await post(body("upstream/ok"))
    const stream = await post(body("upstream/ok").replace(/\}$/, ",\"stream\":true}"))
    for (const reply of [whole, stream]) {
      await reply.arrayBuffer()
      expect(reply.headers.get("x-content-type-options")).toBe("nosniff")
      expect(reply.headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'")
    }
    expect(await raw("NONSENSE\r\n\r\n")).toMatch(/^x-content-type-options: nosniff\r$/m)
  })
})
