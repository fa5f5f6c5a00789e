/** Gemini's dialect over seeded conversations and answers: a stream says what the whole says, and nothing that comes makes it throw. */
import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ChatRequest } from "../../../src/domain/Chat.ts"
import { geminiGenerate } from "../../../src/providers/protocols/GeminiGenerate.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { ofChunks, ofMessage } from "../../exchanges/Conversation.ts"
import { callOf } from "../Calls.ts"
import { makeRandom, pick } from "../Seeded.ts"

const rounds = process.env["BREAKWATER_FULL"] === "1" ? 10_000 : 600

// Made here, of any shape.
type Loose = any
type Random = () => number

const fallback = { id: "chatcmpl-x", created: 1, model: "asked", nowMs: 0 }
const texts = ["wave", " the", "\n", "\"", "\\", "é", "😀", "data: ", "[DONE]", "}"]
const several = <A>(random: Random, most: number, make: () => A): Array<A> =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, make)

const partOf = (random: Random): Loose =>
  pick<() => Loose>(random, [
    () => ({ text: pick(random, texts) }),
    () => ({ text: pick(random, texts), thought: true }),
    () => ({
      functionCall: { name: "f", args: { at: pick(random, texts) }, ...(random() < 0.5 ? { id: "own" } : {}) },
      ...(random() < 0.5 ? { thoughtSignature: "c2ln" } : {})
    }),
    () => ({ executableCode: { code: "1" } })
  ])()

const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 4, totalTokenCount: 13 }

const answerOf = (parts: ReadonlyArray<Loose>, finishReason: string | undefined) => ({
  candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }],
  usageMetadata,
  modelVersion: "gemini-x",
  responseId: "r"
})

const play = (answers: ReadonlyArray<Loose>) => {
  const machine = geminiGenerate.openStream({ includeUsage: true, fallback })
  const frames: Array<Frame> = []
  for (const answer of answers) machine.next({ event: "", data: JSON.stringify(answer), bytes: undefined }, frames)
  machine.end(frames)
  return { machine, chunks: frames.map(({ chunk }): Loose => chunk) }
}

const junk: ReadonlyArray<Loose> = [null, 0, -1, 1.5, "", "x", true, [], [null], {}, { a: 1 }, [[]], "STOP", 2 ** 60]

/** The value with one of its members, however deep, replaced or taken away. */
const mutated = (random: Random, value: Loose): Loose => {
  if (typeof value !== "object" || value === null || random() < 0.1) return pick(random, junk)
  const copy = Array.isArray(value) ? [...value] : { ...value }
  const keys = Object.keys(copy)
  if (keys.length === 0) return pick(random, junk)
  const key: Loose = pick(random, keys)
  if (random() < 0.1) delete copy[key]
  else copy[key] = mutated(random, copy[key])
  return copy
}

describe("Gemini's answers", () => {
  it("say the same streamed as they do whole", () => {
    const random = makeRandom(1)
    for (let round = 0; round < rounds; round++) {
      const parts = [{ text: "x" }, ...several(random, 6, () => partOf(random))]
      const finish = pick(random, ["STOP", "MAX_TOKENS", "SAFETY"])
      const read = geminiGenerate.readAnswer(JSON.stringify(answerOf(parts, finish)), fallback)
      if ("_tag" in read) throw new Error(read.message)
      const events: Array<Loose> = []
      while (parts.length > 0) events.push(answerOf(parts.splice(0, 1 + Math.floor(random() * 3)), undefined))
      // The end comes with the last words or behind them.
      if (random() < 0.5) events.push(answerOf([{ text: "" }], finish))
      else events.at(-1).candidates[0].finishReason = finish
      const { chunks, machine } = play(events)
      expect(machine.failure).toBeUndefined()
      expect(ofChunks(chunks)).toEqual(read.completion.choices.map(ofMessage)[0])
      const ids = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []).flatMap(({ id }) => id ?? [])
      expect(ids).toEqual((read.completion.choices[0]?.message.tool_calls ?? []).map(({ id }) => id))
    }
  })

  it("are an answer or a reason, whatever they are", () => {
    const random = makeRandom(2)
    let answers = 0
    for (let round = 0; round < rounds; round++) {
      let answer: Loose = answerOf([{ text: "x" }, ...several(random, 3, () => partOf(random))], "STOP")
      for (let times = Math.floor(random() * 4); times >= 0; times--) answer = mutated(random, answer)
      const read = geminiGenerate.readAnswer(JSON.stringify(answer), fallback)
      const { machine } = play([answer])
      expect(machine.isDone).toBe(machine.failure === undefined)
      if ("_tag" in read) continue
      answers++
      for (const { finish_reason, index, message } of read.completion.choices) {
        expect(["stop", "length", "tool_calls", "content_filter"]).toContain(finish_reason)
        expect(message.role).toBe("assistant")
        expect(typeof index).toBe("number")
        for (const call of message.tool_calls ?? []) {
          expect(call.id).not.toBe("")
          expect(typeof JSON.parse(call.function?.arguments ?? "")).toBe("object")
        }
      }
    }
    expect(answers).toBeGreaterThan(rounds / 10)
  })

  it("with arguments that are too deep to be written are none", () => {
    const deep = `${"[".repeat(200_000)}1${"]".repeat(200_000)}`
    const text = JSON.stringify(answerOf([{ functionCall: { name: "f", args: { a: "deep" } } }], "STOP"))
      .replace("\"deep\"", deep)
    expect(geminiGenerate.readAnswer(text, fallback)).toHaveProperty("_tag", "MalformedAnswer")
    const machine = geminiGenerate.openStream({ includeUsage: true, fallback })
    machine.next({ event: "", data: text, bytes: undefined }, [])
    expect(machine.failure?._tag).toBe("MalformedAnswer")
  })
})

