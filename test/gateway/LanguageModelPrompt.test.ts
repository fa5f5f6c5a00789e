import { describe, expect, it } from "@effect/vitest"
import { Prompt } from "effect/ai"
import { messagesOf } from "../../src/gateway/LanguageModelPrompt.ts"

const said = (...messages: ReadonlyArray<Prompt.MessageEncoded>) => messagesOf(Prompt.make(messages))

const user = (...content: ReadonlyArray<Prompt.UserMessagePartEncoded>) => {
  const { messages, refused } = said({ role: "user", content })
  return { content: messages[0]?.content, refused }
}

const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])
const base64 = "iVBORw0KGgo="

describe("a prompt of Effect AI in OpenAI's words", () => {
  it("one text is a string, several are parts", () => {
    expect(user({ type: "text", text: "a" }).content).toBe("a")
    expect(user({ type: "text", text: "a" }, { type: "text", text: "b" }).content).toEqual([
      { type: "text", text: "a" },
      { type: "text", text: "b" }
    ])
  })

  it.each<readonly [string, Prompt.FilePartEncoded["data"], string]>([
    ["bytes", png, `data:image/png;base64,${base64}`],
    ["base64", base64, `data:image/png;base64,${base64}`],
    ["an address", new URL("https://example.com/a.png"), "https://example.com/a.png"],
    ["an address as text", "https://example.com/a.png", "https://example.com/a.png"],
    ["a data URI", "data:image/gif;base64,R0lGODlh", "data:image/gif;base64,R0lGODlh"]
  ])("an image as %s", (_, data, url) => {
    for (const mediaType of ["image/png", "image/*"]) {
      expect(user({ type: "file", mediaType, data }).content).toEqual([{ type: "image_url", image_url: { url } }])
    }
  })

  it("how closely an image is looked at is said as OpenAI's package for Effect says it", () => {
    const options = { openai: { imageDetail: "low" } }
    expect(user({ type: "file", mediaType: "image/png", data: base64, options }).content).toMatchObject([
      { image_url: { detail: "low" } }
    ])
  })

  it("what is to be cached is said as Anthropic's package for Effect says it, in the member that dialects read", () => {
    const options = { anthropic: { cacheControl: { type: "ephemeral", ttl: "1h" } } }
    const cache_control = options.anthropic.cacheControl
    expect(
      said(
        { role: "system", content: "rules", options },
        { role: "user", content: [{ type: "text", text: "a", options }, { type: "text", text: "b" }] },
        { role: "assistant", content: [{ type: "tool-call", id: "1", name: "f", params: {} }], options },
        {
          role: "tool",
          content: [{ type: "tool-result", id: "1", name: "f", isFailure: false, result: "x", options }]
        },
        { role: "user", content: [{ type: "text", text: "c" }], options },
        { role: "user", content: [{ type: "file", mediaType: "image/png", data: base64, options }] }
      ).messages
    ).toMatchObject([
      { content: [{ type: "text", text: "rules", cache_control }] },
      { content: [{ type: "text", text: "a", cache_control }, { type: "text", text: "b" }] },
      { role: "assistant", cache_control },
      { role: "tool", content: "x", cache_control },
      { content: [{ type: "text", text: "c", cache_control }] },
      { content: [{ type: "image_url", cache_control }] }
    ])
  })

  it("audio is its bytes and OpenAI's name of the format", () => {
    expect(user({ type: "file", mediaType: "audio/mpeg", data: "AAAA" }).content).toEqual([
      { type: "input_audio", input_audio: { data: "AAAA", format: "mp3" } }
    ])
    expect(user({ type: "file", mediaType: "audio/wav", data: new URL("https://example.com/a.wav") }).refused).toEqual([
      "Audio is sent as its bytes, not as an address."
    ])
  })

  it("another file goes with its name", () => {
    const file = { type: "file", mediaType: "application/pdf", fileName: "a.pdf", data: "AAAA" } as const
    expect(user(file).content).toEqual([
      { type: "file", file: { file_data: "data:application/pdf;base64,AAAA", filename: "a.pdf" } }
    ])
  })

  it("a turn of the model keeps its text and calls; thoughts come back in the ids", () => {
    expect(
      said({
        role: "assistant",
        content: [
          { type: "reasoning", text: "hm" },
          { type: "text", text: "I'll look" },
          { type: "tool-call", id: "c1", name: "look", params: { at: 1 } },
          { type: "tool-call", id: "c2", name: "search", params: {}, providerExecuted: true }
        ]
      }).messages
    ).toEqual([{
      role: "assistant",
      content: "I'll look",
      tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: "{\"at\":1}" } }]
    }])
  })

  it("a turn of which nothing is left is no message", () => {
    expect(said({ role: "assistant", content: [{ type: "reasoning", text: "hm" }] }).messages).toEqual([])
  })

  it("an image that a model made goes back to it, another file does not", () => {
    const made = (mediaType: string) =>
      said({ role: "assistant", content: [{ type: "file", mediaType, data: base64 }] })
    expect(made("image/png").messages).toEqual([{
      role: "assistant",
      content: "",
      images: [{ type: "image_url", image_url: { url: `data:image/png;base64,${base64}` } }]
    }])
    expect(made("audio/wav").refused).toHaveLength(1)
  })

  it.each<readonly [string, unknown, string]>([
    ["a text stands for itself", "ok", "ok"],
    ["an object is JSON", { a: 1 }, "{\"a\":1}"],
    ["nothing is null", undefined, "null"]
  ])("of results of tools %s", (_, result, content) => {
    const part = { type: "tool-result", id: "c1", name: "t", isFailure: false, result } as const
    expect(said({ role: "tool", content: [part] }).messages).toEqual([{ role: "tool", tool_call_id: "c1", content }])
  })

  it("a tool may say to the model something else than its result", () => {
    const part = {
      type: "tool-result",
      id: "c1",
      name: "t",
      isFailure: false,
      result: { secret: 1 },
      modelOutput: [{ type: "text", text: "seen" }, { type: "file", mediaType: "image/png", data: base64 }]
    } as const
    expect(said({ role: "tool", content: [part] }).messages[0]?.content).toEqual([
      { type: "text", text: "seen" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${base64}` } }
    ])
  })
})
