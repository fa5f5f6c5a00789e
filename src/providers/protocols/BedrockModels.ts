/** What the families of models behind Bedrock differ in: how they are told to think, and what they refuse to be told. */
import type { ChatRequest } from "../../domain/Chat.ts"
import { type Abilities, abilitiesOf } from "./AnthropicMessagesModels.ts"
import { bindingBeta, unbinding, wantsThoughts } from "./AnthropicMessagesThinking.ts"
import { keepable } from "./AnthropicMessagesTools.ts"
import { isObject, type JsonObject } from "./OpenAiChatShape.ts"

/** Undefined for what is no Claude, as far as its name tells: that of an inference profile of one's own tells nothing. */
export const claudeOf = (model: string): Abilities | undefined =>
  model.toLowerCase().includes("claude") ? abilitiesOf(model) : undefined

/** Claude's signed thoughts come back with the calls of tools; a profile's name does not say what is behind it. */
export const takesThoughts = (model: string, request: Pick<ChatRequest, "reasoning_effort">): boolean => {
  const claude = claudeOf(model)
  return claude === undefined ? /inference-profile/i.test(model) : wantsThoughts(request, claude)
}

/** The fields where thoughts come back; see `AnthropicMessagesThinking.ts`. */
export const unboundFields = (model: string, fields: JsonObject | undefined): JsonObject | undefined => {
  const { thinking = { type: "adaptive" } } = fields ?? {}
  if (claudeOf(model)?.bindsThoughts !== true || !isObject(thinking) || thinking["type"] === "disabled") return fields
  return { ...fields, thinking: { ...thinking, ...unbinding }, anthropic_beta: [bindingBeta] }
}

/** Who is known to keep to a tool's schema when asked to; others refuse the word. */
export const takesStrictTools = (model: string): boolean => claudeOf(model)?.hasSchemas === true

/** Families that are known to keep to no schema of their answer. */
const schemaless = /amazon\.(?:nova|titan)|meta\.llama|cohere\.|ai21\./

/** Who keeps to a JSON schema of its answer, as far as is known. */
export const takesSchemas = (model: string): boolean => claudeOf(model)?.hasSchemas ?? !schemaless.test(model)

/** A schema as the model can keep to it. */
export const schemaFor = <Schema>(model: string, schema: Schema): Schema =>
  // A schema stays one.
  claudeOf(model) === undefined ? schema : keepable(schema) as Schema

/** Whether a tool may be demanded. */
export const canBeForced = (model: string): boolean => claudeOf(model)?.canBeForced !== false

/** Tokens to think with. */
const budgets: Readonly<Record<string, number>> = {
  minimal: 1024,
  low: 4096,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768
}
const smallestBudget = 1024

export interface Thinking {
  /** For `additionalModelRequestFields`; absent = nothing is said. */
  readonly fields?: JsonObject
  /** The limit of the answer where thoughts need one, or a larger one. */
  readonly maxTokens?: number
  /** The model thinks in Claude's way, so it takes no sampling. */
  readonly isOn: boolean
}

export interface ThinkingAsk {
  readonly model: string
  /** `reasoning_effort` of the request. */
  readonly effort: string
  readonly maxTokens: number | undefined
  /** The caller demands a tool. */
  readonly isForced: boolean
  /** See `Conversation`. */
  readonly lacksThoughts: boolean
}

/**
 * A limit has room for four fifths of thoughts; one of the caller's that is too small for any is raised by the smallest budget. Where
 * the caller sets none it is said, because Bedrock's own is smaller than most budgets, and such a request is refused.
 */
const budgeted = (
  { effort, isForced, lacksThoughts, maxTokens }: ThinkingAsk,
  usualMaxTokens: number
): Thinking | undefined => {
  if (isForced || lacksThoughts) return undefined
  const wanted = budgets[effort] ?? smallestBudget
  const limit = maxTokens ?? usualMaxTokens
  const room = Math.floor(limit * 0.8)
  const budget = Math.min(wanted, Math.max(room, smallestBudget))
  return {
    isOn: true,
    fields: { thinking: { type: "enabled", budget_tokens: budget } },
    ...(maxTokens === undefined && budget === smallestBudget
      ? {}
      : { maxTokens: limit + (room < smallestBudget ? smallestBudget : 0) })
  }
}

const levelOf = (effort: string, { hasMax, hasXhigh }: Abilities): string => {
  if (effort === "minimal") return "low"
  return (effort === "xhigh" && !hasXhigh) || (effort === "max" && !hasMax) ? "high" : effort
}

const ofClaude = (abilities: Abilities, ask: ThinkingAsk): Thinking | undefined => {
  const { effort } = ask
  const { alwaysThinks, hidesThoughts, thinking, thinksUnasked } = abilities
  if (effort === "none") {
    if (alwaysThinks) return undefined
    return thinksUnasked ? { isOn: false, fields: { thinking: { type: "disabled" } } } : { isOn: false }
  }
  if (thinking !== "adaptive") return thinking === "budget" ? budgeted(ask, abilities.maxTokens) : undefined
  const shown = hidesThoughts ? { display: "summarized" } : {}
  return {
    isOn: true,
    fields: { thinking: { type: "adaptive", ...shown }, output_config: { effort: levelOf(effort, abilities) } }
  }
}

/** Undefined where the model cannot be told. */
export const thinkingOf = (ask: ThinkingAsk): Thinking | undefined => {
  const { effort, model } = ask
  const claude = claudeOf(model)
  if (claude !== undefined) return ofClaude(claude, ask)
  const level = effort === "minimal" ? "low" : effort === "xhigh" || effort === "max" ? "high" : effort
  if (model.includes("gpt-oss") && level !== "none") return { isOn: false, fields: { reasoning_effort: level } }
  if (model.includes("nova-2")) {
    const told = level === "none" ? { type: "disabled" } : { type: "enabled", maxReasoningEffort: level }
    return { isOn: false, fields: { reasoningConfig: told } }
  }
  return effort === "none" && !model.includes("gpt-oss") ? { isOn: false } : undefined
}

/** Takes out of an inferenceConfig what a Claude would refuse the request for, and names it. */
export const mendSampling = (config: JsonObject, model: string, isThinking: boolean, dropped: Set<string>): void => {
  const sampling = isThinking ? "none" : claudeOf(model)?.sampling ?? "all"
  const drop = (member: string, name: string): void => {
    if (config[member] !== undefined && config[member] !== 1) dropped.add(name)
    delete config[member]
  }
  if (sampling === "none") drop("temperature", "temperature")
  if (sampling === "none" || (sampling === "one" && config["temperature"] !== undefined)) drop("topP", "top_p")
}
