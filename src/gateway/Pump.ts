/**
 * Silence on a stream judged by one timer per stream instead of a race per event, which costs about 4 µs and two fibers. What is
 * pulled must be able to fail from outside; a source that cannot is pulled in a fiber of its own.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"

/** A pull that waits or is to come can be made to fail. */
export interface Stoppable<A, E> {
  readonly pull: Pull.Pull<A, E>
  readonly stop: (error: E) => void
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

  return Effect.as(Effect.forkIn(work, scope), { pull, stop: (error) => deliver(Exit.fail(error)) })
}

export interface WatchOptions {
  readonly scope: Scope.Scope
  /** Longest wait for one value, in milliseconds; time in which nobody pulls does not count. */
  readonly idleMs: number
  /** End of everything, on the monotonic clock. */
  readonly deadlineMs: number
  /** Called once, when a wait was too long. */
  readonly onSilence: (byDeadline: boolean) => Effect.Effect<unknown>
}

/** The two marks of a wait, and a way to have less patience from now on. */
export interface Watch {
  readonly begin: () => void
  readonly end: () => void
  readonly shorten: (idleMs: number) => Effect.Effect<void>
}

/** Watches the waits between `begin` and `end` until the scope closes. */
export const watch = (options: WatchOptions): Effect.Effect<Watch> =>
  Effect.clockWith((clock) => {
    let sinceMs: number | undefined
    const guard = (idleMs: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        const nowMs = monotonicMillisUnsafe(clock)
        const idleLeft = sinceMs === undefined ? idleMs : sinceMs + idleMs - nowMs
        const deadlineLeft = options.deadlineMs - nowMs
        const left = Math.min(idleLeft, deadlineLeft)
        if (left > 0) return Effect.flatMap(Effect.sleep(Math.ceil(left)), () => guard(idleMs))
        return Effect.asVoid(options.onSilence(deadlineLeft <= 0))
      })
    return Effect.as(Effect.forkIn(guard(options.idleMs), options.scope), {
      begin: () => {
        sinceMs = monotonicMillisUnsafe(clock)
      },
      end: () => {
        sinceMs = undefined
      },
      shorten: (idleMs) =>
        Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(idleMs), guard(idleMs)), options.scope))
    })
  })
