import { describe, expect, it } from "@effect/vitest"
import { answerHeaders, make } from "../../src/server/Exchange.ts"

const headersOf = (model: string) => {
  const exchange = make("id", "POST", "/v1/chat/completions", 0)
  Object.assign(exchange.decision, { provider: "local", model })
  return answerHeaders(exchange)
}

describe("the headers of an answer", () => {
  it("name the model as it is", () => {
    expect(headersOf("meta/llama-3:8b")["x-breakwater-model"]).toBe("meta/llama-3:8b")
  })

  it.each(["模型", "a\r\nset-cookie: b", "\0", "\ud800", "é"])("can be sent with the model %j", (model) => {
    const headers = headersOf(model)
    expect(headers["x-breakwater-model"]).toMatch(/^[\x21-\x7e]+$/)
    expect(() => new Headers(headers)).not.toThrow()
  })
})
