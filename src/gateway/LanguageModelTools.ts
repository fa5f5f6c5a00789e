/**
 * Tools and the form of the answer on their way out, calls of tools on their way back. A tool is strict only where it says so
 * (`Tool.Strict`): the targets of an alias differ in what a strict schema may hold, and all of them take a plain one.
 */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChatRequest } from "../domain/Chat.ts"
import { isWebSearch } from "./HostedTool.ts"

type Options = LanguageModel.ProviderOptions
type Shape = Pick<ChatRequest, "tools" | "tool_choice" | "response_format" | "web_search_options">

/** A name as OpenAI takes it: 1 to 64 letters, digits, underscores or dashes. */
const nameOf = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "object"

const isStrict = (tool: Tool.Any): boolean => Tool.getStrictMode(tool) === true

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** OpenAI takes parameters as an object with its members, where Effect's schema of a class is a reference to one. */
const parametersOf = (schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const { $defs, $ref, ...own } = schema
  const name = typeof $ref === "string"
    ? $ref.replace(/^#\/\$defs\//, "").replaceAll("~1", "/").replaceAll("~0", "~")
    : ""
  const meant = isObject($defs) ? $defs[name] : undefined
  const root = isObject(meant) ? { ...meant, ...own, $defs } : schema
  return root["type"] === "object" && root["properties"] === undefined ? { ...root, properties: {} } : root
}

const toolOf = (tool: Tool.Any) => {
  const description = Tool.getDescription(tool)
  const strict = isStrict(tool)
  return {
    type: "function" as const,
    function: {
      name: tool.name,
      ...(description === undefined ? {} : { description }),
      parameters: parametersOf(Tool.getJsonSchema(tool, strict ? { transformer: toCodecOpenAI } : {})),
      ...(strict ? { strict } : {})
    }
  }
}

/** `oneOf` has been applied to the tools when it comes here. */
const choiceOf = (choice: Options["toolChoice"]): NonNullable<ChatRequest["tool_choice"]> => {
  if (typeof choice === "string") return choice
  return "tool" in choice ? { type: "function", function: { name: choice.tool } } : choice.mode ?? "auto"
}

const formatOf = (format: Options["responseFormat"]): Pick<ChatRequest, "response_format"> => {
  if (format.type === "text") return {}
  const { jsonSchema } = toCodecOpenAI(format.schema)
  return {
    response_format: {
      type: "json_schema",
      json_schema: { name: nameOf(format.objectName), schema: jsonSchema, strict: true }
    }
  }
}

const providersOwn = (tool: Tool.Any) =>
  new AiError.ToolConfigurationError({
    toolName: tool.name,
    description:
      "It is one provider's own, and the targets of a model may be of several. Make it a tool with a handler."
  })

/** What may be called here and by the upstream itself; nothing where the upstream runs all there is. */
const toolsOf = (tools: Options["tools"], choice: Options["toolChoice"]): Shape => {
  const functions = tools.filter((tool) => !Tool.isProviderDefined(tool))
  const search = tools.find(isWebSearch)
  return {
    ...(functions.length === 0 ? {} : { tools: functions.map(toolOf), tool_choice: choiceOf(choice) }),
    ...(search !== undefined && Tool.isProviderDefined(search) ? { web_search_options: search.args } : {})
  }
}

/** Tools, choice and form of a request. Fails for a tool of another provider's own and a schema that cannot be said. */
export const shapeOf = (
  { responseFormat, toolChoice, tools }: Options
): Effect.Effect<Shape, AiError.AiErrorReason> => {
  const own = tools.find((tool) => Tool.isProviderDefined(tool) && !isWebSearch(tool))
  if (own !== undefined) return Effect.fail(providersOwn(own))
  return Effect.try({
    try: () => ({ ...toolsOf(tools, toolChoice), ...formatOf(responseFormat) }),
    catch: (error) =>
      new AiError.UnsupportedSchemaError({ description: error instanceof Error ? error.message : String(error) })
  })
}

/** A call of a tool as the answer has it; the arguments are JSON text. */
export interface SaidCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** Parameters of a strict tool come in the shape that strictness asks for; the toolkit knows only the tool's own. */
const plainOf = (tool: Tool.Any | undefined, params: unknown): Effect.Effect<unknown> => {
  if (tool === undefined || !isStrict(tool) || !Schema.isSchema(tool.parametersSchema)) return Effect.succeed(params)
  // A tool hides its schema's types, and parameters that need services to be read are read by the toolkit, not here.
  const own = tool.parametersSchema as Schema.Codec<unknown, unknown>
  return Schema.decodeUnknownEffect(toCodecOpenAI(own).codec)(params).pipe(
    Effect.flatMap(Schema.encodeEffect(own)),
    // The toolkit tells what is wrong with them.
    Effect.orElseSucceed(() => params)
  )
}

/** The call as a part of the response. Fails where its arguments are no JSON, unless the program wants to look at them itself. */
export const callOf = (
  { arguments: text, id, name }: SaidCall,
  { toolCallValidation, tools }: Options
): Effect.Effect<Response.ToolCallPartEncoded, AiError.AiErrorReason> => {
  const parsed = Effect.try({
    try: () => text.trim() === "" ? {} : Tool.unsafeSecureJsonParse(text),
    catch: () =>
      new AiError.ToolParameterValidationError({ toolName: name, description: "The arguments are not valid JSON." })
  })
  return parsed.pipe(
    Effect.catch((error) => toolCallValidation === "deferred" ? Effect.succeed<unknown>(text) : Effect.fail(error)),
    Effect.flatMap((params) => plainOf(tools.find((tool) => tool.name === name), params)),
    Effect.map((params) => ({ type: "tool-call", id, name, params }))
  )
}
