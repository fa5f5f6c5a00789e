import { describe, expect, it } from "@effect/vitest"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { readAnswer } from "../../src/providers/protocols/AnthropicMessagesAnswer.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import { messageOf, ofAnthropic, sseOf } from "./AnthropicRecorded.ts"
import { ofChunks, ofMessage, type Said } from "./Conversation.ts"
import { fallback, play } from "./Play.ts"
import { exchangesOf, isPresent, isStream, makeValidator } from "./Recorded.ts"
import { testRefusals } from "./RefusalTests.ts"

const exchanges = exchangesOf("anthropic--messages--")
const dialect = anthropicMessages({ version: usualVersion })
const answered = exchanges.filter(({ response }) => response.status === 200)
const streams = answered.filter(isStream)
const wholes = answered.filter((exchange) => !isStream(exchange))

// Recorded JSON, read by hand.
type Loose = any

const payloadsOf = (texts: ReadonlyArray<string>): ReadonlyArray<Loose> =>
  texts.map((text) => {
    expect(text).toMatch(/^data: [^\n]*\n\n$/)
    return JSON.parse(text.slice(6))
  })

const saidIn = ({ calls, content, finish, reasoning }: Said) => ({ calls, content, finish, reasoning })

describe.skipIf(!isPresent)("a recorded whole answer of Anthropic", () => {
  it("was found", () => expect(wholes.length).toBeGreaterThanOrEqual(8))

  for (const exchange of wholes) {
    it(`of ${exchange.name} says the same in OpenAI's form`, () => {
      const read = readAnswer(JSON.stringify(exchange.response.body), fallback)
      if ("_tag" in read) throw new Error(read.message)
      const written = JSON.parse(read.text)
      expect(makeValidator("chat-completion-response")(written)).toEqual([])
      expect(written).toEqual(JSON.parse(JSON.stringify(read.completion)))
      const recorded = ofAnthropic(exchange.response.body)
      expect(ofMessage(written.choices[0])).toEqual(saidIn(recorded))
      expect([written.id, written.model]).toEqual([recorded.id, recorded.model])
      expect(written.usage.prompt_tokens_details)
        .toEqual({ cached_tokens: recorded.cached, cache_write_tokens: recorded.written })
      expect(read.usage).toMatchObject({
        promptTokens: recorded.prompt,
        completionTokens: recorded.completion,
        totalTokens: recorded.prompt + recorded.completion,
        cachedTokens: recorded.cached
      })
      expect((read.usage?.cacheWriteTokens ?? 0) + (read.usage?.cacheWrite1hTokens ?? 0)).toBe(recorded.written)
    })
  }
})

