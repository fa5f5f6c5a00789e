/**
 * What real clients ask of Anthropic, Gemini and Bedrock, as it was recorded: written in OpenAI's words by hand and lowered, it means
 * the same, and every member of the recorded request is there again but for those that are named here with their reason.
 */
import { describe, expect, it } from "@effect/vitest"
import type { Dialect } from "../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../src/providers/protocols/GeminiGenerate.ts"
import { tellAbsence } from "../exchanges/Absent.ts"
import { type Exchange, exchangesOf, isPresent } from "../exchanges/Recorded.ts"
import { callOf } from "../providers/Calls.ts"
import { respelled } from "./Gemini.ts"
import { emptySchema, type Meaning } from "./Meaning.ts"
import { type DialectName, speakers } from "./Upstream.ts"
import { written } from "./Written.ts"

// Recorded JSON of a dialect, read by hand.
type Loose = any

interface Kind {
  readonly name: Exclude<DialectName, "openai">
  readonly dialect: Dialect
  readonly exchanges: ReadonlyArray<Exchange>
  readonly bodyOf: (exchange: Exchange) => Loose
  readonly modelOf: (exchange: Exchange) => string
  /** Members of the dialect's own that a caller may say beside OpenAI's, by what they are called there. */
  readonly own: Readonly<Record<string, string>>
  /** What is recorded and not said again, by its place in the body. */
  readonly unsaid: Readonly<Record<string, string>>
}

const named = (pattern: RegExp, { request: { path } }: Exchange): string =>
  decodeURIComponent(pattern.exec(path)?.[1] ?? "")

const usual = "the usual value, left to the provider"
const imageInResult = "OpenAI's results of tools are texts"
const ownTool = "a tool of the provider's own, for which OpenAI has no word"
const echoed = "an echo of the answer, which says nothing in a request"

const kinds: ReadonlyArray<Kind> = [
  {
    name: "anthropic",
    dialect: anthropicMessages({ version: usualVersion }),
    exchanges: exchangesOf("anthropic--messages--"),
    bodyOf: ({ request }) => request.body,
    modelOf: ({ request }) => String(request.body["model"]),
    own: { cache_control: "cache_control", mcp_servers: "mcp_servers", thinking: "thinking" },
    unsaid: {
      stream: usual,
      "system[].cache_control.ttl": "not read by hand; see AnthropicMessages.test.ts",
      "tool_choice.type": usual,
      "tools[].description": "an empty one",
      "messages[].content[].is_error": usual,
      "messages[].content[].caller.type": echoed,
      "messages[].content[].citations.enabled": "OpenAI's files have no citations",
      "messages[].content[].content[].source.data": imageInResult,
      "messages[].content[].content[].source.media_type": imageInResult,
      "messages[].content[].content[].source.type": imageInResult,
      "messages[].content[].content[].source.url": imageInResult
    }
  },
  {
    name: "gemini",
    dialect: geminiGenerate,
    exchanges: exchangesOf("enerateContent--"),
    bodyOf: ({ request }) => respelled(request.body),
    modelOf: (exchange) => named(/\/models\/([^:/]+)/, exchange).replace("undefined", "gemini-2.5-flash"),
    own: { safetySettings: "safety_settings" },
    unsaid: {
      "systemInstruction.role": "instructions need none",
      "toolConfig.functionCallingConfig.mode": usual,
      "toolConfig.functionCallingConfig.allowedFunctionNames[]": "all that there are",
      "generationConfig.responseModalities[]": usual,
      "generationConfig.imageConfig.aspectRatio": "OpenAI's chat has no word for it"
    }
  },
  {
    name: "bedrock",
    dialect: bedrockConverse,
    exchanges: exchangesOf("bedrock--converse"),
    bodyOf: ({ request }) => request.body,
    modelOf: (exchange) => named(/\/model\/([^/]+)/, exchange),
    own: {},
    unsaid: {
      inferenceConfig: "an empty one",
      "outputConfig.textFormat.structure.jsonSchema.description": "not read by hand; see BedrockConverse.test.ts",
      "serviceTier.type": usual,
      "toolConfig.toolChoice.auto": usual,
      "messages[].content[].toolUse.type": echoed,
      "messages[].content[].toolResult.status": usual,
      "messages[].content[].toolResult.content[].image.format": imageInResult,
      "messages[].content[].toolResult.content[].image.source.bytes": imageInResult,
      "toolConfig.tools[].systemTool.name": ownTool
    }
  }
]

