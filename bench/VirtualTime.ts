/** Effects in time that passes only when nobody has anything left to do: hours in seconds, the same on every run of a seed. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as References from "effect/References"
import { MixedScheduler } from "effect/Scheduler"

interface Sleeper {
  readonly atMs: number
  /** Who slept first wakes first. */
  readonly serial: number
  readonly wake: () => void
  isGone: boolean
}

const isBefore = (a: Sleeper, b: Sleeper): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial)

/** A binary heap of sleepers, the earliest on top. */
class Sleepers {
  readonly #heap: Array<Sleeper> = []

  push(sleeper: Sleeper): void {
    const heap = this.#heap
    let at = heap.push(sleeper) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || !isBefore(sleeper, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = sleeper
  }

  pop(): Sleeper | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [heap[left], heap[left + 1]]
      const least = one !== undefined && other !== undefined && isBefore(other, one) ? left + 1 : left
      const child = heap[least]
      if (child === undefined || !isBefore(child, last)) break
      heap[at] = child
      at = least
    }
    heap[at] = last
    return top
  }
}

/** Runs the effect to its end; throws if it waits for something that no time brings. Logs are dropped. */
export const run = <A, E>(seed: string, effect: Effect.Effect<A, E>): A => {
  const sleepers = new Sleepers()
  let tasks: Array<() => void> = []
  let nowMs = 0
  let serial = 0
  const nanos = () => BigInt(Math.round(nowMs * 1e6))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => nowMs,
    currentTimeMillis: Effect.sync(() => nowMs),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const atMs = nowMs + Duration.toMillis(duration)
        const sleeper = { atMs, serial: serial++, wake: () => resume(Effect.void), isGone: false }
        sleepers.push(sleeper)
        return Effect.sync(() => {
          sleeper.isGone = true
        })
      })
  }
  const settle = (): void => {
    while (tasks.length > 0) {
      const now = tasks
      tasks = []
      for (const task of now) task()
    }
  }
  const scheduler = new MixedScheduler("async", (task) => {
    tasks.push(task)
    return () => undefined
  })
  const fiber = Effect.runFork(
    effect.pipe(
      Random.withSeed(seed),
      Effect.provideService(Clock.Clock, clock),
      Effect.provideService(References.MinimumLogLevel, "None")
    ),
    { scheduler }
  )
  for (;;) {
    settle()
    const exit: Exit.Exit<A, E> | undefined = fiber.pollUnsafe()
    if (exit?._tag === "Success") return exit.value
    if (exit !== undefined) throw new Error(`the run failed: ${JSON.stringify(exit.cause)}`)
    const next = sleepers.pop()
    if (next === undefined) throw new Error("everybody waits, and nobody for a moment in time")
    if (next.isGone) continue
    nowMs = Math.max(nowMs, next.atMs)
    next.wake()
  }
}
