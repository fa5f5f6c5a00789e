/** What the families of models behind Bedrock differ in: how they are told to think, and what they refuse to be told. */
import { isObject, type JsonObject } from "./OpenAiChatShape.ts"

/** `4.5` of `claude-sonnet-4-5-20250929`, `3.7` of `claude-3-7-sonnet`; undefined for what is no Claude. */
const claudeOf = (model: string): number | undefined => {
  const named = /claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2})(?!\d))?(?!\d)/.exec(model)
  return named === null ? undefined : Number(named[1]) + Number(named[2] ?? 0) / 10
}

/** Claude's signed thoughts come back with the calls of tools; a profile's name does not say what is behind it. */
export const takesThoughts = (model: string): boolean => /claude|inference-profile/.test(model)

/** Who is known to keep to a tool's schema when asked to; others refuse the word. */
export const takesStrictTools = (model: string): boolean => (claudeOf(model) ?? 0) >= 4.5

const efforts: Readonly<Record<string, string>> = {
  minimal: "low",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "xhigh",
  max: "max"
}

/** Tokens to think with. */
const budgets: Readonly<Record<string, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
  max: 32_768
}
const smallestBudget = 1024

export interface Thinking {
  /** What the request says beside the rest; absent = nothing. */
  readonly fields?: JsonObject
  /** The model thinks, so it takes neither a temperature nor a tool that it is made to call. */
  readonly isOn: boolean
}

export interface ThinkingAsk {
  readonly model: string
  /** `reasoning_effort` of the request. */
  readonly effort: string
  readonly maxTokens: number | undefined
  /** The caller names a tool, or makes the model call one. */
  readonly isForced: boolean
  /** See `Conversation`. */
  readonly lacksThoughts: boolean
}

/** Before the model decides by itself how long, it is told how much; no budget where nothing would be left to answer with. */
const budgeted = ({ effort, isForced, lacksThoughts, maxTokens }: ThinkingAsk): Thinking | undefined => {
  if (effort === "none") return { isOn: false }
  const wanted = budgets[effort] ?? smallestBudget
  const budget = maxTokens === undefined ? wanted : Math.min(wanted, Math.floor(maxTokens / 2))
  if (budget < smallestBudget || isForced || lacksThoughts) return undefined
  return { isOn: true, fields: { thinking: { type: "enabled", budget_tokens: budget } } }
}

const adaptive = (version: number, { effort, isForced }: ThinkingAsk): Thinking | undefined => {
  if (effort === "none") return { isOn: false, fields: { thinking: { type: "disabled" } } }
  const named = efforts[effort] ?? "high"
  const said = version < 4.7 && named === "xhigh" ? "high" : named
  // Effort rules what is written as well as what is thought.
  if (isForced) {
    return { isOn: false, fields: { output_config: { effort: said === "low" || said === "medium" ? said : "high" } } }
  }
  return { isOn: true, fields: { thinking: { type: "adaptive" }, output_config: { effort: said } } }
}

/** Undefined where the model cannot be told. */
export const thinkingOf = (ask: ThinkingAsk): Thinking | undefined => {
  const { effort, model } = ask
  const version = claudeOf(model)
  if (version !== undefined) {
    if (version >= 4.6) return adaptive(version, ask)
    return version >= 3.7 ? budgeted(ask) : effort === "none" ? { isOn: false } : undefined
  }
  const level = effort === "minimal" ? "low" : effort === "xhigh" || effort === "max" ? "high" : effort
  if (model.includes("gpt-oss")) {
    return level === "none" ? undefined : { isOn: false, fields: { reasoning_effort: level } }
  }
  if (model.includes("nova-2")) {
    return {
      isOn: false,
      fields: {
        reasoningConfig: level === "none" ? { type: "disabled" } : { type: "enabled", maxReasoningEffort: level }
      }
    }
  }
  return effort === "none" ? { isOn: false } : undefined
}

/**
 * Takes out of an inferenceConfig what the model would refuse the request for, and names it: newer Claudes take no sampling, those
 * before them one word of it, and none of them a temperature while it thinks.
 */
export const mendSampling = (config: JsonObject, model: string, isThinking: boolean, dropped: Array<string>): void => {
  const version = claudeOf(model)
  if (version === undefined) return
  const drop = (member: string, name: string): void => {
    if (config[member] === undefined) return
    if (config[member] !== 1) dropped.push(name)
    delete config[member]
  }
  const takesNone = version >= 4.7
  if (takesNone || isThinking) drop("temperature", "temperature")
  if (takesNone || isThinking || (version >= 4.1 && config["temperature"] !== undefined)) drop("topP", "top_p")
}

/** What of `additionalModelRequestFields` two sources say. */
export const mergeFields = (own: JsonObject | undefined, callers: JsonObject["string"]): JsonObject | undefined =>
  isObject(callers) ? { ...own, ...callers } : own
