/**
 * Many limits, one timer: what must not outlast a moment is put on a list, and one fiber sleeps until the earliest moment on
 * it. A race against a sleep costs two fibers and a timer for each call; almost no limit is ever reached.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "./MonotonicTime.ts"
import { type Member, Roster } from "./Roster.ts"

/** Something that is watched until it is called off. A later `atMs` may be written at any time; it is looked at when it is due. */
export interface Watched extends Member {
  /** On the monotonic clock, in milliseconds. */
  atMs: number
  /** Called once, on the watchdog's own fiber, when the moment has passed; it must not throw. */
  readonly onDue: () => void
}

export interface Watchdog {
  readonly watch: (watched: Watched) => void
  /** For an `atMs` that was made earlier. */
  readonly hasten: (watched: Watched) => void
  readonly callOff: (watched: Watched) => void
  /** How many are watched, for tests. */
  readonly size: () => number
}

/** Woken so much later than asked, in milliseconds, the whole process stood still, and what came meanwhile is still unread. */
const standstillMs = 100

/** Time to read it before anybody is judged, in milliseconds. */
const graceMs = 20

/** Runs until the scope closes; what is then still watched is never called. */
export const make: Effect.Effect<Watchdog, never, Scope.Scope> = Effect.gen(function*() {
  const context = yield* Effect.context()
  const clock = yield* Effect.clockWith(Effect.succeed)
  const fork = Effect.runForkWith(context)
  const all = new Roster<Watched>()
  /** Somebody was called off, so whoever is last may stand where it has been looked at. */
  let isStirred = false
  let sleeper: Fiber.Fiber<void> | undefined
  let sleepsUntilMs = Number.POSITIVE_INFINITY

  const sleepUntil = (atMs: number): void => {
    sleeper?.interruptUnsafe()
    sleepsUntilMs = atMs
    const leftMs = Math.max(1, Math.ceil(atMs - monotonicMillisUnsafe(clock)))
    sleeper = fork(Effect.andThen(Effect.sleep(leftMs), Effect.sync(wake)))
  }

  const wake = (): void => {
    if (monotonicMillisUnsafe(clock) - sleepsUntilMs <= standstillMs) return look()
    sleeper = fork(Effect.andThen(Effect.sleep(graceMs), Effect.sync(look)))
  }

  /** Calls what is due, then sleeps until the earliest of the rest. */
  const look = (): void => {
    const nowMs = monotonicMillisUnsafe(clock)
    sleeper = undefined
    // Whoever is added by a call below is met by the loop itself.
    sleepsUntilMs = Number.NEGATIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (let place = 0; place < all.size;) {
      const watched = all.at(place)
      isStirred = false
      if (watched !== undefined && watched.atMs <= nowMs) {
        all.delete(watched)
        watched.onDue()
        // The last one stands here now.
        if (isStirred) place = 0
        continue
      }
      if (watched !== undefined && watched.atMs < next) next = watched.atMs
      place++
    }
    sleepsUntilMs = Number.POSITIVE_INFINITY
    if (next < Number.POSITIVE_INFINITY) sleepUntil(next)
  }

  const hasten = ({ atMs }: Watched): void => {
    if (atMs < sleepsUntilMs) sleepUntil(atMs)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => sleeper?.interruptUnsafe()))
  return {
    watch: (watched) => {
      all.add(watched)
      hasten(watched)
    },
    hasten,
    callOff: (watched) => {
      isStirred = true
      all.delete(watched)
    },
    size: () => all.size
  }
})

/** Two moments as one entry: `early` is called at its own, if that is before `atMs`, and `onDue` at `atMs`. */
export const twice = (watchdog: Watchdog, early: Watched | undefined, atMs: number, onDue: () => void): Watched => {
  const watched: Watched = {
    atMs: early === undefined ? atMs : Math.min(early.atMs, atMs),
    onDue: () => {
      if (watched.atMs >= atMs) return onDue()
      watched.atMs = atMs
      watchdog.watch(watched)
      early?.onDue()
    }
  }
  return watched
}

/**
 * The effect, in a fiber of its own, until `atMs`; then it is interrupted and `onDue` takes its place. Run it where it cannot
 * be interrupted, or an interruption between two steps would lose the fiber; `interruptible` is what may be. `early` is called
 * at its moment if the effect is still running.
 */
export const within = <A, E, R, E2>(
  watchdog: Watchdog,
  atMs: number,
  effect: Effect.Effect<A, E, R>,
  onDue: () => Effect.Effect<never, E2>,
  early?: Watched
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) => {
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit
    return Effect.interruptible(
      Effect.callback<A, E | E2>((resume) => {
        const watched = twice(watchdog, early, atMs, () => {
          forget()
          resume(Effect.andThen(Fiber.interrupt(fiber), onDue()))
        })
        const forget = fiber.addObserver((result) => {
          watchdog.callOff(watched)
          resume(result)
        })
        watchdog.watch(watched)
        return Effect.suspend(() => {
          forget()
          watchdog.callOff(watched)
          return Fiber.interrupt(fiber)
        })
      })
    )
  })
