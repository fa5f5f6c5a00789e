/** A chat request as the body of Bedrock's Converse, and where it goes. */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Reason } from "../../domain/GatewayError.ts"
import type { Lowered } from "../Dialect.ts"
import type { ProviderCall } from "../Provider.ts"
import { lowerMessages } from "./BedrockConverseMessages.ts"
import { isReason, refuse } from "./BedrockConverseParts.ts"
import { lowerTools } from "./BedrockConverseTools.ts"
import { mendSampling, mergeFields, takesThoughts, type Thinking, thinkingOf } from "./BedrockModels.ts"
import { isObject, isText, type JsonObject } from "./OpenAiChatShape.ts"

/** Parameters of OpenAI's that Converse has no words for. */
const unsayable: ReadonlyArray<keyof ChatRequest> = [
  "audio",
  "frequency_penalty",
  "logit_bias",
  "logprobs",
  "metadata",
  "moderation",
  "prediction",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "safety_identifier",
  "seed",
  "store",
  "top_logprobs",
  "user",
  "verbosity",
  "web_search_options"
]

/** 0 is what a penalty is where nobody says one, and a false where nobody asks. */
const isSaid = (name: keyof ChatRequest, value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && (name === "seed" || value !== 0)

const usualTiers: ReadonlySet<unknown> = new Set([undefined, null, "auto", "default"])
const tiers: ReadonlySet<unknown> = new Set(["flex", "priority"])

const tierOf = ({ service_tier: tier }: ChatRequest, dropped: Array<string>): JsonObject | undefined => {
  if (tiers.has(tier)) return { type: tier ?? undefined }
  if (!usualTiers.has(tier)) dropped.push("service_tier")
  return undefined
}

/** Bedrock's scale of temperatures ends at 1. */
const inferenceOf = (request: ChatRequest, dropped: Array<string>): JsonObject => {
  const { stop, temperature, top_p: topP } = request
  if (temperature !== undefined && temperature !== null && temperature > 1) dropped.push("temperature")
  const stops = (typeof stop === "string" ? [stop] : stop ?? []).filter((text) => text !== "")
  return {
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    temperature: typeof temperature === "number" ? Math.min(temperature, 1) : undefined,
    topP: topP ?? undefined,
    stopSequences: stops.length === 0 ? undefined : stops
  }
}

const outputOf = (format: ChatRequest["response_format"], dropped: Array<string>): JsonObject | undefined => {
  if (format === undefined || format === null || format.type === "text") return undefined
  const written = format.type === "json_schema" ? format.json_schema : undefined
  if (written === undefined || !written.schema) {
    dropped.push("response_format")
    return undefined
  }
  const { description, name, schema } = written
  const jsonSchema = {
    name: name ?? undefined,
    schema: JSON.stringify(schema),
    description: isText(description ?? undefined) ? description : undefined
  }
  return { textFormat: { type: "json_schema", structure: { jsonSchema } } }
}

const isEmpty = (value: JsonObject): boolean => Object.values(value).every((member) => member === undefined)

/** Members of Converse's own that OpenAI has no place for and that callers may write as they are. */
const own = ["guardrailConfig", "requestMetadata", "performanceConfig", "additionalModelResponseFieldPaths"] as const

const thinkingIn = (
  request: ChatRequest,
  model: string,
  tools: JsonObject | undefined,
  lacksThoughts: boolean,
  dropped: Array<string>
): Thinking => {
  const { reasoning_effort: effort } = request
  if (effort === undefined || effort === null || effort === "default") return { isOn: false }
  const choice = tools?.["toolChoice"]
  const found = thinkingOf({
    model,
    effort,
    lacksThoughts,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    isForced: isObject(choice) && choice["auto"] === undefined
  })
  if (found === undefined) dropped.push("reasoning_effort")
  return found ?? { isOn: false }
}

/** An ARN has colons and slashes of its own. */
const pathOf = (model: string, stream: boolean): string =>
  `/model/${encodeURIComponent(model)}/${stream ? "converse-stream" : "converse"}`

const streamHeaders = { accept: "application/vnd.amazon.eventstream" } as const

const isFilled = (names: Array<string>): names is [string, ...Array<string>] => names.length > 0

export const lower = ({ model, request }: ProviderCall, stream: boolean): Lowered | Reason => {
  // A checked request is JSON.
  const loose = request as unknown as JsonObject
  if ((request.n ?? 1) > 1) return refuse("n", "Bedrock gives one choice.")
  if (request.modalities?.some((modality) => modality !== "text")) return refuse("modalities", "Bedrock gives text.")
  const dropped: Array<string> = unsayable.filter((name) => isSaid(name, request[name]))
  const written = request.messages as unknown as ReadonlyArray<JsonObject>
  const conversation = lowerMessages(written, takesThoughts(model))
  if (isReason(conversation)) return conversation
  const { called, lacksThoughts, messages, system } = conversation
  const tools = lowerTools(loose, model, called, dropped)
  if (tools !== undefined && isReason(tools)) return tools
  const thinking = thinkingIn(request, model, tools?.toolConfig, lacksThoughts, dropped)
  const inferenceConfig = inferenceOf(request, dropped)
  mendSampling(inferenceConfig, model, thinking.isOn, dropped)
  const body: JsonObject = {
    messages: [...messages],
    system: system.length === 0 ? undefined : [...system],
    inferenceConfig: isEmpty(inferenceConfig) ? undefined : inferenceConfig,
    toolConfig: tools?.toolConfig,
    outputConfig: outputOf(request.response_format, dropped),
    serviceTier: tierOf(request, dropped),
    additionalModelRequestFields: mergeFields(thinking.fields, loose["additionalModelRequestFields"])
  }
  for (const name of own) if (loose[name] !== undefined) body[name] = loose[name]
  return {
    body: JSON.stringify(body),
    path: pathOf(model, stream),
    headers: stream ? streamHeaders : undefined,
    dropped: isFilled(dropped) ? [...new Set(dropped)] as unknown as typeof dropped : undefined
  }
}
