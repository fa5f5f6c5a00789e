/** The `telemetry` and `storage` sections: what we write down and where state lives. */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Logger from "../observability/Logger.ts"

export interface LogSettings {
  /** `auto` = pretty in a terminal, else json. Default auto. */
  readonly format: "auto" | "json" | "pretty" | "otel" | "datadog" | "ecs" | "splunk-hec"
  /** Least severe level that is written. Default info. */
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "none"
}

export interface OtlpSettings {
  /** Base URL of an OTLP/HTTP collector; absent = no traces leave. */
  readonly endpoint: string | undefined
  /** Share of requests traced, 0 to 1. Default 1. */
  readonly sample: number
  /** `sdk` = OpenTelemetry SDK, `native` = Effect's own. Default sdk. */
  readonly exporter: "sdk" | "native"
  /** Headers for the collector; OTEL_EXPORTER_OTLP_HEADERS (`name=value,name=value`) takes their place. */
  readonly headers: Readonly<Record<string, string>>
  /** What traces call this service; OTEL_SERVICE_NAME takes its place. Default breakwater. */
  readonly serviceName: string
}

export interface TelemetrySection {
  readonly logs: LogSettings
  readonly otlp: OtlpSettings
  /** What of a request's content any sink may keep. Default none. */
  readonly capture: "none" | "metadata" | "content"
}

export const defaultTelemetrySection: TelemetrySection = {
  logs: { format: "auto", level: "info" },
  otlp: { endpoint: undefined, sample: 1, exporter: "sdk", headers: {}, serviceName: "breakwater" },
  capture: "none"
}

/** What the logger is told. The presets of the contract that are not built yet write as json; the banner says so. */
export const logSettings = ({ logs }: TelemetrySection): Logger.LogSettings => ({
  format: logs.format === "pretty" || logs.format === "auto" ? logs.format : "json",
  level: logs.level
})

export const TelemetrySectionInput = Schema.Struct({
  logs: Schema.optionalKey(Schema.Struct({
    format: Schema.optionalKey(Schema.Literals(["auto", "json", "pretty", "otel", "datadog", "ecs", "splunk-hec"])),
    level: Schema.optionalKey(Schema.Literals(["trace", "debug", "info", "warn", "error", "fatal", "none"]))
  })),
  otlp: Schema.optionalKey(Schema.Struct({
    endpoint: Schema.optionalKey(Schema.String),
    sample: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
    exporter: Schema.optionalKey(Schema.Literals(["sdk", "native"])),
    headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
    serviceName: Schema.optionalKey(Schema.String)
  })),
  capture: Schema.optionalKey(Schema.Literals(["none", "metadata", "content"]))
})

export interface StorageSection {
  /** `sqlite:FILE` or `postgres://…`, which may hold a password; absent = memory. */
  readonly sql: Redacted.Redacted | undefined
}

export const defaultStorageSection: StorageSection = { sql: undefined }

const sqlAddress = /^(?:sqlite:(?!\/\/[^/.]).+|postgres(?:ql)?:\/\/.+)$/

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
  redis: Schema.optionalKey(Schema.String)
})
