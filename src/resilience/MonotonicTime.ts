/** Milliseconds that only ever grow, for every duration in this room: a corrected wall clock neither lengthens nor ends a wait. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds since an arbitrary origin, with fractions; never compare with a date. */
export const monotonicMillisUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** `monotonicMillisUnsafe` of the fiber's own clock, so that TestClock rules it. */
export const monotonicMillis: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.succeed(monotonicMillisUnsafe(clock))
)
