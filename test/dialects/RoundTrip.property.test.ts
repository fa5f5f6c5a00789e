/**
 * From OpenAI's dialect to another and back to what is meant: nothing is lost but what the translation names. Requests are made up
 * by fast-check, lowered by the code under test, and read by hand.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import { ChatRequest } from "../../src/domain/Chat.ts"
import type { Dialect } from "../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { callOf } from "../providers/Calls.ts"
import { joined, type Meaning, type Part } from "./Meaning.ts"
import * as OpenAi from "./OpenAi.ts"
import { type DialectName, speakers } from "./Upstream.ts"

const runs = process.env["BREAKWATER_FULL"] === "1" ? 6_000 : 400

// JSON of a request, put together here.
type Loose = any

const maybe = <A>(value: fc.Arbitrary<A>) => fc.option(value, { nil: undefined })

const texts = fc.constantFrom("How deep?", "Nine mètres 😀.", "a\nb", "{\"a\":1}", "Quote \" and \\", "", "  ")
const cache = fc.constantFrom<Loose>({}, {}, {}, { cache_control: { type: "ephemeral" } })
const textPart = fc.tuple(texts, cache).map(([text, more]): Loose => ({ type: "text", text, ...more }))
const image = fc.constantFrom<Loose>(
  { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
  { type: "image_url", image_url: { url: "https://example.com/tide.png" } }
)
const file = fc.constantFrom<Loose>(
  { type: "file", file: { filename: "tide.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
  { type: "file", file: { filename: "tide.txt", file_data: "data:text/plain;base64,aGk=" } }
)
const sound = fc.constant<Loose>({ type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } })
const content = fc.oneof(
  { weight: 3, arbitrary: texts as fc.Arbitrary<Loose> },
  { weight: 3, arbitrary: fc.array(fc.oneof(textPart, image, file), { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.array(sound, { minLength: 1, maxLength: 1 }) }
)
const names = ["get_tide", "get_depth"] as const
const inputs = fc.constantFrom({}, { harbour: "Whitby" }, { at: [1, 2.5, null], deep: { a: "\"" } })
const results = fc.constantFrom("4.2 m", "{\"metres\":4.2}", "[1,2]", "7", "null", "{\"$ref\":\"#/a\"}")

/** Calls made at once, and their results. */
const calling = fc.array(fc.tuple(fc.constantFrom(...names), inputs, results), { minLength: 1, maxLength: 3 })

const exchange = fc.record({ user: content, said: texts, calls: maybe(calling) })

const messagesOf = (
  system: ReadonlyArray<Loose>,
  exchanges: ReadonlyArray<{ readonly user: Loose; readonly said: string; readonly calls: Loose }>,
  last: Loose
): ReadonlyArray<Loose> => [
  ...system,
  ...exchanges.flatMap(({ calls, said, user }, at): ReadonlyArray<Loose> => [
    { role: "user", content: user },
    ...(calls === undefined ? [] : [
      {
        role: "assistant",
        content: said === "" ? null : said,
        tool_calls: calls.map(([name, input]: Loose, index: number) => ({
          id: `call_${at}_${index}`,
          type: "function",
          function: { name, arguments: JSON.stringify(input) }
        }))
      },
      ...calls.map(([, , result]: Loose, index: number) => ({
        role: "tool",
        tool_call_id: `call_${at}_${index}`,
        content: result
      }))
    ]),
    { role: "assistant", content: said }
  ]),
  { role: "user", content: last }
]

const schema = {
  type: "object",
  properties: { metres: { type: "number" } },
  required: ["metres"],
  additionalProperties: false
}
const instruction = fc.tuple(
  fc.constantFrom("system", "developer"),
  fc.oneof(texts, fc.array(textPart, { minLength: 1, maxLength: 2 }))
)
  .map(([role, said]): Loose => ({ role, content: said }))
