import { describe, expect, it } from "@effect/vitest"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import * as Decision from "../../src/gateway/Decision.ts"
import * as Recent from "../../src/gateway/Recent.ts"
import { Captured } from "../../src/observability/Capture.ts"

const request: ChatRequest = { model: "fast", messages: [{ role: "user", content: "words" }] }

describe("the requests that are remembered", () => {
  it("are found by their id, and hold nothing of what was said in them", () => {
    const recent = Recent.make()
    const decision = Decision.make("one")
    decision.captured = new Captured("content", request)
    recent.add(decision)
    expect(recent.find("one")).toBe(decision)
    expect(recent.find("one")?.captured).toBeUndefined()
  })
})
