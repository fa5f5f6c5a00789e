/** What an attempt came to, told to those who guard its target and written into the record. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { type GatewayError, isUnsupported, type Reason } from "../domain/GatewayError.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Classification from "../resilience/Classification.ts"
import type { Verdict } from "../resilience/Classification.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type * as Watchdog from "../resilience/Watchdog.ts"
import { classOf } from "./Decision.ts"
import * as Pause from "./Pause.ts"
import type { AnyAttempt, AttemptClock, Turn } from "./Turn.ts"

const success: CircuitBreaker.Outcome = { _tag: "Success" }
const slow: CircuitBreaker.Outcome = { _tag: "Slow" }

/** A limit of less than half of what the target may take is the caller's haste, and too short to call a target slow. */
const isFair = ({ limitMs, slowAfterMs }: AttemptClock): boolean => limitMs * 2 >= slowAfterMs

/** What the breaker hears of a failure. */
const outcomeOf = ({ clock }: AnyAttempt, { isOverdue }: Turn, { _tag }: Reason, { breaker }: Verdict) => {
  if (!isOverdue || _tag !== "UpstreamTimedOut") return breaker
  return isFair(clock) ? "Slow" : "Ignored"
}

/** How long it took. */
const settle = ({ record, sinceMs }: Turn, clock: Clock.Clock): number => {
  const settledAtMs = monotonicMillisUnsafe(clock)
  record.settledAtMs = settledAtMs
  return record.tookMs = settledAtMs - sinceMs
}

/** Nothing was sent, because the target cannot be told all of the request: it was passed over and not tried. */
const passedOver = ({ decision: { attempts, skipped }, target: { name } }: AnyAttempt, { record }: Turn): void => {
  attempts.splice(attempts.indexOf(record), 1)
  skipped.push({ target: name, why: "parameter unsupported" })
}

/** It failed. */
export const failed = (options: AnyAttempt, turn: Turn, { reason, used }: GatewayError): Effect.Effect<void> =>
  Clock.clockWith((clock) => {
    turn.record.outcome = reason._tag
    if (turn.span !== undefined) turn.span.error = reason._tag
    turn.record.endedAtMs = clock.currentTimeMillisUnsafe()
    turn.record.upstreamStatus = reason.upstreamStatus
    if (used?.usage !== undefined) {
      turn.record.usage = used.usage
      // No sum of money is to take a part for the whole.
      if (used.isUntold) turn.record.estimated = { ...used.usage, reportedCost: undefined }
      turn.span?.used(used.usage, used.isUntold)
    }
    if (used?.isUntold === true) turn.record.isUntold = true
    settle(turn, clock)
    options.target.guards.lastError = reason._tag
    options.target.guards.bulkhead.onFailure(reason, clock, turn.sinceMs)
    const verdict = Classification.classify(reason)
    turn.record.failureClass = classOf(verdict)
    if (isUnsupported(reason) && used === undefined) passedOver(options, turn)
    if (turn.isSlow && turn.isOverdue) return Effect.void
    return turn.settle({ _tag: outcomeOf(options, turn, reason, verdict), retryAfterMs: reason.retryAfterMs })
  })

/** It broke after it was committed, where nobody else would note the pause that it asks for. */
export const broke = (options: AnyAttempt, turn: Turn, error: GatewayError): Effect.Effect<void> => {
  const told = Effect.andThen(
    failed(options, turn, error),
    Effect.asVoid(
      Pause.heed(options.target, error.reason, options.clock)
    )
  )
  const { trace } = options.decision
  // Whoever reads the stream is outside of the flow.
  return trace === undefined ? told : Effect.provideService(told, Tracer.ParentSpan, trace.span)
}

/** It goes on longer than anyone would wait who had another target; the breaker hears of that once, at that moment. */
export const slowed = (
  { clock: { slowAfterMs } }: AnyAttempt,
  turn: Turn,
  fiber: Fiber.Fiber<unknown, unknown>
): Watchdog.Watched => ({
  atMs: turn.sinceMs + slowAfterMs,
  onDue: () => {
    turn.isSlow = true
    Effect.runForkWith(fiber.context)(turn.settle(slow))
  }
})

/** It answered, or its stream began to. What it earns for retries is paid when it is whole: see `completed`. */
export const answered = (options: AnyAttempt, turn: Turn, clock: Clock.Clock): Effect.Effect<void> => {
  const now = clock.currentTimeMillisUnsafe()
  turn.record.outcome = "ok"
  turn.record.endedAtMs = now
  const tookMs = settle(turn, clock)
  options.decision.provider = options.target.provider.name
  options.decision.model = options.call.model
  options.target.guards.bulkhead.onSuccess(clock)
  // It was the last hope, and it does answer: what is only late must not be taken from callers who have nobody else.
  if (turn.isSlow) return turn.settle(success)
  return turn.settle(tookMs > options.clock.slowAfterMs ? slow : success)
}

/** Its answer is whole. A stream that is cut would else pay for the retries of others. */
export const completed = ({ target }: AnyAttempt): void => target.guards.budget.onSuccess()