/** Conversations that hold what OpenAI's dialect cannot hold, whoever says it. */
const unwritten: Readonly<Record<string, string>> = {
  "gemini--streamGenerateContent--3cf6bccd.json": "code that the provider ran, and what came out"
}

/** Tools of the provider's own, as a caller may name them beside functions. */
const ownToolsIn = (name: Kind["name"], body: Loose): ReadonlyArray<Loose> => {
  const tools: ReadonlyArray<Loose> = body.tools ?? []
  if (name === "anthropic") return tools.filter((tool) => tool.type !== undefined && tool.input_schema === undefined)
  return name === "gemini"
    ? tools.flatMap((tool) => Object.keys(tool)).filter((type) => type !== "functionDeclarations").map((type) => ({
      type
    }))
    : []
}

const requestOf = ({ bodyOf, modelOf, name, own }: Kind, exchange: Exchange): Loose => {
  const body = bodyOf(exchange)
  const request = written(speakers[name].read(body), modelOf(exchange))
  const declared = (request.tools ?? []).filter((tool: Loose) => tool.function.parameters !== undefined)
    .map((tool: Loose, at: number) =>
      body.tools?.[at]?.strict === undefined
        ? tool
        : { ...tool, function: { ...tool.function, strict: body.tools[at].strict } }
    )
  const tools = [...declared, ...ownToolsIn(name, body)]
  return {
    ...request,
    ...(tools.length === 0 ? {} : { tools }),
    ...Object.fromEntries(
      Object.entries(own).flatMap(([member, name]) => body[member] === undefined ? [] : [[name, body[member]]])
    )
  }
}

const lower = (kind: Kind, exchange: Exchange): Loose => {
  const stream = /stream/i.test(exchange.request.path) || exchange.request.body["stream"] === true
  const lowered = kind.dialect.lower(callOf(kind.modelOf(exchange), requestOf(kind, exchange)), stream)
  if ("_tag" in lowered) throw new Error(lowered.message)
  expect(lowered.dropped).toBeUndefined()
  return JSON.parse(lowered.body)
}

/** Without ids that a recording has none of, empty descriptions, and a limit that is filled in. */
const common = (meaning: Meaning, like: Meaning): Meaning => ({
  ...meaning,
  maxTokens: like.maxTokens === undefined ? undefined : meaning.maxTokens,
  tools: meaning.tools.map(({ description, name, schema }) => ({
    name,
    description: description === "" ? undefined : description,
    schema: schema ?? emptySchema
  })),
  turns: meaning.turns.map(({ parts, role }, turn) => ({
    role,
    parts: parts.map((part, at) => {
      const other = like.turns[turn]?.parts[at]
      return "id" in part && other !== undefined && "id" in other && other.id === undefined ? { ...part, id: "" } : part
    })
  }))
})

/** Schemas, arguments and results are the caller's own: they are compared as what is meant. */
const isOpaque = (place: string): boolean =>
  /\.(input_schema|parametersJsonSchema|json|input|args|response|schema)$/.test(place)

/** The places in a body where something is said, a text by itself as the only part of its content. */
const placesIn = (value: Loose, place = ""): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap((one) => placesIn(one, `${place}[]`))
  if (typeof value !== "object" || value === null) {
    return /^(messages\[\]\.content|messages\[\]\.content\[\]\.content|system)$/.test(place)
      ? [`${place}[].text`, `${place}[].type`]
      : [place]
  }
  if (isOpaque(place) || Object.keys(value).length === 0) return [place]
  return Object.entries(value).flatMap(([name, inside]) => placesIn(inside, place === "" ? name : `${place}.${name}`))
}

describe.skipIf(!isPresent).each(kinds)("a request to $name as it was recorded", (kind) => {
  const writable = kind.exchanges.filter(({ name }) => unwritten[name] === undefined)

  it.each(writable)("means the same when it is said in OpenAI's words: $name", (exchange) => {
    const { read } = speakers[kind.name]
    const meant = read(kind.bodyOf(exchange))
    expect(common(read(lower(kind, exchange)), meant)).toEqual(common(meant, meant))
  })

  it("has no member that is lost, but for those with a reason", () => {
    const lost = writable.flatMap((exchange) => {
      const said = new Set(placesIn(lower(kind, exchange)))
      return placesIn(kind.bodyOf(exchange)).filter((place) => !said.has(place))
    })
    expect([...new Set(lost)].sort()).toEqual(Object.keys(kind.unsaid).sort())
  })
})

tellAbsence()
