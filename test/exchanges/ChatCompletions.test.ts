import { describe, expect, it } from "@effect/vitest"
import { readAnswer } from "../../src/providers/protocols/OpenAiChat.ts"
import { openAiChat } from "../../src/providers/protocols/OpenAiChatDialect.ts"
import { SseParser } from "../../src/providers/Sse.ts"
import { tellAbsence } from "./Absent.ts"
import { ofChunks, ofMessage, usageOf } from "./Conversation.ts"
import { fallback, play } from "./Play.ts"
import type { Exchange } from "./Recorded.ts"
import { exchanges, isPresent, isStream, makeValidator, sseOf } from "./Recorded.ts"
import { testRefusals } from "./RefusalTests.ts"

const answered = exchanges.filter(({ response }) => response.status === 200)
const broken = answered.filter(({ response }) => response.sse?.includes("event: error"))
const streams = answered.filter((exchange) => isStream(exchange) && !broken.includes(exchange))
const wholes = answered.filter((exchange) => !isStream(exchange))

const payloadsOf = (texts: ReadonlyArray<string>) =>
  texts.map((text) => {
    expect(text).toMatch(/^data: [^\n]*\n\n$/)
    return JSON.parse(text.slice(6))
  })

const recordedChunks = (exchange: Exchange) =>
  new SseParser().push(Buffer.from(sseOf(exchange))).flatMap(({ data }) => data === "[DONE]" ? [] : [JSON.parse(data)])

describe.skipIf(!isPresent)("a recorded whole answer", () => {
  for (const exchange of wholes) {
    it(`of ${exchange.name} says the same and is in OpenAI's form`, () => {
      const text = JSON.stringify(exchange.response.body)
      const read = readAnswer(text, fallback)
      if ("_tag" in read) throw new Error(read.message)
      const written = JSON.parse(read.text)
      expect(makeValidator("chat-completion-response")(written)).toEqual([])
      expect(written).toEqual(read.completion)
      const recorded = JSON.parse(text)
      expect(written.choices.map(ofMessage)).toEqual(recorded.choices.map(ofMessage))
      expect(read.usage?.promptTokens).toBe(usageOf([recorded])?.prompt_tokens)
      expect(read.usage?.completionTokens).toBe(usageOf([recorded])?.completion_tokens)
      expect(readAnswer(read.text, fallback)).toMatchObject({ text: read.text })
    })
  }
})

describe.skipIf(!isPresent)("a recorded stream", () => {
  for (const exchange of streams) {
    const bytes = Buffer.from(sseOf(exchange))
    for (const includeUsage of [true, false]) {
      it(`of ${exchange.name} says the same in OpenAI's form, ${includeUsage ? "with" : "without"} usage`, () => {
        const played = play(openAiChat, [bytes], includeUsage)
        expect(played.failure).toBeUndefined()
        const written = payloadsOf(played.texts)
        const validate = makeValidator("chat-completion-chunk")
        expect(written.flatMap(validate)).toEqual([])
        const recorded = recordedChunks(exchange)
        expect(ofChunks(written)).toEqual(ofChunks(recorded))
        expect(new Set(written.map(({ id, created }) => `${id} ${created}`)).size).toBe(1)
        expect(written[0].choices[0].delta.role).toBe("assistant")
        expect(written.flatMap((chunk) => chunk.choices).filter((choice) => choice.delta.role !== undefined))
          .toHaveLength(
            new Set(written.flatMap((chunk) => chunk.choices).map((choice) => choice.index)).size
          )
        const usage = usageOf(recorded)
        expect(played.frames.findLast((frame) => frame.usage)?.usage?.promptTokens).toBe(usage?.prompt_tokens)
        const totals = played.frames.filter(({ chunk, usage }) => usage !== undefined && chunk.choices.length === 0)
        expect(totals).toHaveLength(usage === undefined ? 0 : 1)
        if (!includeUsage) expect(played.texts.filter((text) => text.includes("\"usage\""))).toEqual([])
        else if (usage !== undefined) {
          expect(written.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: usage.total_tokens } })
          expect(written.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
        }
      })
    }
    it(`of ${exchange.name} gives the same frames however its bytes are split`, () => {
      const whole = play(openAiChat, [bytes], true)
      expect(play(openAiChat, Array.from(bytes, (byte) => Uint8Array.of(byte)), true).texts).toEqual(whole.texts)
      const step = Math.max(1, Math.floor(bytes.length / 60))
      for (let at = 1; at < bytes.length; at += step) {
        expect(play(openAiChat, [bytes.subarray(0, at), bytes.subarray(at)], true).texts).toEqual(whole.texts)
      }
    })
    it(`of ${exchange.name} is an interruption when it is cut before its finish`, () => {
      const finish = /"finish_reason":\s*"|"usage":\s*\{/.exec(sseOf(exchange))?.index ?? 0
      for (const part of [0.2, 0.6, 0.99]) {
        const cut = play(
          openAiChat,
          [bytes.subarray(0, Math.floor(Buffer.byteLength(sseOf(exchange).slice(0, finish)) * part))],
          true
        )
        expect(cut.failure).toBe("StreamInterrupted")
        expect(cut.texts.join("")).not.toMatch(/"finish_reason":\s*"/)
      }
    })
  }

  for (const exchange of broken) {
    it(`of ${exchange.name} that ended in an error event is that error, after all that came before`, () => {
      const played = play(openAiChat, [Buffer.from(sseOf(exchange))], true)
      expect(played.failure).toBe("UpstreamRefused")
      expect(ofChunks(payloadsOf(played.texts)).content).toBe("maybe")
    })
  }

  it("of OpenAI that asked for usage passes byte for byte", () => {
    const asked = streams.filter((exchange) =>
      exchange.provider === "openai" && exchange.response.sse?.includes("\"usage\":null")
    )
    expect(asked.length).toBeGreaterThan(0)
    for (const exchange of asked) {
      expect(`${play(openAiChat, [Buffer.from(sseOf(exchange))], true).texts.join("")}data: [DONE]\n\n`).toBe(
        sseOf(exchange)
      )
    }
  })
})

testRefusals("openai", exchanges)

tellAbsence()
