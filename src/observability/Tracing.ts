/**
 * Spans over OTLP. Loaded only where an endpoint is set; without one the tracer is off and a span costs nothing. The library's own
 * server span is off in both cases, because it ends with the head of an answer: the door opens one that ends with the last byte.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as Layer from "effect/Layer"
import * as References from "effect/References"

export interface OtlpSettings {
  /** Base URL of an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`. Absent = tracing is off. Default absent. */
  readonly endpoint: string | undefined
  /** Share of traces that start here and are kept, 0 to 1; a caller's own decision is followed. Default 1. */
  readonly sample: number
  /** `sdk` = OpenTelemetry's exporter, `native` = Effect's own, cheaper. Default `sdk`. */
  readonly exporter: "sdk" | "native"
  /** Headers for the receiver, such as its key. Default none. */
  readonly headers: Readonly<Record<string, string>>
  /** Name of this service in traces. Default `breakwater`. */
  readonly serviceName: string
}

/** Whether the door opens a span for each request, and the share it samples itself (the SDK samples on its own). */
export const ServerSpans = Context.Reference<{ readonly sample: number } | undefined>(
  "breakwater/observability/Tracing/ServerSpans",
  { defaultValue: () => undefined }
)

/** Where traces go, without what a URL may hold of a secret; undefined = nowhere. Health tells it to operators. */
export const Destination = Context.Reference<string | undefined>(
  "breakwater/observability/Tracing/Destination",
  { defaultValue: () => undefined }
)

const tracesUrl = (endpoint: string): string => {
  const base = endpoint.replace(/\/+$/, "")
  return base.endsWith("/v1/traces") ? base : `${base}/v1/traces`
}

const exportOptions = (settings: OtlpSettings, endpoint: string) => ({
  url: tracesUrl(endpoint),
  sample: settings.sample,
  headers: settings.headers,
  resource: { serviceName: settings.serviceName, serviceVersion: "0.1.0" }
})

const sdk = (settings: OtlpSettings, endpoint: string) =>
  Layer.unwrap(
    Effect.promise(() => import("./OtlpSdk.ts")).pipe(
      Effect.map((module) => module.layer(exportOptions(settings, endpoint)))
    )
  )

const native = (settings: OtlpSettings, endpoint: string) =>
  Layer.unwrap(
    Effect.promise(() => import("./OtlpNative.ts")).pipe(
      Effect.map((module) => module.layer(exportOptions(settings, endpoint)))
    )
  )

/** The tracer of these settings, flushed when the layer closes. */
export const layer = (settings: OtlpSettings): Layer.Layer<never> => {
  const { endpoint, exporter, sample } = settings
  if (endpoint === undefined || endpoint === "") return Layer.succeed(References.TracerEnabled, false)
  return Layer.mergeAll(
    exporter === "sdk" ? sdk(settings, endpoint) : native(settings, endpoint),
    Layer.succeed(ServerSpans, { sample: exporter === "sdk" ? 1 : sample }),
    Layer.succeed(Destination, URL.parse(endpoint)?.origin ?? "an endpoint that is no URL"),
    Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
  )
}
