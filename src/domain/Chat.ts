/**
 * OpenAI's chat request as a schema, and the members of answer and chunk that the flow reads. The schema is a check, not a
 * transformation: unknown members, unknown content parts and unknown tool types pass, so that what a provider adds survives.
 */
import * as Schema from "effect/Schema"
import { ChatMessage, nonEmpty, nullable, textContent } from "./ChatMessage.ts"

export type { ChatMessage, ContentPart } from "./ChatMessage.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Number.check(
    Schema.isBetween({ minimum, maximum }, { expected: `a number between ${minimum} and ${maximum}` })
  )
const integer = Schema.Number.check(Schema.makeFilter(Number.isInteger, {
  expected: "an integer",
  toJsonSchema: () => ({ type: "integer" })
}))
const integerBetween = (minimum: number, maximum: number) =>
  Schema.Number.check(Schema.makeFilter((n: number) => Number.isInteger(n) && n >= minimum && n <= maximum, {
    expected: `an integer between ${minimum} and ${maximum}`,
    toJsonSchema: () => ({ type: "integer", minimum, maximum })
  }))
const tokens = Schema.Number.check(Schema.makeFilter((n: number) => Number.isInteger(n) && n >= 1, {
  expected: "a whole number of tokens, at least 1",
  toJsonSchema: () => ({ type: "integer", minimum: 1 })
}))
const text = (maxLength: number) =>
  Schema.String.check(Schema.isMaxLength(maxLength, { expected: `a string of at most ${maxLength} characters` }))
const identifier = Schema.String.check(
  Schema.isPattern(/^[a-zA-Z0-9_-]{1,64}$/, { expected: "a name of 1 to 64 letters, digits, underscores or dashes" })
)
const object = Schema.Record(Schema.String, Schema.Unknown)

// Tools.
const FunctionDefinition = Schema.Struct({
  name: identifier,
  description: nullable(Schema.String),
  parameters: nullable(object),
  strict: nullable(Schema.Boolean)
})
const CustomFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({
    type: Schema.Literal("grammar"),
    grammar: Schema.Struct({ definition: Schema.String, syntax: Schema.Literals(["lark", "regex"]) })
  })
])
const Tool = Schema.Union([
  Schema.Struct({ type: Schema.Literal("function"), function: FunctionDefinition }),
  Schema.Struct({
    type: Schema.Literal("custom"),
    custom: Schema.Struct({
      name: Schema.String,
      description: nullable(Schema.String),
      format: nullable(CustomFormat)
    })
  }),
  Schema.Struct({
    type: Schema.String.check(
      Schema.makeFilter((type: string) => type !== "" && type !== "function" && type !== "custom", {
        expected: "function, custom or the name of a provider's own tool"
      })
    )
  })
]).annotate({ expected: "a tool such as {\"type\": \"function\", \"function\": {\"name\": \"…\"}}" })
export type Tool = typeof Tool.Type
const named = Schema.Struct({ name: Schema.String })
const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required", "any"]),
  Schema.Struct({ type: Schema.Literal("function"), function: named }),
  Schema.Struct({ type: Schema.Literal("custom"), custom: named }),
  Schema.Struct({
    type: Schema.Literal("allowed_tools"),
    allowed_tools: Schema.Struct({ mode: Schema.Literals(["auto", "required"]), tools: Schema.Array(object) })
  })
]).annotate({ expected: "\"none\", \"auto\", \"required\" or an object that names a tool" })

const ResponseFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    json_schema: Schema.Struct({
      // Required at OpenAI; some hosts do without.
      name: nullable(identifier),
      description: nullable(Schema.String),
      schema: nullable(object),
      strict: nullable(Schema.Boolean)
    })
  })
]).annotate({
  expected: "an object whose type is text, json_object or json_schema",
  discriminator: { key: "type", expected: "text, json_object or json_schema" }
})