const tools = fc.constantFrom<Loose>(
  [{ type: "function", function: { name: "get_tide", description: "The tide", parameters: schema } }],
  names.map((name) => ({ type: "function", function: { name } })),
  [{ type: "function", function: { name: "get_depth", parameters: schema, strict: true } }]
)
const choice = fc.constantFrom<Loose>("auto", "none", "required", "named", "allowed")

const choiceOf = (said: Loose, offered: Loose): Loose => {
  const [{ function: { name } }] = offered
  if (said === "named") return { type: "function", function: { name } }
  if (said !== "allowed") return said
  return {
    type: "allowed_tools",
    allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name } }] }
  }
}

const rest = fc.record({
  tools: maybe(tools),
  tool_choice: maybe(choice),
  parallel_tool_calls: maybe(fc.boolean()),
  response_format: maybe(fc.constantFrom<Loose>(
    { type: "json_object" },
    { type: "text" },
    { type: "json_schema", json_schema: { name: "depth", schema, strict: true } }
  )),
  reasoning_effort: maybe(fc.constantFrom("none", "low", "high")),
  max_completion_tokens: maybe(fc.constantFrom(2000, 50_000)),
  temperature: maybe(fc.constantFrom(0, 0.5, 1, 1.5)),
  top_p: maybe(fc.constantFrom(0.5, 1)),
  stop: maybe(fc.constantFrom<Loose>("END", ["A", "B"], ["A", " "])),
  seed: maybe(fc.constantFrom(1, 2 ** 40)),
  frequency_penalty: maybe(fc.constantFrom(0, 0.5)),
  presence_penalty: maybe(fc.constantFrom(0, 0.5)),
  n: maybe(fc.constantFrom(1, 2)),
  user: maybe(fc.constant("u-1"))
})

const requests = fc.tuple(
  fc.array(instruction, { maxLength: 2 }),
  fc.array(exchange, { maxLength: 2 }),
  content,
  rest
).map(([system, exchanges, last, { parallel_tool_calls: parallel, tool_choice: said, ...more }]): Loose => {
  const chosen = more.tools === undefined
    ? {}
    : {
      ...(said === undefined ? {} : { tool_choice: choiceOf(said, more.tools) }),
      ...(parallel === undefined ? {} : { parallel_tool_calls: parallel })
    }
  const request = { model: "alias", messages: messagesOf(system, exchanges, last), ...more, ...chosen }
  return JSON.parse(JSON.stringify(request))
})

