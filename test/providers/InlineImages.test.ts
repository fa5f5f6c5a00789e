import "../faults/NameServer.ts"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Server } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { type GatewayError, gatewayError, UpstreamFailed } from "../../src/domain/GatewayError.ts"
import * as CallerTransport from "../../src/providers/CallerTransport.ts"
import { Images, layerNoDeps } from "../../src/providers/Images.ts"
import { inlining } from "../../src/providers/InlineImages.ts"
import * as NameLookup from "../../src/providers/NameLookup.ts"
import type { Provider, ProviderCall } from "../../src/providers/Provider.ts"
import { makeTable } from "../../src/validation/Address.ts"
import * as Url from "../../src/validation/Url.ts"
import { callOf } from "./Calls.ts"

/** All of 127.0.0.0/8 is this machine; macOS has one address of it only. */
const hasAddresses = process.platform !== "darwin"

/** Of loopback, 127.0.0.2 stands for the public internet. */
const table = makeTable({ refused: [["127.0.0.0/31", "here"], ["127.0.0.3/32", "private"]], reachable: [] })
const picture = Buffer.from("GIF89a\x04\x00\x05\x00", "latin1")

const connections = { open: 0, hidden: 0 }
const serving = (which: keyof typeof connections): Server =>
  createServer((_, response) => response.writeHead(200, { "content-type": "image/gif" }).end(picture))
    .on("connection", () => {
      connections[which] += 1
    })
const open = serving("open")
const hidden = serving("hidden")
let port = 0

const listen = (server: Server, at: number, address: string): Promise<number> =>
  new Promise((resolve) => {
    // A server on a port has an address with a port.
    server.listen(at, address, () => resolve((server.address() as AddressInfo).port))
  })
beforeAll(async () => {
  if (!hasAddresses) return
  port = await listen(open, 0, "127.0.0.2")
  await listen(hidden, port, "127.0.0.3")
})
afterAll(() => {
  for (const server of [open, hidden]) server.close().closeAllConnections()
})

/** An upstream that fetches nothing and answers nothing; what it is asked is what counts. */
const makeUpstream = () => {
  const asked: Array<ProviderCall> = []
  const ask = (call: ProviderCall) =>
    Effect.suspend(() => {
      asked.push(call)
      return Effect.fail(gatewayError(new UpstreamFailed({ message: "asked" })))
    })
  const provider: Provider = { name: "p", kind: "bytes", models: [], complete: ask, stream: ask }
  return { asked, provider }
}

const messages = (url: string): ChatRequest["messages"] => [
  { role: "user", content: [{ type: "text", text: "what?" }, { type: "image_url", image_url: { url } }] }
]

const withImages = <A, E>(use: (images: Images["Service"]) => Effect.Effect<A, E>) =>
  Effect.suspend(() =>
    Effect.flatMap(Images, use).pipe(
      Effect.provide(
        layerNoDeps({ fetch: true }).pipe(
          Layer.provide(CallerTransport.layer()),
          Layer.provide(Url.layer({ table, ports: new Set([port]) })),
          Layer.provide(NameLookup.layer())
        )
      )
    )
  )

const reasonOf = (provider: Provider, call: ProviderCall, how: "complete" | "stream") => {
  const asked: Effect.Effect<unknown, GatewayError> = how === "complete"
    ? provider.complete(call)
    : Effect.scoped(provider.stream(call))
  return Effect.map(Effect.flip(asked), ({ reason }) => reason._tag)
}

describe.runIf(hasAddresses).each(["complete", "stream"] as const)(
  "an upstream that takes bytes only, asked to %s",
  (how) => {
    it.live("is given the image that the name led to when it was judged, and nothing once it has moved inside", () =>
      withImages((images) =>
        Effect.gen(function*() {
          connections.open = 0
          const { asked, provider } = makeUpstream()
          const inlined = inlining(provider, images)
          const call = callOf("m", { messages: messages(`http://${how}.moving.example:${port}/a.gif`) })
          expect(yield* reasonOf(inlined, call, how)).toBe("UpstreamFailed")
          expect(asked.map(({ request }) => request.messages)).toEqual([
            messages(`data:image/gif;base64,${picture.toString("base64")}`)
          ])
          expect(asked[0]?.source).toBe(call.source)
          for (let again = 0; again < 5; again++) expect(yield* reasonOf(inlined, call, how)).toBe("InvalidRequest")
          expect(asked).toHaveLength(1)
          expect(connections).toEqual({ open: 1, hidden: 0 })
        })
      ))

    it.live("is given a request without images as it is", () =>
      withImages((images) =>
        Effect.gen(function*() {
          const { asked, provider } = makeUpstream()
          const call = callOf("m")
          yield* reasonOf(inlining(provider, images), call, how)
          expect(asked[0]?.request).toBe(call.request)
        })
      ))
  }
)
