/** What a request asks for beside its conversation, in Gemini's words: sampling, the form of the answer, thinking and tools. */
import type { ChatRequest } from "../../domain/Chat.ts"
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import { answerSchema } from "./AnswerSchema.ts"
import { isReason } from "./GeminiGenerateParts.ts"
import { generationOf } from "./GeminiModels.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"
import { isMarked } from "./Unsaid.ts"

type Effort = NonNullable<ChatRequest["reasoning_effort"]>

/** The largest budget is the most that every model of the generation takes. */
const budgets: Readonly<Record<Exclude<Effort, "default">, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576
}

/** Gemini 2.5 Pro cannot be told not to think at all; this is the least it takes. */
const leastProBudget = 128

const levels: Readonly<Record<Exclude<Effort, "default">, string>> = {
  none: "MINIMAL",
  minimal: "MINIMAL",
  low: "LOW",
  medium: "MEDIUM",
  high: "HIGH",
  xhigh: "HIGH",
  max: "HIGH"
}

/** The first Pro of the third generation knows low and high alone, the later ones medium as well. */
const levelOf = (model: string, effort: Exclude<Effort, "default">): string => {
  const level = levels[effort]
  if (!/pro/i.test(model)) return level
  if (level === "MINIMAL") return "LOW"
  return level === "MEDIUM" && /gemini-3-pro/i.test(model) ? "HIGH" : level
}

/** Undefined where the model does not think. */
const thinkingOf = (model: string, effort: Exclude<Effort, "default">): JsonObject | undefined => {
  const generation = generationOf(model)
  if (generation < 2.5) return undefined
  const includeThoughts = effort !== "none"
  if (generation >= 3) return { thinkingLevel: levelOf(model, effort), includeThoughts }
  const least = /pro/i.test(model) ? leastProBudget : 0
  return { thinkingBudget: Math.max(budgets[effort], least), includeThoughts }
}

/** Gemini's seeds have 32 bits. */
const seedOf = (seed: number | null | undefined): number | undefined =>
  typeof seed === "number" && Math.abs(seed) < 2 ** 31 ? seed : undefined

/** Gemini refuses an empty one. */
const stopsOf = ({ stop }: ChatRequest): Array<string> | undefined => {
  const stops = (typeof stop === "string" ? [stop] : stop ?? []).filter((one) => one !== "")
  return stops.length === 0 ? undefined : stops
}

const formatOf = (request: ChatRequest): JsonObject => {
  const { response_format: format } = request
  if (format === undefined || format === null || format.type === "text") return {}
  return { responseMimeType: "application/json", responseJsonSchema: answerSchema(request) }
}

const modalitiesOf = ({ modalities }: ChatRequest): Array<Json> | undefined | Reason => {
  if (modalities === undefined || modalities === null || modalities.every((one) => one === "text")) return undefined
  const other = modalities.findIndex((one) => one !== "text" && one !== "image")
  if (other >= 0) {
    return unsupported(`modalities[${other}]`, `Gemini's answers are not given as ${modalities[other]} here.`)
  }
  return modalities.map((one) => one.toUpperCase())
}

/** `generationConfig`, and what of it could not be said. */
export const lowerConfig = (request: ChatRequest, model: string, dropped: Set<string>): JsonObject | Reason => {
  const { reasoning_effort: effort, seed } = request
  const responseModalities = modalitiesOf(request)
  if (responseModalities !== undefined && isReason(responseModalities)) return responseModalities
  const isAsked = effort !== undefined && effort !== null && effort !== "default"
  const thinkingConfig = isAsked ? thinkingOf(model, effort) : undefined
  if (isAsked && thinkingConfig === undefined) dropped.add("reasoning_effort")
  if (typeof seed === "number" && seedOf(seed) === undefined) dropped.add("seed")
  const topK = "top_k" in request ? request.top_k : undefined
  return {
    maxOutputTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    temperature: request.temperature ?? undefined,
    topP: request.top_p ?? undefined,
    // No member of OpenAI's, but many clients send it.
    topK: typeof topK === "number" ? topK : undefined,
    stopSequences: stopsOf(request),
    seed: seedOf(seed),
    presencePenalty: request.presence_penalty ?? undefined,
    frequencyPenalty: request.frequency_penalty ?? undefined,
    candidateCount: request.n === 1 ? undefined : request.n ?? undefined,
    responseLogprobs: request.logprobs === true ? true : undefined,
    logprobs: request.top_logprobs ?? undefined,
    ...formatOf(request),
    responseModalities,
    thinkingConfig
  }
}

