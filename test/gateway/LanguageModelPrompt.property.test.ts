/** Whatever a prompt says is in the messages, in its order, and OpenAI's own schema has nothing against them. */
import { describe, expect, it } from "@effect/vitest"
import { Prompt } from "effect/ai"
import type { ChatMessage } from "../../src/domain/Chat.ts"
import { messagesOf } from "../../src/gateway/LanguageModelPrompt.ts"
import { isPresent, makeValidator } from "../exchanges/Recorded.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

const rounds = process.env["BREAKWATER_FULL"] === "1" ? 5000 : 400

type Random = () => number

const texts = [
  "hello",
  "",
  " ",
  "é😀",
  "\n\"\\",
  "\u0000",
  "{\"a\":1}",
  "<tool>",
  "https://example.com",
  "x".repeat(2000)
]
const values = [{}, { a: 1 }, { deep: [{ b: null }, "😀"] }, [], "text", 0, null]
const types = ["image/png", "image/*", "application/pdf", "audio/wav"]

const text = (random: Random) => ({ type: "text" as const, text: pick(random, texts) })
const file = (random: Random) => ({ type: "file" as const, mediaType: pick(random, types), data: "iVBORw0KGgo=" })

const times = <A>(random: Random, most: number, make: () => A): ReadonlyArray<A> =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, make)

const userTurn = (random: Random): Prompt.MessageEncoded => ({
  role: "user",
  content: [text(random), ...times(random, 3, () => random() < 0.5 ? text(random) : file(random))]
})

/** A turn of the model, and the results of its calls. */
const modelTurn = (random: Random, at: number): ReadonlyArray<Prompt.MessageEncoded> => {
  const calls = times(random, 3, () => random()).map((_, index) => ({
    type: "tool-call" as const,
    id: `call_${at}_${index}`,
    name: pick(random, ["look", "say"]),
    params: pick(random, values)
  }))
  const thought = { type: "reasoning" as const, text: pick(random, texts) }
  const said = [...times(random, 2, () => text(random)), ...calls]
  const results = calls.map(({ id, name }) => ({
    type: "tool-result" as const,
    id,
    name,
    isFailure: random() < 0.3,
    result: pick(random, values)
  }))
  return [
    { role: "assistant", content: random() < 0.5 ? said : [thought, ...said] },
    ...(results.length === 0 ? [] : [{ role: "tool" as const, content: results }])
  ]
}

const prompt = (random: Random): Prompt.Prompt =>
  Prompt.make([
    { role: "system", content: pick(random, texts) },
    userTurn(random),
    ...times(random, 4, () => random()).flatMap((_, at) => [...modelTurn(random, at), userTurn(random)])
  ])

/** What was said, a line for each text, file, call and result; the texts of one turn of the model are one. */
const linesOf = ({ content }: Prompt.Prompt): ReadonlyArray<string> =>
  content.flatMap((message) => {
    if (message.role === "system") return [`system ${message.content}`]
    if (message.role === "user") {
      return message.content.map((part) => part.type === "text" ? `user ${part.text}` : "user (file)")
    }
    const parts = message.content
    const said = parts.map((part) => part.type === "text" ? part.text : "").join("")
    return [
      ...(said === "" ? [] : [`assistant ${said}`]),
      ...parts.flatMap((part) =>
        part.type === "tool-call"
          ? [`call ${part.id} ${part.name} ${JSON.stringify(part.params)}`]
          : part.type === "tool-result"
          ? [`result ${part.id} ${typeof part.result === "string" ? part.result : JSON.stringify(part.result)}`]
          : []
      )
    ]
  })

const contentLines = (role: string, content: ChatMessage["content"]): ReadonlyArray<string> => {
  if (typeof content === "string") return [`${role} ${content}`]
  return (content ?? []).map((part) => `${role} ${"text" in part ? part.text : "(file)"}`)
}

const linesIn = (messages: ReadonlyArray<ChatMessage>): ReadonlyArray<string> =>
  messages.flatMap((message) => {
    if (message.role === "tool") return contentLines(`result ${message.tool_call_id}`, message.content)
    if (message.role !== "assistant") return contentLines(message.role, message.content)
    return [
      ...(message.content ? contentLines(message.role, message.content) : []),
      ...(message.tool_calls ?? []).map((call) =>
        call.type === "function" ? `call ${call.id} ${call.function.name} ${call.function.arguments}` : call.type
      )
    ]
  })

describe("any prompt", () => {
  it("is in the messages to the letter", () => {
    const random = makeRandom(11)
    for (let round = 0; round < rounds; round++) {
      const asked = prompt(random)
      const { messages, refused } = messagesOf(asked)
      expect(refused).toEqual([])
      expect(linesIn(messages)).toEqual(linesOf(asked))
    }
  })

  it.skipIf(!isPresent)("is a request that OpenAI's own schema accepts", () => {
    const faultsOf = makeValidator("chat-completion-request")
    const random = makeRandom(12)
    for (let round = 0; round < rounds; round++) {
      const { messages } = messagesOf(prompt(random))
      expect(faultsOf({ model: "m", messages })).toEqual([])
    }
  })
})
