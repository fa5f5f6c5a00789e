/**
 * Metrics over OTLP/HTTP as JSON, cumulative, once in a while: the same numbers as at `/metrics`, with their units. Small beside
 * spans, so it is one way for both exporters. What a receiver does not take is no loss: the next one holds it too.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Collector from "./Collector.ts"
import { mint } from "./Correlation.ts"
import { scope, signalUrl } from "./Export.ts"
import { CurrentInstruments, type Family, Histogram, isUnused, type Series } from "./Instruments.ts"
import type { OtlpSettings } from "./Tracing.ts"

/** Those of the receiver; without an endpoint metrics are at `/metrics` only. */
type OtlpMetricsSettings = Pick<
  OtlpSettings,
  "endpoint" | "metrics" | "headers" | "serviceName" | "attributes" | "timeoutMs" | "compression"
>

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
      scope,
      metrics: families.filter(({ series }) => !Array.from(series.values()).every(isUnused)).map((family) =>
        metricOf(family, start, now)
      )
    }]
  }]
})

const exporting = Effect.fnUntraced(function*(settings: OtlpMetricsSettings, endpoint: string) {
  const instruments = yield* CurrentInstruments
  const clock = yield* Effect.clockWith(Effect.succeed)
  const random = yield* Random.Random
  const start = String(clock.currentTimeNanosUnsafe())
  const resource = {
    ...settings.attributes,
    "service.name": settings.serviceName,
    "service.version": scope.version,
    // Workers export each their own, which must not be taken for one another's.
    "service.instance.id": mint(yield* Clock.currentTimeMillis, () => random.nextDoubleUnsafe())
  }
  const send = yield* Collector.make({ ...settings, url: signalUrl(endpoint, "metrics") })
  const encoder = new TextEncoder()
  const once = Effect.suspend(() => {
    const body = bodyOf(instruments.read(), resource, start, String(clock.currentTimeNanosUnsafe()))
    return send(encoder.encode(JSON.stringify(body)), "application/json")
  }).pipe(Effect.ignore)
  yield* Effect.addFinalizer(() => Effect.timeoutOption(once, lastMs))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(intervalMs), once)))
})

/** Exports until it closes, then once more; nothing without an endpoint, or where metrics are not to go there. */
export const layer = (settings: OtlpMetricsSettings): Layer.Layer<never> => {
  const { endpoint, metrics } = settings
  return !metrics || endpoint === undefined || endpoint === ""
    ? Layer.empty
    : Layer.effectDiscard(exporting(settings, endpoint))
}
