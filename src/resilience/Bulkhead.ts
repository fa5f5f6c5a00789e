/**
 * How many calls one target may have under way, so that a slow one cannot take the process: a bounded queue with a limited
 * wait in front of the breaker. A full queue is our own refusal and never a verdict on the target.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Reason } from "../domain/GatewayError.ts"
import { defaultPriority, type Priority } from "../domain/Priority.ts"
import * as AdaptiveLimit from "./AdaptiveLimit.ts"
import { type Deadline, left } from "./Deadline.ts"
import { monotonicMillisUnsafe } from "./MonotonicTime.ts"
import * as WaitingLine from "./WaitingLine.ts"
import * as Watchdog from "./Watchdog.ts"

export interface BulkheadSettings {
  /** Calls under way at once. Absent = unlimited. */
  readonly maxConcurrency?: AdaptiveLimit.Concurrency | undefined
  /** Calls that may wait. Default: as many as may be under way at the moment. */
  readonly maxQueue?: number | undefined
  /** How long one may wait, in milliseconds, and never longer than a tenth of what its request has left. Default 2,000. */
  readonly maxWaitMs?: number | undefined
}

/**
 * A queue that somebody needs again and again for this long, in milliseconds, is no burst but a standing one: it only makes
 * everybody late, so half of it has to do until nobody has needed it for as long.
 */
const standingAfterMs = 500

/** No place in the queue, none left it in time, or a call that matters more took it. A plain value: a rejection is part of the hot path. */
export interface BulkheadFull {
  readonly _tag: "BulkheadFull"
  readonly why: "queue-full" | "waited-too-long" | "gave-way"
}

/** Gives the place back; a second time does nothing. */
export type Release = Effect.Effect<void>

/** Who asks for a place. */
export interface Seeker {
  readonly priority: Priority
  /** The end of its request; absent = it has none. */
  readonly deadline?: Deadline | undefined
}

export interface Bulkhead {
  /** A place that is free now. */
  readonly take: () => Release | undefined
  /**
   * A place once there is one, by class and then by arrival. Wait in an uninterruptible region: only the wait itself may be
   * interrupted, without trace.
   */
  readonly wait: (seeker: Seeker) => Effect.Effect<Release, BulkheadFull>
  /** `take`, else `wait` as a normal call without an end. */
  readonly acquire: Effect.Effect<Release, BulkheadFull>
  /** A call that still has its place went well. */
  readonly onSuccess: (clock: Clock.Clock) => void
  /** One failed that was sent then, on the monotonic clock: what overloads the target lowers the limit. */
  readonly onFailure: (reason: Reason, clock: Clock.Clock, sentAtMs: number) => void
  readonly inFlight: () => number
  readonly waiting: () => number
  /** Calls that may be under way at this moment; infinite without a limit. */
  readonly limit: () => number
}

interface Waiter extends Watchdog.Watched {
  readonly latch: Latch.Latch
  fate: "waiting" | "granted" | BulkheadFull["why"]
}

const refuse = (why: BulkheadFull["why"]) => Effect.fail<BulkheadFull>({ _tag: "BulkheadFull", why })

const settle = (waiter: Waiter, fate: Waiter["fate"]): void => {
  waiter.fate = fate
  waiter.latch.openUnsafe()
}

/** The places themselves: who has one, who is next, and how many there are. */
const makePlaces = (law: AdaptiveLimit.LimitLaw, onCut: (nowMs: number) => void) => {
  const line = WaitingLine.make<Waiter>()
  let state = AdaptiveLimit.initial(law)
  let inFlight = 0

  /** Whoever waits does so because nothing is free, so a newcomer never overtakes. */
  const fill = (): void => {
    while (inFlight < state.limit) {
      const next = line.next()
      if (next === undefined) return
      inFlight++
      settle(next, "granted")
    }
  }
  const leave = (): void => {
    inFlight--
    fill()
  }
  const hold = (): Release => {
    let isHeld = true
    return Effect.sync(() => {
      if (isHeld) leave()
      isHeld = false
    })
  }
  const hear = (tag: AdaptiveLimit.LimitSignal["_tag"], clock: Clock.Clock, sentAtMs: number): void => {
    const nowMs = monotonicMillisUnsafe(clock)
    const before = state.limit
    state = AdaptiveLimit.step(law, state, { _tag: tag, inFlight, nowMs, sentAtMs })
    if (state.limit < before) onCut(nowMs)
    fill()
  }
  return {
    line,
    leave,
    hold,
    take: (): Release | undefined => {
      if (inFlight >= state.limit) return undefined
      inFlight++
      return hold()
    },
    onSuccess: (clock: Clock.Clock): void => {
      if (state.limit < law.max) hear("Success", clock, 0)
    },
    onFailure: (reason: Reason, clock: Clock.Clock, sentAtMs: number): void => {
      const signal = AdaptiveLimit.signalOf(reason)
      if (signal !== undefined) hear(signal, clock, sentAtMs)
    },
    inFlight: () => inFlight,
    limit: () => state.limit
  }
}

