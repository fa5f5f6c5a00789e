import { describe, expect, it } from "@effect/vitest"
import { openAi } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import { foreign, without } from "../../../src/providers/protocols/StrictChat.ts"
import { callOf } from "../Calls.ts"

const strict = without(openAi, foreign)
const lowered = (fields: object, dialect = strict) => {
  const said = dialect.lower(callOf("m", { ...fields }), false)
  if ("_tag" in said) throw new Error(said.message)
  return { ...said, body: JSON.parse(said.body), text: said.body }
}

const mark = { cache_control: { type: "ephemeral" } }
const part = { type: "text", text: "\"cache_control\" is a member" }
const called = { type: "function", function: { name: "f", parameters: { type: "object", properties: mark } } }
const answer = { role: "assistant", content: "yes", reasoning_content: "hm", thinking_blocks: [] }

describe("a conversation that comes to a host that takes no members of others", () => {
  it("has neither thoughts nor marks of what to cache, which are named", () => {
    const { body, dropped } = lowered({
      messages: [
        { role: "system", content: [{ ...part, ...mark }], ...mark },
        answer,
        { role: "user", content: "?", ...mark }
      ],
      tools: [{ ...called, ...mark }, { ...called, function: { ...called.function, ...mark } }],
      seed: 3,
      ...mark
    })
    expect(body).toEqual({
      model: "m",
      messages: [{ role: "system", content: [part] }, { role: "assistant", content: "yes" }, {
        role: "user",
        content: "?"
      }],
      tools: [called, called],
      seed: 3
    })
    expect(dropped).toEqual(["cache_control"])
  })

  it("loses thoughts without a word, for they were another model's", () => {
    expect(lowered({ messages: [answer] })).toMatchObject({
      body: { messages: [{ role: "assistant", content: "yes" }] }
    })
    expect(lowered({ messages: [answer] }).dropped).toBeUndefined()
  })

  it("has no images that another model made, which are named", () => {
    const { body, dropped } = lowered({
      messages: [{ role: "assistant", content: "see", images: [{ type: "image_url" }] }]
    })
    expect([body.messages, dropped]).toEqual([[{ role: "assistant", content: "see" }], ["images"]])
  })

  it("has calls as OpenAI documents them, without the place that some hosts give them", () => {
    const call = { id: "c", type: "function", function: { name: "f", arguments: "{}" } }
    const { body } = lowered({ messages: [{ role: "assistant", content: null, tool_calls: [{ index: 0, ...call }] }] })
    expect(body.messages).toEqual([{ role: "assistant", content: null, tool_calls: [call] }])
  })

  it("goes up to the letter where it has none of them, or only speaks of them", () => {
    for (const messages of [[{ role: "user", content: "hi" }], [{ role: "user", content: [part] }]]) {
      expect(lowered({ messages }).text).toBe(lowered({ messages }, openAi).text)
    }
  })

  it("keeps thoughts where the host takes them", () => {
    const said = lowered({ messages: [answer] }, without(openAi, ["cache_control"]))
    expect(said.body.messages).toEqual([answer])
  })
})
