/** The clocks of an attempt: one absolute deadline for the request, and limits for its parts. `Watchdog.ts` keeps them. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DurationText } from "../domain/Quantity.ts"
import { monotonicMillisUnsafe } from "./MonotonicTime.ts"

/** How long the parts of a request may take, in milliseconds. */
export interface TimeoutSettings {
  /** Until a socket is open. Default 5,000. */
  readonly connectMs: number
  /** Until the first content event of a stream. Default 10,000. */
  readonly firstTokenMs: number
  /** Until a whole answer that is not streamed. Default 60,000. */
  readonly answerMs: number
  /** Between two content events. Default 20,000. */
  readonly idleMs: number
  /** The whole request, every attempt and wait included. Default 600,000. */
  readonly totalMs: number
}

export const defaultTimeoutSettings: TimeoutSettings = {
  connectMs: 5000,
  firstTokenMs: 10_000,
  answerMs: 60_000,
  idleMs: 20_000,
  totalMs: 600_000
}

const Span = DurationText.check(Schema.isGreaterThan(0))

/** `timeouts` of the configuration. */
export const TimeoutSettingsInput = Schema.Struct({
  connect: Schema.optionalKey(Span),
  firstToken: Schema.optionalKey(Span),
  answer: Schema.optionalKey(Span),
  idle: Schema.optionalKey(Span),
  total: Schema.optionalKey(Span)
})
export type TimeoutSettingsInput = typeof TimeoutSettingsInput.Type

/** What was written over what was there. */
export const fromInput = (input: TimeoutSettingsInput, base = defaultTimeoutSettings): TimeoutSettings => ({
  connectMs: input.connect ?? base.connectMs,
  firstTokenMs: input.firstToken ?? base.firstTokenMs,
  answerMs: input.answer ?? base.answerMs,
  idleMs: input.idle ?? base.idleMs,
  totalMs: input.total ?? base.totalMs
})

/** A moment on the monotonic clock; make it with `after`, never from a date. */
export interface Deadline {
  readonly atMs: number
}

/** The moment `ms` from now, or from another moment on the monotonic clock. */
export const after = (ms: number, clock: Clock.Clock, fromMs = monotonicMillisUnsafe(clock)): Deadline => ({
  atMs: fromMs + ms
})

/** Milliseconds left; 0 when it has passed. */
export const left = (deadline: Deadline, clock: Clock.Clock): number =>
  Math.max(0, deadline.atMs - monotonicMillisUnsafe(clock))

/** `left` by the fiber's own clock. */
export const remaining = (deadline: Deadline): Effect.Effect<number> =>
  Effect.clockWith((clock) => Effect.succeed(left(deadline, clock)))
