import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import type { AddressInfo, Socket } from "node:net"
import { createServer as createTcp } from "node:net"
import { join } from "node:path"
import * as Wire from "../wire/Gateway.ts"
import { answer } from "./Answer.ts"
import { call, readAnswer } from "./Client.ts"
import { limits } from "./scenarios.ts"
import { start, type Upstream } from "./Upstream.ts"

let resets = 0
/** Resets each connection as soon as the client has said hello. */
const resetting = createTcp((socket: Socket) => {
  socket.on("error", () => undefined)
  socket.once("data", () => {
    resets += 1
    socket.resetAndDestroy()
  })
})

let fallback: Upstream
let gateway: Wire.Gateway

const listen = (server: typeof resetting): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A server on a port has an address with a port.
      resolve((server.address() as AddressInfo).port)
    })
  })

beforeAll(async () => {
  fallback = await start({ name: "fallback" })
  const provider = (baseUrl: string) => ({ kind: "openai-compatible", baseUrl, apiKey: "none" })
  const ordered = (name: string) => ({
    strategy: "ordered",
    targets: [{ provider: name, model: "any" }, { provider: "fallback", model: `ok#${name}` }]
  })
  gateway = await Wire.start({
    providers: {
      fallback: provider(fallback.url),
      // A label of 64 letters cannot be looked up, so nobody is asked.
      nameless: provider(`http://${"a".repeat(64)}.invalid/v1`),
      // Of NameServer.ts: known from the second question on, and never.
      blip: provider(fallback.url.replace("127.0.0.1", "name.blip.test")),
      lost: provider("http://name.lost.test/v1"),
      reset: provider(`https://127.0.0.1:${await listen(resetting)}/v1`)
    },
    models: {
      nameless: ordered("nameless"),
      lost: ordered("lost"),
      reset: ordered("reset")
    },
    defaults: limits
  }, join(import.meta.dirname, "NameServer.ts"))
})

afterAll(async () => {
  await gateway?.stop()
  await fallback?.close()
  resetting.close()
})

const ask = async (model: string) => {
  const seen = await call(gateway.url, { model })
  return { content: readAnswer(seen).content, provider: seen.headers["x-breakwater-provider"] }
}

const attemptsFor = async (model: string): Promise<unknown> =>
  (await call(gateway.url, { model })).headers["x-breakwater-attempts"]

describe("below HTTP", () => {
  it("a name that nobody knows fails over", async () => {
    expect(await ask("nameless")).toEqual({ content: answer, provider: "fallback" })
  })

  it("a name server that fails in passing is asked again", async () => {
    expect(await attemptsFor("blip/ok#blip")).toBe("2")
    expect(await ask("blip/ok#blip")).toEqual({ content: answer, provider: "blip" })
  })

  it("a name server that goes on failing is asked again once, then the target fails over", async () => {
    expect(await attemptsFor("lost")).toBe("3")
    expect(await ask("lost")).toEqual({ content: answer, provider: "fallback" })
  })

  it("a handshake that is reset is tried again once, then fails over", async () => {
    expect(await ask("reset")).toEqual({ content: answer, provider: "fallback" })
    expect(resets).toBe(2)
  })
})
