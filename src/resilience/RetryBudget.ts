/**
 * What a target's retries may cost, so that an outage is not multiplied: a bucket that only whole answers refill. At 30 % errors
 * it never runs dry; in a total outage it allows its content once and then nothing.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

/** Cost of trying a target again; after a timeout it is not tried again at all. */
export const retryCost = 1

export interface RetryBudget {
  /** One more success, of a first try or of a retry. */
  readonly onSuccess: () => void
  /** Takes the cost, or takes nothing and says no. */
  readonly tryTake: (cost: number) => Effect.Effect<boolean>
  readonly left: Effect.Effect<number>
}

/** A full bucket of one target. */
export const make = (capacity: number): Effect.Effect<RetryBudget> =>
  Effect.map(Ref.make(capacity), (ref) => ({
    // Plain, because it is on the way of every answer.
    onSuccess: () => {
      ref.ref.current = Math.min(capacity, ref.ref.current + 1)
    },
    tryTake: (cost) => Ref.modify(ref, (left) => left >= cost ? [true, left - cost] : [false, left]),
    left: Ref.get(ref)
  }))
