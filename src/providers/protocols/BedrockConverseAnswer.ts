/** What whole and streamed answers of Bedrock Converse have in common: how they end, what they used, which of their calls are ours. */
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** Ends that say the model's output cannot be used. */
export const isBrokenEnd = (reason: Json | undefined): boolean =>
  reason === "malformed_tool_use" || reason === "malformed_model_output"

const finishes: ReadonlyMap<string, string> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["content_filtered", "content_filter"],
  ["guardrail_intervened", "content_filter"]
])

/** OpenAI's reason; that there are calls is seen from the calls, for tools that Bedrock runs by itself are called too. */
export const finishOf = (reason: Json | undefined): string => finishes.get(String(reason)) ?? "stop"

/** A call of a tool that Bedrock runs by itself is no call of the caller's. */
export const isOwnTool = ({ type }: JsonObject): boolean => type === "server_tool_use"

const countOf = (value: Json | undefined): number => typeof value === "number" ? value : 0

/** Of the tokens that were written to the cache those for an hour. */
const writtenForHour = (details: Json | undefined): number =>
  (Array.isArray(details) ? details : [])
    .map((detail) => isObject(detail) && detail["ttl"] === "1h" ? countOf(detail["inputTokens"]) : 0)
    .reduce((sum, tokens) => sum + tokens, 0)

/** In OpenAI's members; undefined where Bedrock did not count. */
export const usageOf = (usage: Json | undefined): JsonObject | undefined => {
  if (!isObject(usage) || typeof usage["inputTokens"] !== "number") return undefined
  const read = countOf(usage["cacheReadInputTokens"])
  const written = countOf(usage["cacheWriteInputTokens"])
  const forHour = writtenForHour(usage["cacheDetails"])
  const prompt = countOf(usage["inputTokens"]) + read + written
  const completion = countOf(usage["outputTokens"])
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(read + written === 0
      ? {}
      : { prompt_tokens_details: { cached_tokens: read, cache_write_tokens: written } }),
    ...(forHour === 0 ? {} : { cache_creation: { ephemeral_1h_input_tokens: forHour } })
  }
}

/** The tier that served it, where it is not the usual one. */
export const tierOf = (tier: Json | undefined): string | undefined => {
  const type = isObject(tier) ? tier["type"] : undefined
  return typeof type === "string" && type !== "default" ? type : undefined
}

/** Thoughts that must come back to the letter: signed, or not to be read. */
export const isSealed = (block: JsonObject): boolean => {
  const { reasoningContent: content } = block
  if (!isObject(content)) return false
  const { reasoningText: text } = content
  return typeof content["redactedContent"] === "string" || (isObject(text) && typeof text["signature"] === "string")
}
