/** What is told when the last byte of an exchange has left or its caller has gone: the line, the counts, the end of the span. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import { CurrentInstruments } from "../observability/Instruments.ts"
import type { EventLogShape } from "../observability/Logger.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type { Exchange } from "./Exchange.ts"
import * as Metrics from "./Metrics.ts"
import * as RequestLog from "./RequestLog.ts"
import * as ServerSpan from "./ServerSpan.ts"

/** Told once; `exit` is how the sending ended. */
export const end = (
  exchange: Exchange,
  exit: Exit.Exit<unknown, unknown>,
  fiber: Fiber.Fiber<unknown, unknown>,
  log: EventLogShape,
  span: Tracer.AnySpan | undefined
): void => {
  const clock = fiber.getRef(Clock.Clock)
  const nowMs = clock.currentTimeMillisUnsafe()
  const isCancelled = exchange.ended !== "unread" && Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)
  exchange.decision.endedAtMs = nowMs
  if (isCancelled) exchange.decision.cancelled = true
  Metrics.record(exchange, nowMs - exchange.startedAtMs, isCancelled, fiber.getRef(CurrentInstruments))
  exchange.decision.meter?.ended(exchange.decision, exchange.receivedAtMs, monotonicMillisUnsafe(clock))
  const trace = span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
  RequestLog.write(log, exchange, nowMs, isCancelled, trace)
  if (span?._tag === "Span") ServerSpan.close(span, exchange, clock.currentTimeNanosUnsafe(), isCancelled)
}
