/**
 * Until when a target told us to wait: a fact from the provider, apart from the breaker's opinion on whether it works. Keyed
 * by what the limit binds, such as credential and model.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { monotonicMillis } from "./MonotonicTime.ts"

/** Key → end of its wait on the monotonic clock. */
export type Waits = ReadonlyMap<string, number>

/** The waits after a target asked for one more; a shorter wait never cuts a longer one, and those that are over go. */
export const note = (waits: Waits, key: string, nowMs: number, retryAfterMs: number): Waits => {
  const untilMs = Math.max(waits.get(key) ?? 0, nowMs + retryAfterMs)
  return new Map([...waits, [key, untilMs] as const].filter(([, until]) => until > nowMs))
}

export interface Cooldown {
  /** A target asked for a pause, in milliseconds. At most an hour of it is believed, for hints may be nonsense. */
  readonly note: (key: string, retryAfterMs: number) => Effect.Effect<void>
  /** Milliseconds left; 0 when it may be asked. */
  readonly remaining: (key: string) => Effect.Effect<number>
  /** Forget one key, or all. */
  readonly clear: (key?: string) => Effect.Effect<void>
}

const longestMs = 3_600_000

export const make: Effect.Effect<Cooldown> = Effect.map(Ref.make<Waits>(new Map()), (ref) => ({
  note: (key, retryAfterMs) =>
    retryAfterMs > 0
      ? Effect.flatMap(monotonicMillis, (nowMs) =>
        Ref.update(ref, (waits) => note(waits, key, nowMs, Math.min(retryAfterMs, longestMs))))
      : Effect.void,
  remaining: (key) =>
    Effect.flatMap(Ref.get(ref), (waits) => {
      const untilMs = waits.get(key)
      return untilMs === undefined
        ? Effect.succeed(0)
        : Effect.map(monotonicMillis, (nowMs) => Math.max(0, untilMs - nowMs))
    }),
  clear: (key) =>
    Ref.update(ref, (waits) => new Map(key === undefined ? [] : [...waits].filter(([other]) => other !== key)))
}))