const Stop = Schema.Union([
  Schema.String,
  Schema.Array(Schema.String).check(Schema.isBetweenLength(1, 4, { expected: "an array of 1 to 4 strings" }))
]).annotate({ expected: "a string or an array of 1 to 4 strings" })

const metadataLimits = Schema.makeFilter((metadata: Readonly<Record<string, string>>) => {
  const entries = Object.entries(metadata)
  return entries.length <= 16 && entries.every(([key, value]) => key.length <= 64 && value.length <= 512)
}, { expected: "an object of at most 16 pairs, keys of at most 64 and values of at most 512 characters" })

/** Every documented parameter with its documented limits; `model` and `messages` are required. */
export const ChatRequest = Schema.Struct({
  // The name goes into records and metrics, so its length is bounded here.
  model: Schema.String.check(
    Schema.isNonEmpty({ expected: "the name of a model" }),
    Schema.isMaxLength(256, { expected: "the name of a model of at most 256 characters" })
  ),
  messages: Schema.NonEmptyArray(ChatMessage).annotate({ expected: "a non-empty array of messages" }),
  max_completion_tokens: nullable(tokens),
  max_tokens: nullable(tokens),
  temperature: nullable(between(0, 2)),
  top_p: nullable(between(0, 1)),
  frequency_penalty: nullable(between(-2, 2)),
  presence_penalty: nullable(between(-2, 2)),
  n: nullable(integerBetween(1, 128)),
  stop: nullable(Stop),
  seed: nullable(integer),
  logit_bias: nullable(Schema.Record(Schema.String, between(-100, 100))),
  logprobs: nullable(Schema.Boolean),
  top_logprobs: nullable(integerBetween(0, 20)),
  stream: nullable(Schema.Boolean),
  stream_options: nullable(Schema.Struct({
    include_usage: nullable(Schema.Boolean),
    include_obfuscation: nullable(Schema.Boolean)
  })),
  tools: nullable(Schema.Array(Tool)),
  tool_choice: nullable(ToolChoice),
  parallel_tool_calls: nullable(Schema.Boolean),
  functions: nullable(
    Schema.Array(FunctionDefinition).check(
      Schema.isBetweenLength(1, 128, { expected: "an array of 1 to 128 functions" })
    )
  ),
  function_call: nullable(Schema.Union([Schema.Literals(["none", "auto"]), named])),
  response_format: nullable(ResponseFormat),
  reasoning_effort: nullable(
    Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"])
  ),
  verbosity: nullable(Schema.Literals(["low", "medium", "high"])),
  modalities: nullable(Schema.Array(Schema.Literals(["text", "audio", "image", "video"]))),
  audio: nullable(
    Schema.Struct({ voice: Schema.Union([Schema.String, Schema.Struct({ id: Schema.String })]), format: Schema.String })
  ),
  prediction: nullable(Schema.Struct({ type: Schema.Literal("content"), content: textContent })),
  web_search_options: nullable(Schema.Struct({
    user_location: nullable(object),
    search_context_size: nullable(Schema.Literals(["low", "medium", "high"]))
  })),
  service_tier: nullable(nonEmpty),
  store: nullable(Schema.Boolean),
  metadata: nullable(Schema.Record(Schema.String, Schema.String).check(metadataLimits)),
  prompt_cache_key: nullable(Schema.String),
  prompt_cache_options: nullable(object),
  prompt_cache_retention: nullable(Schema.String),
  safety_identifier: nullable(text(64)),
  user: nullable(Schema.String),
  moderation: nullable(object)
}).check(Schema.makeFilter((request) => {
  if (typeof request.top_logprobs === "number" && request.logprobs !== true) {
    return { path: ["top_logprobs"], issue: "Expected logprobs to be true, because top_logprobs needs it" }
  }
  return request.stream_options !== undefined && request.stream_options !== null && request.stream !== true
    ? { path: ["stream_options"], issue: "Expected stream to be true, because stream_options needs it" }
    : undefined
})).annotate({ identifier: "ChatRequest", expected: "a JSON object with model and messages" })
export type ChatRequest = typeof ChatRequest.Type