/** What of a meaning goes by which parameters: where it differs, one of them has to be named. */
const namesOf: { readonly [Name in keyof Meaning]: ReadonlyArray<string> } = {
  system: [],
  turns: [],
  tools: ["tool_choice"],
  callable: ["tool_choice"],
  mustCall: ["tool_choice"],
  isSerial: ["parallel_tool_calls"],
  form: ["response_format"],
  thinks: ["reasoning_effort"],
  maxTokens: ["max_completion_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  stop: ["stop"],
  seed: ["seed"],
  frequencyPenalty: ["frequency_penalty"],
  presencePenalty: ["presence_penalty"],
  choices: ["n"],
  user: ["user"]
}

const isSaid = (part: Part): boolean => part.kind !== "text" || part.text.trim() !== ""

/** Without what only its own provider reads. */
const stateless = (said: Part): Part => {
  if (said.kind !== "call") return said
  const { state: _, ...call } = said
  return call
}

const partsIn = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => parts.filter(isSaid).map(stateless)

/** What says nothing is left out: blank texts, usual values, and tools that cannot be called. Instructions alone are what is asked. */
const settled = (meaning: Meaning): Meaning => {
  const turns = joined(meaning.turns.map(({ parts, role }) => ({ role, parts: partsIn(parts) })))
  const system = partsIn(meaning.system)
  const unless = (usual: number, value: number | undefined) => value === usual ? undefined : value
  const said = {
    ...meaning,
    tools: meaning.tools.filter((tool) => meaning.callable.includes(tool.name)),
    temperature: unless(1, meaning.temperature),
    topP: unless(1, meaning.topP),
    frequencyPenalty: unless(0, meaning.frequencyPenalty),
    presencePenalty: unless(0, meaning.presencePenalty)
  }
  return turns.length === 0
    ? { ...said, system: [], turns: [{ role: "user", parts: system }] }
    : { ...said, system, turns }
}

const uncached = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> =>
  parts.map((said) => "cached" in said ? (({ cached: _, ...rest }) => rest)(said) : said)

/** What is left to compare where some parameters are named as not said. */
const without = (dropped: ReadonlySet<string>, meaning: Meaning): Meaning =>
  dropped.has("cache_control")
    ? {
      ...meaning,
      system: uncached(meaning.system),
      turns: meaning.turns.map(({ parts, role }) => ({ role, parts: uncached(parts) }))
    }
    : meaning

interface Target {
  readonly name: DialectName
  readonly model: string
  readonly dialect: Dialect
  /** Parameters that a request may be refused for. */
  readonly refuses: RegExp
}

const part = String.raw`^messages\[\d+\]\.content\[\d+\]`

const targets: ReadonlyArray<Target> = [
  {
    name: "anthropic",
    model: "claude-sonnet-4-5",
    dialect: anthropicMessages({ version: usualVersion }),
    refuses: new RegExp(`${part}$|^n$|^messages$`)
  },
  {
    name: "gemini",
    model: "gemini-3-flash",
    dialect: geminiGenerate,
    refuses: /^messages$/
  },
  {
    name: "bedrock",
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    dialect: bedrockConverse,
    refuses: new RegExp(`${part}\\.image_url\\.url$|^n$|^messages$`)
  }
]

const decode = Schema.decodeUnknownOption(ChatRequest)
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))
const isSame = (left: unknown, right: unknown): boolean => isDeepStrictEqual(asJson(left), asJson(right))

/** The names of what differs though nobody was told. */
const lostIn = (said: Meaning, meant: Meaning, dropped: ReadonlySet<string>): ReadonlyArray<string> =>
  (Object.keys(namesOf) as Array<keyof Meaning>).filter((key) => {
    if (namesOf[key].some((name) => dropped.has(name))) return false
    // A limit is filled in where there is none.
    if (key === "maxTokens" && meant.maxTokens === undefined) return false
    // What the form of the answer could not be said by is asked for behind the instructions.
    const own = key === "system" && dropped.has("response_format")
      ? said.system.slice(0, meant.system.length)
      : said[key]
    return !isSame(own, meant[key])
  })

describe.each(targets)("a request that is lowered to $name", ({ dialect, model, name, refuses }) => {
  it("means what it meant, but for what is named", () => {
    let lowered = 0
    fc.assert(
      fc.property(requests, fc.boolean(), (request, stream) => {
        if (Option.isNone(decode(request))) throw new Error("this is no request")
        const result = dialect.lower(callOf(model, request), stream)
        if ("_tag" in result) {
          expect(result.param).toMatch(refuses)
          return
        }
        lowered++
        const dropped = new Set(result.dropped)
        const meant = without(dropped, settled(OpenAi.read(request)))
        const said = without(dropped, settled(speakers[name].read(JSON.parse(result.body))))
        // Converse wants the tools that were called named, and so they may be called again.
        const isMadeUp = name === "bedrock" && meant.tools.length === 0 && request.tools === undefined
        const lost = lostIn(isMadeUp ? { ...said, callable: [], tools: [] } : said, meant, dropped)
        expect(lost.map((key) => [key, said[key as keyof Meaning], [...dropped]]))
          .toEqual(lost.map((key) => [key, meant[key as keyof Meaning], []]))
      }),
      { numRuns: runs, seed: 20_261_123 }
    )
    expect(lowered).toBeGreaterThan(runs / 3)
  }, 120_000)
})
