/**
 * Every attribute name that is not our own, in the two profiles we keep: OpenTelemetry's GenAI conventions 1.41, the last that were
 * tagged, and `latest`, which may still move. The one file to edit when it does.
 */
import * as Context from "effect/Context"
import { inQuery } from "./Redaction.ts"

/** What differs between the profiles. */
export interface Profile {
  readonly name: "1.41" | "latest"
  readonly cacheWrite: string
  /** Names that 1.41 does not have; undefined there. */
  readonly more: {
    readonly reasoningLevel: string
    readonly audioInput: string
    readonly audioOutput: string
    readonly costAmount: string
    readonly costCurrency: string
    readonly costSource: string
  } | undefined
  /** Well-known names of providers that the other profile does not know, by kind. */
  readonly providers: Readonly<Record<string, string>>
}

/** The last tagged conventions; the default. */
export const v141: Profile = {
  name: "1.41",
  cacheWrite: "gen_ai.usage.cache_creation.input_tokens",
  more: undefined,
  providers: {}
}

/** The conventions' present state, with the names of the open proposal for cost. */
export const latest: Profile = {
  name: "latest",
  cacheWrite: "gen_ai.usage.cache_write.input_tokens",
  more: {
    reasoningLevel: "gen_ai.request.reasoning.level",
    audioInput: "gen_ai.usage.audio.input_tokens",
    audioOutput: "gen_ai.usage.audio.output_tokens",
    costAmount: "gen_ai.usage.cost.amount",
    costCurrency: "gen_ai.usage.cost.currency",
    costSource: "gen_ai.usage.cost.source"
  },
  providers: { moonshot: "moonshot_ai" }
}

/** The profile of that name. */
export const profileOf = (name: Profile["name"]): Profile => name === "latest" ? latest : v141

/** The names that spans and metrics use. */
export const CurrentConventions = Context.Reference<Profile>(
  "breakwater/observability/Conventions/CurrentConventions",
  { defaultValue: () => v141 }
)

/** Names that both profiles share. */
export const names = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  stream: "gen_ai.request.stream",
  choices: "gen_ai.request.choice.count",
  seed: "gen_ai.request.seed",
  outputType: "gen_ai.output.type",
  maxTokens: "gen_ai.request.max_tokens",
  temperature: "gen_ai.request.temperature",
  topP: "gen_ai.request.top_p",
  frequencyPenalty: "gen_ai.request.frequency_penalty",
  presencePenalty: "gen_ai.request.presence_penalty",
  stopSequences: "gen_ai.request.stop_sequences",
  dimensions: "gen_ai.embeddings.dimension.count",
  encodingFormats: "gen_ai.request.encoding_formats",
  responseId: "gen_ai.response.id",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  firstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheRead: "gen_ai.usage.cache_read.input_tokens",
  reasoning: "gen_ai.usage.reasoning.output_tokens",
  /** De facto, not of the conventions: viewers read it as USD. */
  cost: "gen_ai.usage.cost",
  openaiApi: "openai.api.type",
  openaiRequestTier: "openai.request.service_tier",
  openaiResponseTier: "openai.response.service_tier",
  errorType: "error.type",
  serverAddress: "server.address",
  serverPort: "server.port",
  clientAddress: "client.address",
  method: "http.request.method",
  originalMethod: "http.request.method_original",
  resendCount: "http.request.resend_count",
  status: "http.response.status_code",
  route: "http.route",
  protocolVersion: "network.protocol.version",
  urlFull: "url.full",
  urlPath: "url.path",
  urlScheme: "url.scheme",
  urlTemplate: "url.template",
  userAgent: "user_agent.original"
} as const

/** Attributes that are doubles even where their value is whole, so that an exporter can say so. */
export const doubles: ReadonlySet<string> = new Set([
  names.temperature,
  names.topP,
  names.frequencyPenalty,
  names.presencePenalty,
  names.firstChunk,
  names.cost,
  "gen_ai.usage.cost.amount"
])

const providers: Readonly<Record<string, string>> = {
  openai: "openai",
  "azure-openai": "azure.ai.openai",
  anthropic: "anthropic",
  gemini: "gcp.gemini",
  bedrock: "aws.bedrock",
  "bedrock-mantle": "aws.bedrock",
  cohere: "cohere",
  deepseek: "deepseek",
  groq: "groq",
  mistral: "mistral_ai",
  perplexity: "perplexity",
  xai: "x_ai"
}

/** What the conventions call a provider of this kind; one that they do not know keeps our name. */
export const providerName = (profile: Profile, kind: string): string =>
  providers[kind] ?? profile.providers[kind] ?? kind

const methods: ReadonlySet<string> = new Set([
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
  "TRACE"
])

/** A method that the conventions know, else `_OTHER`: callers must not be able to make names up. */
export const knownMethod = (method: string): string => methods.has(method) ? method : "_OTHER"

/** A URL as a span may hold it: no user, no password, no value of a query that is a secret by its name. */
export const redactedUrl = (url: string): string => {
  const bare = url.includes("@") ? url.replace(/^(\w+:\/\/)[^/?#]*@/, "$1") : url
  return bare.includes("?") ? bare.replaceAll(inQuery, "$1REDACTED") : bare
}
