/**
 * Until when a target told us to wait: a fact from the provider, apart from the breaker's opinion on whether it works. Keyed
 * by what the limit binds, such as the model. Plain functions over a Ref, because every request asks.
 */
import * as Ref from "effect/Ref"
import type { Reason } from "../domain/GatewayError.ts"

/** A pause that was asked for: its end on the monotonic clock, and the tag of the reason it came with. */
export interface Wait {
  readonly untilMs: number
  readonly why: Reason["_tag"]
}

/** Key → its wait. */
export type Waits = ReadonlyMap<string, Wait>

/** Longest pause that is believed, in milliseconds, for hints may be nonsense. */
export const longestPauseMs = 3_600_000

/** Callers can name models, so the number of keys is bounded; of more the oldest goes. */
const mostKeys = 1000

/** The waits after a target asked for one more; a shorter wait never cuts a longer one, and those that are over go. */
export const note = (waits: Waits, key: string, nowMs: number, pauseMs: number, why: Wait["why"]): Waits => {
  if (!(pauseMs > 0)) return waits
  const untilMs = nowMs + Math.min(pauseMs, longestPauseMs)
  const before = waits.get(key)
  if (before !== undefined && before.untilMs >= untilMs) return waits
  const running = [...waits].filter(([other, wait]) => other !== key && wait.untilMs > nowMs)
  return new Map([...running.slice(1 - mostKeys), [key, { untilMs, why }] as const])
}

export interface Cooldown {
  /** A target asked for a pause, in milliseconds; at most an hour of it is believed. True if it was not cooling before. */
  readonly note: (key: string, nowMs: number, pauseMs: number, why: Wait["why"]) => boolean
  /** Milliseconds left; 0 when it may be asked. */
  readonly remaining: (key: string, nowMs: number) => number
  /** What it last said, while it is cooling. */
  readonly why: (key: string, nowMs: number) => Wait["why"] | undefined
  /** The most that any key has left, in milliseconds. */
  readonly longest: (nowMs: number) => number
  /** Forget everything; true if anything was still cooling. */
  readonly clear: (nowMs: number) => boolean
}

/** Nothing is cooling yet. */
export const make = (): Cooldown => {
  const ref = Ref.makeUnsafe<Waits>(new Map())
  const remaining = (key: string, nowMs: number): number =>
    Math.max(0, (Ref.getUnsafe(ref).get(key)?.untilMs ?? nowMs) - nowMs)
  const longest = (nowMs: number): number => {
    let ms = 0
    for (const key of Ref.getUnsafe(ref).keys()) ms = Math.max(ms, remaining(key, nowMs))
    return ms
  }
  return {
    remaining,
    longest,
    note: (key, nowMs, pauseMs, why) => {
      const wasFree = remaining(key, nowMs) === 0
      ref.ref.current = note(Ref.getUnsafe(ref), key, nowMs, pauseMs, why)
      return wasFree && remaining(key, nowMs) > 0
    },
    why: (key, nowMs) => {
      const wait = Ref.getUnsafe(ref).get(key)
      return wait !== undefined && wait.untilMs > nowMs ? wait.why : undefined
    },
    clear: (nowMs) => {
      const wasCooling = longest(nowMs) > 0
      ref.ref.current = new Map()
      return wasCooling
    }
  }
}
