/** Where the server listens, who may call it, and what it accepts. */
import * as Context from "effect/Context"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DurationText, SizeText } from "../domain/Quantity.ts"

/** A client key and the name it has in logs. */
export interface ClientKey {
  readonly name: string
  readonly key: Redacted.Redacted<string>
}

export interface ServerSettings {
  /** Address to bind. Default `127.0.0.1`. */
  readonly host: string
  /** TCP port; 0 = any free one. Default 8000. */
  readonly port: number
  /** Client keys for `/v1/*`. None = open, and then only loopback may be bound. Default none. */
  readonly keys: ReadonlyArray<ClientKey>
  /** Key for monitoring, control, dashboard and metrics. Absent = those answer on loopback only. Default absent. */
  readonly adminKey: Redacted.Redacted<string> | undefined
  /** True opens `GET /metrics` without the admin key. Default false. */
  readonly publicMetrics: boolean
  readonly limits: {
    /** Bytes of a request body. Default 20 MiB. */
    readonly body: number
    /** Levels of nesting in a request body. Default 64. */
    readonly depth: number
    /** Messages in one request. Default 2048. */
    readonly messages: number
  }
  readonly drain: {
    /** Milliseconds between turning unready and refusing connections. Default 5 s. */
    readonly notReady: number
    /** Milliseconds that running answers are given to end. Default 5 min. */
    readonly streams: number
  }
}

export const defaultServerSettings: ServerSettings = {
  host: "127.0.0.1",
  port: 8000,
  keys: [],
  adminKey: undefined,
  publicMetrics: false,
  limits: { body: 20 * 1024 ** 2, depth: 64, messages: 2048 },
  drain: { notReady: 5000, streams: 300_000 }
}

const count = Schema.Number.check(Schema.isInt(), Schema.isGreaterThan(0))
const KeyInput = Schema.Union([
  Schema.Redacted(Schema.String),
  Schema.Struct({
    name: Schema.optionalKey(Schema.String),
    key: Schema.Redacted(Schema.String),
    models: Schema.optionalKey(Schema.Unknown),
    limits: Schema.optionalKey(Schema.Unknown),
    budget: Schema.optionalKey(Schema.Unknown),
    tags: Schema.optionalKey(Schema.Unknown),
    expires: Schema.optionalKey(Schema.Unknown)
  })
])

/** The `server` part of a configuration file, as people write it. */
export const ServerSettingsInput = Schema.Struct({
  host: Schema.optionalKey(Schema.String),
  port: Schema.optionalKey(Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  keys: Schema.optionalKey(Schema.Array(KeyInput)),
  adminKey: Schema.optionalKey(Schema.NullOr(Schema.Redacted(Schema.String))),
  publicMetrics: Schema.optionalKey(Schema.Boolean),
  limits: Schema.optionalKey(Schema.Struct({
    body: Schema.optionalKey(SizeText),
    depth: Schema.optionalKey(count),
    messages: Schema.optionalKey(count)
  })),
  drain: Schema.optionalKey(Schema.Struct({
    notReady: Schema.optionalKey(DurationText),
    streams: Schema.optionalKey(DurationText)
  }))
})
export type ServerSettingsInput = typeof ServerSettingsInput.Type

/** Settings of a decoded file over the defaults. An empty key counts as absent. */
export const resolveServerSettings = (input: ServerSettingsInput): ServerSettings => {
  const keys = (input.keys ?? []).map((entry, index): ClientKey =>
    Redacted.isRedacted(entry)
      ? { name: `key-${index + 1}`, key: entry }
      : { name: entry.name ?? `key-${index + 1}`, key: entry.key }
  )
  const adminKey = input.adminKey ?? undefined
  return {
    ...defaultServerSettings,
    ...(input.host === undefined ? {} : { host: input.host }),
    ...(input.port === undefined ? {} : { port: input.port }),
    ...(input.publicMetrics === undefined ? {} : { publicMetrics: input.publicMetrics }),
    keys: keys.filter(({ key }) => Redacted.value(key) !== ""),
    adminKey: adminKey !== undefined && Redacted.value(adminKey) === "" ? undefined : adminKey,
    limits: { ...defaultServerSettings.limits, ...input.limits },
    drain: { ...defaultServerSettings.drain, ...input.drain }
  }
}

/** The settings as the handlers read them. */
export class ServerOptions extends Context.Service<ServerOptions, ServerSettings>()(
  "breakwater/server/ServerSettings/ServerOptions"
) {}
