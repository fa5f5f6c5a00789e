import { describe, expect, it } from "@effect/vitest"
import { bedrockConverse } from "../../../src/providers/protocols/BedrockConverse.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { toReason } from "../../../src/providers/ProviderError.ts"
import { callOf } from "../Calls.ts"
import { makeRandom, pick } from "../Seeded.ts"

// JSON of every shape.
type Loose = any

const fallback = { id: "c", created: 1, model: "m", nowMs: 0 }
const odd: ReadonlyArray<Loose> = [null, true, 0, -1, 1e300, "", "x", "constructor", [], [null], {}, { a: 1 }, [[]], [{
  text: 7
}]]

/** The value with a few of its nodes replaced or gone. */
const spoiled = (random: () => number, value: Loose): Loose => {
  if (random() < 0.06) return pick(random, odd)
  if (Array.isArray(value)) return value.map((member) => spoiled(random, member))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).filter(() => random() > 0.04).map(([name, member]) => [name, spoiled(random, member)])
  )
}

const answer = {
  output: {
    message: {
      role: "assistant",
      content: [
        { reasoningContent: { reasoningText: { text: "hm", signature: "s" } } },
        { reasoningContent: { redactedContent: "cmVk" } },
        { text: "hi" },
        {
          citationsContent: { content: [{ text: "x" }], citations: [{ title: "t", location: { web: { url: "u" } } }] }
        },
        { toolUse: { toolUseId: "t", name: "n", input: { a: 1 } } },
        { toolResult: { toolUseId: "t", content: [{ text: "x" }] } }
      ]
    }
  },
  stopReason: "tool_use",
  usage: { inputTokens: 1, outputTokens: 2, cacheReadInputTokens: 3, cacheDetails: [{ ttl: "1h", inputTokens: 1 }] },
  serviceTier: { type: "flex" }
}

const events: ReadonlyArray<readonly [string, Loose]> = [
  ["messageStart", { role: "assistant" }],
  ["contentBlockDelta", { contentBlockIndex: 0, delta: { reasoningContent: { text: "hm" } } }],
  ["contentBlockDelta", { contentBlockIndex: 0, delta: { reasoningContent: { signature: "s" } } }],
  ["contentBlockDelta", { contentBlockIndex: 1, delta: { text: "hi" } }],
  ["contentBlockStart", { contentBlockIndex: 2, start: { toolUse: { toolUseId: "t", name: "n" } } }],
  ["contentBlockDelta", { contentBlockIndex: 2, delta: { toolUse: { input: "{}" } } }],
  ["contentBlockStop", { contentBlockIndex: 2 }],
  ["messageStop", { stopReason: "tool_use" }],
  ["metadata", { usage: answer.usage, serviceTier: { type: "flex" } }]
]

const request = {
  messages: [
    { role: "system", content: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }] },
    {
      role: "user",
      content: [
        { type: "text", text: "x" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AA" } },
        { type: "file", file: { file_data: "data:application/pdf;base64,AA", filename: "a.pdf" } },
        { type: "input_audio", input_audio: { data: "AA", format: "wav" } }
      ]
    },
    {
      role: "assistant",
      content: "y",
      tool_calls: [{ id: "c", type: "function", function: { name: "n", arguments: "{}" } }]
    },
    { role: "tool", tool_call_id: "c", content: [{ type: "text", text: "z" }] }
  ],
  tools: [{ type: "function", function: { name: "n", parameters: { type: "object" }, strict: true } }],
  tool_choice: {
    type: "allowed_tools",
    allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "n" } }] }
  },
  response_format: { type: "json_schema", json_schema: { name: "a", schema: {} } },
  additionalModelRequestFields: { a: 1 }
}

describe("Bedrock Converse", () => {
  it("throws at no answer, whatever is in it", () => {
    const random = makeRandom(31)
    for (let round = 0; round < 3000; round++) {
      const text = JSON.stringify(spoiled(random, answer))
      expect(() => bedrockConverse.readAnswer(text, fallback)).not.toThrow()
    }
  })

  it("throws at no stream, and ends or fails each", () => {
    const random = makeRandom(37)
    for (let round = 0; round < 1500; round++) {
      const said = events.map(([event, payload]) => ({
        event,
        data: JSON.stringify(spoiled(random, payload)),
        bytes: undefined
      })).filter(() => random() > 0.05)
      const frames: Array<Frame> = []
      const machine = bedrockConverse.openStream({ includeUsage: true, fallback })
      for (const event of said) machine.next(event, frames)
      machine.end(frames)
      expect(machine.isDone).toBe(machine.failure === undefined)
      for (const { bytes } of frames) expect(Buffer.from(bytes ?? []).toString()).toMatch(/^(?:data: \{.*\}\n\n)?$/)
    }
  })

  it("throws at no request, though it passed no check", () => {
    const random = makeRandom(41)
    for (let round = 0; round < 3000; round++) {
      const { messages, ...rest } = spoiled(random, request) ?? {}
      const call = callOf("us.anthropic.claude-sonnet-4-5-v1:0", Array.isArray(messages) ? { ...rest, messages } : rest)
      expect(() => bedrockConverse.lower(call, false)).not.toThrow()
    }
  })

  it("throws at no error", () => {
    const random = makeRandom(43)
    for (let round = 0; round < 500; round++) {
      const body = spoiled(random, { message: "Too many", Message: "x", __type: "a#b" })
      const headers = {
        "x-amzn-errortype": pick(random, ["", ":", "#", "ThrottlingException:http://x", "constructor"])
      }
      expect(() => toReason("bedrock", { status: 400, headers, body, nowMs: 0 })).not.toThrow()
    }
  })
})
