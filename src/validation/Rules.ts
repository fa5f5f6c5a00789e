/**
 * What no schema of one value can see in a chat request: members that exclude or need each other, results that answer no call,
 * names and identifiers that hide something. Nothing is changed: prompts go on as they were written.
 */
import * as Schema from "effect/Schema"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatMessage, ContentPart } from "../domain/ChatMessage.ts"
import { type FilenamePolicy, flawOf } from "./Filename.ts"
import type { ScanProblem } from "./JsonText.ts"
import { type LimitSettings, tooLong, tooManyCharacters } from "./Limits.ts"
import { hiddenIn, hiddenInIdentifier, type UnicodeMode } from "./Text.ts"

type Limits = Omit<LimitSettings, "depth" | "members">

export interface RuleSettings {
  /** How metadata is judged. Default `strict`. */
  readonly unicode: UnicodeMode
  /** Extensions of files in requests. Default: all but the dangerous ones. */
  readonly files: FilenamePolicy
}

export const defaultRuleSettings: RuleSettings = { unicode: "strict", files: {} }

const Extensions = Schema.Array(
  Schema.String.check(
    Schema.isPattern(/^[a-z0-9]{1,16}$/, { expected: "an extension in small letters without its dot, such as pdf" })
  )
)

/** The `validation` section of the file. */
export const RuleSettingsInput = Schema.Struct({
  unicode: Schema.optionalKey(Schema.Literals(["strict", "lenient"])),
  files: Schema.optionalKey(Schema.Struct({
    allow: Schema.optionalKey(Extensions),
    deny: Schema.optionalKey(Extensions)
  }))
})

/** Fills in the defaults. */
export const fromInput = ({ files, unicode }: typeof RuleSettingsInput.Type): RuleSettings => ({
  ...defaultRuleSettings,
  ...(unicode === undefined ? {} : { unicode }),
  files: {
    allow: files?.allow === undefined ? undefined : new Set(files.allow),
    deny: files?.deny === undefined ? undefined : new Set(files.deny)
  }
})

/** Set, as most clients send null for what they leave out. */
const isSet = (value: unknown): boolean => value !== undefined && value !== null

const excluded = (param: string, other: string, advice: string): ScanProblem => ({
  message: `'${param}' and '${other}' exclude each other. ${advice}`,
  param,
  code: "conflicting_members"
})

const needed = (param: string, other: string, advice: string): ScanProblem => ({
  message: `'${param}' needs '${other}'. ${advice}`,
  param,
  code: "missing_companion"
})

/** The function that a choice names; undefined where it leaves the choice to the model. */
const chosenTool = (choice: ChatRequest["tool_choice"]): string | undefined => {
  if (typeof choice !== "object" || choice === null) return undefined
  if (choice.type === "function") return choice.function.name
  return choice.type === "custom" ? choice.custom.name : undefined
}

const nameOfTool = (tool: NonNullable<ChatRequest["tools"]>[number]): unknown =>
  "function" in tool ? tool.function.name : "custom" in tool ? tool.custom.name : undefined

const flawOfChoice = (request: ChatRequest): ScanProblem | undefined => {
  const { function_call: call, tool_choice: choice, tools } = request
  if (isSet(choice) && choice !== "none" && choice !== "auto" && !(Array.isArray(tools) && tools.length > 0)) {
    return needed("tool_choice", "tools", "Send the tools to choose from, or leave tool_choice out.")
  }
  const chosen = chosenTool(choice)
  if (chosen !== undefined && tools?.some((tool) => nameOfTool(tool) === chosen) !== true) {
    return {
      message:
        "Invalid 'tool_choice': it names a tool that is not in 'tools'. Add the tool, or choose one that is there.",
      param: "tool_choice",
      code: "unknown_tool"
    }
  }
  if (isSet(call) && call !== "none" && call !== "auto" && !isSet(request.functions)) {
    return needed("function_call", "functions", "Send the functions to choose from, or leave function_call out.")
  }
  return undefined
}

const flawOfPairs = (request: ChatRequest): ScanProblem | undefined => {
  if (isSet(request.max_tokens) && isSet(request.max_completion_tokens)) {
    return excluded(
      "max_tokens",
      "max_completion_tokens",
      "Send max_completion_tokens alone, or max_tokens for a model that only knows that."
    )
  }
  if (isSet(request.functions) && isSet(request.tools)) {
    return excluded("functions", "tools", "Send tools alone: functions is its older form.")
  }
  if (isSet(request.function_call) && isSet(request.tool_choice)) {
    return excluded("function_call", "tool_choice", "Send tool_choice alone: function_call is its older form.")
  }
  return flawOfChoice(request)
}

const flawOfIdentifier = (param: string, value: unknown, limits: Limits): ScanProblem | undefined => {
  if (typeof value !== "string") return undefined
  if (value.length > limits.identifier) return tooManyCharacters(param, limits.identifier, value.length)
  return flawOfCharacters(param, value)
}

/** An id that an upstream made may be as long as it likes. */
const flawOfCharacters = (param: string, value: string): ScanProblem | undefined => {
  const found = hiddenInIdentifier(value)
  return found === undefined ? undefined : {
    message: `Invalid '${param}': it contains ${found}. Send it without.`,
    param,
    code: "hidden_character"
  }
}

