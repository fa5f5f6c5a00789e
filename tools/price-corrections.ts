/** What the generated prices get wrong or lack, checked by hand; the reason stands beside each. */
import type { PriceRow } from "../src/accounting/Prices.ts"

type Factors = Readonly<Record<string, readonly [times: number, per: number]>>

/** Our kinds, their id in the source and the page that says the price. */
export const sources: Readonly<Record<string, { readonly id: string; readonly url: string }>> = {
  openai: { id: "openai", url: "https://developers.openai.com/api/docs/pricing" },
  anthropic: { id: "anthropic", url: "https://www.anthropic.com/pricing" },
  gemini: { id: "google", url: "https://ai.google.dev/gemini-api/docs/pricing" },
  groq: { id: "groq", url: "https://console.groq.com/docs/models" },
  mistral: { id: "mistral", url: "https://mistral.ai/pricing/api" },
  deepseek: { id: "deepseek", url: "https://api-docs.deepseek.com/quick_start/pricing" },
  xai: { id: "x-ai", url: "https://docs.x.ai/docs/models" },
  together: { id: "together", url: "https://www.together.ai/pricing" },
  fireworks: { id: "fireworks", url: "https://fireworks.ai/pricing" },
  cerebras: { id: "cerebras", url: "https://www.cerebras.ai/pricing" },
  perplexity: { id: "perplexity", url: "https://docs.perplexity.ai/guides/pricing" },
  // Of a deployment of the type Global Standard, as the source has it.
  "azure-openai": { id: "azure", url: "https://azure.microsoft.com/en-us/pricing/details/azure-openai/" },
  bedrock: { id: "aws", url: "https://aws.amazon.com/bedrock/pricing/" }
}

/** Where AWS asks what its page says first; elsewhere the models of others than Anthropic and OpenAI may cost more. */
const unitedStates: Factors = { "us-east-1": [1, 1], "us-east-2": [1, 1], "us-west-2": [1, 1] }

/** Of AWS's page, as LiteLLM has it. */
const ofAws = {
  source: "https://github.com/BerriAI/litellm (model_prices_and_context_window.json)",
  checked: "2026-11"
}

/** Models of Bedrock's that make vectors, of which the source has Titan's first alone; of Nova's the price of texts. */
const bedrockVectors: ReadonlyArray<PriceRow> = [
  { ids: ["amazon.titan-embed-text-v2"], input: "0.02" },
  { ids: ["amazon.nova-2-multimodal-embeddings-v1"], input: "0.135" },
  { ids: ["cohere.embed-english-v3", "cohere.embed-multilingual-v3"], input: "0.1" },
  { ids: ["cohere.embed-v4", "us.cohere.embed-v4"], input: "0.12" }
].map(({ ids, input }) => ({
  provider: "bedrock",
  ids,
  rates: [{ usdPerMtok: { input } }],
  regions: unitedStates,
  ...ofAws
}))

export const corrections: ReadonlyArray<PriceRow> = [
  ...bedrockVectors,
  {
    provider: "bedrock",
    ids: ["eu.cohere.embed-v4", "global.cohere.embed-v4"],
    rates: [{ usdPerMtok: { input: "0.12" } }],
    anywhere: true,
    ...ofAws
  },
  // The source matches it by prefix to claude-sonnet-5; its cache read fell on 2026-10-07.
  {
    provider: "anthropic",
    ids: [],
    versioned: ["claude-sonnet-5-5"],
    rates: [
      { usdPerMtok: { input: "2", output: "10", cacheRead: "0.2", cacheWrite5m: "2.5", cacheWrite1h: "4" } },
      {
        from: "2026-10-07",
        usdPerMtok: { input: "2", output: "10", cacheRead: "0.1", cacheWrite5m: "2.5", cacheWrite1h: "4" }
      }
    ],
    serviceTiers: { batch: [1, 2] },
    regions: { us: [11, 10] },
    source: "https://www.anthropic.com/pricing",
    checked: "2026-11"
  },
  // The source has the price of the models before it, 2/6.
  {
    provider: "mistral",
    ids: ["mistral-large-latest"],
    rates: [{ usdPerMtok: { input: "0.5", output: "1.5", cacheRead: "0.05" } }],
    source: "https://models.dev",
    checked: "2026-07"
  },
  // The source's row is of July 2025, with hours of discount that are no more; the name stands for deepseek-v4-flash.
  {
    provider: "deepseek",
    ids: ["deepseek-chat"],
    rates: [{ usdPerMtok: { input: "0.14", output: "0.28", cacheRead: "0.0028" } }],
    source: "https://models.dev",
    checked: "2026-07"
  }
]

/**
 * OpenAI's long-context price rules above 272,000 tokens, at which it is still the short one; most rows of the source say
 * 271,999.
 */
export const tierBoundOf = (provider: string, start: number): number =>
  provider === "openai" && start === 271_999 ? 272_000 : start

/** Rows that would be wrong: what is no model of that host for chat or embeddings, or is not charged by tokens alone. */
export const dropped = (provider: string, model: string): boolean => {
  // Perplexity charges each request besides, and says the whole in its answer.
  if (provider === "perplexity") return model.startsWith("sonar")
  if (provider === "gemini") return !/^gemini-(\d|embedding)/.test(model) || /image|live|tts/.test(model)
  if (provider === "deepseek") return model === "deepseek-reasoner"
  // Their audio is charged by the minute.
  if (provider === "mistral") return model.startsWith("voxtral")
  if (provider === "bedrock") return /sonic|voxtral/.test(model)
  if (provider === "azure-openai") return /^(babbage|curie|davinci)$|:free$/.test(model)
  if (provider !== "openai") return false
  return /realtime|image|tts|transcribe|moderation|whisper|search|research|computer-use|^gpt-oss|^ft:|\.ft-|:|^(ada|babbage|curie|davinci)$|^text-(?!embedding-)/
    .test(model)
}

const batch: Factors = { batch: [1, 2] }

/** What a tier costs in relation to the usual one, for the models of which it is known; else such an answer is unpriced. */
export const serviceTiersOf = (provider: string, model: string): Factors | undefined => {
  // Anthropic's own priority tier is paid for by commitment, and Gemini's differs by model.
  if (provider === "anthropic" || provider === "gemini") return batch
  if (provider !== "openai") return undefined
  if (/^gpt-(5|5\.1|5\.2|5\.4|5\.5|5\.6-\w+|6-\w+)$/.test(model)) {
    return { ...batch, flex: [1, 2], priority: [2, 1], fast: [2, 1] }
  }
  return /^(gpt-4o(-mini)?|gpt-4\.1(-mini|-nano)?|o3|o4-mini|gpt-5(\.4)?-(mini|nano))$/.test(model) ? batch : undefined
}

/** Names at Bedrock say by their beginning whether the place has a price of its own; the price is then that of the name. */
export const isAnywhere = (provider: string, model: string): boolean =>
  provider === "bedrock" && /^(regional|global)\.|^openai\.gpt-\d/.test(model)

/** Claude from 4.6 on can be kept in the United States, at a tenth more for every kind of token. */
export const regionsOf = (provider: string, model: string): Factors | undefined => {
  if (provider === "bedrock") return isAnywhere(provider, model) ? undefined : unitedStates
  if (provider === "azure-openai") return { global: [1, 1] }
  return provider === "anthropic" && /^claude-(opus|sonnet|haiku|fable)-(4-[6-9]|[5-9](-\d+)?)$/.test(model)
    ? { us: [11, 10] }
    : undefined
}
