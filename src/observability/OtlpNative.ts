/** Spans through Effect's own OTLP exporter, as JSON: half the cost of the SDK. Imported only when it is chosen. */
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"

/** `url` is the traces endpoint itself. */
export const layer = (options: {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly resource: { readonly serviceName: string; readonly serviceVersion: string }
}): Layer.Layer<never> =>
  OtlpTracer.layer({ url: options.url, headers: options.headers, resource: options.resource }).pipe(
    Layer.provide(OtlpSerialization.layerJson),
    Layer.provide(FetchHttpClient.layer)
  )
