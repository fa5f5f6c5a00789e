import { describe, expect, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { ChatRequest } from "../../src/domain/Chat.ts"

const decode = Schema.decodeUnknownExit(ChatRequest)
const isAccepted = (request: unknown) => Exit.isSuccess(decode(request))

const folder = new URL("../../../shared/fixtures/exchanges/", import.meta.url)

/** Requests that real clients sent to an endpoint of this shape; two were recorded without their tools' types. */
const recorded = existsSync(folder)
  ? readdirSync(folder).filter((name) => name.includes("--chat-completions--")).map((name) => ({
    name,
    body: JSON.parse(readFileSync(new URL(name, folder), "utf8")).request?.body
  })).filter(({ body }) => typeof body === "object" && body !== null && "messages" in body)
  : []
const untyped = new Set(["mistral--chat-completions--297f2ff9.json", "mistral--chat-completions--6dc100c8.json"])

describe("the chat request", () => {
  it.skipIf(recorded.length === 0)("accepts what real clients sent", () => {
    const refused = recorded.filter(({ body }) => !isAccepted(body)).map(({ name }) => name)
    expect(refused.filter((name) => !untyped.has(name))).toEqual([])
    expect(recorded.length).toBeGreaterThan(20)
  })

  it("accepts every documented parameter at once", () => {
    expect(isAccepted({
      model: "m",
      messages: [
        { role: "developer", content: "a" },
        { role: "system", content: [{ type: "text", text: "a" }], name: "n" },
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "image_url", image_url: { url: "https://a/b.png", detail: "high" } },
            { type: "input_audio", input_audio: { data: "AA==", format: "wav" } },
            { type: "file", file: { file_id: "f" } }
          ]
        },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }]
        },
        { role: "tool", content: "x", tool_call_id: "1" },
        { role: "function", content: null, name: "f" }
      ],
      max_completion_tokens: 1,
      temperature: 2,
      top_p: 0,
      frequency_penalty: -2,
      presence_penalty: 2,
      n: 128,
      stop: ["a", "b", "c", "d"],
      seed: 2 ** 60,
      logit_bias: { 1: -100, 2: 100 },
      logprobs: true,
      top_logprobs: 20,
      stream: true,
      stream_options: { include_usage: true },
      tools: [
        { type: "function", function: { name: "f", parameters: {}, strict: true } },
        {
          type: "custom",
          custom: { name: "c", format: { type: "grammar", grammar: { syntax: "lark", definition: "x" } } }
        },
        { type: "web_search" }
      ],
      tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{}] } },
      parallel_tool_calls: false,
      response_format: { type: "json_schema", json_schema: { name: "s", schema: {}, strict: true } },
      reasoning_effort: "xhigh",
      verbosity: "low",
      modalities: ["text", "audio"],
      audio: { voice: "alloy", format: "mp3" },
      prediction: { type: "content", content: "x" },
      web_search_options: { search_context_size: "low" },
      service_tier: "flex",
      store: true,
      metadata: { a: "b" },
      prompt_cache_key: "k",
      prompt_cache_options: { mode: "explicit" },
      safety_identifier: "s",
      user: "u",
      moderation: { model: "m" }
    })).toBe(true)
  })

  it("accepts null where OpenAI documents it", () => {
    const nulls = Object.fromEntries(
      ["temperature", "top_p", "n", "stop", "seed", "stream", "stream_options", "max_tokens", "metadata"].map((
        key
      ) => [key, null])
    )
    expect(isAccepted({ model: "m", messages: [{ role: "user", content: "x" }], ...nulls })).toBe(true)
  })

  it("accepts members and parts that nobody documents", () => {
    const part = { type: "video_url", video_url: { url: "x" } }
    expect(isAccepted({ model: "m", messages: [{ role: "user", content: [part], extra: 1 }], top_k: 3 })).toBe(true)
  })
})
