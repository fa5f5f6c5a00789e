import { describe, expect, it } from "@effect/vitest"
import { deepSeekChat } from "../../../src/providers/protocols/DeepSeekChat.ts"
import { carry } from "../../../src/providers/protocols/OpaqueState.ts"
import { openAi } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import { callOf } from "../Calls.ts"

const bodyOf = (fields: object, dialect = deepSeekChat): string => {
  const lowered = dialect.lower(callOf("deepseek-v4-flash", { ...fields }), false)
  if ("_tag" in lowered) throw new Error(lowered.message)
  return lowered.body
}

const call = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })
const asked = (id: string, more = {}) => ({
  messages: [
    { role: "user", content: "?" },
    { role: "assistant", content: null, tool_calls: [call(id)], ...more },
    { role: "tool", tool_call_id: id, content: "4.2 m" }
  ]
})
const answerIn = (body: string) => JSON.parse(body).messages[1]

describe("a request to DeepSeek", () => {
  it("says the limit in the one word that DeepSeek heeds", () => {
    expect(JSON.parse(bodyOf({ max_completion_tokens: 9 }))).toMatchObject({ max_tokens: 9 })
  })

  it("has the thoughts that an id brought back, or those that the client kept, or a space", () => {
    expect(answerIn(bodyOf(asked(carry("c", "d", "hm")))))
      .toMatchObject({ reasoning_content: "hm", tool_calls: [{ id: "c" }] })
    expect(answerIn(bodyOf(asked(carry("c", "d", "hm"), { reasoning_content: "kept" }))).reasoning_content).toBe("kept")
    expect(answerIn(bodyOf(asked(carry("c", "a", "[]"))))).toMatchObject({
      reasoning_content: " ",
      tool_calls: [{ id: "c" }]
    })
  })

  it("goes up to the letter without tools, and where thinking is off", () => {
    for (
      const fields of [{ messages: [{ role: "assistant", content: "a" }] }, {
        ...asked("c"),
        thinking: { type: "disabled" }
      }]
    ) {
      expect(bodyOf(fields)).toBe(bodyOf(fields, openAi))
    }
  })
})
