/**
 * How many calls one target may have under way, so that a slow one cannot take the process: a bounded first-come queue with
 * a limited wait in front of the breaker. A full queue is our own refusal and never a verdict on the target.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export interface BulkheadSettings {
  /** Calls under way at once. Absent = unlimited. */
  readonly maxConcurrency?: number | undefined
  /** Calls that may wait. Default: as many as `maxConcurrency`. */
  readonly maxQueue?: number | undefined
  /** How long one may wait, in milliseconds. Default 2,000. */
  readonly maxWaitMs?: number | undefined
}

/** No place in the queue, or none left it in time. A plain value: a rejection is part of the hot path. */
export interface BulkheadFull {
  readonly _tag: "BulkheadFull"
  readonly why: "queue-full" | "waited-too-long"
}

/** Gives the place back; a second time does nothing. */
export type Release = Effect.Effect<void>

export interface Bulkhead {
  /** A place, in order of arrival. Take it in an uninterruptible region: only the wait itself may be interrupted, without trace. */
  readonly acquire: Effect.Effect<Release, BulkheadFull>
  readonly inFlight: () => number
  /** Calls that may be under way at this moment; infinite without a limit. */
  readonly limit: () => number
  readonly waiting: () => number
}

interface Waiter {
  readonly latch: Latch.Latch
  granted: boolean
}

const refuse = (why: BulkheadFull["why"]) => Effect.fail<BulkheadFull>({ _tag: "BulkheadFull", why })

/** A bulkhead for one target. */
export const make = (settings: BulkheadSettings): Effect.Effect<Bulkhead> =>
  Effect.sync(() => {
    const capacity = settings.maxConcurrency ?? Number.POSITIVE_INFINITY
    const maxQueue = settings.maxQueue ?? capacity
    const maxWaitMs = settings.maxWaitMs ?? 2000
    const queue = new Set<Waiter>()
    let inFlight = 0

    /** A place that is left goes to the first in the queue, so nobody overtakes; `inFlight` is then the same as before. */
    const leave = (): void => {
      for (const next of queue) {
        queue.delete(next)
        next.granted = true
        next.latch.openUnsafe()
        return
      }
      inFlight--
    }

    const place = (): Release => {
      let isHeld = true
      return Effect.sync(() => {
        if (isHeld) leave()
        isHeld = false
      })
    }

    /** A waiter that goes, interrupted or out of time, takes back nothing or hands its place on. */
    const withdraw = (waiter: Waiter) =>
      Effect.sync(() => {
        if (waiter.granted) leave()
        else queue.delete(waiter)
      })

    // Interruptible by name, for `restore` would restore the uninterruptible region that a place is taken in.
    const wait = Effect.uninterruptible(Effect.suspend(() => {
      const waiter: Waiter = { latch: Latch.makeUnsafe(false), granted: false }
      queue.add(waiter)
      const granted = Effect.timeoutOrElse(waiter.latch.await, {
        duration: maxWaitMs,
        orElse: () => waiter.granted ? Effect.void : refuse("waited-too-long")
      })
      return Effect.map(Effect.onError(Effect.interruptible(granted), () => withdraw(waiter)), place)
    }))

    const acquire = Effect.suspend((): Effect.Effect<Release, BulkheadFull> => {
      if (inFlight < capacity) {
        inFlight++
        return Effect.succeed(place())
      }
      return queue.size < maxQueue ? wait : refuse("queue-full")
    })

    return { acquire, inFlight: () => inFlight, limit: () => capacity, waiting: () => queue.size }
  })
