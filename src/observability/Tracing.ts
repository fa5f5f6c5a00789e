/**
 * Spans over OTLP. Loaded only where an endpoint is set; without one the tracer is off and a span costs nothing. The library's own
 * server span is off in both cases, because it ends with the head of an answer: the door opens one that ends with the last byte.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type { Profile } from "./Conventions.ts"
import { type ExportOptions, scope, signalUrl } from "./Export.ts"

export interface OtlpSettings {
  /** Base URL of an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`. Absent = tracing is off. Default absent. */
  readonly endpoint: string | undefined
  /** The traces endpoint itself, used as it is; takes the place of `endpoint`. Default absent. */
  readonly tracesEndpoint: string | undefined
  /** Whether traces go there. Default true. */
  readonly traces: boolean
  /** Whether metrics go there; they are at `/metrics` in any case. Default true. */
  readonly metrics: boolean
  /** Share of traces that start here and are kept, 0 to 1; a caller's own decision is followed. Default 1. */
  readonly sample: number
  /** `sdk` = OpenTelemetry's SDK, `native` = our own writer of OTLP JSON, cheaper. Default `sdk`. */
  readonly exporter: "sdk" | "native"
  /** How the SDK writes; `native` writes JSON. Default `http/protobuf`. */
  readonly protocol: "http/protobuf" | "http/json"
  /** Default `none`. */
  readonly compression: "gzip" | "none"
  /** Headers for the receiver, such as its key. Default none. */
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
  /** The same for traces alone; they take the place of `headers`. Default absent. */
  readonly tracesHeaders?: OtlpSettings["headers"] | undefined
  /** Name of this service in traces. Default `breakwater`. */
  readonly serviceName: string
  /** What else traces say of this process, such as `deployment.environment.name`. Default nothing. */
  readonly attributes: Readonly<Record<string, string>>
  /** The conventions that names follow. Default `1.41`, the last that were tagged. */
  readonly conventions: Profile["name"]
  /** For one batch, in milliseconds. Default 10000. */
  readonly timeoutMs: number
  /** Longest wait of a span, in milliseconds. Default 2000. */
  readonly intervalMs: number
  /** Spans that are sent at once. Default 512. */
  readonly batch: number
  /** Spans that may wait; what comes beyond is dropped and counted. Default 8192. */
  readonly queue: number
}

export const defaultOtlpSettings: OtlpSettings = {
  endpoint: undefined,
  tracesEndpoint: undefined,
  traces: true,
  metrics: true,
  sample: 1,
  exporter: "sdk",
  protocol: "http/protobuf",
  compression: "none",
  headers: {},
  serviceName: "breakwater",
  attributes: {},
  conventions: "1.41",
  timeoutMs: 10_000,
  intervalMs: 2000,
  batch: 512,
  queue: 8192
}

/** Whether the door opens a span for each request, and the share that it draws itself. */
export const ServerSpans = Context.Reference<{ readonly sample: number } | undefined>(
  "breakwater/observability/Tracing/ServerSpans",
  { defaultValue: () => undefined }
)

/** Where traces go, without what a URL may hold of a secret; undefined = nowhere. Health tells it to operators. */
export const Destination = Context.Reference<string | undefined>(
  "breakwater/observability/Tracing/Destination",
  { defaultValue: () => undefined }
)

/** At the end, for what is left, in milliseconds. */
const shutdownMs = 3000

const exportOptions = (settings: OtlpSettings, url: string): ExportOptions => ({
  url,
  headers: settings.tracesHeaders ?? settings.headers,
  timeoutMs: settings.timeoutMs,
  compression: settings.compression,
  protocol: settings.protocol,
  intervalMs: settings.intervalMs,
  batch: Math.min(settings.batch, settings.queue),
  capacity: settings.queue,
  shutdownMs,
  resource: { ...settings.attributes, "service.name": settings.serviceName, "service.version": scope.version }
})

const exporterOf = (settings: OtlpSettings, url: string) =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => settings.exporter === "sdk" ? import("./OtlpSdk.ts") : import("./OtlpNative.ts")),
      (module) => module.layer(exportOptions(settings, url))
    )
  )

/** The tracer of these settings, flushed when the layer closes. */
export const layer = (settings: OtlpSettings): Layer.Layer<never> => {
  const { endpoint = "", sample, traces, tracesEndpoint = "" } = settings
  if (!traces || endpoint === "" && tracesEndpoint === "") return Layer.succeed(References.TracerEnabled, false)
  const url = tracesEndpoint === "" ? signalUrl(endpoint, "traces") : tracesEndpoint
  return Layer.mergeAll(
    exporterOf(settings, url),
    Layer.succeed(ServerSpans, { sample }),
    Layer.succeed(Destination, URL.parse(url)?.origin ?? "an endpoint that is no URL"),
    Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
  )
}
