import { describe, expect, it } from "@effect/vitest"
import { ChatRequest } from "../../src/domain/Chat.ts"
import { checkChat } from "../../src/server/ChatBody.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"

const hello = { model: "fast", messages: [{ role: "user", content: "Hello" }] }

const problemOf = (members: Readonly<Record<string, unknown>>) => {
  const checked = checkChat(JSON.stringify({ ...hello, ...members }), defaultServerSettings.limits)
  return "_tag" in checked ? checked.message : undefined
}

describe("what is told of a wrong member", () => {
  it.each([
    [{ temperature: "hot" }, "Invalid 'temperature': expected a number between 0 and 2, got a string."],
    [{ temperature: 3 }, "Invalid 'temperature': expected a number between 0 and 2, got 3."],
    [{ n: [] }, "Invalid 'n': expected an integer between 1 and 128, got an empty array."],
    [{ max_tokens: "9" }, "Invalid 'max_tokens': expected a whole number of tokens, at least 1, got a string."],
    [{ stream: 1 }, "Invalid 'stream': expected true or false, got 1."],
    [{ verbosity: 7 }, "Invalid 'verbosity': expected \"low\", \"medium\" or \"high\", got 7."],
    [{ function_call: 7 }, "Invalid 'function_call': expected \"none\", \"auto\" or an object, got 7."],
    [{ prediction: 7 }, "Invalid 'prediction': expected an object whose type is \"content\", got 7."],
    [
      { stop: ["a", "b", "c", "d", "e"] },
      "Invalid 'stop': expected a string or an array of 1 to 4 strings, got an array."
    ]
  ])("%j: its type and range", (members, message) => {
    expect(problemOf(members)).toBe(message)
  })

  it.each(["usr", "sk-0123", "tell me a secret"])("never quotes what stands for a role: %j", (role) => {
    expect(problemOf({ messages: [{ role, content: "Hello" }] })).toBe(
      "Invalid 'messages[0].role': expected developer, system, user, assistant, tool or function, got a string."
    )
  })

  it("is never in the words of a schema, whatever the member", () => {
    for (const name of Object.keys(ChatRequest.fields)) {
      for (const value of [true, 7.5, [7.5], { a: 1 }, "x"]) {
        expect(problemOf({ [name]: value }) ?? "").not.toMatch(/ \| |readonly|null/)
      }
    }
  })
})
