import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { request } from "undici"
import * as TransportConnections from "../../src/providers/TransportConnections.ts"

const connections = TransportConnections.make({ allowH2: false })
let sockets = 0
const waiting: Array<() => void> = []
const server = createServer((incoming, response) => {
  if (incoming.url === "/wait") waiting.push(() => response.end("late"))
  else response.end("now")
})
server.on("connection", (socket) => {
  sockets += 1
  socket.on("close", () => sockets -= 1)
})
let origin = ""
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // What listens on a port has an address with one.
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await connections.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const get = async (path: string): Promise<string> => {
  // undici's client asks a dispatcher for `dispatch` alone.
  const dispatcher = Object.assign(Object.create(null), connections)
  const { body } = await request(`${origin}${path}`, { dispatcher })
  const text = await body.text()
  // undici takes a connection back at the next turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve))
  return text
}
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}
const together = async (count: number): Promise<void> => {
  const asked = Array.from({ length: count }, () => get("/wait"))
  await until(() => waiting.length === count)
  for (const answer of waiting.splice(0)) answer()
  expect(new Set(await Promise.all(asked))).toEqual(new Set(["late"]))
}

describe("TransportConnections", () => {
  it("asks again on the connection that is free", async () => {
    await get("/")
    await get("/")
    expect(sockets).toBe(1)
  })

  for (const count of [2, 20]) {
    it(`answers after all of ${count} connections at once have ended`, async () => {
      await together(count)
      expect(sockets).toBe(count)
      server.closeAllConnections()
      await until(() => sockets === 0)
      expect(await get("/")).toBe("now")
      expect(sockets).toBe(1)
    })
  }
})
