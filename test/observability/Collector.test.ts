import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Exporter } from "../../src/observability/Export.ts"
import { defaultOtlpSettings, layer } from "../../src/observability/Tracing.ts"

/** A collector that takes one span less than it is sent of whatever comes. */
const collector = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        const type = String(request.headers["content-type"])
        const answer = type.includes("json")
          ? "{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}"
          : Buffer.from([0x0a, 2, 0x08, 1])
        response.writeHead(200, { "content-type": type }).end(answer)
      })
    })
    await once(server.listen(0, "127.0.0.1"), "listening")
    return server
  }),
  (server) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

describe("headers for traces alone", () => {
  for (const exporter of ["native", "sdk"] as const) {
    it.live(`take the place of those for everything, through ${exporter}`, () =>
      Effect.gen(function*() {
        const server = yield* collector
        const asked = once(server, "request")
        // A server that listens on a TCP port has such an address.
        const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const settings = {
          headers: { "x-general": Redacted.make("1") },
          tracesHeaders: { "x-traces": Redacted.make("2") }
        }
        yield* Effect.withSpan(Effect.void, "one").pipe(
          Effect.provide(layer({ ...defaultOtlpSettings, ...settings, endpoint, exporter, intervalMs: 20 }))
        )
        const [request] = yield* Effect.promise(() => asked)
        expect(request.headers).toMatchObject({ "x-traces": "2" })
        expect(request.headers).not.toHaveProperty("x-general")
      }))
  }
})

describe("spans that a collector rejects", () => {
  for (
    const [exporter, protocol] of [["native", "http/json"], ["sdk", "http/json"], ["sdk", "http/protobuf"]] as const
  ) {
    it.live(`are counted as dropped, through ${exporter} by ${protocol}`, () =>
      Effect.gen(function*() {
        const server = yield* collector
        // A server that listens on a TCP port has such an address.
        const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const state = yield* Effect.gen(function*() {
          const read = yield* Exporter
          for (const name of ["one", "two", "three"]) yield* Effect.withSpan(Effect.void, name)
          while ((read?.().exported ?? 0) + (read?.().dropped ?? 0) < 3) yield* Effect.sleep(5)
          return read?.()
        }).pipe(
          Effect.provide(layer({ ...defaultOtlpSettings, endpoint, exporter, protocol, batch: 3, intervalMs: 20 }))
        )
        expect(state).toEqual({ queued: 0, exported: 2, dropped: 1, failure: "the collector rejected 1 spans" })
      }))
  }
})
