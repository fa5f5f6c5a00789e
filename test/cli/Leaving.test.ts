import { describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { envelopeFaults } from "../server/Client.ts"
import * as Gateway from "../wire/Gateway.ts"

const open = async (gateway: Gateway.Gateway): Promise<Socket> => {
  const socket = connect(Number(new URL(gateway.origin).port), "127.0.0.1")
  await once(socket, "connect")
  return socket.setEncoding("utf8")
}

/** All that comes until the other side closes. */
const rest = async (socket: Socket): Promise<string> => {
  let text = ""
  for await (const piece of socket) text += String(piece)
  return text
}

const drain = { notReady: "1s", streams: "60s" }

describe("a request that comes when the door is closed", () => {
  it("on a connection from before is told to come back, and the connection closes", async () => {
    const gateway = await Gateway.start({ server: { drain } })
    const socket = await open(gateway)
    socket.write("GET /api/v1/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
    expect((await once(socket, "data"))[0]).toMatch(/^HTTP\/1\.1 200 /)
    // Its first line is under way, so that the connection is not idle whenever the rest comes.
    const body = JSON.stringify({ model: "sim", messages: [{ role: "user", content: "Hello" }] })
    socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-request-id: late\r\n")
    const stopped = gateway.stop()
    await gateway.says(/closed to newcomers/)
    socket.write(`content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    const [head = "", text = ""] = (await rest(socket)).split("\r\n\r\n")
    expect(head).toMatch(/^HTTP\/1\.1 503 /)
    expect(head).toMatch(/^retry-after: 1$/m)
    expect(head).toMatch(/^connection: close$/m)
    expect(head).toMatch(/^x-request-id: late$/m)
    expect(head).not.toMatch(/x-should-retry/)
    expect(JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1)).error.code).toBe("draining")
    expect(envelopeFaults(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1))).toEqual([])
    expect(await stopped).toBe(0)
    expect(gateway.output()).toMatch(/"message":"POST \/v1\/chat\/completions 503".*"breakwater.request.id":"late"/)
  })

  it("on a connection that came while it was being taken out of rotation is served", async () => {
    const gateway = await Gateway.start({ server: { drain } })
    const stopped = gateway.stop()
    await gateway.says(/draining: serving/)
    const socket = await open(gateway)
    socket.write("GET /v1/models HTTP/1.1\r\nhost: a\r\n")
    await gateway.says(/closed to newcomers/)
    socket.write("\r\n")
    expect(await rest(socket)).toMatch(/^HTTP\/1\.1 200 [^]*^connection: close$/m)
    expect(await stopped).toBe(0)
  })
})

describe("a connection on which nothing was ever asked", () => {
  it("does not hold up the end", async () => {
    const gateway = await Gateway.start({ server: { drain: { notReady: "10ms", streams: "60s" } } })
    const socket = await open(gateway)
    const closed = rest(socket)
    expect(await gateway.stop()).toBe(0)
    expect(await closed).toBe("")
  })
})
