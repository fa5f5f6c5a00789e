import { describe, expect, it } from "@effect/vitest"
import { mistralChat } from "../../../src/providers/protocols/MistralChat.ts"
import { carry } from "../../../src/providers/protocols/OpaqueState.ts"
import { openAi } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import { callOf } from "../Calls.ts"

const bodyOf = (dialect: typeof mistralChat, messages: ReadonlyArray<unknown>): string => {
  const lowered = dialect.lower(callOf("mistral-large-latest", { messages }), false)
  if ("_tag" in lowered) throw new Error(lowered.message)
  return lowered.body
}

const answered = (...ids: ReadonlyArray<string>) => [
  { role: "user", content: "tides?" },
  {
    role: "assistant",
    content: null,
    tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "get_tide", arguments: "{}" } }))
  },
  ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: "4.2 m" }))
]

/** Ids of the calls and of the results. */
const idsIn = (body: string) => {
  const [, { tool_calls: calls }, ...results] = JSON.parse(body).messages
  return [calls.map(({ id }: { id: string }) => id), results.map((one: { tool_call_id: string }) => one.tool_call_id)]
}

describe("a conversation with tools that comes to Mistral", () => {
  it("has ids of nine letters and digits, the same for a call and its result, another for another", () => {
    const [calls, results] = idsIn(bodyOf(mistralChat, answered("call_PTLP8xhu3uwZk4l3nlnrrJha", "toolu_01", "a b\"c")))
    expect(calls).toEqual(results)
    expect(new Set(calls).size).toBe(3)
    for (const id of calls) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/)
  })

  it("has the same ids in the next request, with the state of another provider or without", () => {
    const next = bodyOf(mistralChat, answered(carry("toolu_01", "a", "[{\"type\":\"thinking\"}]")))
    expect(next).toBe(bodyOf(mistralChat, answered("toolu_01")))
    expect(next).not.toContain("__bw1")
  })

  it("goes up to the letter where its ids are Mistral's own, or where there are none", () => {
    for (const messages of [answered("D681PevKs", "a1B2c3D4e"), [{ role: "user", content: "hi" }]]) {
      expect(bodyOf(mistralChat, messages)).toBe(bodyOf(openAi, messages))
    }
  })

  it("keeps a text that reads like an id", () => {
    const messages = [...answered("call_1"), { role: "user", content: "call_1", name: "call_1" }]
    expect(JSON.parse(bodyOf(mistralChat, messages)).messages.at(-1)).toEqual(messages.at(-1))
  })
})

describe("a request to Mistral", () => {
  const said = (fields: object, stream = false) => {
    const lowered = mistralChat.lower(callOf("mistral-large-latest", { ...fields }), stream)
    if ("_tag" in lowered) throw new Error(lowered.message)
    const { messages: _, model: __, ...body } = JSON.parse(lowered.body)
    return [body, lowered.dropped]
  }

  it("asks no stream for usage, which it tells unasked and refuses to be asked for", () => {
    expect(said({}, true)).toEqual([{ stream: true }, undefined])
    expect(said({ stream: true, stream_options: { include_usage: true } }, true)).toEqual([{ stream: true }, undefined])
  })

  it("has its own names of what OpenAI calls otherwise", () => {
    expect(said({ max_completion_tokens: 9, seed: 3, temperature: 0.2 }))
      .toEqual([{ max_tokens: 9, random_seed: 3, temperature: 0.2 }, undefined])
  })

  it("has nothing that it refuses by name, which is told where it says something", () => {
    expect(said({ user: "u", store: false, logit_bias: { "1": 2 }, safe_prompt: true }))
      .toEqual([{ safe_prompt: true }, ["logit_bias", "user"]])
  })
})
