/** Errors that nobody has recorded, as each provider documents them: whole, and in the middle of a stream that has begun. */
import { describe, expect, it } from "@effect/vitest"
import type { Dialect } from "../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { openAiChat } from "../../src/providers/protocols/OpenAiChatDialect.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import { type DialectName, speakers } from "../dialects/Upstream.ts"
import { play } from "../exchanges/Play.ts"

const dialects: Readonly<Record<DialectName, Dialect>> = {
  openai: openAiChat,
  anthropic: anthropicMessages({ version: usualVersion }),
  gemini: geminiGenerate,
  bedrock: bedrockConverse
}

/** The reasons of a status, the same whoever says it. */
const statuses: ReadonlyArray<readonly [status: number, reason: string]> = [
  [400, "UpstreamRefused"],
  [429, "RateLimited"],
  [500, "UpstreamFailed"],
  [503, "Overloaded"],
  [504, "UpstreamTimedOut"]
]

/** What says in a stream that all is too much; OpenAI has no word of its own for it, and a stream has no status. */
const overloads: Readonly<Record<DialectName, ReadonlyArray<readonly [status: number, reason: string]>>> = {
  openai: [],
  anthropic: [[529, "Overloaded"]],
  gemini: [[503, "Overloaded"]],
  bedrock: [[503, "Overloaded"]]
}

const begun = { text: "Four metres and" }

describe.each(Object.keys(dialects) as Array<DialectName>)("%s", (name) => {
  const dialect = dialects[name]
  const { fail } = speakers[name]

  const own = name === "anthropic" || name === "openai" ? [[529, "Overloaded"] as const] : []
  // AWS has no error of the status 504.
  const those = name === "bedrock" ? statuses.filter(([status]) => status !== 504) : statuses
  it.each([...those, ...own])("that answers %i is read as %s", (status, tag) => {
    const { headers = {}, pieces } = fail({ status, message: "It did not work out." }, "m")
    const body: unknown = JSON.parse(pieces.join(""))
    const reason = toReason(dialect.family, { status, headers, body, nowMs: 0 })
    expect([reason._tag, reason.upstreamStatus]).toEqual([tag, status])
  })

  it("that wants to be left alone is believed how long", () => {
    const { headers = {}, pieces, status = 0 } = fail({ status: 429, retryAfterMs: 12_000 }, "m")
    const body: unknown = JSON.parse(pieces.join(""))
    expect(toReason(dialect.family, { status, headers, body, nowMs: 0 })).toMatchObject({ retryAfterMs: 12_000 })
  })

  it.each([[429, "RateLimited"], [500, "UpstreamFailed"], ...overloads[name]] as const)(
    "that says %i in the middle of a stream is read as %s, after what it said before and without an end",
    (status, tag) => {
      const { pieces } = fail({ status, after: begun, message: "It did not work out." }, "m")
      const played = play(dialect, pieces.map((piece) => Buffer.from(piece)))
      const choices = played.frames.flatMap(({ chunk }) => chunk.choices)
      expect(choices.map(({ delta }) => delta.content ?? "").join("")).toBe(begun.text)
      expect(choices.filter(({ finish_reason: finish }) => finish)).toEqual([])
      expect([played.failure, played.isDone]).toEqual([tag, false])
    }
  )
})
