/**
 * Anthropic's Messages API as a dialect: OpenAI's request in its words. What it has no words for is left out and named, except where
 * the answer would be another one: then the request is refused with the name of the member.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Reason } from "../../domain/GatewayError.ts"
import type { Dialect, Lowered } from "../Dialect.ts"
import type { ProviderCall } from "../Provider.ts"
import { readAnswer, usedIn } from "./AnthropicMessagesAnswer.ts"
import { type Block, type Conversation, Lowering, lowerMessages, textBlock } from "./AnthropicMessagesContent.ts"
import { type Abilities, abilitiesOf } from "./AnthropicMessagesModels.ts"
import { MessagesStream } from "./AnthropicMessagesStream.ts"
import { lowerThinking, wantsThoughts } from "./AnthropicMessagesThinking.ts"
import { isForced, lowerFormat, lowerTools } from "./AnthropicMessagesTools.ts"
import { noteUnsaid, noteUnsaidIn, saying } from "./Unsaid.ts"

export interface AnthropicMessagesOptions {
  /** Value of `anthropic-version`; see `strictVersion`. */
  readonly version: string
  /** Value of `anthropic-beta`, to which the features that a request needs are added. */
  readonly beta?: string | undefined
  /** Most tokens of an answer of the model, where that is known. */
  readonly maxOutput?: ((model: string) => number | undefined) | undefined
}

/** The version that every model takes. */
export const usualVersion = "2023-06-01"

/** The first version, by its date, that refuses temperature, top_p and top_k with any value, and documents in answers. */
const strictVersion = "2026-10-21"

/** Members that are Anthropic's own and pass as they are. */
const ownMembers = ["thinking", "cache_control", "context_management", "container", "mcp_servers"] as const

const said = saying(["safety_identifier", "top_k", "user", ...ownMembers])

const lowerSampling = (request: ChatRequest, { sampling }: Abilities, thinks: boolean, lowering: Lowering): Block => {
  const members: Block = request
  const temperature = request.temperature ?? undefined
  const topP = request.top_p ?? undefined
  const topK = typeof members["top_k"] === "number" ? members["top_k"] : undefined
  if (sampling === "none" || thinks) {
    if (temperature !== undefined && temperature !== 1) lowering.dropped.add("temperature")
    if (topP !== undefined && topP !== 1) lowering.dropped.add("top_p")
    if (topK !== undefined) lowering.dropped.add("top_k")
    return {}
  }
  const written: Record<string, number> = {}
  if (temperature !== undefined) written["temperature"] = Math.min(temperature, 1)
  if (temperature !== undefined && temperature > 1) lowering.dropped.add("temperature")
  if (topP !== undefined && (temperature === undefined || sampling === "all")) written["top_p"] = topP
  else if (topP !== undefined && topP !== 1) lowering.dropped.add("top_p")
  if (topK !== undefined) written["top_k"] = topK
  return written
}

const tiers: ReadonlyMap<string, string> = new Map([
  ["auto", "auto"],
  ["default", "standard_only"],
  ["standard_only", "standard_only"]
])

/** The members that are a word for a word. */
const lowerRest = (request: ChatRequest, lowering: Lowering): Block => {
  const rest: Record<string, unknown> = {}
  const { service_tier: tier, stop } = request
  if (stop) {
    const sequences = (typeof stop === "string" ? [stop] : stop).filter((sequence) => sequence.trim() !== "")
    if (sequences.length > 0) rest["stop_sequences"] = sequences
    if (typeof stop !== "string" && sequences.length < stop.length) lowering.dropped.add("stop")
    if (sequences.length === 0) lowering.dropped.add("stop")
  }
  if (tier && !tiers.has(tier)) lowering.dropped.add("service_tier")
  else if (tier) rest["service_tier"] = tiers.get(tier)
  const user = request.safety_identifier ?? request.user
  if (user) rest["metadata"] = { user_id: user }
  const members: Block = request
  for (const name of ownMembers) if (members[name] !== undefined && members[name] !== null) rest[name] = members[name]
  return rest
}

const thinksBy = (thinking: unknown): boolean =>
  typeof thinking === "object" && thinking !== null && "type" in thinking && thinking.type !== "disabled"

const hasDocumentInAnswer = ({ turns }: Conversation): boolean =>
  turns.some(({ content, role }) => role === "assistant" && content.some(({ type }) => type === "document"))

const bodyOf = (
  { model, request }: ProviderCall,
  stream: boolean,
  options: AnthropicMessagesOptions,
  lowering: Lowering
): Block => {
  const known = abilitiesOf(model)
  const isStrict = options.version >= strictVersion
  const abilities: Abilities = isStrict ? { ...known, sampling: "none" } : known
  if ((request.n ?? 1) > 1) lowering.refuse("n", "Anthropic's models give one answer: n cannot be more than 1.")
  const conversation = lowerMessages(request.messages, lowering)
  if (isStrict && hasDocumentInAnswer(conversation)) {
    lowering.refuse("messages", `Anthropic's models take no files in answers since the version ${strictVersion}.`)
  }
  const toolbox = lowerTools(request, abilities, lowering)
  const { format, instruction } = lowerFormat(request, abilities, lowering)
  const rest = lowerRest(request, lowering)
  const { effort, maxTokens, thinking } = lowerThinking({
    request,
    abilities,
    conversation,
    isForced: isForced(toolbox),
    defaultMaxTokens: options.maxOutput?.(model) ?? abilities.maxTokens
  }, lowering)
  const system = [...conversation.system, ...textBlock(instruction ?? "")]
  const output = { ...(format === undefined ? {} : { format }), ...(effort === undefined ? {} : { effort }) }
  noteUnsaid(request, said, lowering.dropped)
  noteUnsaidIn(request.messages, lowering.dropped, { hasCache: true })
  return {
    model,
    max_tokens: maxTokens,
    ...(system.length === 0 ? {} : { system }),
    messages: conversation.turns,
    ...toolbox,
    ...(thinking === undefined ? {} : { thinking }),
    ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
    ...lowerSampling(request, abilities, thinksBy(rest["thinking"] ?? thinking), lowering),
    ...rest,
    ...(stream ? { stream } : {})
  }
}

const lower = (call: ProviderCall, stream: boolean, options: AnthropicMessagesOptions): Lowered | Reason => {
  const { model, request } = call
  const lowering = new Lowering(wantsThoughts(request, abilitiesOf(model)) ? model : undefined)
  const body = bodyOf(call, stream, options, lowering)
  if (lowering.refusal !== undefined) return lowering.refusal
  const [dropped, ...more] = lowering.dropped
  const betas = [...(options.beta === undefined ? [] : [options.beta]), ...lowering.betas]
  return {
    body: JSON.stringify(body),
    headers: lowering.betas.size === 0 ? undefined : { "anthropic-beta": betas.join(",") },
    dropped: dropped === undefined ? undefined : [dropped, ...more]
  }
}

export const anthropicMessages = (options: AnthropicMessagesOptions): Dialect => ({
  family: "anthropic",
  lower: (call, stream) => lower(call, stream, options),
  readAnswer,
  usedIn,
  openStream: (streaming) => new MessagesStream(streaming)
})
