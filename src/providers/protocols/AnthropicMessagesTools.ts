/** The tools of a request and the form of its answer as Anthropic takes them, JSON schemas cut to what it can keep to. */
import type { ChatRequest, Tool } from "../../domain/Chat.ts"
import { answerSchema } from "./AnswerSchema.ts"
import { type Block, cacheOf, type Lowering } from "./AnthropicMessagesContent.ts"
import type { Abilities } from "./AnthropicMessagesModels.ts"

const isObject = (value: unknown): value is Block =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Keywords that are refused where the answer must keep to the schema; the model is told of them in words. */
const unkept: ReadonlySet<string> = new Set([
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "patternProperties",
  "propertyNames",
  "contains"
])

/** Keywords whose members are schemas by name. */
const named: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"])

const described = (description: unknown, constraints: ReadonlyArray<string>): string =>
  [...(typeof description === "string" && description !== "" ? [description] : []), `{${constraints.join(", ")}}`].join(
    "\n\n"
  )

const isOfObjects = ({ properties, type }: Block): boolean =>
  type === "object" || isObject(properties) || (Array.isArray(type) && type.includes("object"))

/** A schema that can be kept to: objects are closed, and what cannot be kept to stands in the description. */
export const keepable = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(keepable)
  if (!isObject(schema)) return schema
  const kept: Record<string, unknown> = {}
  const constraints: Array<string> = []
  for (const [name, value] of Object.entries(schema)) {
    // One element at least is the only count that it keeps to.
    if (unkept.has(name) && !(name === "minItems" && (value === 0 || value === 1))) {
      constraints.push(`${name}: ${JSON.stringify(value)}`)
    } else if (named.has(name) && isObject(value)) {
      kept[name] = Object.fromEntries(Object.entries(value).map(([member, its]) => [member, keepable(its)]))
    } else if (name === "enum" || name === "const" || name === "default" || name === "required") kept[name] = value
    else kept[name] = keepable(value)
  }
  if (constraints.length > 0) kept["description"] = described(kept["description"], constraints)
  if (isOfObjects(kept)) kept["additionalProperties"] = false
  return kept
}

const inputSchema = (parameters: Block | null | undefined, isStrict: boolean): unknown => {
  const schema = { ...parameters, type: "object", properties: parameters?.["properties"] ?? {} }
  return isStrict ? keepable(schema) : schema
}

const toolOf = (tool: Tool, at: string, { hasSchemas }: Abilities, lowering: Lowering): Block | undefined => {
  if (tool.type === "custom") {
    return lowering.refuse(at, "Anthropic's models cannot be given tools of the type custom.")
  }
  if (tool.type !== "function" || !("function" in tool)) return { ...tool }
  const { description, name, parameters, strict } = tool.function
  const isStrict = strict === true && hasSchemas
  if (strict === true && !hasSchemas) lowering.dropped.add("strict")
  return {
    name,
    ...(description ? { description } : {}),
    input_schema: inputSchema(parameters, isStrict),
    ...(isStrict ? { strict: true } : {}),
    ...cacheOf(tool.function),
    ...cacheOf(tool)
  }
}

type Choice = NonNullable<ChatRequest["tool_choice"]>

/** The names that `allowed_tools` leaves. */
const allowedIn = (choice: Choice): ReadonlySet<unknown> | undefined =>
  typeof choice === "string" || choice.type !== "allowed_tools"
    ? undefined
    : new Set(
      choice.allowed_tools.tools.map((tool) => isObject(tool["function"]) ? tool["function"]["name"] : tool["name"])
    )

const choiceOf = (choice: Choice, lowering: Lowering): Block => {
  if (choice === "none" || choice === "auto") return { type: choice }
  if (choice === "required" || choice === "any") return { type: "any" }
  if (choice.type === "allowed_tools") return { type: choice.allowed_tools.mode === "required" ? "any" : "auto" }
  if (choice.type === "function") return { type: "tool", name: choice.function.name }
  lowering.refuse("tool_choice", "Anthropic's models cannot be given tools of the type custom.")
  return { type: "auto" }
}

/** Tools and what is said of their use. */
export interface Toolbox {
  readonly tools?: ReadonlyArray<Block>
  readonly tool_choice?: Block
}

/** A tool is demanded, whether any or one. */
export const isForced = ({ tool_choice: choice }: Toolbox): boolean =>
  choice?.["type"] === "any" || choice?.["type"] === "tool"

/** Without tools nothing is said of them. */
export const lowerTools = (request: ChatRequest, abilities: Abilities, lowering: Lowering): Toolbox => {
  if (request.functions) lowering.refuse("functions", "functions is not supported here; use tools.")
  if (request.function_call) lowering.refuse("function_call", "function_call is not supported here; use tool_choice.")
  const choice = request.tool_choice
  const allowed = choice ? allowedIn(choice) : undefined
  const tools = (request.tools ?? [])
    .map((tool, index) => toolOf(tool, `tools[${index}]`, abilities, lowering))
    .filter((tool) => tool !== undefined && (allowed === undefined || allowed.has(tool["name"])))
    .filter((tool) => tool !== undefined)
  if (tools.length === 0) return {}
  let said = choice ? choiceOf(choice, lowering) : undefined
  if (said !== undefined && isForced({ tool_choice: said }) && !abilities.canBeForced) {
    lowering.dropped.add("tool_choice")
    said = { type: "auto" }
  }
  if (request.parallel_tool_calls === false && said?.["type"] !== "none") {
    said = { ...(said ?? { type: "auto" }), disable_parallel_tool_use: true }
  }
  return { tools, ...(said === undefined ? {} : { tool_choice: said }) }
}

/** The form of the answer, and an instruction where there is only that. */
export interface AnswerForm {
  readonly format?: Block
  readonly instruction?: string
}

export const lowerFormat = (request: ChatRequest, { hasSchemas }: Abilities, lowering: Lowering): AnswerForm => {
  const format = request.response_format
  if (!format || format.type === "text") return {}
  const schema = answerSchema(request)
  if (schema && hasSchemas) return { format: { type: "json_schema", schema: keepable(schema) } }
  // It may be asked for, but nobody keeps the model to it.
  lowering.dropped.add("response_format")
  const form = schema ? ` that is valid under this JSON schema: ${JSON.stringify(schema)}` : ""
  return { instruction: `Answer with one JSON object${form}. Write nothing before it and nothing after it.` }
}
