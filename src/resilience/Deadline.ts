/**
 * The clocks of an attempt: one absolute deadline for the request, limits for its parts, and a watchdog for a stream that
 * falls silent. A limit that passes is a failure; Effect's own `Stream.timeout` would end the stream as a success.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { DurationText } from "../domain/Quantity.ts"
import { monotonicMillis, monotonicMillisUnsafe } from "./MonotonicTime.ts"

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

/** The moment `ms` from now. */
export const after = (ms: number): Effect.Effect<Deadline> => Effect.map(monotonicMillis, (now) => ({ atMs: now + ms }))

/** Milliseconds left; 0 when it has passed. */
export const remaining = (deadline: Deadline): Effect.Effect<number> =>
  Effect.map(monotonicMillis, (now) => Math.max(0, deadline.atMs - now))

/**
 * Interrupts an effect that outlasts the limit and fails with `onTimeout`. Without a limit it is the effect itself; with
 * nothing left the effect does not start.
 */
export const within =
  <E2>(limit: Deadline | number | undefined, onTimeout: () => E2) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> => {
    if (limit === undefined || limit === Number.POSITIVE_INFINITY) return self
    const orElse = () => Effect.failSync(onTimeout)
    const bounded = (ms: number) => ms > 0 ? Effect.timeoutOrElse(self, { duration: ms, orElse }) : orElse()
    return typeof limit === "number" ? bounded(limit) : Effect.flatMap(remaining(limit), bounded)
  }

/** The pull that is waited for. `sinceMs` lies in the past by the waiting that came to nothing before it. */
interface Waiting {
  readonly sinceMs: number
  readonly giveUp: () => void
}

/**
 * A pull that fails with `onIdle` once `idleMs` were spent waiting without progress. Time in which nobody pulls does not
 * count (a slow reader is not a silent upstream); what `isProgress` denies, such as a ping, does not restart the clock. One
 * timer per stream, not per pull: a watchdog in the scope sleeps until the running pull could be overdue.
 */
export const idleWatched = <A, E, Done, R, E2>(
  pull: Pull.Pull<A, E, Done, R>,
  idleMs: number,
  onIdle: () => E2,
  isProgress: (value: A) => boolean = () => true
): Effect.Effect<Pull.Pull<A, E | E2, Done, R>, never, Scope.Scope> =>
  Effect.clockWith((clock) => {
    let waiting: Waiting | undefined
    let fruitlessMs = 0

    const watch: Effect.Effect<void> = Effect.suspend(() => {
      const leftMs = waiting === undefined ? idleMs : waiting.sinceMs + idleMs - monotonicMillisUnsafe(clock)
      if (leftMs > 0) return Effect.flatMap(Effect.sleep(Math.ceil(leftMs)), () => watch)
      waiting?.giveUp()
      return watch
    })

    const settle = (exit: Exit.Exit<A, E | Cause.Done<Done>>, waitedMs: number): typeof exit => {
      waiting = undefined
      fruitlessMs = Exit.isSuccess(exit) && isProgress(exit.value) ? 0 : waitedMs
      return exit
    }

    /** The pull runs in a fiber of its own, for an interrupted fiber could not go on to say why. */
    const outcome = (fiber: Fiber.Fiber<A, E | Cause.Done<Done>>) =>
      Effect.callback<A, E | E2 | Cause.Done<Done>>((resume) => {
        const sinceMs = monotonicMillisUnsafe(clock) - fruitlessMs
        const forget = fiber.addObserver((exit) => resume(settle(exit, monotonicMillisUnsafe(clock) - sinceMs)))
        const giveUp = () => {
          forget()
          waiting = undefined
          fruitlessMs = 0
          fiber.interruptUnsafe()
          resume(Effect.failSync(onIdle))
        }
        waiting = { sinceMs, giveUp }
      })

    const watched: Pull.Pull<A, E | E2, Done, R> = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkChild(pull, { startImmediately: true }), (fiber) => {
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return settle(exit, fruitlessMs)
        return Effect.onInterrupt(restore(outcome(fiber)), () => {
          waiting = undefined
          return Fiber.interrupt(fiber)
        })
      })
    )
    return Effect.as(Effect.forkScoped(watch), watched)
  })
