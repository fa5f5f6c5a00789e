/** The `server` section: where we listen, who may call, how large a request may be and how we leave. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { DurationText, SizeText } from "../domain/Quantity.ts"

/** A client key; `name` is what logs and records call its owner. */
export interface ClientKey {
  readonly name: string
  readonly key: Redacted.Redacted
}

export interface ServerSection {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host: string
  /** Default 8000; 0 = any free port. */
  readonly port: number
  /** Worker processes. Default 1 = this process alone. */
  readonly workers: number
  /** Who may call; none = everybody, and then only loopback may be bound. */
  readonly keys: ReadonlyArray<ClientKey>
  /** Bearer for monitoring, admin, dashboard and metrics; absent = those routes answer on loopback only. */
  readonly adminKey: Redacted.Redacted | undefined
  /** Opens GET /metrics without the admin key. Default false. */
  readonly publicMetrics: boolean
  /** Body in bytes (default 20 MB), nesting of the JSON (default 64), messages in a request (default 2048). */
  readonly limits: { readonly body: number; readonly depth: number; readonly messages: number }
  /**
   * Milliseconds: `notReady` = how long we still serve after readiness turned 503 (default 5 000), `streams` = how long
   * open streams may run after we stopped accepting (default 300 000).
   */
  readonly drain: { readonly notReady: number; readonly streams: number }
}

export const defaultServerSection: ServerSection = {
  host: "127.0.0.1",
  port: 8000,
  workers: 1,
  keys: [],
  adminKey: undefined,
  publicMetrics: false,
  limits: { body: 20 * 1024 ** 2, depth: 64, messages: 2048 },
  drain: { notReady: 5000, streams: 300_000 }
}

const Positive = Schema.Int.check(Schema.isGreaterThan(0))
const Decimal = Schema.Union([Schema.String, Schema.Finite])

const KeyObject = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  key: Schema.RedactedFromValue(Schema.String),
  models: Schema.optionalKey(Schema.Array(Schema.String)),
  limits: Schema.optionalKey(Schema.Struct({
    rpm: Schema.optionalKey(Positive),
    tpm: Schema.optionalKey(Positive),
    concurrent: Schema.optionalKey(Positive)
  })),
  budget: Schema.optionalKey(Schema.Struct({
    usd: Decimal,
    per: Schema.Literals(["day", "month"])
  })),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  expires: Schema.optionalKey(Schema.String)
})

export const ServerSectionInput = Schema.Struct({
  host: Schema.optionalKey(Schema.String),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  workers: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 256 }))),
  keys: Schema.optionalKey(Schema.Array(Schema.Union([Schema.RedactedFromValue(Schema.String), KeyObject]))),
  adminKey: Schema.optionalKey(Schema.RedactedFromValue(Schema.String)),
  publicMetrics: Schema.optionalKey(Schema.Boolean),
  limits: Schema.optionalKey(Schema.Struct({
    body: Schema.optionalKey(SizeText),
    depth: Schema.optionalKey(Positive),
    messages: Schema.optionalKey(Positive)
  })),
  drain: Schema.optionalKey(Schema.Struct({
    notReady: Schema.optionalKey(DurationText),
    streams: Schema.optionalKey(DurationText)
  }))
})
