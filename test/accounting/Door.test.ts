import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { toUsd } from "../../src/domain/Money.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { costOf, toRecord } from "../../src/gateway/Decision.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Logger from "../../src/observability/Logger.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask as request, flow, script } from "../flow/Scripted.ts"
import { ask, hello, post } from "../server/Client.ts"

const prices = { priced: { "sim-fast": { usdPerMtok: { input: "0.000001", output: 2 } } } }

/** The server over two simulated providers, of which the file prices one. */
const serve = (lines: Array<string>) =>
  HttpRouter.toWebHandler(
    Server.layer(defaultServerSettings).pipe(
      Layer.provide(Gateway.layer({ prices })),
      Layer.provide(Providers.layer([Simulated.make("priced"), Simulated.make("free")])),
      Layer.provide(HttpServer.layerServices),
      Layer.provide(Logger.layerLines({ format: "json", level: "info" }, (line) => lines.push(line)))
    ),
    { disableLogger: true }
  )

/** The first `count` lines of ended requests, when they are there. */
const ended = async (lines: ReadonlyArray<string>, count: number) => {
  for (;;) {
    const found = lines.map((line) => JSON.parse(line)).filter((line) =>
      line["event.name"] === "breakwater.request.completed"
    )
    if (found.length >= count) return found
    await new Promise((next) => setImmediate(next))
  }
}

describe("the cost of an answer", () => {
  it("stands in the header of a whole answer, in its line, and in the line of a stream, to the same pico-dollar", async () => {
    const lines: Array<string> = []
    const server = serve(lines)
    const whole = await post(server, { ...hello, model: "priced/sim-fast" })
    const stream = await post(server, { ...hello, model: "priced/sim-fast", stream: true })
    const { usage } = JSON.parse(whole.text)
    const expected = toUsd(usage.prompt_tokens + usage.completion_tokens * 2_000_000)
    expect(whole.headers.get("x-breakwater-cost-usd")).toBe(expected)
    expect(stream.headers.get("x-breakwater-cost-usd")).toBeNull()
    for (const line of await ended(lines, 2)) {
      expect(line).toMatchObject({
        "breakwater.cost.usd": expected,
        "breakwater.cost.source": "computed",
        "gen_ai.usage.cost": Number(expected)
      })
      expect(line).not.toHaveProperty("breakwater.cost.absent")
    }
    await server.dispose()
  })

  it("is absent with its reason where nobody knows the price, and counted as unpriced", async () => {
    const lines: Array<string> = []
    const server = serve(lines)
    const whole = await post(server, { ...hello, model: "free/sim-fast" })
    expect(whole.headers.get("x-breakwater-cost-usd")).toBeNull()
    const [line] = await ended(lines, 1)
    expect(line).toMatchObject({ "breakwater.cost.status": "unpriced", "breakwater.cost.absent": "model" })
    expect(line).not.toHaveProperty("gen_ai.usage.cost")
    await post(server, { ...hello, model: "priced/sim-fast" })
    await ended(lines, 2)
    const { text } = await ask(server, "/metrics")
    expect(text).toMatch(/^breakwater_unpriced_total\{target="free\/[^"]+"\} [1-9]/m)
    expect(text).toMatch(/^breakwater_cost_usd_total\{target="priced\/[^"]+"\} \d/m)
    await server.dispose()
  })

  it.effect("is not claimed where nobody answered, and is in the record where somebody did", () =>
    Effect.gen(function*() {
      const asked = request()
      const completion = yield* Completion
      yield* completion.complete(asked)
      const { decision } = asked
      expect(toRecord(decision)).not.toHaveProperty("cost_absent")
      decision.endedAtMs = 1
      expect(toRecord(decision)).toMatchObject({ cost_absent: "model" })
      expect(costOf({ ...request().decision, endedAtMs: 1 })).toBeUndefined()
    }).pipe(Effect.provide(flow([script("a", "ok")]))))
})
