/** What the file means once every default has been filled in: the value that Layers are made from. */
import * as Redacted from "effect/Redacted"
import type { AdmissionSettings } from "../admission/Admission.ts"
import type { AliasSettings } from "../gateway/AliasSettings.ts"
import { defaultImagesSettings, type ImagesSettings } from "../providers/ImagesSettings.ts"
import * as AdaptiveLimit from "../resilience/AdaptiveLimit.ts"
import * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Deadline from "../resilience/Deadline.ts"
import type { ConfigurationFile } from "./Config.ts"
import { simulatedName } from "./CrossCheck.ts"
import { defaultsOf, type DefaultsSection } from "./DefaultsSection.ts"
import type { ProviderSection } from "./ProviderSection.ts"
import { serverOf } from "./ServerDefaults.ts"
import type { ServerSection } from "./ServerSection.ts"
import {
  defaultStorageSection,
  defaultTelemetrySection,
  otlpSettings,
  type StorageSection,
  type TelemetrySection
} from "./TelemetrySection.ts"

export interface Settings {
  readonly server: ServerSection
  /** In the file's order, without those that are switched off; the simulated provider is among them unless it is. */
  readonly providers: ReadonlyArray<ProviderSection>
  /** By alias, in the file's order. */
  readonly models: Readonly<Record<string, AliasSettings>>
  readonly defaults: DefaultsSection
  readonly images: ImagesSettings
  readonly telemetry: TelemetrySection
  readonly storage: StorageSection
}

/** What admission is told. */
export const admissionSettings = ({ models, server, storage }: Settings): AdmissionSettings => ({
  ...server.budgets,
  models: Object.fromEntries(
    Object.entries(models).flatMap(([alias, { limits }]) => limits === undefined ? [] : [[alias, limits]])
  ),
  whenAway: storage.whenAway
})

type ProviderInput = NonNullable<ConfigurationFile["providers"]>[string]

const providers = (
  file: ConfigurationFile,
  breaker: CircuitBreaker.BreakerSettings
): ReadonlyArray<ProviderSection> => {
  const written = Object.entries(file.providers ?? {})
  const all: ReadonlyArray<readonly [string, ProviderInput]> = written.some(([name]) => name === simulatedName)
    ? written
    : [...written, [simulatedName, { kind: "simulated" }] as const]
  return all.filter(([, { enabled }]) => enabled !== false).map(([name, entry]): ProviderSection => ({
    name,
    kind: entry.kind ?? name,
    baseUrl: entry.baseUrl,
    apiKeys: (entry.apiKeys ?? (entry.apiKey === undefined ? [] : [entry.apiKey]))
      .filter((key) => Redacted.value(key) !== "none"),
    version: entry.version,
    headers: entry.headers ?? {},
    prices: entry.prices ?? {},
    region: entry.region,
    maxConcurrency: entry.maxConcurrency === undefined ? undefined : AdaptiveLimit.fromInput(entry.maxConcurrency),
    breaker: CircuitBreaker.fromInput(entry.breaker ?? {}, breaker),
    models: entry.models ?? [],
    accessKeyId: entry.accessKeyId,
    secretAccessKey: entry.secretAccessKey,
    sessionToken: entry.sessionToken,
    entraToken: entry.entraToken,
    tokenFile: entry.tokenFile,
    apiVersion: entry.apiVersion,
    deployments: entry.deployments
  }))
}

const models = (file: ConfigurationFile, timeouts: Deadline.TimeoutSettings): Settings["models"] =>
  Object.fromEntries(
    Object.entries(file.models ?? {}).map(([alias, entry]): readonly [string, AliasSettings] => [alias, {
      strategy: entry.strategy ?? "ordered",
      targets: entry.targets.map(({ capabilities, model, provider, weight }) => ({
        provider,
        model,
        weight: weight ?? 1,
        capabilities
      })),
      onInterrupted: entry.stream?.onInterrupted,
      guards: entry.guards,
      parameters: entry.parameters,
      limits: entry.limits,
      timeouts: Deadline.fromInput(entry.timeouts ?? {}, timeouts)
    }])
  )

const telemetry = (file: ConfigurationFile): TelemetrySection => ({
  logs: { ...defaultTelemetrySection.logs, ...file.telemetry?.logs },
  otlp: otlpSettings(file.telemetry?.otlp),
  capture: file.telemetry?.capture ?? defaultTelemetrySection.capture
})

/** Fills in every default: built-in, then the file's `defaults`, then the entry's own. */
export const toSettings = (file: ConfigurationFile): Settings => {
  const defaults = defaultsOf(file.defaults)
  return {
    server: serverOf(file),
    providers: providers(file, defaults.breaker),
    models: models(file, defaults.timeouts),
    defaults,
    images: { ...defaultImagesSettings, ...file.images },
    telemetry: telemetry(file),
    storage: {
      sql: file.storage?.sql,
      redis: file.storage?.redis,
      redisTimeoutMs: file.storage?.redisTimeout ?? defaultStorageSection.redisTimeoutMs,
      redisPrefix: file.storage?.redisPrefix ?? defaultStorageSection.redisPrefix,
      whenAway: { ...defaultStorageSection.whenAway, ...file.storage?.whenAway }
    }
  }
}
