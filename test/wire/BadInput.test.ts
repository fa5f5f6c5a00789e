import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { Agent, request } from "node:http"
import { connect } from "node:net"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"
import { bodies, type Malformed, wires } from "./Malformed.ts"

let upstream: Upstream
let gateway: Gateway.Gateway
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

beforeAll(async () => {
  upstream = await start()
  gateway = await Gateway.start({
    server: { limits: { body: "1mb" } },
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } }
  })
})

afterAll(async () => {
  agent.destroy()
  await gateway?.stop()
  await upstream?.close()
})

const isRefusal = (status: number): boolean => status >= 400 && status < 500

const post = async ({ body, headers }: Malformed) => {
  const sent = request(`${gateway.url}/chat/completions`, {
    method: "POST",
    agent,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers }
  })
  sent.end(body)
  const [response] = await once(sent, "response")
  const text: string = (await response.setEncoding("utf8").toArray()).join("")
  return { status: response.statusCode as number, headers: response.headers as Record<string, string>, text }
}

/** What comes back for raw bytes before the other side closes the connection. */
const raw = (bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1", () => socket.write(bytes, "latin1"))
    socket.setEncoding("latin1").on("data", (piece: string) => {
      text += piece
      if (text.includes("\r\n\r\n")) socket.destroy()
    })
    socket.on("error", () => undefined)
    socket.on("close", () => resolve(text))
  })

describe("a malformed request", () => {
  it("comes in more than two hundred kinds", () => {
    expect(bodies.length).toBeGreaterThan(200)
  })

  it.for(bodies)("is refused in OpenAI's envelope: $what", async (malformed) => {
    const { headers, status, text } = await post(malformed)
    // The text is here for the one who reads a failure.
    expect({ status, text }).toMatchObject({ status: malformed.status ?? expect.toSatisfy(isRefusal) })
    const { error } = JSON.parse(text)
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"])
    expect(error.message).not.toBe("")
    expect(error.type).toBe("invalid_request_error")
    if (malformed.param !== undefined) expect(error.param).toBe(malformed.param)
    expect(headers["content-type"]).toContain("application/json")
    expect(headers["x-request-id"]).toBeTypeOf("string")
    expect(text).not.toMatch(/\bat .*\.ts:\d+|node_modules|SchemaError/)
  })

  it.for(wires)("that is no HTTP is refused or hung up on: $what", async ({ bytes }) => {
    const text = await raw(bytes)
    expect(text).toMatch(/^$|^HTTP\/1\.1 4\d\d /)
  })

  it("never reaches the upstream", () => {
    expect(upstream.attempts).toEqual([])
  })

  it("does no harm: the process is up, its health is good, and the next request is answered", async () => {
    expect(gateway.isRunning()).toBe(true)
    expect((await fetch(`${gateway.origin}/api/v1/health`)).status).toBe(200)
    const seen = await call(gateway.url, { model: "upstream/ok" })
    expect(readAnswer(seen).content).toBe(answer)
  })
})
