/**
 * A whole answer as the parts of an Effect AI response: who answered, thoughts, text, sources, calls of tools, then how it ended and
 * what it took.
 */
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import type { Usage } from "../domain/Usage.ts"
import type { AiAnswer, AiSummary } from "./AiAnswer.ts"
import { extrasOf } from "./LanguageModelExtras.ts"
import { callOf } from "./LanguageModelTools.ts"

const reasons: ReadonlyMap<string, Response.FinishReason> = new Map([
  ["stop", "stop"],
  ["length", "length"],
  ["content_filter", "content-filter"],
  ["tool_calls", "tool-calls"],
  ["function_call", "tool-calls"]
])

const reasonOf = (finish: string | undefined): Response.FinishReason =>
  finish === undefined ? "unknown" : reasons.get(finish) ?? "other"

/** Cached input is a part of the input, as thoughts are one of the output. */
const usageOf = (usage: Usage | undefined): Response.FinishPartEncoded["usage"] => {
  if (usage === undefined) return { inputTokens: {}, outputTokens: {} }
  const { cachedTokens, completionTokens, promptTokens, reasoningTokens } = usage
  const { cacheWrite1hTokens, cacheWriteTokens } = usage
  const written = cacheWriteTokens === undefined && cacheWrite1hTokens === undefined
    ? undefined
    : (cacheWriteTokens ?? 0) + (cacheWrite1hTokens ?? 0)
  return {
    inputTokens: {
      total: promptTokens,
      uncached: Math.max(promptTokens - (cachedTokens ?? 0) - (written ?? 0), 0),
      cacheRead: cachedTokens,
      cacheWrite: written
    },
    outputTokens: {
      total: completionTokens,
      text: reasoningTokens === undefined ? undefined : Math.max(completionTokens - reasoningTokens, 0),
      reasoning: reasoningTokens
    }
  }
}

/** The part that opens a response. */
export const metadataOf = (
  { created, id, model }: Pick<ChatChunk, "id" | "model" | "created">
): Response.ResponseMetadataPartEncoded => ({
  type: "response-metadata",
  id,
  modelId: model,
  // Some hosts count in other units, up to times that there are not.
  timestamp: Option.getOrUndefined(Option.map(DateTime.make(created * 1000), DateTime.formatIso))
})

/** The part that closes it. */
export const finishOf = (
  finish: string | undefined,
  isRefused: boolean,
  { attempts, costUsd, decision, model, provider, usage }: AiSummary
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: isRefused ? "content-filter" : reasonOf(finish),
  usage: usageOf(usage),
  metadata: { breakwater: { provider, model, attempts, costUsd: costUsd ?? null, requestId: decision.requestId } }
})

type Said = ChatCompletion["choices"][number]["message"]

const textsOf = (said: Said): ReadonlyArray<Response.PartEncoded> => [
  ...(said.reasoning_content ? [{ type: "reasoning" as const, text: said.reasoning_content }] : []),
  ...(said.content ? [{ type: "text" as const, text: said.content }] : []),
  ...(said.refusal
    ? [{ type: "text" as const, text: said.refusal, metadata: { breakwater: { refusal: true as const } } }]
    : [])
]

/** The parts of the first choice. */
export const partsOf = (
  answer: AiAnswer,
  options: LanguageModel.ProviderOptions
): Effect.Effect<Array<Response.PartEncoded>, AiError.AiErrorReason> => {
  const [choice] = answer.completion.choices
  const calls = (choice?.message.tool_calls ?? []).flatMap(({ function: said, id }) =>
    said === undefined ? [] : [{ id, name: said.name, arguments: said.arguments }]
  )
  return Effect.map(Effect.forEach(calls, (call) => callOf(call, options)), (called) => [
    metadataOf(answer.completion),
    ...(choice === undefined ? [] : [...textsOf(choice.message), ...extrasOf(choice.message)]),
    ...called,
    finishOf(choice?.finish_reason, Boolean(choice?.message.refusal), answer)
  ])
}
