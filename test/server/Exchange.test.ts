import { describe, expect, it } from "@effect/vitest"
import { answerHeaders, make } from "../../src/server/Exchange.ts"

const headersOf = (model: string) => {
  const exchange = make("id", "POST", "/v1/chat/completions", 0)
  Object.assign(exchange.decision, { provider: "local", model })
  return answerHeaders(exchange)
}

/** Where nobody answered and a target of this name was tried last. */
const triedOf = (model: string) => {
  const exchange = make("id", "POST", "/v1/chat/completions", 0)
  const target = `local/${model}`
  exchange.decision.attempts.push({ target, provider: "local", model, startedAtMs: 0, waitedMs: 0 })
  return answerHeaders(exchange)
}

describe("the headers of an answer", () => {
  it("name the model as it is", () => {
    expect(headersOf("meta/llama-3:8b")["x-breakwater-model"]).toBe("meta/llama-3:8b")
  })

  it.each(["模型", "a\r\nset-cookie: b", "\0", "\ud800", "é"])("can be sent with the model %j", (model) => {
    for (const headers of [headersOf(model), triedOf(model)]) {
      expect(headers["x-breakwater-model"]).toMatch(/^[\x21-\x7e]+$/)
      expect(() => new Headers(headers)).not.toThrow()
    }
  })

  it("write a span with never sixty of a unit", () => {
    const exchange = make("id", "POST", "/v1/chat/completions", 0)
    const spans = [0, 12.2, 1500, 59_899, 59_988, 60_000, 119_500, 359_999, 360_001].map((resetMs) => {
      exchange.decision.standings = { requests: { limit: 1, remaining: 0, resetMs } }
      return answerHeaders(exchange)["x-ratelimit-reset-requests"]
    })
    expect(spans).toEqual(["0ms", "13ms", "1.5s", "59.9s", "1m0s", "1m0s", "2m0s", "6m0s", "6m1s"])
  })
})
