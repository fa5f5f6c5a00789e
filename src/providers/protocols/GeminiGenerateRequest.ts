/** A chat request as the body of Gemini's `generateContent`, and where it goes. */
import type { ChatRequest } from "../../domain/Chat.ts"
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import type { Lowered } from "../Dialect.ts"
import type { ProviderCall } from "../Provider.ts"
import { lowerConfig, lowerTools } from "./GeminiGenerateConfig.ts"
import { lowerMessages } from "./GeminiGenerateContents.ts"
import { isReason } from "./GeminiGenerateParts.ts"
import { isText, type JsonObject } from "./OpenAiChatShape.ts"
import { noteUnsaid, noteUnsaidIn, saying } from "./Unsaid.ts"

/** Google's own, under the names of its compatible endpoint, and what Gemini has a word for. */
const said = saying([
  "cached_content",
  "frequency_penalty",
  "logprobs",
  "modalities",
  "presence_penalty",
  "safety_settings",
  "seed",
  "top_k",
  "top_logprobs"
])

const tiers: ReadonlySet<unknown> = new Set(["flex", "priority"])
const usualTiers: ReadonlySet<unknown> = new Set([undefined, null, "auto", "default"])

const tierOf = ({ service_tier: tier }: ChatRequest, dropped: Set<string>): string | undefined => {
  if (tiers.has(tier)) return tier ?? undefined
  if (!usualTiers.has(tier)) dropped.add("service_tier")
  return undefined
}

/** `models/x`, `tunedModels/x` and the like stand for themselves. */
export const fullName = (model: string): string => model.includes("/") ? model : `models/${model}`

/** Where a model is asked for something. */
export const pathOf = (model: string, what: string): string =>
  `/${fullName(model.toWellFormed()).split("/").map(encodeURIComponent).join("/")}:${what}`

/** A name that would lead out of the endpoint's own path, to another project say. */
export const isAstray = (model: string): boolean => model.split("/").some((part) => /^\.{0,2}$/.test(part))

export const astray = unsupported("model", "This is no name of a model of Gemini's.")

const write = ({ model, request }: ProviderCall, stream: boolean): Lowered | Reason => {
  if (isAstray(model)) return astray
  const dropped = new Set<string>()
  const conversation = lowerMessages(request.messages, model)
  if (isReason(conversation)) return conversation
  // A checked request is JSON.
  const loose = request as unknown as JsonObject
  noteUnsaid(loose, said, dropped)
  noteUnsaidIn(request.messages, dropped, { hasImages: true })
  const tools = lowerTools(loose, dropped)
  if (isReason(tools)) return tools
  // Translated streams have no place for log probabilities.
  const asked = stream && request.logprobs === true ? { ...request, logprobs: false, top_logprobs: null } : request
  if (asked !== request) {
    dropped.add("logprobs")
    if ((request.top_logprobs ?? 0) > 0) dropped.add("top_logprobs")
  }
  const generationConfig = lowerConfig(asked, model, dropped)
  if (isReason(generationConfig)) return generationConfig
  const serviceTier = tierOf(request, dropped)
  const { cached_content: cached, safety_settings: safety } = loose
  const body = {
    ...conversation,
    ...tools,
    safetySettings: Array.isArray(safety) ? safety : undefined,
    cachedContent: isText(cached) ? cached : undefined,
    generationConfig,
    serviceTier
  }
  const [first, ...more] = dropped
  return {
    body: JSON.stringify(body),
    path: pathOf(model, stream ? "streamGenerateContent?alt=sse" : "generateContent"),
    dropped: first === undefined ? undefined : [first, ...more]
  }
}

/** The request, or why Gemini cannot be told it. */
export const lower = (call: ProviderCall, stream: boolean): Lowered | Reason => {
  try {
    return write(call, stream)
  } catch {
    // Only the stack can have run out: a string may hold JSON that is nested deeper than a body may be.
    return unsupported("messages", "The arguments of a call or the result of a tool are nested too deeply.")
  }
}
