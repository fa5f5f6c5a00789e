/** The same case recorded in several dialects: OpenAI's request, translated, means what the other provider was asked. */
import { describe, expect, it } from "@effect/vitest"
import type { Dialect } from "../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { tellAbsence } from "../exchanges/Absent.ts"
import { type Exchange, exchangesOf, isPresent } from "../exchanges/Recorded.ts"
import { callOf } from "../providers/Calls.ts"
import { spelled } from "./Gemini.ts"
import type { Meaning } from "./Meaning.ts"
import { type DialectName, speakers } from "./Upstream.ts"

interface Pair {
  readonly of: string
  readonly openai: string
  readonly other: string
  readonly name: DialectName
  readonly model: string
  readonly dialect: Dialect
}

const anthropic = { name: "anthropic", dialect: anthropicMessages({ version: usualVersion }) } as const
const gemini = { name: "gemini", dialect: geminiGenerate } as const
const bedrock = { name: "bedrock", dialect: bedrockConverse } as const
const toolCall = { of: "the result of a tool", openai: "openai--chat-completions--3fde8503" } as const
const chosen = { of: "a chosen tool with reasoning", openai: "openai--chat-completions--f37886d1" } as const
const stopped = { of: "stop sequences after a turn", openai: "openai--chat-completions--2e03f68c" } as const

const pairs: ReadonlyArray<Pair> = [
  { ...toolCall, ...anthropic, other: "anthropic--messages--021dc27b", model: "claude-sonnet-4-5-20250929" },
  { ...toolCall, ...bedrock, other: "bedrock--converse-stream--4f00d68e", model: "us.anthropic.claude-haiku-4-5-v1:0" },
  { ...chosen, ...gemini, other: "gemini--streamGenerateContent--efc3d7e5", model: "gemini-3-flash-preview" },
  { ...stopped, ...gemini, other: "gemini--generateContent--69a53542", model: "gemini-2.5-flash" }
]

const recorded = (name: string): Exchange => {
  const [found] = exchangesOf(name)
  if (found === undefined) throw new Error(`${name} is not recorded`)
  return found
}

/** Without what each recording has of its own: ids, what the model had said, limits, and the older place of Gemini's schemas. */
const common = (meaning: Meaning, schemas: ReadonlyArray<unknown>) => ({
  ...meaning,
  maxTokens: undefined,
  tools: meaning.tools.map((tool, at) => ({ ...tool, schema: spelled(schemas[at] ?? tool.schema) })),
  turns: meaning.turns.map(({ parts, role }) => ({
    role,
    parts: parts.map((part) => {
      if (part.kind === "call" || part.kind === "result") return { ...part, id: "" }
      return role === "assistant" && part.kind === "text" ? { kind: "text" } : part
    })
  }))
})

// Recorded JSON, read by hand.
type Loose = any

const olderSchemas = (body: Loose): ReadonlyArray<unknown> =>
  (body.tools ?? []).flatMap((tool: Loose) => tool.functionDeclarations ?? []).map((one: Loose) => one.parameters)

describe.skipIf(!isPresent)("a case that is recorded in two dialects", () => {
  it.each(pairs)(
    "means the same when OpenAI's request is told to $name: $of",
    ({ dialect, model, name, openai, other }) => {
      const { request: { body } } = recorded(other)
      const lowered = dialect.lower(callOf(model, recorded(openai).request.body), true)
      if ("_tag" in lowered) throw new Error(lowered.message)
      const { read } = speakers[name]
      expect(common(read(JSON.parse(lowered.body)), [])).toEqual(common(read(body), olderSchemas(body)))
    }
  )
})

tellAbsence()
