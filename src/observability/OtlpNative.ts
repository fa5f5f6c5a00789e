/**
 * A tracer of Effect's own kind that writes OTLP JSON, without a package beyond `effect`. Effect's exporter is not used: its queue
 * has no end, it says nothing of what it drops, and it gives every success the status OK.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Tracer from "effect/Tracer"
import * as Collector from "./Collector.ts"
import { Exporter, type ExportOptions, scope } from "./Export.ts"
import * as ExportQueue from "./ExportQueue.ts"
import { exportText, OtlpSpan } from "./OtlpSpan.ts"

const make = Effect.fnUntraced(function*(options: ExportOptions) {
  const send = yield* Collector.make(options)
  const random = yield* Random.Random
  const encoder = new TextEncoder()
  const queue = yield* ExportQueue.make<OtlpSpan>({
    ...options,
    send: (spans) => send(encoder.encode(exportText(spans, options.resource, scope)), "application/json")
  })
  const tracer = Tracer.make({ span: (asked) => new OtlpSpan(asked, random, queue.push) })
  return Layer.mergeAll(Layer.succeed(Tracer.Tracer, tracer), Layer.succeed(Exporter, queue.state))
})

/** Exports until the layer closes. */
export const layer = (options: ExportOptions): Layer.Layer<never> => Layer.unwrap(make(options))
