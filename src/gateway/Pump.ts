/**
 * Silence on a stream judged by the watchdog instead of a race per event, which costs about 4 µs and two fibers. What is pulled
 * must be able to fail from outside; a source that cannot is pulled in a fiber of its own.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type { Watchdog, Watched } from "../resilience/Watchdog.ts"

/** A pull that waits or is to come can be made to fail. */
export interface Stoppable<A, E> {
  readonly pull: Pull.Pull<A, E>
  readonly stop: (error: E) => void
  /** Makes the pull that waits return this; nothing happens where none waits. */
  readonly nudge: (value: A) => void
}

/** Pulls in a fiber of its own, handing over one value at a time; it stops with the scope. */
export const stoppable = <A, E>(source: Pull.Pull<A, E>, scope: Scope.Scope): Effect.Effect<Stoppable<A, E>> => {
  type Result = Exit.Exit<A, E | Cause.Done>
  let held: Result | undefined
  let last: Result | undefined
  let waiter: ((result: Result) => void) | undefined
  let demand: (() => void) | undefined

  const deliver = (result: Result): void => {
    if (Exit.isFailure(result)) last ??= result
    const wake = waiter
    waiter = undefined
    if (wake === undefined) held ??= result
    else wake(result)
  }

  const taken = Effect.callback<void>((resume) => {
    if (held === undefined) return resume(Effect.void)
    demand = () => resume(Effect.void)
  })

  const work: Effect.Effect<void> = Effect.flatMap(Effect.exit(source), (result) => {
    deliver(result)
    return Exit.isFailure(result) ? Effect.void : Effect.flatMap(taken, () => work)
  })

  const pull = Effect.callback<A, E | Cause.Done>((resume) => {
    const result = held ?? last
    if (result === undefined) {
      waiter = resume
      return
    }
    held = undefined
    resume(result)
    const wake = demand
    demand = undefined
    wake?.()
  })

  const nudge = (value: A): void => {
    const wake = waiter
    waiter = undefined
    wake?.(Exit.succeed(value))
  }
  return Effect.as(Effect.forkIn(work, scope), { pull, stop: (error) => deliver(Exit.fail(error)), nudge })
}

export interface WatchOptions {
  readonly watchdog: Watchdog
  readonly scope: Scope.Scope
  /** Longest wait, in milliseconds; time in which nobody pulls does not count. */
  readonly idleMs: number
  /** End of everything, on the monotonic clock. */
  readonly deadlineMs: number
  /** Called once, when a wait was too long. */
  readonly onSilence: (byDeadline: boolean) => void
}

/** The marks of a wait, and a way to have less patience from now on. */
export interface Watch {
  readonly begin: () => void
  /** What was waited for is there. */
  readonly end: () => void
  /** Something else came; the time before counts for the wait that begins next. */
  readonly pause: () => void
  readonly shorten: (idleMs: number) => void
}

/** Watches the waits between `begin` and `end` until the scope closes. */
export const watch = ({ deadlineMs, onSilence, scope, watchdog, ...options }: WatchOptions): Effect.Effect<Watch> =>
  Effect.clockWith((clock) => {
    const { idleMs } = options
    let patienceMs = idleMs
    let sinceMs: number | undefined
    let waitedMs = 0
    const watched: Watched = {
      atMs: Math.min(monotonicMillisUnsafe(clock) + idleMs, deadlineMs),
      onDue: () => {
        const nowMs = monotonicMillisUnsafe(clock)
        if (nowMs >= deadlineMs) return onSilence(true)
        const idleUntilMs = sinceMs === undefined ? nowMs + patienceMs : sinceMs + patienceMs - waitedMs
        if (nowMs >= idleUntilMs) return onSilence(false)
        watched.atMs = Math.min(idleUntilMs, deadlineMs)
        watchdog.watch(watched)
      }
    }
    watchdog.watch(watched)
    return Effect.as(Scope.addFinalizer(scope, Effect.sync(() => watchdog.callOff(watched))), {
      begin: () => {
        sinceMs = monotonicMillisUnsafe(clock)
        if (waitedMs === 0) return
        watched.atMs = Math.min(watched.atMs, sinceMs + patienceMs - waitedMs)
        watchdog.hasten(watched)
      },
      end: () => {
        sinceMs = undefined
        waitedMs = 0
      },
      pause: () => {
        if (sinceMs !== undefined) waitedMs += monotonicMillisUnsafe(clock) - sinceMs
        sinceMs = undefined
      },
      shorten: (ms) => {
        patienceMs = ms
        watched.atMs = Math.min(monotonicMillisUnsafe(clock) + ms, deadlineMs)
        watchdog.hasten(watched)
      }
    })
  })
