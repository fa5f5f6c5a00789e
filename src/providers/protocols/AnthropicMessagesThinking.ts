/**
 * How hard a model is to think, and how long its answer may get: OpenAI's effort as an effort where the model has efforts, else as a
 * budget within `max_tokens`. Traps of a budget: no tool may be demanded beside it, and a call's result needs the call's thoughts, as does
 * an answer to go on with its own.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Block, Conversation, Lowering } from "./AnthropicMessagesContent.ts"
import type { Abilities } from "./AnthropicMessagesModels.ts"

/** The smallest budget there is, in tokens. */
const minBudget = 1024

type Effort = Exclude<NonNullable<ChatRequest["reasoning_effort"]>, "none" | "default">

/** In tokens. */
const budgets: Readonly<Record<Effort, number>> = {
  minimal: minBudget,
  low: 4096,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768
}

export interface Thinking {
  readonly maxTokens: number
  readonly thinking?: Block
  readonly effort?: string
}

export interface ThinkingOptions {
  readonly request: ChatRequest
  readonly abilities: Abilities
  readonly conversation: Conversation
  /** A tool is demanded. */
  readonly isForced: boolean
  /** Tokens of an answer where the caller sets no limit. */
  readonly defaultMaxTokens: number
}

/** Of the switch that is set where thoughts come back to a model that binds them. */
export const bindingBeta = "thinking-binding-controls-2026-08-01"

/**
 * The switch. Clients that keep nothing but the ids of calls do not know that they bring thoughts back, and change what stands before
 * them: such thoughts are to be left out rather than the request refused.
 */
export const unbinding = { block_binding: { prefix_mismatch_behavior: "drop_block" } } as const

const isThought = (block: Block | undefined): boolean =>
  block?.["type"] === "thinking" || block?.["type"] === "redacted_thinking"

/**
 * The answer that is to be gone on with, or the calls whose results are given, began without thoughts or have lost them; later calls
 * of the same turn need none.
 */
const lacksThoughts = ({ turns }: Conversation): boolean => {
  let at = turns.length - 1
  if (turns[at]?.role === "assistant") return !isThought(turns[at]?.content[0])
  while (turns[at]?.content[0]?.["type"] === "tool_result") at -= 2
  return at < turns.length - 1 && !isThought(turns[at + 1]?.content[0])
}

const levelOf = (effort: Effort, { hasMax, hasXhigh }: Abilities): string => {
  if (effort === "minimal") return "low"
  if (effort === "xhigh") return hasXhigh ? effort : "high"
  return effort === "max" && !hasMax ? "high" : effort
}

const hasThoughts = ({ turns }: Conversation): boolean => turns.some(({ content }) => content.some(isThought))

const unbound = (
  said: Thinking,
  { abilities, conversation, request }: ThinkingOptions,
  lowering: Lowering
): Thinking => {
  const { thinking = { type: "adaptive" } } = said
  const own: Block = request
  if (!abilities.bindsThoughts || !hasThoughts(conversation)) return said
  if (thinking["type"] === "disabled" || own["thinking"]) return said
  lowering.betas.add(bindingBeta)
  return { ...said, thinking: { ...thinking, ...unbinding } }
}

const off = (maxTokens: number, { alwaysThinks, thinksUnasked }: Abilities, lowering: Lowering): Thinking => {
  if (alwaysThinks) {
    lowering.dropped.add("reasoning_effort")
    return { maxTokens, effort: "low" }
  }
  return thinksUnasked ? { maxTokens, thinking: { type: "disabled" } } : { maxTokens }
}

/** A limit that the caller set has room for four fifths of thoughts; one too small for any is raised by the smallest budget. */
const budgeted = (effort: Effort, asked: number | undefined, defaultMaxTokens: number): Thinking => {
  const room = Math.floor((asked ?? defaultMaxTokens) * 0.8)
  const budget = Math.min(budgets[effort], Math.max(room, minBudget))
  const maxTokens = (asked ?? defaultMaxTokens) + (room < minBudget ? minBudget : 0)
  return { maxTokens, thinking: { type: "enabled", budget_tokens: budget } }
}

const asAsked = (options: ThinkingOptions, lowering: Lowering): Thinking => {
  const { abilities, conversation, defaultMaxTokens, isForced, request } = options
  const asked = request.max_completion_tokens ?? request.max_tokens ?? undefined
  const maxTokens = asked ?? defaultMaxTokens
  const effort = request.reasoning_effort
  if (!effort || effort === "default") return { maxTokens }
  if (abilities.thinking === "none") {
    if (effort !== "none") lowering.dropped.add("reasoning_effort")
    return { maxTokens }
  }
  if (effort === "none") return off(maxTokens, abilities, lowering)
  if (abilities.thinking === "adaptive") {
    const shown = abilities.hidesThoughts ? { display: "summarized" } : {}
    return { maxTokens, thinking: { type: "adaptive", ...shown }, effort: levelOf(effort, abilities) }
  }
  if (isForced || lacksThoughts(conversation)) {
    lowering.dropped.add("reasoning_effort")
    return { maxTokens }
  }
  return budgeted(effort, asked, defaultMaxTokens)
}

/** A model that is not to think has no use for what it thought. */
export const wantsThoughts = (
  { reasoning_effort: effort }: Pick<ChatRequest, "reasoning_effort">,
  { alwaysThinks, bindsThoughts }: Abilities
): boolean => !bindsThoughts || alwaysThinks || effort !== "none"

export const lowerThinking = (options: ThinkingOptions, lowering: Lowering): Thinking =>
  unbound(asAsked(options, lowering), options, lowering)
