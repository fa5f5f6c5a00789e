/**
 * What OpenAI's dialect says of the use of an answer, mended where hosts miss the form, and read with each host's own meaning:
 * tokens in the cache are part of the prompt, thinking is part of the completion, a price that the host names is its own.
 */
import { parseUsd, type PicoUsd, times } from "../../domain/Money.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { Fallback } from "../Dialect.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"

type Mutable<A> = { -readonly [Key in keyof A]: A[Key] }

const isCount = (value: Json | undefined): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const details = {
  prompt_tokens_details: ["audio_tokens", "cached_tokens", "text_tokens", "image_tokens", "cache_write_tokens"],
  completion_tokens_details: [
    "accepted_prediction_tokens",
    "audio_tokens",
    "reasoning_tokens",
    "text_tokens",
    "rejected_prediction_tokens"
  ]
} as const

const mendDetails = (usage: JsonObject, name: keyof typeof details): boolean => {
  const value = usage[name]
  if (value === undefined) return false
  if (!isObject(value)) {
    delete usage[name]
    return true
  }
  let changed = false
  for (const member of details[name]) {
    if (value[member] === undefined || Number.isSafeInteger(value[member])) continue
    delete value[member]
    changed = true
  }
  return changed
}

/** xAI's unit: 10^10 to the dollar. */
const picoPerTick = 100

const amount = (value: Json | undefined): PicoUsd | undefined =>
  typeof value === "number" ? parseUsd(String(value)) : undefined

/** What OpenRouter (`cost`), Perplexity (`cost.total_cost`) and xAI (ticks) say that they charge; undefined where they do not. */
const reportedCost = ({ cost, cost_in_usd_ticks: ticks, is_byok: isByok }: JsonObject): PicoUsd | undefined => {
  // With no tokens' price in them, ticks are left out rather than believed.
  if (isCount(ticks) && ticks > 0) return times(ticks, picoPerTick)
  // With a key of the caller's own the host names its fee alone.
  if (cost === undefined || isByok === true) return undefined
  return amount(isObject(cost) ? cost["total_cost"] : cost)
}

const usualTiers: ReadonlySet<Json> = new Set(["auto", "default", "standard", "on_demand", ""])

/** The tier of an answer or chunk where it is not the host's usual one; read it before `mendTop`, which drops unknown ones. */
export const tierOf = ({ service_tier: tier }: JsonObject): string | undefined =>
  typeof tier === "string" && !usualTiers.has(tier) ? tier : undefined

/** What says that no place was asked for. */
const anywhere: ReadonlySet<Json> = new Set(["global", "not_available", ""])

/** Members are set only where they are known and not 0: most answers have none of them. */
const noteParts = (read: Mutable<Usage>, usage: JsonObject): void => {
  const input = usage["prompt_tokens_details"]
  const output = usage["completion_tokens_details"]
  const creation = usage["cache_creation"]
  const cached = (isObject(input) ? input["cached_tokens"] : undefined) ?? usage["prompt_cache_hit_tokens"]
    ?? usage["cached_tokens"]
  if (isCount(cached)) read.cachedTokens = cached
  if (isObject(input)) {
    if (isCount(input["cache_write_tokens"])) read.cacheWriteTokens = input["cache_write_tokens"]
    if (isCount(input["audio_tokens"]) && input["audio_tokens"] > 0) read.audioPromptTokens = input["audio_tokens"]
    if (isCount(input["image_tokens"]) && input["image_tokens"] > 0) read.imagePromptTokens = input["image_tokens"]
  }
  if (isObject(creation) && isCount(creation["ephemeral_1h_input_tokens"])) {
    const written = creation["ephemeral_1h_input_tokens"]
    read.cacheWrite1hTokens = written
    // The sum of both kinds is what the prompt's details tell.
    if (read.cacheWriteTokens !== undefined) read.cacheWriteTokens = Math.max(read.cacheWriteTokens - written, 0)
  }
  if (!isObject(output)) return
  if (isCount(output["audio_tokens"]) && output["audio_tokens"] > 0) read.audioCompletionTokens = output["audio_tokens"]
  const reasoning = output["reasoning_tokens"]
  if (!isCount(reasoning)) return
  read.reasoningTokens = reasoning
  // xAI counts thinking beside the completion; its total tells.
  if (reasoning > 0 && read.totalTokens === read.promptTokens + read.completionTokens + reasoning) {
    read.completionTokens += reasoning
  }
}

/** Which model served, for whoever is to be told. */
export const servedIn = (answer: JsonObject, { tellsModel }: Pick<Fallback, "tellsModel">): string | undefined =>
  tellsModel === true && isText(answer["model"]) ? answer["model"] : undefined

/** Undefined where the value does not even count prompt and completion, or says less than 0. `tier`: see `tierOf`; `served`: see `servedIn`. */
export const mendUsage = (
  usage: JsonObject,
  tier?: string,
  served?: string
): { readonly usage: Usage; readonly changed: boolean } | undefined => {
  const prompt = usage["prompt_tokens"]
  const completion = usage["completion_tokens"] ?? 0
  // Sums of tokens must not fall, whatever a host says.
  if (!isCount(prompt) || !isCount(completion)) return undefined
  let changed = mendDetails(usage, "prompt_tokens_details")
  if (mendDetails(usage, "completion_tokens_details")) changed = true
  const said = usage["total_tokens"]
  const total = typeof said === "number" && Number.isSafeInteger(said) ? said : prompt + completion
  if (usage["completion_tokens"] !== completion || said !== total) {
    usage["completion_tokens"] = completion
    usage["total_tokens"] = total
    changed = true
  }
  const read: Mutable<Usage> = { promptTokens: prompt, completionTokens: completion, totalTokens: total }
  noteParts(read, usage)
  const cost = reportedCost(usage)
  if (cost !== undefined) read.reportedCost = cost
  if (tier !== undefined) read.serviceTier = tier
  if (served !== undefined) read.servedModel = served
  const own = usage["server_tool_use"]
  const searches = isObject(own) ? own["web_search_requests"] : undefined
  if (isCount(searches) && searches > 0) read.searches = searches
  const place = usage["inference_geo"]
  if (typeof place === "string" && !anywhere.has(place)) read.region = place
  return { changed, usage: read }
}