const messageOf = (random: Random): Loose => {
  const content = () =>
    random() < 0.5
      ? pick(random, [...texts, ""])
      : several(random, 2, () => ({ type: "text", text: pick(random, texts) }))
  const call = { id: `c${Math.floor(random() * 3)}`, type: "function", function: { name: "f", arguments: "{\"a\":1}" } }
  return pick<() => Loose>(random, [
    () => ({ role: "system", content: content() }),
    () => ({ role: "user", content: content() }),
    () => ({
      role: "user",
      content: [{ type: "image_url", image_url: { url: pick(random, ["data:image/png;base64,AA==", "https://x/y"]) } }]
    }),
    () => ({ role: "assistant", content: content() }),
    () => ({ role: "assistant", content: null, tool_calls: [call] }),
    () => ({ role: "tool", tool_call_id: call.id, content: pick(random, [...texts, "{\"a\":{\"$ref\":1}}"]) })
  ])()
}

const decode = Schema.decodeUnknownOption(ChatRequest)

describe("requests for Gemini", () => {
  it("take turns with something in each, or are refused with a place", () => {
    const random = makeRandom(3)
    let lowered = 0
    for (let round = 0; round < rounds; round++) {
      let request: Loose = {
        model: "alias",
        messages: [{ role: "user", content: "hi" }, ...several(random, 6, () => messageOf(random))],
        tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
        tool_choice: pick(random, ["auto", "required", { type: "function", function: { name: "f" } }]),
        response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } },
        reasoning_effort: "low",
        stop: ["a"],
        modalities: ["text"]
      }
      for (let times = Math.floor(random() * 3); times > 0; times--) request = mutated(random, request)
      if (Option.isNone(decode(request))) continue
      const model = pick(random, ["gemini-2.5-flash", "gemini-3-pro", "x/y\ud800"])
      const result = geminiGenerate.lower(callOf(model, request), random() < 0.5)
      if ("_tag" in result) {
        expect(result).toMatchObject({ _tag: "InvalidRequest", param: expect.stringMatching(/^[a-z]/) })
        continue
      }
      lowered++
      const { contents }: Loose = JSON.parse(result.body)
      expect(contents.length).toBeGreaterThan(0)
      for (const [at, { parts, role }] of contents.entries()) {
        expect(parts.length).toBeGreaterThan(0)
        expect(parts.every((part: Loose) => part.text !== "")).toBe(true)
        const isResults = (content: Loose) => content?.parts.some((part: Loose) => part.functionResponse)
        if (isResults(contents[at])) expect(parts.every((part: Loose) => part.functionResponse)).toBe(true)
        const before = contents[at - 1]
        if (before?.role !== role) continue
        // One role speaks twice in a row only before or after results, or with what came beside them.
        expect(role).toBe("user")
        expect(isResults(before) || isResults(contents[at]) || isResults(contents[at - 2])).toBe(true)
      }
    }
    expect(lowered).toBeGreaterThan(rounds / 10)
  })

  it("whose arguments are too deep to be written are refused", () => {
    const deep = `{"a":${"[".repeat(200_000)}1234567890123456789${"]".repeat(200_000)}}`
    const calls = [{ id: "1", type: "function", function: { name: "f", arguments: deep } }]
    const messages = [{ role: "user", content: "hi" }, { role: "assistant", content: null, tool_calls: calls }]
    expect(geminiGenerate.lower(callOf("gemini-2.5-flash", { messages }), false)).toMatchObject({
      _tag: "InvalidRequest",
      param: "messages"
    })
  })
})