/** Tools of Google's own, by the names that clients call them by. */
const ownTools: Readonly<Record<string, string>> = {
  code_execution: "codeExecution",
  codeExecution: "codeExecution",
  google_maps: "googleMaps",
  googleMaps: "googleMaps",
  google_search: "googleSearch",
  googleSearch: "googleSearch",
  url_context: "urlContext",
  urlContext: "urlContext"
}

const declarationOf = (called: JsonObject, dropped: Set<string>): JsonObject => {
  if (isMarked(called)) dropped.add("cache_control")
  // Nobody keeps the arguments to their schema.
  if (called["strict"] === true) dropped.add("strict")
  return {
    name: called["name"],
    description: called["description"] ?? undefined,
    parametersJsonSchema: called["parameters"] ?? undefined
  }
}

export interface Tools {
  readonly tools: Array<Json> | undefined
  readonly toolConfig: JsonObject | undefined
}

const lowerChoice = (choice: Json | undefined): JsonObject | Reason | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (choice === "auto" || choice === "none") return { mode: choice.toUpperCase() }
  if (choice === "required" || choice === "any") return { mode: "ANY" }
  if (!isObject(choice)) return undefined
  const { allowed_tools: allowed, function: called } = choice
  const named = isObject(called) ? called : isText(choice["name"]) ? choice : undefined
  if (named !== undefined) return { mode: "ANY", allowedFunctionNames: [named["name"] ?? ""] }
  if (!isObject(allowed) || !Array.isArray(allowed["tools"])) {
    return unsupported("tool_choice", "Gemini can be told to call functions only.")
  }
  const names = allowed["tools"].flatMap((tool) =>
    isObject(tool) && isObject(tool["function"]) ? [tool["function"]["name"] ?? ""] : []
  )
  // VALIDATED is AUTO with the choice of functions narrowed.
  return { mode: allowed["mode"] === "required" ? "ANY" : "VALIDATED", allowedFunctionNames: names }
}

const none: Tools = { tools: undefined, toolConfig: undefined }

/** Functions in `tools` or in the older `functions`, and which of them to call. */
export const lowerTools = (request: JsonObject, dropped: Set<string>): Tools | Reason => {
  const { functions, tools } = request
  const declared: Array<Json> = []
  const own: Array<Json> = []
  const offered: ReadonlyArray<Json> = Array.isArray(tools) ? tools : []
  for (const [at, tool] of offered.entries()) {
    if (!isObject(tool)) continue
    const type = String(tool["type"])
    if (isMarked(tool)) dropped.add("cache_control")
    const ownName = ownTools[type]
    if (type === "function" && isObject(tool["function"])) declared.push(declarationOf(tool["function"], dropped))
    else if (ownName === undefined) return unsupported(`tools[${at}].type`, `Gemini has no tools of the type ${type}.`)
    else own.push({ [ownName]: tool[type] ?? {} })
  }
  const older: ReadonlyArray<Json> = Array.isArray(functions) && offered.length === 0 ? functions : []
  for (const called of older) if (isObject(called)) declared.push(declarationOf(called, dropped))
  if (declared.length > 0) own.unshift({ functionDeclarations: declared })
  // Without tools there is nothing to choose from.
  if (own.length === 0) return none
  if (request["parallel_tool_calls"] === false) dropped.add("parallel_tool_calls")
  const choice = declared.length === 0 ? undefined : lowerChoice(request["tool_choice"] ?? request["function_call"])
  if (choice !== undefined && isReason(choice)) return choice
  return { tools: own, toolConfig: choice === undefined ? undefined : { functionCallingConfig: choice } }
}
