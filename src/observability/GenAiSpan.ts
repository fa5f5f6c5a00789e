/**
 * What the GenAI conventions say about one call to a provider, written on its span. Plain synchronous code, run only where a
 * request is traced. Nothing of a prompt or an answer is
 * written unless capture is `content`, and what others made up only as a word, an id or a name.
 */
import type * as Tracer from "effect/Tracer"
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { Usage } from "../domain/Usage.ts"
import { names, type Profile, providerName } from "./Conventions.ts"
import { idOf, modelName, word } from "./Redaction.ts"

type Asked = Pick<
  ChatRequest,
  | "n"
  | "seed"
  | "response_format"
  | "modalities"
  | "max_tokens"
  | "max_completion_tokens"
  | "temperature"
  | "top_p"
  | "frequency_penalty"
  | "presence_penalty"
  | "stop"
  | "service_tier"
  | "reasoning_effort"
>

/** What is known when the call begins. */
export interface CallFacts {
  /** Kind of the provider in the file. */
  readonly kind: string
  /** The upstream's name of the model. */
  readonly model: string
  readonly stream: boolean
  readonly request: Asked
}

const outputType = ({ modalities, response_format: format }: Asked): string | undefined => {
  if (modalities?.includes("audio") === true) return "speech"
  if (modalities?.includes("image") === true) return "image"
  if (format === undefined || format === null) return undefined
  return format.type === "text" ? "text" : "json"
}

const put = (span: Tracer.Span, name: string, value: unknown): void => {
  if (value !== undefined && value !== null) span.attribute(name, value)
}

const wordOf = (said: string | null | undefined): string | undefined =>
  typeof said === "string" ? word(said) : undefined

/** What was asked. */
export const asked = (span: Tracer.Span, profile: Profile, { kind, model, request, stream }: CallFacts): void => {
  const provider = providerName(profile, kind)
  span.attribute(names.operation, "chat")
  span.attribute(names.provider, provider)
  span.attribute(names.requestModel, modelName(model))
  if (stream) span.attribute(names.stream, true)
  if (request.n !== 1) put(span, names.choices, request.n)
  put(span, names.seed, request.seed)
  put(span, names.outputType, outputType(request))
  put(span, names.maxTokens, request.max_completion_tokens ?? request.max_tokens)
  put(span, names.temperature, request.temperature)
  put(span, names.topP, request.top_p)
  put(span, names.frequencyPenalty, request.frequency_penalty)
  put(span, names.presencePenalty, request.presence_penalty)
  const { stop } = request
  put(span, names.stopSequences, typeof stop === "string" ? [stop] : stop)
  if (profile.more !== undefined) put(span, profile.more.reasoningLevel, wordOf(request.reasoning_effort))
  if (provider !== "openai") return
  span.attribute(names.openaiApi, "chat_completions")
  if (request.service_tier !== "auto") put(span, names.openaiRequestTier, wordOf(request.service_tier))
}

/** What was asked for, where it is vectors. */
export const askedToEmbed = (
  span: Tracer.Span,
  profile: Profile,
  { kind, model, request }: Pick<CallFacts, "kind" | "model"> & { readonly request: EmbeddingRequest }
): void => {
  span.attribute(names.operation, "embeddings")
  span.attribute(names.provider, providerName(profile, kind))
  span.attribute(names.requestModel, modelName(model))
  put(span, names.dimensions, request.dimensions)
  const { encoding_format: format } = request
  if (format !== undefined && format !== null) span.attribute(names.encodingFormats, [format])
}

/** What it cost, in USD. */
export interface CostFacts {
  readonly usd: number
  readonly source: "provider" | "computed"
}

/** What the answer said, as far as it came. */
export interface AnswerFacts {
  readonly id: string | undefined
  readonly model: string | undefined
  readonly finishReasons: ReadonlyArray<string>
  readonly usage: Usage | undefined
  /** It has vectors and no tokens. */
  readonly isVectors?: boolean
  readonly cost: CostFacts | undefined
  /** Seconds from the start of the call to the first content of a stream. */
  readonly firstChunkS: number | undefined
  /** Words of request and answer, where they may be kept. */
  readonly content: Readonly<Record<string, unknown>> | undefined
}

const used = (span: Tracer.Span, profile: Profile, usage: Usage, isVectors: boolean): void => {
  span.attribute(names.inputTokens, usage.promptTokens)
  if (!isVectors) span.attribute(names.outputTokens, usage.completionTokens)
  put(span, names.cacheRead, usage.cachedTokens)
  const { cacheWrite1hTokens: hour, cacheWriteTokens: usual } = usage
  if (usual !== undefined || hour !== undefined) span.attribute(profile.cacheWrite, (usual ?? 0) + (hour ?? 0))
  put(span, names.reasoning, usage.reasoningTokens)
  if (profile.more === undefined) return
  put(span, profile.more.audioInput, usage.audioPromptTokens)
  put(span, profile.more.audioOutput, usage.audioCompletionTokens)
}

const charged = (span: Tracer.Span, profile: Profile, { source, usd }: CostFacts): void => {
  span.attribute(names.cost, usd)
  if (profile.more === undefined) return
  span.attribute(profile.more.costAmount, usd)
  span.attribute(profile.more.costCurrency, "USD")
  span.attribute(profile.more.costSource, source === "provider" ? "provider" : "local")
}

/** What was answered, before the span ends. */
export const answered = (span: Tracer.Span, profile: Profile, kind: string, facts: AnswerFacts): void => {
  put(span, names.responseId, idOf(facts.id))
  if (facts.model !== undefined) span.attribute(names.responseModel, modelName(facts.model))
  if (facts.finishReasons.length > 0) span.attribute(names.finishReasons, facts.finishReasons.map(word))
  put(span, names.firstChunk, facts.firstChunkS)
  for (const name in facts.content) put(span, name, facts.content[name])
  if (facts.usage !== undefined) used(span, profile, facts.usage, facts.isVectors === true)
  if (facts.cost !== undefined) charged(span, profile, facts.cost)
  if (providerName(profile, kind) === "openai") put(span, names.openaiResponseTier, wordOf(facts.usage?.serviceTier))
}
