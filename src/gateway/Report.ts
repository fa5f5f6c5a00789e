/** What an attempt came to, told to those who guard its target and written into the record. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { GatewayError } from "../domain/GatewayError.ts"
import * as GenAiSpan from "../observability/GenAiSpan.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Classification from "../resilience/Classification.ts"
import { classOf } from "./Decision.ts"
import * as Pause from "./Pause.ts"
import type { AttemptOptions, Turn } from "./Turn.ts"

const success: CircuitBreaker.Outcome = { _tag: "Success" }
const slow: CircuitBreaker.Outcome = { _tag: "Slow" }

const told = (options: AttemptOptions, turn: Turn, error: GatewayError, late: boolean): Effect.Effect<void> =>
  Clock.clockWith((clock) => {
    turn.record.outcome = error.reason._tag
    GenAiSpan.failed(turn.span, error.reason._tag)
    turn.record.endedAtMs = clock.currentTimeMillisUnsafe()
    options.target.guards.lastError = error.reason._tag
    options.target.guards.bulkhead.onFailure(error.reason, clock)
    const verdict = Classification.classify(error.reason)
    const { breaker } = verdict
    turn.record.failureClass = classOf(verdict)
    return turn.settle({
      _tag: late && breaker === "Slow" ? "Failure" : breaker,
      retryAfterMs: error.reason.retryAfterMs
    })
  })

/** It failed before its caller had anything of it. */
export const failed = (options: AttemptOptions, turn: Turn, error: GatewayError): Effect.Effect<void> =>
  told(options, turn, error, false)

/** It broke after it was committed, where a silence is a stall and not merely slow; nobody else would note a pause. */
export const broke = (options: AttemptOptions, turn: Turn, error: GatewayError): Effect.Effect<void> =>
  Effect.andThen(told(options, turn, error, true), Pause.heed(options.target, error.reason, options.clock))

/** It answered, or its stream began to. */
export const answered = (options: AttemptOptions, turn: Turn, clock: Clock.Clock): Effect.Effect<void> => {
  const now = clock.currentTimeMillisUnsafe()
  turn.record.outcome = "ok"
  turn.record.endedAtMs = now
  options.decision.provider = options.target.provider.name
  options.decision.model = options.call.model
  options.target.guards.budget.onSuccess()
  options.target.guards.bulkhead.onSuccess(clock)
  return turn.settle(now - turn.startedAtMs > options.clock.slowAfterMs ? slow : success)
}
