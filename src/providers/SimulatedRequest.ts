/** What the simulated provider reads of a request: leniently, because nothing but `model` and `messages` has been checked before it. */
import type { ProviderCall } from "./Provider.ts"

export type JsonRecord = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The object itself, or an empty one where there is none. */
export const recordOf = (value: unknown): JsonRecord => (isRecord(value) ? value : {})

/** The array itself, or an empty one where there is none. */
export const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const textOr = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise)

const countOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 ? value : undefined

export interface FunctionTool {
  readonly name: string
  /** JSON Schema of the arguments; absent = no parameters. */
  readonly parameters: unknown
}

export interface SimulatedRequest {
  readonly messages: ReadonlyArray<JsonRecord>
  /** Text of the last user message; empty when there is none. */
  readonly lastUserText: string
  /** Upper bound of the tokens of one choice. */
  readonly maxTokens: number
  readonly stop: ReadonlyArray<string>
  /** How many choices; 1 to 128. */
  readonly n: number
  readonly seed: number | undefined
  readonly includeUsage: boolean
  /** The functions that may be called, after `tool_choice`; empty when none may. */
  readonly tools: ReadonlyArray<FunctionTool>
  readonly parallelToolCalls: boolean
  /** The JSON Schema the answer has to satisfy, `{ type: "object" }` for `json_object`; absent = free text. */
  readonly schema: unknown
}

/** All text of a message's content, whether a string or parts. */
export const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : listOf(content).map((part) => textOr(recordOf(part)["text"], "")).filter((text) => text !== "").join("\n")

/** URLs of the image parts of a message, in order. */
export const imageUrlsOf = (content: unknown): ReadonlyArray<string> =>
  listOf(content).flatMap((part) => {
    const url = recordOf(recordOf(part)["image_url"])["url"]
    return typeof url === "string" ? [url] : []
  })

const functionsOf = (body: JsonRecord): ReadonlyArray<FunctionTool> =>
  listOf(body["tools"]).flatMap((tool) => {
    const { name, parameters } = recordOf(recordOf(tool)["function"])
    return typeof name === "string" ? [{ name, parameters }] : []
  })

const nameOf = (tool: unknown): unknown => recordOf(recordOf(tool)["function"])["name"]

const toolsOf = (body: JsonRecord): ReadonlyArray<FunctionTool> => {
  const all = functionsOf(body)
  const choice = body["tool_choice"]
  if (choice === "none") return []
  if (!isRecord(choice)) return all
  const allowed = choice["type"] === "allowed_tools"
    ? listOf(recordOf(choice["allowed_tools"])["tools"]).map(nameOf)
    : [nameOf(choice)]
  return all.filter((tool) => allowed.includes(tool.name))
}

const schemaOf = (format: JsonRecord): unknown => {
  if (format["type"] === "json_object") return { type: "object" }
  return format["type"] === "json_schema" ? recordOf(format["json_schema"])["schema"] ?? { type: "object" } : undefined
}

/** Throws when the text is no JSON. */
export const readRequest = (call: ProviderCall): SimulatedRequest => {
  const body = recordOf(JSON.parse(call.source.text))
  const messages = listOf(body["messages"]).map(recordOf)
  const stop = body["stop"]
  return {
    messages,
    lastUserText: textOf(messages.findLast((message) => message["role"] === "user")?.["content"]),
    maxTokens: countOf(body["max_completion_tokens"]) ?? countOf(body["max_tokens"]) ?? Number.POSITIVE_INFINITY,
    stop: (typeof stop === "string" ? [stop] : listOf(stop)).filter((text) => typeof text === "string" && text !== "")
      .map(String),
    n: Math.min(countOf(body["n"]) ?? 1, 128),
    seed: typeof body["seed"] === "number" ? body["seed"] : undefined,
    includeUsage: recordOf(body["stream_options"])["include_usage"] === true,
    tools: toolsOf(body),
    parallelToolCalls: body["parallel_tool_calls"] !== false,
    schema: schemaOf(recordOf(body["response_format"]))
  }
}
