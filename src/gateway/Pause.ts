/** What a target asked for: a pause that is too long to be waited out is everyone's, and it is left alone until its end. */
import * as Effect from "effect/Effect"
import type { Reason } from "../domain/GatewayError.ts"
import * as Backoff from "../resilience/Backoff.ts"
import * as Classification from "../resilience/Classification.ts"
import * as Deadline from "../resilience/Deadline.ts"
import { monotonicMillis } from "../resilience/MonotonicTime.ts"
import { retryCost } from "../resilience/RetryBudget.ts"
import type { Target } from "./Target.ts"

/** An operator has said that this target is never refused. */
export const isForced = ({ guards }: Target): Effect.Effect<boolean> =>
  Effect.map(guards.breaker.snapshot, ({ state }) => state === "forced-closed" || state === "metrics-only")

export interface Patience {
  /** The end of the request. */
  readonly deadline: Deadline.Deadline
  /** The longest pause that is waited out, in milliseconds. */
  readonly longestWaitMs: number
}

/** Whether the request itself may wait for as long as it was asked to. */
const isShort = ({ deadline, longestWaitMs }: Patience, pauseMs: number): Effect.Effect<boolean> =>
  Effect.map(Deadline.remaining(deadline), (left) => pauseMs <= Backoff.longestHintMs(longestWaitMs, left))

/** Notes the pause that a failure asks for, if it is everyone's. True if the target is now left alone. */
export const heed = Effect.fnUntraced(function*(target: Target, reason: Reason, patience: Patience) {
  const { cooldownMs } = Classification.classify(reason)
  const pauseMs = reason.retryAfterMs ?? cooldownMs ?? 0
  if (cooldownMs === undefined || pauseMs <= 0 || (yield* isShort(patience, pauseMs))) return false
  const { guards, model } = target
  const nowMs = yield* monotonicMillis
  if (guards.credentials?.death(model, nowMs) !== undefined || (yield* isForced(target))) return false
  // Of several credentials the first that is free again ends the pause.
  const ownMs = reason._tag === "RateLimited" ? guards.credentials?.waitMs(model, nowMs) ?? pauseMs : pauseMs
  if (guards.cooldown.note(model, nowMs, ownMs, reason._tag)) {
    yield* guards.tell({ machine: "cooldown", from: "ready", to: "cooling", cause: reason._tag })
  }
  return true
})

/** Before a target is asked again: its pause if it is short, paid for from its budget. False where it may not be asked. */
export const waited = Effect.fnUntraced(function*({ guards }: Target, reason: Reason, patience: Patience) {
  const pauseMs = reason.retryAfterMs ?? 0
  if (!(yield* isShort(patience, pauseMs)) || !(yield* guards.budget.tryTake(retryCost))) return false
  yield* Effect.sleep(pauseMs)
  return true
})
