/** The server span of an exchange: a child of the caller's `traceparent`, ended with the last byte. Opened only when tracing is on. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Tracer from "effect/Tracer"
import * as DecisionSpan from "../gateway/DecisionSpan.ts"
import { ServerSpans } from "../observability/Tracing.ts"
import type { Exchange } from "./Exchange.ts"

/** Opens the span, named by method and route template; undefined when tracing is off. A caller's own sampling decision is followed. */
export const open = (
  request: HttpServerRequest,
  exchange: Exchange,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<Tracer.Span> | undefined => {
  const spans = fiber.getRef(ServerSpans)
  if (spans === undefined) return undefined
  const parent = Option.getOrUndefined(HttpTraceContext.fromHeaders(request.headers))
  const isSampled = parent === undefined
    ? spans.sample >= 1 || fiber.getRef(Random.Random).nextDoubleUnsafe() < spans.sample
    : parent.sampled
  return Effect.makeSpan(`${exchange.method} ${exchange.route}`, {
    kind: "server",
    ...(parent === undefined ? { root: true } : { parent }),
    ...(isSampled ? {} : { sampled: false }),
    attributes: {
      "http.request.method": exchange.method,
      "http.route": exchange.route,
      "url.path": request.url.split("?", 1)[0],
      "url.scheme": "http",
      "breakwater.request.id": exchange.requestId
    }
  })
}

/** Ends the span: an error for 5xx, neither for a caller who left, which is nobody's fault. */
export const close = (span: Tracer.Span, exchange: Exchange, nowNs: bigint, isCancelled: boolean): void => {
  const { decision, status } = exchange
  if (status !== 0) span.attribute("http.response.status_code", status)
  const errorType = decision.error ?? (status >= 500 ? String(status) : undefined)
  if (errorType !== undefined && !isCancelled) span.attribute("error.type", errorType)
  if (isCancelled) span.attribute("breakwater.cancelled", true)
  if (decision.alias !== "") DecisionSpan.annotate(span, decision)
  const isFailed = status >= 500 || (status === 200 && decision.error !== undefined)
  span.end(nowNs, isCancelled ? Exit.interrupt() : isFailed ? Exit.fail(errorType) : Exit.void)
}
