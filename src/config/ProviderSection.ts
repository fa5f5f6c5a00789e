/** The `providers` section: the upstreams by name, their keys and their own limits; and `images`, which some of them need. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { OwnPrices } from "../accounting/Prices.ts"
import { parseUsdPerMtok } from "../domain/Money.ts"
import { SizeText } from "../domain/Quantity.ts"
import type { CloudSettings } from "../providers/CloudSettings.ts"
import { anthropicBaseUrl, geminiBaseUrl, openAiBaseUrl, type Preset, presets } from "../providers/Presets.ts"
import { type Concurrency, ConcurrencyInput } from "../resilience/AdaptiveLimit.ts"
import { type BreakerSettings, BreakerSettingsInput } from "../resilience/CircuitBreaker.ts"

export interface ProviderSection extends CloudSettings {
  /** Its name in the file: the left half of `provider/model`. */
  readonly name: string
  /** Dialect or preset. */
  readonly kind: string
  /** Absent = the kind's own. */
  readonly baseUrl: string | undefined
  /** Empty = the upstream asks for none; written as `apiKey: none`, or not at all. */
  readonly apiKeys: ReadonlyArray<Redacted.Redacted>
  /** `anthropic-version` of the kind `anthropic`; absent = 2023-06-01. */
  readonly version: string | undefined
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
  /** Requests in flight at once, for each target; absent = no limit of ours. */
  readonly maxConcurrency: Concurrency | undefined
  readonly breaker: BreakerSettings
  /** By model, in place of the list's; default none. */
  readonly prices: Readonly<Record<string, OwnPrices>>
  /** Where its answers are made, if that has a price of its own. */
  readonly region: string | undefined
  /** Model ids to list as `name/id`. */
  readonly models: ReadonlyArray<string>
}

const Decimal = Schema.Union([Schema.String, Schema.Finite]).check(
  Schema.makeFilter((written) => parseUsdPerMtok(String(written)) !== undefined, {
    message: "expected USD for a million tokens, such as \"0.15\", with at most six decimal places"
  })
)

const UsdPerMtok = Schema.Struct({
  input: Schema.optionalKey(Decimal),
  output: Schema.optionalKey(Decimal),
  cacheRead: Schema.optionalKey(Decimal),
  cacheWrite5m: Schema.optionalKey(Decimal),
  cacheWrite1h: Schema.optionalKey(Decimal),
  inputAudio: Schema.optionalKey(Decimal),
  outputAudio: Schema.optionalKey(Decimal)
})

const Factor = Schema.Union([Schema.String, Schema.Finite]).check(
  Schema.makeFilter((written) => parseUsdPerMtok(String(written)) !== undefined, {
    message: "expected what a price is multiplied by, such as \"0.5\" or \"1.1\", with at most six decimal places"
  })
)

const ModelPricesInput = Schema.Struct({
  usdPerMtok: Schema.optionalKey(UsdPerMtok),
  tiers: Schema.optionalKey(
    Schema.Array(Schema.Struct({ above: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), usdPerMtok: UsdPerMtok }))
  ),
  serviceTiers: Schema.optionalKey(Schema.Record(Schema.String, Factor)),
  regions: Schema.optionalKey(Schema.Record(Schema.String, Factor))
})

const HttpUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/[^\s/]+/i, { message: "expected an absolute http(s) URL, such as https://host/v1" })
)

const Version = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/, { message: "expected a date, such as \"2023-06-01\"" })
)

export const ProviderSectionInput = Schema.Struct({
  enabled: Schema.optionalKey(Schema.Boolean),
  kind: Schema.optionalKey(Schema.String),
  baseUrl: Schema.optionalKey(HttpUrl),
  apiKey: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  apiKeys: Schema.optionalKey(Schema.Array(Schema.RedactedFromValue(Schema.String))),
  version: Schema.optionalKey(Version),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.RedactedFromValue(Schema.String))),
  maxConcurrency: Schema.optionalKey(ConcurrencyInput),
  breaker: Schema.optionalKey(BreakerSettingsInput),
  prices: Schema.optionalKey(Schema.Record(Schema.String, ModelPricesInput)),
  // It may stand in a host name.
  region: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[a-z0-9-]{1,32}$/i, { message: "expected a region, such as us-east-1" }))
  ),
  models: Schema.optionalKey(Schema.Array(Schema.String)),
  accessKeyId: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  secretAccessKey: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  sessionToken: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  entraToken: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  tokenFile: Schema.optionalKey(Schema.String),
  apiVersion: Schema.optionalKey(Schema.String),
  deployments: Schema.optionalKey(Schema.Record(Schema.String, Schema.NonEmptyString))
})

/** What the environment or the file must say for a kind; `keyName` = the variable that turns it on without a file. */
export interface Kind {
  readonly kind: string
  readonly keyName?: string
  /** A second variable that must be set as well. */
  readonly endpointName?: string
  /** Keys of its section by the variables of another way to say who asks; all must be set, but those that may be empty. */
  readonly otherNames?: Readonly<Record<string, { readonly name: string; readonly mayBeEmpty?: true }>>
  /** The key that it is for; default `baseUrl`. */
  readonly endpointKey?: "baseUrl" | "region"
  /** Its own address; absent = it has none. */
  readonly baseUrl?: string
  readonly needsBaseUrl?: boolean
  readonly needsKey?: boolean
  readonly needsRegion?: boolean
}

const presetKinds = Object.entries<Preset>(presets).map(([kind, preset]): Kind => ({
  kind,
  ...preset,
  needsKey: preset.keyName !== undefined
}))

/** Every kind that a file may name. */
export const kinds: ReadonlyArray<Kind> = [
  { kind: "openai", keyName: "OPENAI_API_KEY", baseUrl: openAiBaseUrl, needsKey: true },
  { kind: "anthropic", keyName: "ANTHROPIC_API_KEY", baseUrl: anthropicBaseUrl, needsKey: true },
  { kind: "gemini", keyName: "GEMINI_API_KEY", baseUrl: geminiBaseUrl, needsKey: true },
  {
    kind: "azure-openai",
    keyName: "AZURE_OPENAI_API_KEY",
    endpointName: "AZURE_OPENAI_ENDPOINT",
    needsKey: true,
    needsBaseUrl: true
  },
  {
    kind: "bedrock",
    keyName: "AWS_BEARER_TOKEN_BEDROCK",
    endpointName: "AWS_REGION",
    endpointKey: "region",
    otherNames: {
      accessKeyId: { name: "AWS_ACCESS_KEY_ID" },
      secretAccessKey: { name: "AWS_SECRET_ACCESS_KEY" },
      sessionToken: { name: "AWS_SESSION_TOKEN", mayBeEmpty: true }
    },
    needsKey: true,
    needsRegion: true
  },
  { kind: "bedrock-mantle", needsKey: true, needsRegion: true },
  ...presetKinds,
  { kind: "openai-compatible", needsBaseUrl: true },
  { kind: "simulated" }
]

export const kindNamed = (name: string): Kind | undefined => kinds.find((known) => known.kind === name)

export const ImagesSectionInput = Schema.Struct({
  fetch: Schema.optionalKey(Schema.Boolean),
  hosts: Schema.optionalKey(Schema.Array(Schema.String.check(
    Schema.isPattern(/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/, {
      message: "expected a host in lower case such as images.example.com, or *.example.com for all below it"
    })
  ))),
  maxSize: Schema.optionalKey(SizeText)
})
