/**
 * Spans through OpenTelemetry's SDK. Imported only when tracing is on: it loads some 30 MB of packages. Traps that are mended here:
 * the SDK's batch processor does not say what it drops, and Effect's bridge sets OK on success, writes stack traces of failures,
 * and enters a context of OpenTelemetry for every step of a fiber, which costs more than the spans do.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { SpanStatusCode } from "@opentelemetry/api"
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer"
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanProcessor
} from "@opentelemetry/sdk-trace-base"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import * as Collector from "./Collector.ts"
import { names } from "./Conventions.ts"
import { Exporter, type ExportOptions } from "./Export.ts"
import * as ExportQueue from "./ExportQueue.ts"

const unset = { code: SpanStatusCode.UNSET }
const failed = { code: SpanStatusCode.ERROR }

const isFailed = ({ attributes, status }: ReadableSpan): boolean =>
  attributes[names.errorType] !== undefined || status.code === SpanStatusCode.ERROR

const isException = ({ name }: ReadableSpan["events"][number]): boolean => name === "exception"

/**
 * The status as the conventions want it, and no `exception` with the places of our own code. Written on the span itself, which has
 * ended and which nobody else sees: a copy of each would only be thrown away.
 */
const conforming = (span: ReadableSpan): ReadableSpan => {
  Object.assign(span, { status: isFailed(span) ? failed : unset })
  return span.events.some(isException)
    ? Object.assign(span, { events: span.events.filter((event) => !isException(event)) })
    : span
}

const processorOf = (push: (span: ReadableSpan) => void): SpanProcessor => ({
  onStart: () => undefined,
  onEnd: push,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve()
})

/** Effect's bridge with nothing but its spans. */
const spansOnly = Layer.effect(
  Tracer.Tracer,
  Effect.map(Tracer.Tracer, (bridge) => Tracer.make({ span: (options) => bridge.span(options) }))
)

const formats = {
  "http/json": { serializer: JsonTraceSerializer, contentType: "application/json" },
  "http/protobuf": { serializer: ProtobufTraceSerializer, contentType: "application/x-protobuf" }
} as const

const make = Effect.fnUntraced(function*(options: ExportOptions) {
  const { contentType, serializer } = formats[options.protocol]
  const send = yield* Collector.make(options, (answer) => serializer.deserializeResponse(answer))
  const queue = yield* ExportQueue.make<ReadableSpan>({
    ...options,
    send: (spans) => {
      const body = serializer.serializeRequest(spans.map(conforming))
      return body === undefined
        ? Effect.fail({ message: "the spans could not be written", isTransient: false })
        : send(body, contentType)
    }
  })
  const { "service.name": serviceName, "service.version": serviceVersion, ...attributes } = options.resource
  const sdk = NodeSdk.layer(() => ({
    resource: { serviceName, serviceVersion, attributes },
    spanProcessor: processorOf(queue.push),
    // The door has drawn already whether a request is traced.
    tracerConfig: { sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }) }
  }))
  return Layer.mergeAll(Layer.provide(spansOnly, sdk), Layer.succeed(Exporter, queue.state))
})

/** Exports until the layer closes. */
export const layer = (options: ExportOptions): Layer.Layer<never> => Layer.unwrap(make(options))
