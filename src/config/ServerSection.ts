/** The `server` section as it is written: the door's own settings, the workers, client keys and shared budgets; and `validation`. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type AdmissionSettings, defaultAdmissionSettings } from "../admission/Admission.ts"
import { sheddingInput } from "../admission/Shedding.ts"
import { BudgetInput, LimitsInput, MomentText } from "../domain/Principal.ts"
import { DurationText, SizeText } from "../domain/Quantity.ts"
import { defaultServerSettings, type ServerSettings } from "../server/ServerSettings.ts"
import { isNetwork } from "../validation/ClientAddress.ts"
import { RuleSettingsInput } from "../validation/Rules.ts"

export interface ServerSection extends ServerSettings {
  /** Worker processes. Default 1 = this process alone. */
  readonly workers: number
  /** Budgets that keys share, and what a budget does with what it cannot know. */
  readonly budgets: Pick<AdmissionSettings, "total" | "tags" | "unpriced" | "untold">
  /** Of all client keys, for their digests. Default absent = a constant. */
  readonly keySecret: Redacted.Redacted<string> | undefined
}

export const defaultServerSection: ServerSection = {
  ...defaultServerSettings,
  workers: 1,
  budgets: defaultAdmissionSettings,
  keySecret: undefined
}

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

const Origin = Schema.String.check(
  Schema.isPattern(/^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/, {
    expected:
      "an origin as a browser writes it, such as https://app.example.com: in small letters, without a path, never *"
  })
)
const Network = Schema.String.check(
  Schema.makeFilter(isNetwork, { expected: "an address or a network, such as 10.0.0.0/8" })
)

const KeyObject = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  key: Schema.RedactedFromValue(Schema.String),
  models: Schema.optionalKey(Schema.Array(Schema.String)),
  limits: Schema.optionalKey(LimitsInput),
  budget: Schema.optionalKey(BudgetInput),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  expires: Schema.optionalKey(MomentText)
})

/** The `validation` section. */
export const ValidationSectionInput = RuleSettingsInput

export const ServerSectionInput = Schema.Struct({
  host: Schema.optionalKey(Schema.String),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  tls: Schema.optionalKey(Schema.Struct({
    cert: Schema.String.check(Schema.isNonEmpty()),
    key: Schema.String.check(Schema.isNonEmpty())
  })),
  workers: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 }))),
  keys: Schema.optionalKey(Schema.Array(Schema.Union([Schema.RedactedFromValue(Schema.String), KeyObject]))),
  keySecret: Schema.optionalKey(Schema.RedactedFromValue(Schema.String.check(Schema.isMinLength(16)))),
  budgets: Schema.optionalKey(Schema.Struct({
    total: Schema.optionalKey(BudgetInput),
    tags: Schema.optionalKey(Schema.Record(Schema.String, BudgetInput)),
    unpriced: Schema.optionalKey(Schema.Literals(["refuse", "allow"])),
    untold: Schema.optionalKey(Schema.Literals(["charge", "release"]))
  })),
  adminKey: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  publicMetrics: Schema.optionalKey(Schema.Boolean),
  limits: Schema.optionalKey(Schema.Struct({
    body: Schema.optionalKey(SizeText),
    depth: Schema.optionalKey(Positive),
    members: Schema.optionalKey(Positive),
    messages: Schema.optionalKey(Positive),
    parts: Schema.optionalKey(Positive),
    tools: Schema.optionalKey(Positive),
    identifier: Schema.optionalKey(Positive),
    stop: Schema.optionalKey(Positive),
    connections: Schema.optionalKey(Positive),
    connectionsPerAddress: Schema.optionalKey(Positive),
    ...sheddingInput
  })),
  timeouts: Schema.optionalKey(Schema.Struct({
    headers: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
    body: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
    idle: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0)))
  })),
  cors: Schema.optionalKey(Schema.Struct({ origins: Schema.NonEmptyArray(Origin) })),
  trustedProxies: Schema.optionalKey(Schema.Array(Network)),
  keepAlive: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
  drain: Schema.optionalKey(Schema.Struct({
    notReady: Schema.optionalKey(DurationText),
    streams: Schema.optionalKey(DurationText)
  }))
})
