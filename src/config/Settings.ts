/** What the file means once every default has been filled in: the value that Layers are made from. */
import * as Redacted from "effect/Redacted"
import type { ConfigurationFile } from "./Config.ts"
import { simulatedName } from "./CrossCheck.ts"
import {
  type BreakerSettings,
  defaultBreakerSettings,
  defaultRetrySettings,
  defaultTimeoutSettings,
  type RetrySettings,
  type TimeoutSettings
} from "./FlowSections.ts"
import type { AliasSection } from "./ModelSection.ts"
import type { ProviderSection } from "./ProviderSection.ts"
import { type ClientKey, defaultServerSection, type ServerSection } from "./ServerSection.ts"
import { defaultTelemetrySection, type TelemetrySection } from "./TelemetrySection.ts"

export interface Settings {
  readonly server: ServerSection
  /** In the file's order; the simulated provider is always among them. */
  readonly providers: ReadonlyArray<ProviderSection>
  /** In the file's order. */
  readonly models: ReadonlyArray<AliasSection>
  readonly defaults: {
    readonly timeouts: TimeoutSettings
    readonly retry: RetrySettings
    readonly breaker: BreakerSettings
  }
  readonly telemetry: TelemetrySection
}

const clientKeys = (file: ConfigurationFile): ReadonlyArray<ClientKey> =>
  (file.server?.keys ?? []).map((entry, index) =>
    Redacted.isRedacted(entry)
      ? { name: `key-${index + 1}`, key: entry }
      : { name: entry.name ?? `key-${index + 1}`, key: entry.key }
  )

const server = (file: ConfigurationFile): ServerSection => ({
  ...defaultServerSection,
  ...file.server,
  keys: clientKeys(file),
  adminKey: file.server?.adminKey,
  limits: { ...defaultServerSection.limits, ...file.server?.limits },
  drain: { ...defaultServerSection.drain, ...file.server?.drain }
})

type ProviderInput = NonNullable<ConfigurationFile["providers"]>[string]

const providers = (file: ConfigurationFile, breaker: BreakerSettings): ReadonlyArray<ProviderSection> => {
  const written = Object.entries(file.providers ?? {})
  const all: ReadonlyArray<readonly [string, ProviderInput]> = written.some(([name]) => name === simulatedName)
    ? written
    : [...written, [simulatedName, { kind: "simulated" }] as const]
  return all.map(([name, entry]): ProviderSection => ({
    name,
    kind: entry.kind ?? name,
    baseUrl: entry.baseUrl,
    apiKeys: entry.apiKeys ?? (entry.apiKey === undefined ? [] : [entry.apiKey]),
    headers: entry.headers ?? {},
    maxConcurrency: entry.maxConcurrency,
    breaker: { ...breaker, ...entry.breaker },
    models: entry.models ?? []
  }))
}

const models = (file: ConfigurationFile, timeouts: TimeoutSettings): ReadonlyArray<AliasSection> =>
  Object.entries(file.models ?? {}).map(([alias, entry]): AliasSection => ({
    alias,
    strategy: entry.strategy ?? "ordered",
    targets: entry.targets.map((target) => ({
      provider: target.provider,
      model: target.model,
      weight: target.weight ?? 1,
      capabilities: target.capabilities ?? {}
    })),
    stream: { onInterrupted: entry.stream?.onInterrupted ?? "error" },
    timeouts: { ...timeouts, ...entry.timeouts }
  }))

const telemetry = (file: ConfigurationFile): TelemetrySection => ({
  logs: { ...defaultTelemetrySection.logs, ...file.telemetry?.logs },
  otlp: { ...defaultTelemetrySection.otlp, ...file.telemetry?.otlp },
  capture: file.telemetry?.capture ?? defaultTelemetrySection.capture
})

/** Fills in every default: built-in, then the file's `defaults`, then the entry's own. */
export const toSettings = (file: ConfigurationFile): Settings => {
  const timeouts = { ...defaultTimeoutSettings, ...file.defaults?.timeouts }
  const breaker = { ...defaultBreakerSettings, ...file.defaults?.breaker }
  return {
    server: server(file),
    providers: providers(file, breaker),
    models: models(file, timeouts),
    defaults: { timeouts, breaker, retry: { ...defaultRetrySettings, ...file.defaults?.retry } },
    telemetry: telemetry(file)
  }
}
