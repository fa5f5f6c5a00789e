import { describe, expect, it } from "@effect/vitest"
import { byLength, saidBytes } from "../../src/accounting/Estimate.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { readAnswer } from "../../src/providers/protocols/OpenAiChat.ts"
import { exchanges, isPresent } from "../exchanges/Recorded.ts"

const asked = (...messages: ReadonlyArray<unknown>): ChatRequest => ({ model: "m", messages } as unknown as ChatRequest) // made up

/** Text and tokens without thinking, of each recorded whole answer that says what it used. */
const counted = exchanges.flatMap(({ name, response }) => {
  const read = readAnswer(JSON.stringify(response.body) ?? "", { id: name, created: 1, model: "m", nowMs: 0 })
  if ("_tag" in read || read.usage === undefined) return []
  const [choice, other] = read.completion.choices
  const tokens = read.usage.completionTokens - (read.usage.reasoningTokens ?? 0)
  return choice !== undefined && other === undefined && tokens > 0 && !choice.message.reasoning_content
    ? [{ bytes: saidBytes(choice.message), tokens }]
    : []
})

describe("an estimate by length", () => {
  it("is four bytes for a token and four tokens for a message", () => {
    expect(byLength.input(asked({ role: "user", content: "12345678" }))).toBe(6)
    expect(byLength.input(asked({ role: "user", content: "你好" }, { role: "system", content: "1" }))).toBe(10)
  })

  it("counts images as a whole, whatever the length of their data, and tools and their calls by what is written", () => {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(100_000)}` } }
    expect(byLength.input(asked({ role: "user", content: [{ type: "text", text: "1234" }, image] }))).toBe(770)
    const tools = [{ type: "function", function: { name: "f" } }] as ChatRequest["tools"] & {}
    expect(byLength.input({ ...asked({ role: "user", content: "" }), tools })).toBe(
      Math.ceil(4 + JSON.stringify(tools).length / 4)
    )
  })

  it("gives each event a token at least", () => {
    expect(byLength.output(9, 7)).toBe(7)
    expect(byLength.output(400, 7)).toBe(100)
  })

  it.skipIf(!isPresent)("is right to a sixth for the sum of all recorded answers", () => {
    const tokens = counted.reduce((sum, one) => sum + one.tokens, 0)
    const guess = counted.reduce((sum, { bytes }) => sum + byLength.output(bytes, 1), 0)
    expect(counted.length).toBeGreaterThan(20)
    expect(guess / tokens).toBeGreaterThan(5 / 6)
    expect(guess / tokens).toBeLessThan(7 / 6)
  })
})
