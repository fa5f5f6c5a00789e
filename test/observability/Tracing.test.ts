import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { defaultOtlpSettings, layer } from "../../src/observability/Tracing.ts"
import { chatPath, hello } from "../server/Client.ts"
import { makeFake } from "../server/Fake.ts"
import { listen } from "../server/Socket.ts"

interface SpanRecord {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly parentSpanId?: string
  readonly status: { readonly code?: number }
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Record<string, unknown> }>
}

/** An OTLP/HTTP receiver on loopback that keeps the spans it was sent. */
const receiver = Effect.acquireRelease(
  Effect.promise(async () => {
    const spans: Array<SpanRecord> = []
    const server = createServer((request, response) => {
      let text = ""
      request.on("data", (chunk) => (text += chunk))
      request.on("end", () => {
        for (const resource of JSON.parse(text).resourceSpans) {
          for (const scope of resource.scopeSpans) spans.push(...scope.spans)
        }
        response.end("{}")
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return { server, spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }),
  ({ server }) => Effect.promise(() => new Promise((resolve) => server.close(resolve)))
)

describe("tracing", () => {
  for (const exporter of ["sdk", "native"] as const) {
    it.live(`${exporter}: one server span a request, named by route, child of the caller's trace`, () =>
      Effect.gen(function*() {
        const { spans, url: endpoint } = yield* receiver
        const scope = yield* Scope.make()
        const url = yield* Scope.provide(
          listen(makeFake(), [], {}, layer({ ...defaultOtlpSettings, endpoint, exporter, protocol: "http/json" })),
          scope
        )
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        yield* Effect.promise(async () => {
          const response = await fetch(url + chatPath, {
            method: "POST",
            body: JSON.stringify({ ...hello, stream: true }),
            headers: { "content-type": "application/json", traceparent: `00-${traceId}-b7ad6b7169203331-01` }
          })
          await response.text()
        })
        yield* Scope.close(scope, Exit.void)
        const servers = spans.filter((span) => span.kind === 2)
        expect(servers.map((span) => span.name)).toEqual(["POST /v1/chat/completions"])
        expect(servers[0]?.traceId).toBe(traceId)
        expect(servers[0]?.parentSpanId).toBe("b7ad6b7169203331")
        const attributes = Object.fromEntries(
          (servers[0]?.attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]])
        )
        expect(attributes).toMatchObject({ "http.route": "/v1/chat/completions", "http.request.method": "POST" })
        expect(Number(attributes["http.response.status_code"])).toBe(200)
        expect(servers[0]?.status.code ?? 0).toBe(0)
      }))

    it.live(`${exporter}: a caller who does not sample is followed`, () =>
      Effect.gen(function*() {
        const { spans, url: endpoint } = yield* receiver
        const scope = yield* Scope.make()
        const url = yield* Scope.provide(
          listen(makeFake(), [], {}, layer({ ...defaultOtlpSettings, endpoint, exporter, protocol: "http/json" })),
          scope
        )
        const sampled = "1af7651916cd43dd8448eb211c80319c"
        yield* Effect.promise(async () => {
          for (
            const parent of ["0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", `${sampled}-b7ad6b7169203331-01`]
          ) {
            await (await fetch(`${url}/v1/models`, { headers: { traceparent: `00-${parent}` } })).text()
          }
        })
        yield* Scope.close(scope, Exit.void)
        expect(spans.map((span) => span.traceId)).toEqual([sampled])
      }))
  }
})
