/** A whole answer of the Messages API in OpenAI's shape, and what streams have in common with it: usage, ends, signed thoughts. */
import { MalformedAnswer, type Reason } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { Fallback, ReadAnswer } from "../Dialect.ts"
import { toReason } from "../ProviderError.ts"
import { writeCompletion, type WrittenCall } from "./CompletionWriter.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, isText, type Json, type JsonObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

/** Anthropic's words for the end of an answer. */
const finishes: ReadonlyMap<Json | undefined, string> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  // The tools of the server need one more request, which is the caller's to make.
  ["pause_turn", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_use", "tool_calls"],
  ["refusal", "content_filter"]
])

/** OpenAI's reason. */
export const finishOf = (stopReason: Json | undefined): string => finishes.get(stopReason) ?? "stop"

/** Why the model refused, in its own words. */
export const explanationOf = (details: Json | undefined): string =>
  isObject(details) && isText(details["explanation"]) ? details["explanation"] : ""

const count = (value: Json | undefined): number => typeof value === "number" && value > 0 ? value : 0

/** In OpenAI's members: the cache's tokens are part of the prompt there, and beside it here. */
export const usageOf = (usage: JsonObject): JsonObject => {
  const cached = count(usage["cache_read_input_tokens"])
  const written = count(usage["cache_creation_input_tokens"])
  const prompt = count(usage["input_tokens"]) + cached + written
  const completion = count(usage["output_tokens"])
  const thought = isObject(usage["output_tokens_details"])
    ? usage["output_tokens_details"]["thinking_tokens"]
    : undefined
  const creation = usage["cache_creation"]
  const place = usage["inference_geo"]
  const own = usage["server_tool_use"]
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    ...(typeof thought === "number" ? { completion_tokens_details: { reasoning_tokens: thought } } : {}),
    ...(written > 0 && isObject(creation) ? { cache_creation: creation } : {}),
    ...(isObject(own) && count(own["web_search_requests"]) > 0 ? { server_tool_use: own } : {}),
    // Some places have a price of their own.
    ...(typeof place === "string" && place !== "global" && place !== "not_available" ? { inference_geo: place } : {})
  }
}

/** The tier where it is another than the usual one. */
export const tierOf = ({ service_tier: tier }: JsonObject): string | undefined =>
  typeof tier === "string" && tier !== "standard" ? tier : undefined

/** A call's id as the caller gets it: with the signed thoughts that Anthropic wants back beside the call. */
export const callId = (id: string, thoughts: ReadonlyArray<JsonObject>, model: string): string =>
  thoughts.length === 0 ? id : OpaqueState.carry(id, "a", JSON.stringify(thoughts), model)

/** A thought without a signature is worth nothing to Anthropic. */
export const isSigned = (block: JsonObject): boolean =>
  block["type"] === "redacted_thinking" || (block["type"] === "thinking" && isText(block["signature"]))

const textIn = (blocks: ReadonlyArray<JsonObject>, type: string, member: string): string =>
  blocks.map((block) => block["type"] === type && isText(block[member]) ? block[member] : "").join("")

const callsIn = (blocks: ReadonlyArray<JsonObject>, model: string): ReadonlyArray<WrittenCall> => {
  const calls: Array<WrittenCall> = []
  let thoughts: Array<JsonObject> = []
  for (const block of blocks) {
    if (isSigned(block)) thoughts.push(block)
    if (block["type"] !== "tool_use") continue
    const { id, input, name } = block
    calls.push({
      id: callId(isText(id) ? id : "", thoughts, model),
      name: isText(name) ? name : "",
      arguments: isObject(input) ? JSON.stringify(input) : ""
    })
    thoughts = []
  }
  return calls
}

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

/** What an answer used that is none, such as one without a word. */
export const usedIn = (text: string): Usage | undefined => {
  const value = parse(text)
  const usage = isObject(value) ? value["usage"] : undefined
  return isObject(usage) ? mendUsage(usageOf(usage), tierOf(usage))?.usage : undefined
}

/** A body of status 200 to an answer, or to the reason it is none. */
export const readAnswer = (text: string, fallback: Fallback): ReadAnswer | Reason => {
  const parsed = parse(text)
  if (!isObject(parsed)) return malformed("The upstream's answer is not a JSON object.")
  if (parsed["type"] === "error" || isObject(parsed["error"])) {
    return toReason("anthropic", { body: parsed, nowMs: fallback.nowMs })
  }
  const exact = parseKeepingDigits(text, parsed)
  const content = isObject(exact) ? exact["content"] : undefined
  if (!Array.isArray(content)) return malformed("The upstream's answer has no content.")
  const blocks = content.filter(isObject)
  const { id, model, stop_reason: stopReason, usage } = parsed
  const calls = callsIn(blocks, fallback.model)
  const said = textIn(blocks, "text", "text")
  const finish = finishOf(stopReason)
  const used = isObject(usage) ? usageOf(usage) : undefined
  const reasoning = textIn(blocks, "thinking", "thinking")
  if (said === "" && reasoning === "" && calls.length === 0 && finish === "stop" && !used?.["completion_tokens"]) {
    return malformed("The upstream's answer has nothing in it.")
  }
  return writeCompletion({
    id: isText(id) ? id : undefined,
    model: isText(model) ? model : undefined,
    text: said,
    reasoning,
    refusal: explanationOf(parsed["stop_details"]),
    calls,
    finish,
    usage: used,
    tier: isObject(usage) ? tierOf(usage) : undefined
  }, fallback)
}
