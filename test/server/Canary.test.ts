import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { CurrentInstruments, Instruments } from "../../src/observability/Instruments.ts"
import { layerLines } from "../../src/observability/Logger.ts"
import { ServerSpans } from "../../src/observability/Tracing.ts"
import type { AnswerStream, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { correlate } from "../../src/server/RequestLog.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask, post } from "./Client.ts"
import { frame, layerFake, makeFake } from "./Fake.ts"

const canary = "canary capercaillie quill"
const defect = new Error(canary, { cause: { prompt: canary } })

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "bigint"
      ? String(inner)
      : inner instanceof Map
      ? [...inner]
      : inner instanceof Error
      ? [inner.name, inner.message, inner.stack, inner.cause]
      : inner)

/** Dies of every request, at once or, where that is asked for, once a stream has begun. */
const dying: Provider = {
  name: "up",
  kind: "scripted",
  models: ["m", "later"],
  complete: () => Effect.die(defect),
  stream: ({ model }) => {
    const first = [frame("said")] as const
    let pulls = 0
    const pull: AnswerStream["pull"] = Effect.suspend((): AnswerStream["pull"] =>
      pulls++ === 0 ? Effect.succeed(first) : Effect.die(defect)
    )
    return model === "later"
      ? Effect.succeed({ pull, stop: () => {}, nudge: () => {}, upstreamRequestId: undefined })
      : Effect.die(defect)
  }
}

const fake = () => layerFake({ ...makeFake(), defect })
const real = () =>
  Gateway.layer().pipe(Layer.provide(Layer.succeed(Providers, { providers: new Map([["up", dying]]) })))

type Flow = ReturnType<typeof fake>

/** A door that is watched, over a flow of either kind. */
const watched = (flow: Flow) => {
  const lines: Array<string> = []
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const server = HttpRouter.toWebHandler(
    Server.layer(defaultServerSettings).pipe(
      Layer.provideMerge(flow),
      Layer.provideMerge(Layer.mergeAll(
        layerLines({ format: "json", level: "trace" }, (line) => lines.push(line), correlate),
        Layer.succeed(Tracer.Tracer, tracer),
        Layer.succeed(ServerSpans, { sample: 1 }),
        Layer.succeed(CurrentInstruments, new Instruments())
      )),
      Layer.provide(HttpServer.layerServices)
    ),
    { disableLogger: true }
  )
  return { lines, server, spans }
}

/** Requests that meet it; the text of each answer and of every page, with their paths. */
const met = async (
  { server }: ReturnType<typeof watched>,
  asked: ReadonlyArray<readonly [string, boolean, number]>
) => {
  const told: Array<readonly [string, string]> = []
  for (const [model, stream, status] of asked) {
    const reply = await post(server, { model, stream, messages: [{ role: "user", content: canary }] })
    expect([model, stream, reply.status]).toEqual([model, stream, status])
    const id = reply.headers.get("x-request-id") ?? ""
    told.push([model, reply.text])
    told.push(["record", (await ask(server, `/api/v1/health/monitoring/requests/${id}`)).text])
  }
  for (const path of ["/metrics", "/api/v1/health", "/api/v1/health/monitoring", "/dashboard", "/v1/models"]) {
    told.push([path, (await ask(server, path)).text])
  }
  await server.dispose()
  return told
}

describe("a defect that holds what a caller wrote", () => {
  for (
    const [where, flow, asked] of [
      ["in the gateway itself", fake, [["fast", false, 500], ["fast", true, 500]]],
      ["in a provider", real, [["up/m", false, 500], ["up/m", true, 500], ["up/later", true, 200]]]
    ] as const
  ) {
    it(`${where} tells nobody of it: no line, span, metric, answer, record or page`, async () => {
      const world = watched(flow())
      const told = await met(world, asked)
      const log = world.lines.map((line) => JSON.parse(line))
      const defects = log.filter((line) => String(line["event.name"]).endsWith("defect"))
      expect(defects.length).toBe(asked.length)
      expect(log.filter((line) => line["breakwater.request.id"] === undefined)).toEqual([])
      const isOfChat = (line: (typeof log)[number]) => line["http.route"] === "/v1/chat/completions"
      expect(log.filter((line) => line["trace_id"] === undefined && isOfChat(line))).toEqual([])
      expect(world.spans.length).toBeGreaterThan(1)
      const text = new Map(told)
      expect(text.get("/metrics")).toContain("error_type=\"InternalFailure\"")
      if (flow === real) {
        expect(text.get("/api/v1/health/monitoring")).toContain("InternalFailure")
        expect(text.get("record")).toContain("up/later")
      }
      const spans = world.spans.map(({ attributes, events, status }) => ({ attributes, events, status }))
      expect(shown([world.lines, told, spans])).not.toContain("capercaillie")
    })
  }
})
