/** A tracer that remembers its spans, for flows in this process. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A span as it was when it ended. */
export interface Seen {
  readonly name: string
  readonly kind: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<readonly [name: string, attributes: Record<string, unknown>]>
  /** `ok`, `failed` or `interrupted`; `open` until it ended. */
  readonly ended: () => string
  readonly isOver: () => boolean
}

const seen = (span: Tracer.NativeSpan): Seen => ({
  name: span.name,
  kind: span.kind,
  spanId: span.spanId,
  traceId: span.traceId,
  parent: Option.getOrUndefined(span.parent)?.spanId,
  get attributes() {
    return Object.fromEntries(span.attributes)
  },
  get events() {
    return span.events.map(([name, , attributes]) => [name, attributes] as const)
  },
  ended: () => {
    if (span.status._tag !== "Ended") return "open"
    if (span.status.exit._tag === "Success") return "ok"
    return span.status.exit.cause.reasons.every(({ _tag }) => _tag === "Interrupt") ? "interrupted" : "failed"
  },
  isOver: () => span.status._tag === "Ended"
})

/** Spans that begin go to `spans`, in their order. */
export const layerTraced = (spans: Array<Seen>): Layer.Layer<never> =>
  Layer.succeed(
    Tracer.Tracer,
    Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(seen(span))
        return span
      }
    })
  )

/** Someone else's span, as the door hands it in. */
export const callers = (sampled: boolean): Context.Context<Tracer.ParentSpan> =>
  Context.make(
    Tracer.ParentSpan,
    Tracer.externalSpan({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled })
  )
