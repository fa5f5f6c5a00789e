/** Where the server listens, who may call it, and what it accepts. */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"
import type { StaticKey } from "../admission/Keys.ts"
import { defaultSheddingSettings, type SheddingSettings } from "../admission/Shedding.ts"
import { defaultLimitSettings, type LimitSettings } from "../validation/Limits.ts"
import { defaultRuleSettings, type RuleSettings } from "../validation/Rules.ts"
import type { CorsSettings } from "./Cors.ts"

export interface ServerSettings {
  /** Address to bind. Default `127.0.0.1`. */
  readonly host: string
  /** TCP port; 0 = any free one. Default 8000. */
  readonly port: number
  /** Files of its certificate, with what vouches for it, and of its key, both PEM. Absent = plain HTTP. Default absent. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Client keys for `/v1/*`. None = open, and then only loopback may be bound. Default none. */
  readonly keys: ReadonlyArray<StaticKey>
  /** Key for monitoring, control, dashboard and metrics. Absent = those answer on loopback only. Default absent. */
  readonly adminKey: Redacted.Redacted<string> | undefined
  /** True opens `GET /metrics` without the admin key. Default false. */
  readonly publicMetrics: boolean
  readonly limits: LimitSettings & {
    /** Bytes of a request body. Default 20 MiB. */
    readonly body: number
    /** Connections that are open at once, per process; more are closed unheard. Default 20000. */
    readonly connections: number
    /** The same for one address that is no trusted proxy. Absent = as many as there are. Default absent. */
    readonly connectionsPerAddress?: number | undefined
  }
  /** In milliseconds. */
  readonly timeouts: {
    /** To the end of a request's headers. Default 10 s. */
    readonly headers: number
    /** To the end of a request, its headers included; answers may take as long as they like. Default 60 s. */
    readonly body: number
    /** How long a connection without a request is kept; longer than a balancer in front keeps it. Default 75 s. */
    readonly idle: number
  }
  /** Pages that may read what the caller's routes answer. Absent = none. Default absent. */
  readonly cors?: CorsSettings | undefined
  /** Addresses and networks of proxies whose `x-forwarded-for` is believed. Default none. */
  readonly trustedProxies: ReadonlyArray<string>
  /** What else is judged in a request. */
  readonly rules: RuleSettings
  /** Hosts that an image's URL may name, exact or as `*.suffix`; none = every public one. `images.hosts` of the file. Default none. */
  readonly imageHosts: ReadonlyArray<string>
  /** Milliseconds of silence after which a stream that has begun gets a comment, so that no proxy cuts it. Default 15 s. */
  readonly keepAlive: number
  /** When a request is turned away unread; `limits.inFlight` and `limits.lag` of the file. */
  readonly shedding: SheddingSettings
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
  limits: { ...defaultLimitSettings, body: 20 * 1024 ** 2, connections: 20_000 },
  timeouts: { headers: 10_000, body: 60_000, idle: 75_000 },
  trustedProxies: [],
  rules: defaultRuleSettings,
  imageHosts: [],
  keepAlive: 15_000,
  shedding: defaultSheddingSettings,
  drain: { notReady: 5000, streams: 300_000 }
}

/** The settings as the handlers read them. */
export class ServerOptions extends Context.Service<ServerOptions, ServerSettings>()(
  "breakwater/server/ServerSettings/ServerOptions"
) {}
