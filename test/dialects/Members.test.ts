/**
 * Every parameter of OpenAI's own JSON Schema of a request before every dialect, streamed and not, and what conversations and tools
 * bring: it is said, named as left out, or the request is refused.
 */
import { describe, expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { builtKinds } from "../../src/providers/Presets.ts"
import { dialectOf } from "../../src/providers/protocols/CompatibleDialects.ts"
import { azureChatOf, openAiItself } from "../../src/providers/protocols/OpenAiReasoning.ts"
import { fateOf, type Probe, probes, type Speaker, speakers } from "../../tools/parameter-probes.ts"
import { tellAbsence } from "../exchanges/Absent.ts"
import { isPresent } from "../exchanges/Recorded.ts"
import { callOf } from "../providers/Calls.ts"

/** Kinds that speak in other words than OpenAI's, and the one that is nobody's. */
const others = new Set(["anthropic", "gemini", "bedrock", "simulated"])

const ownWords = builtKinds.filter((kind) => !others.has(kind)).flatMap((kind): ReadonlyArray<Speaker> => {
  const dialect = kind === "openai" ? openAiItself : kind === "azure-openai" ? azureChatOf({}) : dialectOf(kind)
  return ["gpt-4.1", "gpt-5"].map((model) => ({ label: `${kind}, ${model}`, model, dialect }))
})

const schemaFile = join(
  import.meta.dirname,
  "../../../shared/fixtures/openai-spec/chat-completion-request.schema.json"
)

interface JsonSchema {
  readonly $ref?: string
  readonly allOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, unknown>>
  readonly $defs?: Readonly<Record<string, JsonSchema>>
}

const readSchema = (): JsonSchema => JSON.parse(readFileSync(schemaFile, "utf8"))

/** The names at the top, through every part of the schema that must hold. */
const namesIn = (schema: JsonSchema, root: JsonSchema): ReadonlyArray<string> => {
  const referred = schema.$ref === undefined ? undefined : root.$defs?.[schema.$ref.replace("#/$defs/", "")]
  return [
    ...Object.keys(schema.properties ?? {}),
    ...(schema.allOf ?? []).flatMap((part) => namesIn(part, root)),
    ...(referred === undefined ? [] : namesIn(referred, root))
  ]
}

/** The gateway's own to heed, whoever is asked. */
const heeded = new Set(["messages", "model", "stream", "stream_options"])

/** What clients say that OpenAI does not document: the mark of the cache, and images that are made. */
const isUndocumented = ({ label }: Probe): boolean => /cache_control|modalities: image/.test(label)

const bodyOf = ({ beside = {}, says }: Probe) => ({
  model: "gpt-5",
  messages: [{ role: "user", content: "hi" }],
  ...beside,
  ...says
})

describe.skipIf(!isPresent)("OpenAI's schema of a request", () => {
  const root = isPresent ? readSchema() : {}

  it("has no parameter that no dialect is asked about", () => {
    const asked = new Set(probes.flatMap(({ says }) => Object.keys(says)))
    const names = namesIn(root, root)
    expect(names.length).toBeGreaterThan(35)
    expect(names.filter((name) => !asked.has(name) && !heeded.has(name))).toEqual([])
  })

  it.each(probes.filter((probe) => !isUndocumented(probe)))("takes what they are asked about: $label", (probe) => {
    const validate = new Ajv2020({ strict: false }).compile(root)
    expect([validate(bodyOf(probe)), validate.errors]).toEqual([true, null])
  })
})

describe.each([["whole", false], ["streamed", true]] as const)(
  "a parameter of a request that is answered %s",
  (_, stream) => {
    it.each([...speakers, ...ownWords])("is not lost in silence: $label", (speaker) => {
      const lost = probes.filter((probe) => fateOf(speaker, { ...probe, stream }, callOf) === "silent")
      expect(lost.map(({ label }) => label)).toEqual([])
    })
  }
)

type Fields = Readonly<Record<string, unknown>>

const user = { role: "user", content: "hi" } as const
const call = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } } as const
const result = { role: "tool", tool_call_id: "call_1", content: "4.2 m" } as const
const tool = { type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } } as const
const mark = { cache_control: { type: "ephemeral" } }
const format = { name: "a", schema: { type: "object", properties: {} } }

const answered = (more: Fields) => ({ messages: [user, { role: "assistant", content: "x", ...more }, user] } as const)
const called = (inCall: Fields, inResult: Fields = {}) => ({
  messages: [user, { role: "assistant", content: null, tool_calls: [{ ...call, ...inCall }] }, {
    ...result,
    ...inResult
  }]
} as const)
const given = (...parts: ReadonlyArray<Fields>) => ({
  messages: [{ role: "user", content: [{ type: "text", text: "hi" }, ...parts] }]
} as const)

/** Members within messages and tools: what each is, the request with it and without. */
const within: ReadonlyArray<readonly [what: string, says: Fields, beside: Fields]> = [
  ["audio of an earlier answer", answered({ audio: { id: "audio_1" } }), answered({})],
  [
    "images of an earlier answer",
    answered({ images: [{ type: "image_url", image_url: { url: "https://a/b.png" } }] }),
    answered({})
  ],
  ["the refusal in an earlier answer", answered({ refusal: "no" }), answered({})],
  ["the name of who answered", answered({ name: "Ada" }), answered({})],
  [
    "a call as it was before there were tools",
    answered({ function_call: { name: "look", arguments: "{}" } }),
    answered({})
  ],
  ["the mark of the cache on a call", called(mark), called({})],
  ["the mark of the cache on a result", called({}, mark), called({})],
  ["the mark of the cache on a tool", { tools: [{ ...tool, ...mark }] }, { tools: [tool] }],
  ["the mark of the cache within a tool", { tools: [{ ...tool, function: { ...tool.function, ...mark } }] }, {
    tools: [tool]
  }],
  ["sound", given({ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }), given()],
  [
    "a file",
    given({ type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } }),
    given()
  ],
  ["a file that is known by an id", given({ type: "file", file: { file_id: "file-1" } }), given()],
  [
    "what a form is for",
    { response_format: { type: "json_schema", json_schema: { ...format, description: "A harbour." } } },
    { response_format: { type: "json_schema", json_schema: format } }
  ]
]

describe("what a conversation or a tool brings", () => {
  it.each([...speakers, ...ownWords])("is not lost in silence: $label", (speaker) => {
    const lost = within.filter(([label, says, beside]) => fateOf(speaker, { label, says, beside }, callOf) === "silent")
    expect(lost.map(([what]) => what)).toEqual([])
  })
})

tellAbsence()
