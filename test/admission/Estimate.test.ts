import { describe, expect, it } from "@effect/vitest"
import { estimate } from "../../src/admission/Estimate.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"

const request = (more: Partial<ChatRequest> = {}): ChatRequest => ({
  model: "fast",
  messages: [{ role: "user", content: "hi" }],
  ...more
})

describe("an estimate", () => {
  it("is a token for each character of plain text at most, and a quarter of that about", () => {
    expect(estimate(request(), "a".repeat(1000))).toEqual({ about: 250, input: 1000, output: 4096 })
  })

  it("is not below what a tokenizer counts of letters that are several tokens each", () => {
    // Tokens of one by OpenAI's o200k_base.
    for (const [letter, tokens] of [["ꙮ", 3], ["ᚠ", 3], ["龘", 2]] as const) {
      expect(estimate(request(), letter.repeat(1000)).input).toBeGreaterThanOrEqual(1000 * tokens)
    }
  })

  it("takes the caller's own bound on the answer, for each choice", () => {
    expect(estimate(request({ max_tokens: 10 }), "").output).toBe(10)
    expect(estimate(request({ max_tokens: 10, max_completion_tokens: 20, n: 3 }), "").output).toBe(60)
  })

  it("is a safe integer, whatever the caller writes", () => {
    for (const n of [1, 128]) {
      expect(estimate(request({ max_tokens: 1e308, n }), "").output).toBe(Number.MAX_SAFE_INTEGER)
    }
  })

  it("counts pictures, recordings and files by themselves and not by their data", () => {
    const data = "a".repeat(9000)
    const content: NonNullable<Extract<ChatRequest["messages"][number], { role: "user" }>["content"]> = [
      { type: "text" as const, text: "what is this?" },
      { type: "image_url" as const, image_url: { url: `data:image/png;base64,${data}` } },
      { type: "input_audio" as const, input_audio: { data, format: "wav" } },
      { type: "file" as const, file: { file_data: data } }
    ]
    const text = JSON.stringify(content)
    const { about, input } = estimate(request({ messages: [{ role: "user", content }] }), text)
    expect(input).toBeLessThan(6000 + 300)
    expect(about).toBeGreaterThan(6000)
  })

  it("takes a part that it does not know for text, whatever its members are", () => {
    const parts = ["image_url", "input_audio", "file"].flatMap((member) =>
      [null, "https://example.com", 1, {}].map((value) => ({ type: "another", [member]: value }))
    )
    const [first = { type: "another" }, ...rest] = parts
    const { input } = estimate(request({ messages: [{ role: "user", content: [first, ...rest] }] }), "a".repeat(500))
    expect(input).toBe(500)
  })
})
