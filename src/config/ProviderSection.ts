/** The `providers` section: the upstreams by name, their keys and their own limits. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type BreakerSettings, BreakerSettingsInput } from "../resilience/CircuitBreaker.ts"

export interface ProviderSection {
  /** Its name in the file: the left half of `provider/model`. */
  readonly name: string
  /** Dialect or preset. */
  readonly kind: string
  /** Absent = the kind's own. */
  readonly baseUrl: string | undefined
  /** Empty = the upstream asks for none; written as `apiKey: none`, or not at all. */
  readonly apiKeys: ReadonlyArray<Redacted.Redacted>
  readonly headers: Readonly<Record<string, string>>
  /** Requests in flight at once; absent = no limit of ours. */
  readonly maxConcurrency: number | undefined
  readonly breaker: BreakerSettings
  /** Model ids to list as `name/id`. */
  readonly models: ReadonlyArray<string>
}

const Decimal = Schema.Union([Schema.String, Schema.Finite])

const UsdPerMtok = Schema.Struct({
  input: Schema.optionalKey(Decimal),
  output: Schema.optionalKey(Decimal),
  cacheRead: Schema.optionalKey(Decimal),
  cacheWrite5m: Schema.optionalKey(Decimal),
  cacheWrite1h: Schema.optionalKey(Decimal),
  inputAudio: Schema.optionalKey(Decimal),
  outputAudio: Schema.optionalKey(Decimal)
})

const ModelPrices = Schema.Struct({
  usdPerMtok: Schema.optionalKey(UsdPerMtok),
  tiers: Schema.optionalKey(Schema.Array(Schema.Struct({ above: Schema.Int, usdPerMtok: UsdPerMtok })))
})

const HttpUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/[^\s/]+/i, { message: "expected an absolute http(s) URL, such as https://host/v1" })
)

export const ProviderSectionInput = Schema.Struct({
  kind: Schema.optionalKey(Schema.String),
  baseUrl: Schema.optionalKey(HttpUrl),
  apiKey: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  apiKeys: Schema.optionalKey(Schema.Array(Schema.RedactedFromValue(Schema.String))),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  maxConcurrency: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  breaker: Schema.optionalKey(BreakerSettingsInput),
  prices: Schema.optionalKey(Schema.Record(Schema.String, ModelPrices)),
  models: Schema.optionalKey(Schema.Array(Schema.String))
})

/** What the environment or the file must say for a kind; `keyName` = the variable that turns it on without a file. */
export interface Kind {
  readonly kind: string
  readonly keyName?: string
  /** A second variable that must be set as well. */
  readonly endpointName?: string
  readonly needsBaseUrl?: boolean
  readonly needsKey?: boolean
}

export const kinds: ReadonlyArray<Kind> = [
  { kind: "openai", keyName: "OPENAI_API_KEY", needsKey: true },
  { kind: "anthropic", keyName: "ANTHROPIC_API_KEY", needsKey: true },
  { kind: "gemini", keyName: "GEMINI_API_KEY", needsKey: true },
  {
    kind: "azure-openai",
    keyName: "AZURE_OPENAI_API_KEY",
    endpointName: "AZURE_OPENAI_ENDPOINT",
    needsKey: true,
    needsBaseUrl: true
  },
  { kind: "groq", keyName: "GROQ_API_KEY", needsKey: true },
  { kind: "mistral", keyName: "MISTRAL_API_KEY", needsKey: true },
  { kind: "deepseek", keyName: "DEEPSEEK_API_KEY", needsKey: true },
  { kind: "openrouter", keyName: "OPENROUTER_API_KEY", needsKey: true },
  { kind: "xai", keyName: "XAI_API_KEY", needsKey: true },
  { kind: "together", keyName: "TOGETHER_API_KEY", needsKey: true },
  { kind: "openai-compatible", needsBaseUrl: true },
  { kind: "bedrock" },
  { kind: "ollama" },
  { kind: "vllm" },
  { kind: "simulated" }
]

export const kindNamed = (name: string): Kind | undefined => kinds.find((known) => known.kind === name)
