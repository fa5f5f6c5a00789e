/** What the library's own server span gets wrong, or would, and ours may not. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as Layer from "effect/Layer"
import { ServerSpans } from "../../src/observability/Tracing.ts"
import { layerTraced, type Seen } from "../flow/Traced.ts"
import { chatPath, hello } from "./Client.ts"
import { frame, makeFake } from "./Fake.ts"
import { listen } from "./Socket.ts"

const tracing = (spans: Array<Seen>, sample = 1) =>
  Layer.mergeAll(
    layerTraced(spans),
    Layer.succeed(ServerSpans, { sample }),
    Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
  )

const post = (url: string, body: object, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  fetch(url + chatPath, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    ...(signal === undefined ? {} : { signal })
  })

/** Resolves once the first span is over. */
const over = async (spans: ReadonlyArray<Seen>): Promise<void> => {
  while (spans[0]?.isOver() !== true) await new Promise((resolve) => setImmediate(resolve))
}

describe("the server span", () => {
  it.live("is open as long as its stream, and over when its caller leaves, without an error", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const fake = makeFake()
      fake.frames = [[frame("one")]]
      fake.ending = "hang"
      const url = yield* listen(fake, [], {}, tracing(spans))
      yield* Effect.promise(async () => {
        const leave = new AbortController()
        const response = await post(url, { ...hello, stream: true }, {}, leave.signal)
        await response.body?.getReader().read()
        expect(spans.map((span) => [span.name, span.ended()])).toEqual([["POST /v1/chat/completions", "open"]])
        leave.abort()
        await over(spans)
      })
      expect(spans[0]?.ended()).toBe("interrupted")
      expect(spans[0]?.attributes).toMatchObject({ "breakwater.cancelled": true })
      expect(spans[0]?.attributes).not.toHaveProperty("error.type")
    }))

  it.live("names the caller whom a trusted proxy names, and the connection's address where none is trusted", () =>
    Effect.gen(function*() {
      for (const [trustedProxies, address] of [[["127.0.0.0/8"], "198.51.100.7"], [[], "127.0.0.1"]] as const) {
        const spans: Array<Seen> = []
        const url = yield* listen(makeFake(), [], { trustedProxies }, tracing(spans))
        yield* Effect.promise(async () =>
          await (await post(url, hello, { "x-forwarded-for": "6.6.6.6, 198.51.100.7" })).text()
        )
        expect(spans[0]?.attributes).toMatchObject({ "client.address": address })
      }
    }))

  it.live("is one, and there is no other of the library's", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const url = yield* listen(makeFake(), [], {}, tracing(spans))
      yield* Effect.promise(async () => await (await fetch(`${url}/v1/models`)).text())
      expect(spans.map(({ kind, name }) => [kind, name])).toEqual([["server", "GET /v1/models"]])
    }))

  for (
    const [name, headers] of [
      ["traceparent", { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }],
      ["b3", { b3: "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1" }],
      ["x-b3-*", {
        "x-b3-traceid": "0af7651916cd43dd8448eb211c80319c",
        "x-b3-spanid": "b7ad6b7169203331",
        "x-b3-sampled": "1"
      }]
    ] as const
  ) {
    it.live(`is a child of what comes as ${name}`, () =>
      Effect.gen(function*() {
        const spans: Array<Seen> = []
        const url = yield* listen(makeFake(), [], {}, tracing(spans))
        yield* Effect.promise(async () => await (await fetch(`${url}/v1/models`, { headers })).text())
        expect(spans[0]).toMatchObject({
          traceId: "0af7651916cd43dd8448eb211c80319c",
          parent: "b7ad6b7169203331"
        })
      }))
  }

  it.live("is not made for who is not drawn, whose log line then has no ids; a caller's ids are in it in any case", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const lines: Array<string> = []
      const url = yield* listen(makeFake(), lines, {}, tracing(spans, 0))
      yield* Effect.promise(async () => {
        await (await post(url, hello)).text()
        await (await post(url, hello, { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" }))
          .text()
      })
      expect(spans).toEqual([])
      const ids = lines.map((line): unknown => JSON.parse(line).trace_id)
      expect(ids).toEqual([undefined, "0af7651916cd43dd8448eb211c80319c"])
    }))

  it.live("is not made for probes, of which a viewer would be full, unless their caller traces them", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const url = yield* listen(makeFake(), [], {}, tracing(spans))
      const probes = ["/metrics", "/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"]
      const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
      yield* Effect.promise(async () => {
        for (const probe of probes) await (await fetch(url + probe)).text()
        expect(spans).toEqual([])
        await (await fetch(`${url}/api/v1/health/live`, { headers })).text()
      })
      expect(spans.map(({ name }) => name)).toEqual(["GET /api/v1/health/live"])
    }))

  it.live("has no name and no route of a caller's making, and no query", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const url = yield* listen(makeFake(), [], {}, tracing(spans))
      yield* Effect.promise(async () => await (await fetch(`${url}/made/up?key=secret`)).text())
      expect(spans[0]?.name).toBe("GET")
      expect(spans[0]?.attributes).toMatchObject({ "url.path": "/made/up", "http.response.status_code": 404 })
      expect(JSON.stringify(spans[0]?.attributes)).not.toContain("secret")
      expect(spans[0]?.attributes).not.toHaveProperty("http.route")
    }))
})
