import { describe, expect, it } from "@effect/vitest"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { tellAbsence } from "./Absent.ts"
import { ofChunks, ofMessage, usageOf } from "./Conversation.ts"
import { bytesOf, chunksOf, countedIn, saidIn } from "./GeminiRecorded.ts"
import { fallback, play } from "./Play.ts"
import { exchangesOf, isPresent, isStream, makeValidator } from "./Recorded.ts"
import { testRefusals } from "./RefusalTests.ts"

const exchanges = [...exchangesOf("--generateContent--"), ...exchangesOf("--streamGenerateContent--")]
const answered = exchanges.filter(({ response }) => response.status === 200)
const streams = answered.filter(isStream)
const wholes = answered.filter((exchange) => !isStream(exchange))

// Recorded JSON of Gemini's, read by hand.
type Loose = any

const signaturesIn = (answers: ReadonlyArray<Loose>): ReadonlyArray<string> =>
  answers.flatMap((answer) => answer.candidates ?? []).flatMap((candidate) => candidate.content?.parts ?? [])
    .flatMap((part) => part.functionCall && part.thoughtSignature ? [part.thoughtSignature] : [])

/** The signatures that go up again when the ids of these calls come back. */
const signaturesBehind = (calls: ReadonlyArray<Loose>): ReadonlyArray<string> => {
  const message = { role: "assistant", content: null, tool_calls: calls } as const
  const request = { model: "asked", messages: [{ role: "user", content: "hi" }, message] } as const
  const source = { text: "", members: new Map() }
  const lowered = geminiGenerate.lower({ request, source, model: fallback.model, requestId: "1" }, false)
  if ("_tag" in lowered) throw new Error(lowered.message)
  return JSON.parse(lowered.body).contents.flatMap(({ parts }: Loose) => parts)
    .flatMap((part: Loose) => part.thoughtSignature ?? [])
}

const payloadsOf = (texts: ReadonlyArray<string>) =>
  texts.map((text) => {
    expect(text).toMatch(/^data: [^\n]*\n\n$/)
    return JSON.parse(text.slice(6))
  })

describe.skipIf(!isPresent)("a recorded whole answer", () => {
  for (const exchange of wholes) {
    it(`of ${exchange.name} says the same in OpenAI's form`, () => {
      const recorded: Loose = exchange.response.body
      const read = geminiGenerate.readAnswer(JSON.stringify(recorded), fallback)
      if ("_tag" in read) throw new Error(read.message)
      const written = JSON.parse(read.text)
      expect(makeValidator("chat-completion-response")(written)).toEqual([])
      expect(written).toEqual(read.completion)
      expect(written.choices.map(ofMessage)).toEqual([saidIn([recorded])])
      expect(read.usage).toMatchObject(countedIn([recorded]))
      expect(written).toMatchObject({ id: recorded.responseId, model: recorded.modelVersion })
      const calls = written.choices[0].message.tool_calls ?? []
      expect(signaturesBehind(calls)).toEqual(signaturesIn([recorded]))
      expect(new Set(calls.map(({ id }: Loose) => id)).size).toBe(calls.length)
    })
  }
})

describe.skipIf(!isPresent)("a recorded stream", () => {
  for (const exchange of streams) {
    const bytes = bytesOf(exchange)
    const recorded = chunksOf(exchange)
    for (const includeUsage of [true, false]) {
      it(`of ${exchange.name} says the same in OpenAI's form, ${includeUsage ? "with" : "without"} usage`, () => {
        const played = play(geminiGenerate, [bytes], includeUsage)
        expect(played.failure).toBeUndefined()
        const written = payloadsOf(played.texts)
        expect(written.flatMap(makeValidator("chat-completion-chunk"))).toEqual([])
        expect(ofChunks(written)).toEqual(saidIn(recorded))
        expect(new Set(written.map(({ created, id, model }) => `${id} ${created} ${model}`)).size).toBe(1)
        expect(written[0].choices[0].delta.role).toBe("assistant")
        expect(played.frames.map(({ usage }) => usage).filter((usage) => usage !== undefined)).toMatchObject([
          countedIn(recorded)
        ])
        expect(played.frames.map((frame) => frame.chunk)).toEqual(
          played.frames.map((frame, at) => frame.bytes === undefined ? frame.chunk : written[at])
        )
        const calls = written.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []).filter(({ id }) => id)
        expect(signaturesBehind(calls.map((call) => ({ ...call, function: { ...call.function, arguments: "{}" } }))))
          .toEqual(signaturesIn(recorded))
        if (!includeUsage) return expect(played.texts.filter((text) => text.includes("\"usage\""))).toEqual([])
        expect(written.at(-1)).toMatchObject({
          choices: [],
          usage: { total_tokens: usageOf([written.at(-1)]).total_tokens }
        })
        expect(written.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
      })
    }
    it(`of ${exchange.name} gives the same frames wherever its bytes are split`, () => {
      const whole = play(geminiGenerate, [bytes]).texts.join("")
      expect(play(geminiGenerate, Array.from(bytes, (byte) => Uint8Array.of(byte))).texts.join("")).toBe(whole)
      // Every place of all but the longest.
      for (let at = 1; at < bytes.length; at += Math.ceil(bytes.length / 3000)) {
        if (play(geminiGenerate, [bytes.subarray(0, at), bytes.subarray(at)]).texts.join("") !== whole) {
          expect.fail(`split at ${at}`)
        }
      }
    })
    it(`of ${exchange.name} is an interruption when it is cut before its finish`, () => {
      const finish = bytes.lastIndexOf("\"finishReason\"")
      for (const part of [0.2, 0.6, 0.99]) {
        const cut = play(geminiGenerate, [bytes.subarray(0, Math.floor(finish * part))])
        expect(cut.failure).toBe("StreamInterrupted")
        expect(cut.texts.join("")).not.toMatch(/"finish_reason":\s*"/)
      }
    })
  }
})

testRefusals("gemini", [...exchanges, ...exchangesOf("gemini--embeddings--")])

tellAbsence()
