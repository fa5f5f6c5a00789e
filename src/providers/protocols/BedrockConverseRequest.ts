/** A chat request as the body of Bedrock's Converse, and where it goes. */
import type { ChatRequest } from "../../domain/Chat.ts"
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import type { Lowered } from "../Dialect.ts"
import type { ProviderCall } from "../Provider.ts"
import { answerSchema } from "./AnswerSchema.ts"
import { lowerMessages } from "./BedrockConverseMessages.ts"
import { isReason } from "./BedrockConverseParts.ts"
import { lowerTools } from "./BedrockConverseTools.ts"
import {
  claudeOf,
  mendSampling,
  schemaFor,
  takesSchemas,
  takesThoughts,
  type Thinking,
  thinkingOf,
  unboundFields
} from "./BedrockModels.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"
import { noteUnsaid, noteUnsaidIn, saying } from "./Unsaid.ts"

/** Members of Converse's own that OpenAI has no place for: they pass as they are. */
const own = ["guardrailConfig", "requestMetadata", "performanceConfig", "additionalModelResponseFieldPaths"] as const

const said = saying(["additionalModelRequestFields", "modalities", ...own])

const usualTiers: ReadonlySet<unknown> = new Set([undefined, null, "auto", "default"])
const tiers: ReadonlySet<unknown> = new Set(["flex", "priority", "reserved"])

const tierOf = ({ service_tier: tier }: ChatRequest, dropped: Set<string>): JsonObject | undefined => {
  if (tiers.has(tier)) return { type: tier ?? undefined }
  if (!usualTiers.has(tier)) dropped.add("service_tier")
  return undefined
}

const limitOf = (request: ChatRequest): number | undefined =>
  request.max_completion_tokens ?? request.max_tokens ?? undefined

/** Bedrock's scale of temperatures ends at 1. */
const inferenceOf = (request: ChatRequest, dropped: Set<string>): JsonObject => {
  const { stop, temperature, top_p: topP } = request
  if (typeof temperature === "number" && temperature > 1) dropped.add("temperature")
  const written = typeof stop === "string" ? [stop] : stop ?? []
  const stops = written.filter((text) => text.trim() !== "")
  if (stops.length < written.length) dropped.add("stop")
  return {
    maxTokens: limitOf(request),
    temperature: typeof temperature === "number" ? Math.min(temperature, 1) : undefined,
    topP: topP ?? undefined,
    stopSequences: stops.length === 0 ? undefined : stops
  }
}

interface AnswerForm {
  readonly config?: JsonObject
  /** Where there is only that. */
  readonly instruction?: JsonObject
}

const formOf = (request: ChatRequest, model: string, dropped: Set<string>): AnswerForm => {
  const { response_format: format } = request
  if (format === undefined || format === null || format.type === "text") return {}
  const written = format.type === "json_schema" ? format.json_schema : undefined
  const schema = written?.schema ?? undefined
  if (schema === undefined || !takesSchemas(model)) {
    // It may be asked for, but nobody keeps the model to it.
    dropped.add("response_format")
    const form = schema === undefined
      ? ""
      : ` that is valid under this JSON schema: ${JSON.stringify(answerSchema(request))}`
    const text = `Answer with one JSON object${form}. Write nothing before it and nothing after it.`
    return { instruction: { text } }
  }
  const description = written?.description ?? undefined
  const jsonSchema = {
    name: written?.name ?? undefined,
    schema: JSON.stringify(schemaFor(model, schema)),
    description: isText(description) ? description : undefined
  }
  return { config: { textFormat: { type: "json_schema", structure: { jsonSchema } } } }
}

const thinkingIn = (
  request: ChatRequest,
  model: string,
  isForced: boolean,
  lacksThoughts: boolean,
  dropped: Set<string>
): Thinking => {
  const { reasoning_effort: effort } = request
  if (effort === undefined || effort === null || effort === "default") return { isOn: false }
  const found = thinkingOf({ model, effort, lacksThoughts, isForced, maxTokens: limitOf(request) })
  if (found === undefined) dropped.add("reasoning_effort")
  return found ?? { isOn: false }
}

/** The caller's own fields come over those that are made here. */
const fieldsOf = (ours: JsonObject | undefined, callers: Json | undefined): JsonObject | undefined =>
  isObject(callers) ? { ...ours, ...callers } : ours

const isForced = (toolConfig: JsonObject | undefined): boolean => toolConfig?.["toolChoice"] !== undefined

const bodyOf = (model: string, request: ChatRequest, dropped: Set<string>): JsonObject | Reason => {
  // A checked request is JSON, and has members that its schema does not name.
  const loose = request as unknown as JsonObject
  const written = Array.isArray(loose["messages"]) ? loose["messages"].filter(isObject) : []
  const conversation = lowerMessages(written, takesThoughts(model, request) ? model : undefined)
  if (isReason(conversation)) return conversation
  const { called, hasThoughts, lacksThoughts, messages, system } = conversation
  const tools = lowerTools(loose, model, called, dropped)
  if (tools !== undefined && isReason(tools)) return tools
  const toolConfig = tools?.toolConfig
  const thinking = thinkingIn(request, model, isForced(toolConfig), lacksThoughts, dropped)
  const fields = hasThoughts ? unboundFields(model, thinking.fields) : thinking.fields
  const inferenceConfig = inferenceOf(request, dropped)
  if (thinking.maxTokens !== undefined) inferenceConfig["maxTokens"] = thinking.maxTokens
  if (claudeOf(model) !== undefined) mendSampling(inferenceConfig, model, thinking.isOn, dropped)
  noteUnsaid(loose, said, dropped)
  noteUnsaidIn(written, dropped, { hasCache: true })
  const form = formOf(request, model, dropped)
  const instructions = form.instruction === undefined ? [...system] : [...system, form.instruction]
  return {
    messages: [...messages],
    system: instructions.length === 0 ? undefined : instructions,
    inferenceConfig: Object.values(inferenceConfig).some((value) => value !== undefined) ? inferenceConfig : undefined,
    toolConfig,
    outputConfig: form.config,
    serviceTier: tierOf(request, dropped),
    additionalModelRequestFields: fieldsOf(fields, loose["additionalModelRequestFields"]),
    ...Object.fromEntries(own.map((name) => [name, loose[name] ?? undefined]))
  }
}

/** An ARN has colons and slashes of its own. */
const pathOf = (model: string, stream: boolean): string =>
  `/model/${encodeURIComponent(model)}/${stream ? "converse-stream" : "converse"}`

const streamHeaders = { accept: "application/vnd.amazon.eventstream" } as const

export const lower = ({ model, request }: ProviderCall, stream: boolean): Lowered | Reason => {
  if ((request.n ?? 1) > 1) return unsupported("n", "Bedrock's models give one answer: n cannot be more than 1.")
  if (request.modalities?.some((modality) => modality !== "text") === true) {
    return unsupported("modalities", "Bedrock answers in text.")
  }
  const dropped = new Set<string>()
  const body = bodyOf(model, request, dropped)
  if (isReason(body)) return body
  const [first, ...more] = dropped
  return {
    body: JSON.stringify(body),
    path: pathOf(model, stream),
    headers: stream ? streamHeaders : undefined,
    dropped: first === undefined ? undefined : [first, ...more]
  }
}
