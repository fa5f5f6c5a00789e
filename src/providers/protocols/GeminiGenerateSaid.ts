/** What Gemini's candidates say, in OpenAI's words: parts, finish reasons, log probabilities and use. For answers and streams. */
import type { Reason } from "../../domain/GatewayError.ts"
import { UpstreamFailed } from "../../domain/GatewayError.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** Reads as: a text for the caller, thinking, the call of a function, or an image. */
export type Said =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "thinking"; readonly text: string }
  | {
    readonly kind: "call"
    readonly id: string | undefined
    readonly name: string
    readonly arguments: string
    readonly signature: string | undefined
  }
  | { readonly kind: "image"; readonly url: string }

const listOf = (value: Json | undefined): ReadonlyArray<Json> => Array.isArray(value) ? value : []

/** Undefined for code that was run and the like, which OpenAI's chat has no words for. */
const readPart = (part: Json): Said | undefined => {
  if (!isObject(part)) return undefined
  const { functionCall: call, inlineData: inline, text, thoughtSignature } = part
  if (isObject(call)) {
    return {
      kind: "call",
      id: isText(call["id"]) ? call["id"] : undefined,
      name: isText(call["name"]) ? call["name"] : "",
      arguments: JSON.stringify(isObject(call["args"]) ? call["args"] : {}),
      signature: isText(thoughtSignature) ? thoughtSignature : undefined
    }
  }
  if (isText(text)) return { kind: part["thought"] === true ? "thinking" : "text", text }
  if (!isObject(inline) || !isText(inline["data"]) || part["thought"] === true) return undefined
  return { kind: "image", url: `data:${String(inline["mimeType"] ?? "image/png")};base64,${inline["data"]}` }
}

/** What a candidate says, in its order. A filtered one has no parts, and one that ran out of tokens while thinking neither. */
export const saidBy = (candidate: JsonObject): ReadonlyArray<Said> => {
  const { content } = candidate
  return listOf(isObject(content) ? content["parts"] : undefined).flatMap((part) => readPart(part) ?? [])
}

/** The id under which the caller sees a call; `fallback` where Gemini gave it none. */
export const callIdOf = (
  { id, signature }: { readonly id: string | undefined; readonly signature: string | undefined },
  fallback: string,
  model: string
): string => signature === undefined ? id ?? fallback : OpaqueState.carry(id ?? fallback, "g", signature, model)

const finishes: Readonly<Record<string, string>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "content_filter",
  RECITATION: "content_filter",
  BLOCKLIST: "content_filter",
  PROHIBITED_CONTENT: "content_filter",
  SPII: "content_filter",
  LANGUAGE: "content_filter",
  MODEL_ARMOR: "content_filter",
  NO_IMAGE: "content_filter"
}

/** The model stumbled, so that the same question may well be answered the next time. */
const failures = new Set([
  "MALFORMED_FUNCTION_CALL",
  "MALFORMED_RESPONSE",
  "MISSING_THOUGHT_SIGNATURE",
  "TOO_MANY_TOOL_CALLS",
  "UNEXPECTED_TOOL_CALL"
])

/** OpenAI's reason; why the answer is broken; or undefined while it goes on. What nobody knows is a usual end. */
export const finishOf = ({ finishReason: said }: JsonObject, upstreamStatus?: number): string | Reason | undefined => {
  if (!isText(said) || said === "FINISH_REASON_UNSPECIFIED") return undefined
  if (failures.has(said)) {
    return new UpstreamFailed({ message: "The upstream broke its answer off.", upstreamStatus })
  }
  return finishes[said] ?? (said.startsWith("IMAGE_") ? "content_filter" : "stop")
}

/** The prompt itself was refused, so there is no candidate. */
export const isBlocked = ({ candidates, promptFeedback: feedback }: JsonObject): boolean =>
  listOf(candidates).length === 0 && isObject(feedback) && isText(feedback["blockReason"])

const tokenOf = (token: Json | undefined): JsonObject => {
  const said: JsonObject = isObject(token) ? token : {}
  const text = isText(said["token"]) ? said["token"] : ""
  return { token: text, logprob: said["logProbability"] ?? 0, bytes: [...Buffer.from(text)] }
}

/** `logprobs` of a choice. */
export const logprobsOf = ({ logprobsResult: result }: JsonObject): JsonObject | null => {
  if (!isObject(result)) return null
  const tops = listOf(result["topCandidates"])
  const content = listOf(result["chosenCandidates"]).map((chosen, at): Json => {
    const top = tops[at]
    const others = listOf(isObject(top) ? top["candidates"] : undefined)
    return { ...tokenOf(chosen), top_logprobs: others.map(tokenOf) }
  })
  return { content, refusal: null }
}

const countOf = (value: Json | undefined): number => typeof value === "number" ? value : 0

const countOfModality = (details: Json | undefined, modality: string): number | undefined => {
  const found = listOf(details).find((one) => isObject(one) && one["modality"] === modality)
  return isObject(found) && typeof found["tokenCount"] === "number" ? found["tokenCount"] : undefined
}

/** Some events of a stream tell no counts yet. */
export const isCounted = ({ usageMetadata: said }: JsonObject): boolean =>
  isObject(said) && typeof said["promptTokenCount"] === "number"

/** Searches that the answer is grounded in; what comes of a map was searched for once. */
export const searchesIn = ({ candidates }: JsonObject): number =>
  listOf(candidates).reduce<number>((sum, candidate) => {
    const grounds = isObject(candidate) ? candidate["groundingMetadata"] : undefined
    if (!isObject(grounds)) return sum
    const isOfMap = listOf(grounds["groundingChunks"]).some((chunk) => isObject(chunk) && isObject(chunk["maps"]))
    return sum + listOf(grounds["webSearchQueries"]).length + (isOfMap ? 1 : 0)
  }, 0)

/**
 * Usage in OpenAI's members: thinking is part of the completion there, and here it stands beside; searches as Anthropic tells them.
 * Undefined = not counted yet.
 */
export const usageOf = (answer: JsonObject, searches = searchesIn(answer)): JsonObject | undefined => {
  const said = answer["usageMetadata"]
  if (!isObject(said) || typeof said["promptTokenCount"] !== "number") return undefined
  const prompt = said["promptTokenCount"] + countOf(said["toolUsePromptTokenCount"])
  const completion = countOf(said["candidatesTokenCount"]) + countOf(said["thoughtsTokenCount"])
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: typeof said["totalTokenCount"] === "number" ? said["totalTokenCount"] : prompt + completion,
    prompt_tokens_details: {
      cached_tokens: countOf(said["cachedContentTokenCount"]),
      audio_tokens: countOfModality(said["promptTokensDetails"], "AUDIO"),
      image_tokens: countOfModality(said["promptTokensDetails"], "IMAGE")
    },
    completion_tokens_details: {
      reasoning_tokens: countOf(said["thoughtsTokenCount"]),
      audio_tokens: countOfModality(said["candidatesTokensDetails"], "AUDIO")
    },
    ...(searches > 0 ? { server_tool_use: { web_search_requests: searches } } : {})
  }
}

/** True where the model wrote nothing itself, whatever it thought. */
export const isSilent = ({ usageMetadata: said }: JsonObject): boolean =>
  !isObject(said) || countOf(said["candidatesTokenCount"]) === 0

/** The tier that served it, where Gemini names another than its usual one. */
export const tierOf = ({ usageMetadata: said }: JsonObject): string | undefined => {
  const named = isObject(said) && isText(said["serviceTier"]) ? said["serviceTier"].toLowerCase() : ""
  return ["flex", "priority"].find((tier) => named.endsWith(tier))
}
