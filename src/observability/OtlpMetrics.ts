/**
 * Metrics over OTLP/HTTP as JSON, cumulative, once in a while: the same numbers as at `/metrics`, with their units. Small beside
 * spans, so it is one way for both exporters. What a receiver does not take is no loss: the next one holds it too.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as Layer from "effect/Layer"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { mint } from "./Correlation.ts"
import { CurrentInstruments, type Family, Histogram, isUnused, type Series } from "./Instruments.ts"

export interface OtlpMetricsSettings {
  /** Base URL of an OTLP/HTTP receiver; absent = metrics are at `/metrics` only. */
  readonly endpoint: string | undefined
  /** Headers for the receiver, such as its key. */
  readonly headers: Readonly<Record<string, string | Redacted.Redacted>>
  readonly serviceName: string
  /** What else is said of this process. Default nothing. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/** Milliseconds between two exports. */
const intervalMs = 10_000
/** The last one, when the layer closes, may take this long, in milliseconds. */
const lastMs = 1000

const attributesOf = (entries: Iterable<readonly [string, string]>) =>
  Array.from(entries, ([key, stringValue]) => ({ key, value: { stringValue } }))

/** Sums are only ever added to since the process began. */
const cumulative = 2

const pointOf = ({ instrument, labels }: Series, startTimeUnixNano: string, timeUnixNano: string) => {
  const common = { attributes: attributesOf(labels), startTimeUnixNano, timeUnixNano }
  if (!(instrument instanceof Histogram)) return { ...common, asDouble: instrument.value }
  const { bounds, count, counts, sum } = instrument
  return { ...common, count: String(count), sum, bucketCounts: counts.map(String), explicitBounds: bounds }
}

const metricOf = ({ definition: { description, kind, name, unit }, series }: Family, start: string, now: string) => {
  const dataPoints = [...series.values()].filter((one) => !isUnused(one)).map((one) => pointOf(one, start, now))
  const head = { name, description, unit }
  switch (kind) {
    case "counter":
      return { ...head, sum: { aggregationTemporality: cumulative, isMonotonic: true, dataPoints } }
    case "gauge":
      return { ...head, gauge: { dataPoints } }
    case "histogram":
      return { ...head, histogram: { aggregationTemporality: cumulative, dataPoints } }
  }
}

/** All families as one export. Times are nanoseconds since 1970, as text. */
const bodyOf = (
  families: ReadonlyArray<Family>,
  resource: Readonly<Record<string, string>>,
  start: string,
  now: string
) => ({
  resourceMetrics: [{
    resource: { attributes: attributesOf(Object.entries(resource)) },
    scopeMetrics: [{
      scope: { name: "breakwater" },
      metrics: families.filter(({ series }) => !Array.from(series.values()).every(isUnused)).map((family) =>
        metricOf(family, start, now)
      )
    }]
  }]
})

const metricsUrl = (endpoint: string): string =>
  `${endpoint.replace(/\/+$/, "").replace(/\/v1\/(?:traces|metrics)$/, "")}/v1/metrics`

const plain = (headers: OtlpMetricsSettings["headers"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : Redacted.value(value)])
  )

const exporting = Effect.fnUntraced(function*(settings: OtlpMetricsSettings, endpoint: string) {
  const instruments = yield* CurrentInstruments
  const clock = yield* Effect.clockWith(Effect.succeed)
  const random = yield* Random.Random
  const start = String(clock.currentTimeNanosUnsafe())
  const resource = {
    ...settings.attributes,
    "service.name": settings.serviceName,
    "service.version": "0.1.0",
    // Workers export each their own, which must not be taken for one another's.
    "service.instance.id": mint(yield* Clock.currentTimeMillis, () => random.nextDoubleUnsafe())
  }
  yield* OtlpExporter.make({
    label: "Metrics",
    url: metricsUrl(endpoint),
    headers: plain(settings.headers),
    exportInterval: intervalMs,
    shutdownTimeout: lastMs,
    maxBatchSize: "disabled",
    exportEmpty: true,
    body: () => {
      const body = bodyOf(instruments.read(), resource, start, String(clock.currentTimeNanosUnsafe()))
      return [HttpBody.text(JSON.stringify(body), "application/json"), Effect.void]
    }
  })
})

/** Exports until it closes, then once more; nothing without an endpoint. */
export const layer = (settings: OtlpMetricsSettings): Layer.Layer<never> => {
  const { endpoint } = settings
  return endpoint === undefined || endpoint === ""
    ? Layer.empty
    : Layer.effectDiscard(exporting(settings, endpoint)).pipe(
      Layer.provide([OtlpExporter.layerFlusher, FetchHttpClient.layer])
    )
}
