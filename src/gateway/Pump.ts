/**
 * Pulls a stream in a fiber of its own, so that silence can be judged by one timer per stream instead of a race per event: a
 * race costs about 4 µs and two fibers, a handover between two fibers a tenth of that.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"

export interface PumpOptions<A, E> {
  readonly scope: Scope.Scope
  /** Longest wait for one value, in milliseconds; time in which nobody pulls does not count. */
  readonly idleMs: number
  /** End of everything, on the monotonic clock. */
  readonly deadlineMs: number
  /** What the pull comes to when it has waited too long. */
  readonly onSilence: (byDeadline: boolean) => Exit.Exit<A, E | Cause.Done>
}

export interface Pump<A, E> {
  readonly pull: Pull.Pull<A, E>
  /** From now on every wait may last this long at most, counted from now; then the stream is `onSilence`. */
  readonly shorten: (idleMs: number) => Effect.Effect<void>
}

type Result<A, E> = Exit.Exit<A, E | Cause.Done>

/** Starts pulling; at most one value is held that nobody has asked for yet. Everything stops with the scope. */
export const start = <A, E>(source: Pull.Pull<A, E>, options: PumpOptions<A, E>): Effect.Effect<Pump<A, E>> =>
  Effect.clockWith((clock) => {
    let held: Result<A, E> | undefined
    let last: Result<A, E> | undefined
    let waiter: ((result: Result<A, E>) => void) | undefined
    let waitingSinceMs = 0
    let demand: (() => void) | undefined

    const deliver = (result: Result<A, E>): void => {
      if (Exit.isFailure(result)) last ??= result
      if (waiter === undefined) {
        held ??= result
        return
      }
      const wake = waiter
      waiter = undefined
      wake(result)
    }

    const taken = Effect.callback<void>((resume) => {
      if (held === undefined) return resume(Effect.void)
      demand = () => resume(Effect.void)
    })

    const work: Effect.Effect<void> = Effect.flatMap(Effect.exit(source), (result) => {
      deliver(result)
      return Exit.isFailure(result) ? Effect.void : Effect.flatMap(taken, () => work)
    })

    const watch = (idleMs: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (last !== undefined) return Effect.void
        const nowMs = monotonicMillisUnsafe(clock)
        const idleLeft = waiter === undefined ? idleMs : waitingSinceMs + idleMs - nowMs
        const deadlineLeft = options.deadlineMs - nowMs
        const left = Math.min(idleLeft, deadlineLeft)
        if (left > 0) return Effect.flatMap(Effect.sleep(Math.ceil(left)), () => watch(idleMs))
        deliver(options.onSilence(deadlineLeft <= 0))
        return Effect.void
      })

    const pull = Effect.callback<A, E | Cause.Done>((resume) => {
      const result = held ?? last
      if (result === undefined) {
        waitingSinceMs = monotonicMillisUnsafe(clock)
        waiter = resume
        return
      }
      held = undefined
      resume(result)
      const wake = demand
      demand = undefined
      wake?.()
    })

    return Effect.as(
      Effect.andThen(Effect.forkIn(work, options.scope), Effect.forkIn(watch(options.idleMs), options.scope)),
      {
        pull,
        shorten: (idleMs) =>
          Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(idleMs), watch(idleMs)), options.scope))
      }
    )
  })
