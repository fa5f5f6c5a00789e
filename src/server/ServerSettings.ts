/** Where the server listens, who may call it, and what it accepts. */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"
import { defaultSheddingSettings, type SheddingSettings } from "../admission/Shedding.ts"

/** A client key and the name it has in logs. */
export interface ClientKey {
  readonly name: string
  readonly key: Redacted.Redacted<string>
  /** What its use is summed up by besides. Default none. */
  readonly tags?: ReadonlyArray<string> | undefined
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
  limits: { body: 20 * 1024 ** 2, depth: 64, messages: 2048 },
  imageHosts: [],
  keepAlive: 15_000,
  shedding: defaultSheddingSettings,
  drain: { notReady: 5000, streams: 300_000 }
}

/** The settings as the handlers read them. */
export class ServerOptions extends Context.Service<ServerOptions, ServerSettings>()(
  "breakwater/server/ServerSettings/ServerOptions"
) {}
