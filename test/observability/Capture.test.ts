import { describe, expect, it } from "@effect/vitest"
import { Captured } from "../../src/observability/Capture.ts"

describe("what is kept of a stream", () => {
  it("has an end, also where all of it are arguments of a tool", () => {
    const captured = new Captured("content", { model: "m", messages: [{ role: "user", content: "x" }] })
    let taken = 0
    const called = {
      name: "",
      get arguments() {
        taken++
        return "word ".repeat(2000)
      }
    }
    for (let at = 0; at < 100; at++) {
      captured.saw({
        id: "c",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: called }] }, finish_reason: null }]
      })
    }
    expect(taken).toBeLessThan(20)
    expect(String(captured.attributes()["gen_ai.output.messages"]).length).toBeLessThanOrEqual(65_537)
  })
})