/** A bulkhead for one target. */
export const make = (settings: BulkheadSettings): Effect.Effect<Bulkhead, never, Scope.Scope> =>
  Effect.map(Watchdog.make, (watchdog) => {
    const { maxQueue, maxWaitMs = 2000 } = settings
    let busySinceMs = 0
    let neededAtMs = -Infinity

    const mayWait = (nowMs: number): number => {
      const most = maxQueue ?? limit()
      return nowMs - busySinceMs < standingAfterMs ? most : Math.ceil(most / 2)
    }
    /** The queue of a longer limit would take too long under a shorter one. */
    const shorten = (nowMs: number): void => {
      while (line.size() > mayWait(nowMs)) {
        const last = line.yieldTo()
        if (last !== undefined) settle(last, "queue-full")
      }
    }
    const { hold, inFlight, leave, limit, line, onFailure, onSuccess, take } = makePlaces(
      AdaptiveLimit.lawOf(settings.maxConcurrency),
      shorten
    )

    const hasRoom = (priority: Priority, nowMs: number): boolean => {
      if (line.size() === 0 && nowMs - neededAtMs >= standingAfterMs) busySinceMs = nowMs
      neededAtMs = nowMs
      if (line.size() < mayWait(nowMs)) return true
      const behind = line.yieldTo(priority)
      if (behind !== undefined) settle(behind, "gave-way")
      return behind !== undefined
    }

    const join = ({ deadline, priority }: Seeker, clock: Clock.Clock): Effect.Effect<Release, BulkheadFull> => {
      const nowMs = monotonicMillisUnsafe(clock)
      if (!hasRoom(priority, nowMs)) return refuse("queue-full")
      const longestMs = deadline === undefined ? maxWaitMs : Math.min(maxWaitMs, left(deadline, clock) / 10)
      const waiter: Waiter = {
        latch: Latch.makeUnsafe(false),
        fate: "waiting",
        atMs: nowMs + longestMs,
        onDue: () => {
          line.leave(priority, waiter)
          if (waiter.fate === "waiting") settle(waiter, "waited-too-long")
        }
      }
      line.join(priority, waiter)
      watchdog.watch(waiter)
      /** A waiter that goes takes back nothing, or hands its place on. */
      const withdraw = Effect.sync(() => {
        watchdog.callOff(waiter)
        if (waiter.fate === "granted") leave()
        else line.leave(priority, waiter)
      })
      // Interruptible by name, for `restore` would restore the uninterruptible region that a place is taken in.
      return Effect.flatMap(Effect.onError(Effect.interruptible(waiter.latch.await), () => withdraw), () => {
        watchdog.callOff(waiter)
        if (waiter.fate === "granted") return Effect.sync(hold)
        return refuse(waiter.fate === "waiting" ? "waited-too-long" : waiter.fate)
      })
    }

    const wait = (seeker: Seeker) =>
      Effect.uninterruptible(Effect.withFiber((fiber) => {
        const free = take()
        return free === undefined ? join(seeker, fiber.getRef(Clock.Clock)) : Effect.succeed(free)
      }))

    return {
      take,
      wait,
      acquire: wait({ priority: defaultPriority }),
      onSuccess,
      onFailure,
      inFlight,
      waiting: line.size,
      limit
    }
  })
