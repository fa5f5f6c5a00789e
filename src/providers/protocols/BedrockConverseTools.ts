/**
 * OpenAI's tools as Bedrock's toolConfig. Trap: a conversation in which tools were called needs one, and an empty one is refused; so
 * tools that the request does not bring any more are made up from their names.
 */
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import { cachePointOf, isReason } from "./BedrockConverseParts.ts"
import { canBeForced, schemaFor, takesStrictTools } from "./BedrockModels.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"

const specOf = (tool: Json, param: string, model: string): ReadonlyArray<JsonObject> | Reason => {
  const written = isObject(tool) ? tool["function"] : undefined
  if (!isObject(tool) || !isObject(written)) {
    return unsupported(`${param}.type`, "Bedrock has tools of type function alone.")
  }
  const { description, name, parameters, strict } = written
  const isKept = strict === true && takesStrictTools(model)
  const json: Json = isObject(parameters) ? { type: "object", ...parameters } : { type: "object", properties: {} }
  const toolSpec = {
    name,
    description: isText(description) ? description : undefined,
    inputSchema: { json: isKept ? schemaFor(model, json) : json },
    strict: isKept ? true : undefined
  }
  const point = cachePointOf(tool)
  return [{ toolSpec }, ...(point.length > 0 ? point : cachePointOf(written))]
}

const nameOf = ({ toolSpec }: JsonObject): Json | undefined => isObject(toolSpec) ? toolSpec["name"] : undefined

interface Choice {
  /** Absent = the model decides. */
  readonly toolChoice?: JsonObject
  /** Tools that it may call; absent = all. */
  readonly allowed?: ReadonlyArray<Json | undefined>
}

const nameIn = (holder: Json | undefined): Json | undefined =>
  isObject(holder) && isObject(holder["function"]) ? holder["function"]["name"] : undefined

const choiceOf = (written: Json | undefined): Choice | Reason => {
  if (written === "none") return { allowed: [] }
  if (written === "required" || written === "any") return { toolChoice: { any: {} } }
  if (!isObject(written)) return {}
  const named = nameIn(written)
  if (isText(named)) return { toolChoice: { tool: { name: named } } }
  const listed = written["allowed_tools"]
  if (!isObject(listed) || !Array.isArray(listed["tools"])) {
    return unsupported("tool_choice", "Bedrock has tools of type function alone.")
  }
  return { allowed: listed["tools"].map(nameIn), ...(listed["mode"] === "required" ? { toolChoice: { any: {} } } : {}) }
}

const specsOf = (tools: Json | undefined, model: string): ReadonlyArray<JsonObject> | Reason => {
  const specs: Array<JsonObject> = []
  for (const [index, tool] of (Array.isArray(tools) ? tools : []).entries()) {
    const spec = specOf(tool, `tools[${index}]`, model)
    if (isReason(spec)) return spec
    specs.push(...spec)
  }
  return specs
}

const isStrict = (tool: Json): boolean =>
  isObject(tool) && isObject(tool["function"]) && tool["function"]["strict"] === true

/** `called`: tools that the conversation has calls of. Undefined = there is nothing to say of tools. */
export const lowerTools = (
  request: JsonObject,
  model: string,
  called: ReadonlySet<string>,
  dropped: Set<string>
): { readonly toolConfig: JsonObject } | Reason | undefined => {
  if (Array.isArray(request["functions"])) return unsupported("functions", "Bedrock has no functions: use tools.")
  const specs = specsOf(request["tools"], model)
  if (isReason(specs)) return specs
  const choice = choiceOf(request["tool_choice"])
  if (isReason(choice)) return choice
  const { allowed, toolChoice } = choice
  const offered = allowed === undefined
    ? specs
    : specs.filter((spec) => nameOf(spec) === undefined || allowed.includes(nameOf(spec)))
  const some = offered.filter((spec) => nameOf(spec) !== undefined)
  if (some.length > 0) {
    if (request["parallel_tool_calls"] === false) dropped.add("parallel_tool_calls")
    const isAsked = Array.isArray(request["tools"]) && request["tools"].some(isStrict)
    if (isAsked && !takesStrictTools(model)) dropped.add("strict")
    if (toolChoice === undefined || canBeForced(model)) return { toolConfig: { tools: [...offered], toolChoice } }
    dropped.add("tool_choice")
    return { toolConfig: { tools: [...offered] } }
  }
  if (called.size === 0) return undefined
  // There is no word for none: they must be named, and so they may be called.
  if (allowed !== undefined) dropped.add("tool_choice")
  const known = specs.filter((spec) => called.has(String(nameOf(spec))))
  const missing = [...called].filter((name) => !known.some((spec) => nameOf(spec) === name))
  const madeUp = missing.map((name) => ({ toolSpec: { name, inputSchema: { json: { type: "object" } } } }))
  return { toolConfig: { tools: [...known, ...madeUp] } }
}
