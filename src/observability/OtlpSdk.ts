/** Spans through OpenTelemetry's SDK, in batches over OTLP/HTTP. Imported only when tracing is on: it loads some 30 MB of packages. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import type * as Resource from "@effect/opentelemetry/Resource"
import { SpanStatusCode } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler
} from "@opentelemetry/sdk-trace-base"
import * as Layer from "effect/Layer"

/** The convention leaves the status of a success unset; Effect sets it to OK. */
const withoutOk = (span: ReadableSpan): ReadableSpan =>
  span.status.code === SpanStatusCode.OK
    ? Object.create(span, { status: { value: { code: SpanStatusCode.UNSET } } })
    : span

const conforming = (inner: SpanExporter): SpanExporter => ({
  export: (spans, done) => inner.export(spans.map(withoutOk), done),
  shutdown: () => inner.shutdown(),
  forceFlush: () => inner.forceFlush?.() ?? Promise.resolve()
})

/** `url` is the traces endpoint itself; `sample` the share of new traces that is kept. */
export const layer = (options: {
  readonly url: string
  readonly sample: number
  readonly headers: Readonly<Record<string, string>>
  readonly resource: { readonly serviceName: string; readonly serviceVersion: string }
}): Layer.Layer<Resource.Resource> =>
  NodeSdk.layer(() => ({
    resource: options.resource,
    spanProcessor: new BatchSpanProcessor(
      conforming(new OTLPTraceExporter({ url: options.url, headers: options.headers }))
    ),
    tracerConfig: { sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sample) }) }
  }))
