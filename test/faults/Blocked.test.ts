import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { join } from "node:path"
import * as Wire from "../wire/Gateway.ts"
import { answer } from "./Answer.ts"
import { call, readAnswer } from "./Client.ts"
import { start, type Upstream } from "./Upstream.ts"

let upstream: Upstream
let gateway: Wire.Gateway

beforeAll(async () => {
  upstream = await start()
  gateway = await Wire.start({
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } },
    // Shorter than the time that is lost.
    defaults: { timeouts: { idle: "1s" } }
  }, join(import.meta.dirname, "LoopBlock.ts"))
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

describe("a gateway whose event loop stood still for two seconds", () => {
  it("is alive again at once, and cuts no stream for the time it lost", async () => {
    const begun = Promise.withResolvers<void>()
    // A word each 100 ms: the upstream is never silent.
    const streams = Array.from(
      { length: 10 },
      (_, index) =>
        call(gateway.url, { model: `upstream/drip:100#${index}`, stream: true, onPiece: () => begun.resolve() })
    )
    await begun.promise
    gateway.signal("SIGUSR2")
    expect((await fetch(`${gateway.origin}/api/v1/health/live`)).status).toBe(200)
    const seen = await Promise.all(streams)
    expect(seen.map((each) => readAnswer(each).content)).toEqual(seen.map(() => answer))
  })
})
