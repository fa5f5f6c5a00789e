/** Who is asked to go on where a stream broke off, and in which order; `Resumption` asks them. */
import * as Effect from "effect/Effect"
import type { Reason } from "../domain/GatewayError.ts"
import { classify, isOfCredential } from "../resilience/Classification.ts"
import { monotonicMillis } from "../resilience/MonotonicTime.ts"
import type { RetrySettings } from "../resilience/Retry.ts"
import type { AttemptRecord } from "./Decision.ts"
import type { Target } from "./Target.ts"

interface Successors {
  readonly targets: ReadonlyArray<Target>
  /** The first is the target that broke off, with another of its credentials. */
  readonly hasOtherKey: boolean
}

/**
 * Those with tries left, others first; the target that broke off may be the last hope, unless it would do the same again or asked
 * for a pause. It comes first where only its credential failed and another one is free. Nobody, where none could do better.
 */
export const successors = (
  all: ReadonlyArray<Target>,
  attempts: ReadonlyArray<AttemptRecord>,
  retry: RetrySettings,
  reason: Reason
): Effect.Effect<Successors> =>
  Effect.map(monotonicMillis, (nowMs) => {
    const { failover, retrySame } = classify(reason)
    if (!failover) return { targets: [], hasOtherKey: false }
    const broken = attempts.at(-1)?.target
    const left = all.filter(({ name }) => attempts.filter(({ target }) => target === name).length < retry.attempts)
    const others = left.filter(({ name }) => name !== broken)
    const same = left.filter(({ name }) => name === broken)
    const hasOtherKey = isOfCredential(reason)
      && same.some(({ guards, model }) => guards.credentials?.isFree(model, nowMs) === true)
    if (hasOtherKey) return { targets: [...same, ...others], hasOtherKey }
    const isLast = retrySame !== "no" && (others.length === 0 || reason.retryAfterMs === undefined)
    return { targets: isLast ? [...others, ...same] : others, hasOtherKey }
  })
