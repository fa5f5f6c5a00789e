/** The messages of a chat request and their content parts. Parts that OpenAI does not document pass: some provider may know them. */
import * as Schema from "effect/Schema"

/** A string that says something. */
export const nonEmpty = Schema.String.check(Schema.isNonEmpty({ expected: "a non-empty string" }))
/** Absent or null, as OpenAI documents it for most parameters. */
export const nullable = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))
const isPresent = (value: unknown): boolean => value !== undefined && value !== null
const record = Schema.Record(Schema.String, Schema.Unknown)

// Content parts.
const breakpoint = { prompt_cache_breakpoint: Schema.optionalKey(record) }
const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String, ...breakpoint })
const ImagePart = Schema.Struct({
  type: Schema.Literal("image_url"),
  image_url: Schema.Struct({
    url: Schema.String.check(
      Schema.isPattern(/^(?:https?|data|gs|s3):/i, { expected: "an http(s) URL or a data URI with base64 content" })
    ),
    detail: nullable(Schema.Literals(["auto", "low", "high", "original"]))
  }),
  ...breakpoint
})
const AudioPart = Schema.Struct({
  type: Schema.Literal("input_audio"),
  input_audio: Schema.Struct({ data: nonEmpty, format: nonEmpty }),
  ...breakpoint
})
const FilePart = Schema.Struct({
  type: Schema.Literal("file"),
  file: Schema.Struct({
    filename: nullable(Schema.String),
    file_data: nullable(Schema.String),
    file_id: nullable(Schema.String)
  }),
  ...breakpoint
})
const RefusalPart = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })
const knownParts: ReadonlySet<string> = new Set(["text", "image_url", "input_audio", "file", "refusal"])
/** A part that OpenAI does not document; some provider may know it. */
const OtherPart = Schema.Struct({
  type: Schema.String.check(
    Schema.makeFilter((type: string) => type !== "" && !knownParts.has(type), {
      expected: "text, image_url, input_audio, file, refusal or the name of a provider's own part"
    })
  )
})
const ContentPart = Schema.Union([TextPart, ImagePart, AudioPart, FilePart, RefusalPart, OtherPart]).annotate({
  expected: "a content part such as {\"type\": \"text\", \"text\": \"…\"}"
})
export type ContentPart = typeof ContentPart.Type

const content = <S extends Schema.Top>(parts: S) =>
  Schema.Union([Schema.String, Schema.NonEmptyArray(parts)]).annotate({
    expected: "a string or a non-empty array of content parts"
  })
const anyContent = content(ContentPart)
/** Recorded agents send an assistant turn without any part. */
const assistantContent = Schema.Union([Schema.String, Schema.Array(ContentPart)]).annotate({
  expected: "a string or an array of content parts"
})
/** A string or text parts. */
export const textContent = content(Schema.Union([TextPart, OtherPart]))

// Messages: one literal role a member, so that a fault is reported against the role that was meant.
const ToolCall = Schema.Union([
  Schema.Struct({
    id: Schema.String,
    type: Schema.Literal("function"),
    function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
  }),
  Schema.Struct({
    id: Schema.String,
    type: Schema.Literal("custom"),
    custom: Schema.Struct({ name: Schema.String, input: Schema.String })
  })
])
const DeveloperMessage = Schema.Struct({
  role: Schema.Literal("developer"),
  content: textContent,
  name: nullable(Schema.String)
})
const SystemMessage = Schema.Struct({
  role: Schema.Literal("system"),
  content: textContent,
  name: nullable(Schema.String)
})
const UserMessage = Schema.Struct({
  role: Schema.Literal("user"),
  content: anyContent,
  name: nullable(Schema.String)
})
const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: nullable(assistantContent),
  refusal: nullable(Schema.String),
  name: nullable(Schema.String),
  audio: nullable(Schema.Struct({ id: Schema.String })),
  tool_calls: nullable(Schema.Array(ToolCall)),
  function_call: nullable(Schema.Struct({ name: Schema.String, arguments: Schema.String }))
}).check(
  Schema.makeFilter((message) =>
    isPresent(message.content) || isPresent(message.tool_calls) || isPresent(message.function_call) ||
      isPresent(message.refusal) || isPresent(message.audio)
      ? undefined
      : {
        path: ["content"],
        issue: "Expected content, because the message has no tool_calls, function_call or refusal"
      }
  )
)
const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  content: anyContent,
  tool_call_id: Schema.String
})
const FunctionMessage = Schema.Struct({
  role: Schema.Literal("function"),
  content: Schema.NullOr(Schema.String),
  name: Schema.String
})
/** One message of any role. */
export const ChatMessage = Schema.Union([
  DeveloperMessage,
  SystemMessage,
  UserMessage,
  AssistantMessage,
  ToolMessage,
  FunctionMessage
]).annotate({
  expected: "a message object with role and content",
  discriminator: { key: "role", expected: "developer, system, user, assistant, tool or function" }
})
export type ChatMessage = typeof ChatMessage.Type