/** Why a model may not be called that: its name may become a part of an upstream's path. */
export const flawOfModel = (model: string, limits: Limits): ScanProblem | undefined =>
  /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/.test(model)
    ? {
      message:
        "Invalid 'model': a part of it between slashes is '.' or '..'. Send the model's name as GET /v1/models shows it.",
      param: "model",
      code: "invalid_model_name"
    }
    : flawOfIdentifier("model", model, limits)

const flawOfMetadata = (metadata: ChatRequest["metadata"]): ScanProblem | undefined => {
  if (metadata === undefined || metadata === null) return undefined
  for (const name of Object.keys(metadata)) {
    const inName = hiddenIn(name)
    const found = inName ?? hiddenIn(metadata[name] ?? "")
    if (found === undefined) continue
    return {
      message:
        `Invalid 'metadata': ${inName === undefined ? "a value" : "a name"} contains ${found}. Send it without, ` +
        "or ask the operator for validation.unicode: lenient.",
      param: inName === undefined ? `metadata.${name}` : "metadata",
      code: "hidden_character"
    }
  }
  return undefined
}

const flawOfStops = (stop: ChatRequest["stop"], limit: number): ScanProblem | undefined => {
  if (typeof stop === "string") return stop.length > limit ? tooManyCharacters("stop", limit, stop.length) : undefined
  if (stop === undefined || stop === null) return undefined
  const at = stop.findIndex((text) => text.length > limit)
  return at < 0 ? undefined : tooManyCharacters(`stop[${at}]`, limit, stop[at]?.length ?? 0)
}

/** Everything but the messages. */
const flawOfMembers = (request: ChatRequest, limits: Limits, settings: RuleSettings): ScanProblem | undefined => {
  const tools = request.tools?.length ?? 0
  const functions = request.functions?.length ?? 0
  if (tools > limits.tools) return tooLong("tools", "tools", limits.tools, tools, "server.limits.tools")
  if (functions > limits.tools) return tooLong("functions", "functions", limits.tools, functions, "server.limits.tools")
  return flawOfModel(request.model, limits) ??
    flawOfIdentifier("user", request.user, limits) ??
    flawOfIdentifier("safety_identifier", request.safety_identifier, limits) ??
    flawOfIdentifier("prompt_cache_key", request.prompt_cache_key, limits) ??
    (settings.unicode === "strict" ? flawOfMetadata(request.metadata) : undefined) ??
    flawOfStops(request.stop, limits.stop) ??
    flawOfPairs(request)
}

const flawOfFile = (part: ContentPart, at: number, index: number, policy: FilenamePolicy): ScanProblem | undefined => {
  if (part.type !== "file" || !("file" in part) || typeof part.file.filename !== "string") return undefined
  const flaw = flawOf(part.file.filename, policy)
  const param = `messages[${at}].content[${index}].file.filename`
  return flaw === undefined ? undefined : {
    message: `Invalid '${param}': the name ${flaw}. Send a plain name such as report.pdf.`,
    param,
    code: "dangerous_filename"
  }
}

/** What the messages before the one at hand have said. */
interface Past {
  /** Ids of the calls; made with the first of them. */
  calls: Set<string> | undefined
  parts: number
}

const flawOfResult = (id: string, at: number, past: Past): ScanProblem | undefined =>
  past.calls?.has(id) === true ? undefined : {
    message: `Invalid 'messages[${at}].tool_call_id': it answers no call of an assistant message before it. Send the ` +
      "assistant message with its tool_calls first, and give the result the id of its call.",
    param: `messages[${at}].tool_call_id`,
    code: "unknown_tool_call"
  }

const flawOfMessage = (
  message: ChatMessage,
  at: number,
  past: Past,
  limits: Limits,
  { files }: RuleSettings
): ScanProblem | undefined => {
  const { content } = message
  if (typeof content === "object" && content !== null) {
    past.parts += content.length
    if (past.parts > limits.parts) {
      return tooLong(
        `messages[${at}].content`,
        "content parts in all messages",
        limits.parts,
        past.parts,
        "server.limits.parts"
      )
    }
    for (let index = 0; index < content.length; index++) {
      const part = content[index]
      if (part === undefined || part.type !== "file") continue
      const flaw = flawOfFile(part, at, index, files)
      if (flaw !== undefined) return flaw
    }
  }
  if (message.role === "tool") return flawOfResult(message.tool_call_id, at, past)
  if (message.role === "assistant" && Array.isArray(message.tool_calls)) {
    past.calls ??= new Set()
    for (const [index, { id }] of message.tool_calls.entries()) {
      const flaw = flawOfCharacters(`messages[${at}].tool_calls[${index}].id`, id)
      if (flaw !== undefined) return flaw
      past.calls.add(id)
    }
  }
  return "name" in message && isSet(message.name)
    ? flawOfIdentifier(`messages[${at}].name`, message.name, limits)
    : undefined
}

/** The first flaw of a request that its schema has nothing against; one pass over its messages. */
export const flawOfRequest = (
  request: ChatRequest,
  limits: Limits,
  settings: RuleSettings = defaultRuleSettings
): ScanProblem | undefined => {
  const { messages } = request
  if (messages.length > limits.messages) {
    return tooLong("messages", "messages", limits.messages, messages.length, "server.limits.messages")
  }
  const flaw = flawOfMembers(request, limits, settings)
  if (flaw !== undefined) return flaw
  const past: Past = { calls: undefined, parts: 0 }
  for (let at = 0; at < messages.length; at++) {
    const message = messages[at]
    const found = message === undefined ? undefined : flawOfMessage(message, at, past, limits, settings)
    if (found !== undefined) return found
  }
  return undefined
}