describe.skipIf(!isPresent)("a recorded stream of Anthropic", () => {
  it("was found", () => expect(streams.length).toBeGreaterThanOrEqual(8))

  for (const exchange of streams) {
    const bytes = Buffer.from(sseOf(exchange))
    for (const includeUsage of [true, false]) {
      it(`of ${exchange.name} says the same in OpenAI's form, ${includeUsage ? "with" : "without"} usage`, () => {
        const { failure, frames, isDone, skippedEvents, texts } = play(dialect, [bytes], includeUsage)
        expect([failure, isDone, skippedEvents]).toEqual([undefined, true, 0])
        const written = payloadsOf(texts)
        expect(written.flatMap(makeValidator("chat-completion-chunk"))).toEqual([])
        const recorded = ofAnthropic(messageOf(exchange))
        expect(ofChunks(written)).toEqual(saidIn(recorded))
        expect(new Set(written.map(({ created, id, model }) => `${id} ${created} ${model}`)))
          .toEqual(new Set([`${recorded.id} 1 ${recorded.model}`]))
        expect(written.filter((chunk) => chunk.choices[0]?.delta.role !== undefined)).toEqual([written[0]])
        expect(frames.findLast((frame) => frame.usage)?.usage).toMatchObject({
          promptTokens: recorded.prompt,
          completionTokens: recorded.completion
        })
        for (const frame of frames) {
          if (frame.bytes !== undefined) {
            expect(frame.chunk).toEqual(JSON.parse(Buffer.from(frame.bytes).toString("utf8", 6)))
          }
        }
        if (!includeUsage) return expect(texts.filter((text) => text.includes("\"usage\""))).toEqual([])
        expect(written.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: recorded.prompt } })
        expect(written.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
      })
    }

    it(`of ${exchange.name} gives the same frames wherever its bytes are split`, () => {
      const whole = play(dialect, [bytes], true).texts.join("")
      expect(play(dialect, Array.from(bytes, (byte) => Uint8Array.of(byte)), true).texts.join("")).toBe(whole)
      const step = Math.max(1, Math.floor(bytes.length / 1000))
      for (let at = 1; at < bytes.length; at += step) {
        const split = play(dialect, [bytes.subarray(0, at), bytes.subarray(at)], true).texts.join("")
        if (split !== whole) expect(split, `split at ${at}`).toBe(whole)
      }
    })

    it(`of ${exchange.name} is an interruption when it is cut before its end`, () => {
      const end = sseOf(exchange).indexOf("event: message_delta")
      for (const part of [0.2, 0.6, 0.99]) {
        const { failure, texts } = play(dialect, [bytes.subarray(0, Math.floor(end * part))], true)
        expect(failure).toBe("StreamInterrupted")
        expect(texts.join("")).not.toMatch(/"finish_reason":"/)
      }
    })

    it(`of ${exchange.name} ends in the error that comes in its middle`, () => {
      const cut = sseOf(exchange).lastIndexOf("event: content_block_stop")
      const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" }, request_id: "req_1" }
      const text = `${sseOf(exchange).slice(0, cut)}event: error\ndata: ${JSON.stringify(error)}\n\n`
      const { failure, texts } = play(dialect, [Buffer.from(text)], true)
      expect(failure).toBe("Overloaded")
      expect(texts.join("")).not.toMatch(/"finish_reason":"/)
    })
  }
})

testRefusals("anthropic", exchanges)

describe("an error of Anthropic", () => {
  const nowMs = Date.parse("2026-08-19T14:34:00Z")
  const errors: ReadonlyArray<readonly [number, string, string, string, Readonly<Record<string, string>>, number?]> = [
    [400, "invalid_request_error", "max_tokens: Field required", "UpstreamRefused", {}],
    [400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "ContextLengthExceeded", {}],
    [
      400,
      "invalid_request_error",
      "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
      "ContextLengthExceeded",
      {}
    ],
    [400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "QuotaExhausted", {}],
    [401, "authentication_error", "invalid x-api-key", "CredentialRejected", {}],
    [402, "billing_error", "There is an issue with billing.", "QuotaExhausted", {}],
    [403, "permission_error", "Your API key does not have permission.", "CredentialRejected", {}],
    [404, "not_found_error", "model: claude-x", "UpstreamModelMissing", {}],
    [413, "request_too_large", "Request exceeds the maximum size", "ContextLengthExceeded", {}],
    [429, "rate_limit_error", "Number of requests has exceeded", "RateLimited", { "retry-after": "12" }, 12_000],
    [
      429,
      "rate_limit_error",
      "This request would exceed your rate limit",
      "RateLimited",
      {
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2026-08-19T14:34:36Z",
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "2026-08-19T14:39:36Z"
      },
      36_000
    ],
    [500, "api_error", "Internal server error", "UpstreamFailed", {}],
    [504, "timeout_error", "Request timed out", "UpstreamTimedOut", {}],
    [529, "overloaded_error", "Overloaded", "Overloaded", {}]
  ]
  for (const [status, type, message, tag, headers, hint] of errors) {
    it(`of status ${status} that says "${message.slice(0, 40)}" is ${tag}`, () => {
      const body = { type: "error", error: { type, message }, request_id: "req_1" }
      const reason = toReason("anthropic", { status, headers, body, nowMs })
      expect([reason._tag, reason.retryAfterMs]).toEqual([tag, hint])
    })
  }

  it("for a spend limit of its own is no rate limit", () => {
    const error = {
      type: "rate_limit_error",
      message: "Limit",
      details: { error_code: "enforced_spend_limit_reached" }
    }
    expect(toReason("anthropic", { status: 429, body: { type: "error", error }, nowMs })._tag).toBe("QuotaExhausted")
  })
})
