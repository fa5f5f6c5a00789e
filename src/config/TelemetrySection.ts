/** The `telemetry` and `storage` sections: what we write down and where state lives. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type AdmissionSettings, defaultAdmissionSettings } from "../admission/Admission.ts"
import { DurationText } from "../domain/Quantity.ts"
import type * as Logger from "../observability/Logger.ts"
import { defaultOtlpSettings, type OtlpSettings } from "../observability/Tracing.ts"

export interface LogSettings {
  /** `auto` = pretty in a terminal, else json. Default auto. */
  readonly format: "auto" | "json" | "pretty" | "otel" | "datadog" | "ecs" | "splunk-hec"
  /** Least severe level that is written. Default info. */
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "none"
}

export interface TelemetrySection {
  readonly logs: LogSettings
  readonly otlp: OtlpSettings
  /** What of a request's content any sink may keep. Default none. */
  readonly capture: "none" | "metadata" | "content"
}

export const defaultTelemetrySection: TelemetrySection = {
  logs: { format: "auto", level: "info" },
  otlp: defaultOtlpSettings,
  capture: "none"
}

/** What the logger is told. */
export const logSettings = ({ logs, otlp }: TelemetrySection): Logger.LogSettings => ({
  ...logs,
  service: { name: otlp.serviceName, version: "0.1.0" }
})

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))

/** What would be no part of a request is refused: it would be sent nowhere. `rest`: what may follow the host. */
const receiver = (rest: string) =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^https?://[^\\s/?#@]+${rest}$`, "i"), {
      message: "expected an absolute http(s) URL, such as http://127.0.0.1:4318; a key or password goes into headers"
    })
  )

const Headers = Schema.Record(Schema.String, Schema.RedactedFromValue(Schema.String))

const OtlpInput = Schema.Struct({
  // Paths are added to it.
  endpoint: Schema.optionalKey(receiver("(?:/[^\\s?#]*)?")),
  tracesEndpoint: Schema.optionalKey(receiver("(?:[/?]\\S*)?")),
  traces: Schema.optionalKey(Schema.Boolean),
  metrics: Schema.optionalKey(Schema.Boolean),
  sample: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  exporter: Schema.optionalKey(Schema.Literals(["sdk", "native"])),
  protocol: Schema.optionalKey(Schema.Literals(["http/protobuf", "http/json"])),
  compression: Schema.optionalKey(Schema.Literals(["gzip", "none"])),
  headers: Schema.optionalKey(Headers),
  tracesHeaders: Schema.optionalKey(Headers),
  serviceName: Schema.optionalKey(Schema.String),
  attributes: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  conventions: Schema.optionalKey(Schema.Literals(["1.41", "latest"])),
  timeout: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
  interval: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
  batch: Schema.optionalKey(Count),
  queue: Schema.optionalKey(Count)
})

/** What is written over what is built in. */
export const otlpSettings = (written: typeof OtlpInput.Type = {}): OtlpSettings => {
  const { interval = defaultOtlpSettings.intervalMs, timeout = defaultOtlpSettings.timeoutMs, ...rest } = written
  return { ...defaultOtlpSettings, ...rest, timeoutMs: timeout, intervalMs: interval }
}

export const TelemetrySectionInput = Schema.Struct({
  logs: Schema.optionalKey(Schema.Struct({
    format: Schema.optionalKey(Schema.Literals(["auto", "json", "pretty", "otel", "datadog", "ecs", "splunk-hec"])),
    level: Schema.optionalKey(Schema.Literals(["trace", "debug", "info", "warn", "error", "fatal", "none"]))
  })),
  otlp: Schema.optionalKey(OtlpInput),
  capture: Schema.optionalKey(Schema.Literals(["none", "metadata", "content"]))
})

export interface StorageSection {
  /** `sqlite:FILE` or `postgres://…`, which may hold a password; absent = memory. */
  readonly sql: Redacted.Redacted | undefined
  /** `redis://…` or `rediss://…`, where limits and budgets are counted for all processes; absent = this process or its fleet alone. */
  readonly redis: Redacted.Redacted | undefined
  /** Longest wait for one command to Redis, in milliseconds. Default 250. */
  readonly redisTimeoutMs: number
  /** What the names of all keys in Redis begin with. Default breakwater. */
  readonly redisPrefix: string
  /** What happens to requests with limits or budgets while what they have used cannot be looked up. */
  readonly whenAway: AdmissionSettings["whenAway"]
}

export const defaultStorageSection: StorageSection = {
  sql: undefined,
  redis: undefined,
  redisTimeoutMs: 250,
  redisPrefix: "breakwater",
  whenAway: defaultAdmissionSettings.whenAway
}

const sqlAddress = /^(?:sqlite:(?!\/\/[^/.]).+|postgres(?:ql)?:\/\/.+)$/

/** Whether what is written with percent signs is UTF-8. */
const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** What the client would refuse, with the whole address in its words. */
const isRedisAddress = (text: string): boolean => {
  if (!/^rediss?:\/\/[^/?#]+(?:\/\d{0,5})?$/.test(text) || !URL.canParse(text)) return false
  const { hostname, password, username } = new URL(text)
  return hostname !== "" && isDecodable(username) && isDecodable(password)
}

const OpenClosed = Schema.Literals(["open", "closed"])

export const StorageSectionInput = Schema.Struct({
  sql: Schema.optionalKey(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.isPattern(sqlAddress, {
          message: "expected sqlite:FILE such as sqlite:./breakwater.db, or postgres://…"
        })
      )
    )
  ),
  redis: Schema.optionalKey(
    Schema.RedactedFromValue(
      Schema.String.check(
        Schema.makeFilter(isRedisAddress, {
          expected:
            "redis://HOST:PORT or rediss://HOST:PORT (TLS), with user:password@ before and /DATABASE after it if need be"
        })
      )
    )
  ),
  redisTimeout: Schema.optionalKey(DurationText.check(Schema.isBetween({ minimum: 10, maximum: 10_000 }))),
  redisPrefix: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[\w.:-]{1,64}$/, { message: "expected letters, digits and . : - _" }))
  ),
  whenAway: Schema.optionalKey(
    Schema.Struct({ limits: Schema.optionalKey(OpenClosed), budgets: Schema.optionalKey(OpenClosed) })
  )
})
