/**
 * A gateway as its operator wrote it, with scenarios in the place of its providers, and a run of traffic through it on a clock
 * and dice of its own: what do callers see if a provider does this for a minute?
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { decode } from "../config/Config.ts"
import { parse } from "../config/Document.ts"
import { gatewaySettings } from "../config/GatewaySettings.ts"
import { ConfigurationRefused } from "../config/Problem.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as FaultProvider from "../providers/FaultProvider.ts"
import type { Providers } from "../providers/Providers.ts"
import type * as Report from "./Report.ts"
import { traffic, type TrafficSettings } from "./Traffic.ts"

export { traffic, type TrafficSettings } from "./Traffic.ts"

/** What is rehearsed: a configuration file, or the settings of a `Gateway.layer`. */
export type Subject =
  | {
    /** Text of the file. */
    readonly config: string
    /** Its name, whose extension says how it is read. Default `breakwater.yaml`. */
    readonly file?: string
    /**
     * Variables for its `${NAME}`. The real environment is not read: a name without a default that is not given here gets a
     * placeholder, so that no key is needed.
     */
    readonly env?: Readonly<Record<string, string>>
  }
  | { readonly settings: Gateway.GatewaySettings }

export type GatewayOptions = Subject & {
  /** By the provider's name, or `name/model` for one model of it; providers without a scenario are healthy. */
  readonly scenarios: FaultProvider.Scenarios
}

interface Plan {
  readonly settings: Gateway.GatewaySettings
  readonly providers: ReadonlyArray<FaultProvider.FaultProviderSettings>
}

/** Fit for a key, an address or a header, and each its own. */
const placeholders = (config: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from(
      config.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g),
      ([, name = ""]) => [name, `http://127.0.0.1:9/${name}`]
    )
  )

const unknownNames = (file: string, scenarios: FaultProvider.Scenarios, known: ReadonlyArray<string>) => {
  const unknown = FaultProvider.namesIn(scenarios).filter((name) => !known.includes(name))
  return new ConfigurationRefused({
    source: file,
    problems: unknown.map((name) => ({
      path: `scenarios.${name}`,
      message: `no provider of this name; known: ${known.join(", ")}`
    }))
  })
}

const readConfig = Effect.fnUntraced(function*(
  { config, env = {}, file = "breakwater.yaml" }: Extract<Subject, { readonly config: string }>,
  scenarios: FaultProvider.Scenarios
) {
  const { settings } = yield* Effect.flatMap(parse(file, config), (document) => decode(file, document)).pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env: { ...placeholders(config), ...env } })
    )
  )
  const refusal = unknownNames(file, scenarios, settings.providers.map(({ name }) => name))
  if (refusal.problems.length > 0) return yield* refusal
  const providers = settings.providers.map(({ apiKeys, models, name }) => ({
    name,
    models,
    credentials: apiKeys.length
  }))
  const plan: Plan = { settings: gatewaySettings(settings), providers }
  return plan
})

/** A caller without types may leave out what they ask for. */
const missing = (
  options: object,
  wanted: ReadonlyArray<readonly [string, string]>
): ConfigurationRefused | undefined => {
  const problems = wanted.flatMap(([keys, message]) =>
    keys.split("|").some((key) => Reflect.get(options, key) !== undefined) ? [] : [{ path: keys, message }]
  )
  return problems.length === 0 ? undefined : new ConfigurationRefused({ source: "the rehearsal's options", problems })
}

const subject = [
  "config|settings",
  "required, but missing: the text of a configuration file, or gateway settings"
] as const
const scenarios = ["scenarios", "required, but missing: how each provider behaves; {} = all healthy"] as const
const callers = [
  "traffic",
  "required, but missing: who asks how often, such as { requestsPerSecond: 10, for: \"1m\" }"
] as const

const planOf = (options: GatewayOptions): Effect.Effect<Plan, ConfigurationRefused> => {
  const refusal = missing(Object(options), [subject, scenarios])
  if (refusal !== undefined) return Effect.fail(refusal)
  if ("config" in options) return readConfig(options, options.scenarios)
  const aliases = Object.values(options.settings.aliases ?? {})
  const judges = [options.settings, ...aliases].map(({ guards }) => guards?.moderation?.provider)
  const names = new Set([
    ...FaultProvider.namesIn(options.scenarios),
    ...aliases.flatMap(({ targets }) => targets.map(({ provider }) => provider)),
    ...judges.filter((name) => name !== undefined)
  ])
  return Effect.succeed({ settings: options.settings, providers: Array.from(names, (name) => ({ name })) })
}

/**
 * The flow of a configuration over scenarios: no network, no keys. Build it under the clock that the traffic has. Fails like the
 * start of the gateway does, and for a scenario whose provider is not in the file.
 */
export const gateway = (
  options: GatewayOptions
): Layer.Layer<Gateway.Gateway | Providers | FaultProvider.FaultAttempts, ConfigurationRefused> =>
  Layer.unwrap(Effect.map(planOf(options), ({ providers, settings }) =>
    Gateway.layer(settings).pipe(
      Layer.provideMerge(FaultProvider.layer(options.scenarios, providers))
    )))

export type RehearsalOptions = GatewayOptions & {
  readonly traffic: TrafficSettings
  /** The same seed gives the same run, to the last jitter. Default 0. */
  readonly seed?: number | string
}

/** Traffic through a gateway over scenarios, on a test clock of its own that starts at 0; needs nothing and keeps nothing. */
export const rehearse = (options: RehearsalOptions): Effect.Effect<Report.Report, ConfigurationRefused> =>
  Effect.suspend(() => {
    const refusal = missing(Object(options), [subject, scenarios, callers])
    return refusal !== undefined ? Effect.fail(refusal) : traffic(options.traffic).pipe(
      Effect.provide(gateway(options)),
      Random.withSeed(options.seed ?? 0),
      Effect.provide(TestClock.layer())
    )
  })
