import { describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
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
  /** Asked once, then idle until the door is closed. */
  const lateOn = async (gateway: Gateway.Gateway, socket: Socket, early: string): Promise<string> => {
    socket.write("GET /api/v1/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
    expect((await once(socket, "data"))[0]).toMatch(/^HTTP\/1\.1 200 /)
    const body = JSON.stringify({ model: "sim-fast", messages: [{ role: "user", content: "Hello" }] })
    const text = `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-request-id: late\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
    socket.write(text.slice(0, early.length))
    const stopped = gateway.stop()
    await gateway.says(/closed to newcomers/)
    socket.write(text.slice(early.length))
    const answer = await rest(socket)
    expect(await stopped).toBe(0)
    expect(gateway.output()).toMatch(/"message":"POST \/v1\/chat\/completions 200".*"breakwater.request.id":"late"/)
    return answer
  }

  it.each([
    { what: "an idle connection from before", early: "" },
    { what: "a connection from before, begun before", early: "POST /v1/chat" }
  ])("on $what is served a last time, and the connection closes", async ({ early }) => {
    const gateway = await Gateway.start({ server: { drain } })
    const [head = "", text = ""] = (await lateOn(gateway, await open(gateway), early)).split("\r\n\r\n")
    expect(head).toMatch(/^HTTP\/1\.1 200 /)
    expect(head).toMatch(/^connection: close$/m)
    expect(head).toMatch(/^x-request-id: late$/m)
    expect(JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1)).object).toBe("chat.completion")
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
