import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Queue, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  after,
  defaultTimeoutSettings,
  fromInput,
  idleWatched,
  remaining,
  TimeoutSettingsInput,
  within
} from "../../src/resilience/Deadline.ts"

describe("Deadline", () => {
  it.effect("what remains shrinks to nothing and no further", () =>
    Effect.gen(function*() {
      const deadline = yield* after(1000)
      yield* TestClock.adjust(400)
      expect(yield* remaining(deadline)).toBe(600)
      yield* TestClock.adjust(4000)
      expect(yield* remaining(deadline)).toBe(0)
    }))

  it.effect("an effect that outlasts its deadline is interrupted and fails", () =>
    Effect.gen(function*() {
      let interrupted = false
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const fiber = yield* Effect.forkChild(within(yield* after(1000), () => "late")(slow))
      yield* TestClock.adjust(1000)
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail("late"))
      expect(interrupted).toBe(true)
    }))

  it.effect("an effect does not start when the deadline has passed", () =>
    Effect.gen(function*() {
      let started = false
      const deadline = yield* after(10)
      yield* TestClock.adjust(10)
      const late = within(deadline, () => "late")(Effect.sync(() => void (started = true)))
      expect(yield* Effect.flip(late)).toBe("late")
      expect(started).toBe(false)
    }))

  it("without a limit it is the effect itself", () => {
    const effect = Effect.succeed(1)
    expect(within(undefined, () => "late")(effect)).toBe(effect)
    expect(within(Number.POSITIVE_INFINITY, () => "late")(effect)).toBe(effect)
  })

  it("timeouts that are not written are the default", () => {
    const decode = Schema.decodeUnknownSync(TimeoutSettingsInput)
    expect(fromInput(decode({ firstToken: "3s" }))).toEqual({ ...defaultTimeoutSettings, firstTokenMs: 3000 })
    expect(() => decode({ idle: "0s" })).toThrow(/Expected/)
  })
})

/** A watched stream of texts with an idle limit of 1,000 ms, and what feeds it. */
const watchedQueue = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<string, Cause.Done>()
  const scope = yield* Scope.make()
  const pull = yield* idleWatched(Queue.take(queue), 1000, () => "idle", (text) => text !== "ping").pipe(
    Scope.provide(scope)
  )
  return { queue, pull, scope }
})

describe("idleWatched", () => {
  it.effect("passes on what comes, at once or in time", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* watchedQueue
      yield* Queue.offer(queue, "a")
      expect(yield* pull).toBe("a")
      for (const text of ["b", "c", "d"]) {
        const fiber = yield* Effect.forkChild(pull)
        yield* TestClock.adjust(999)
        yield* Queue.offer(queue, text)
        expect(yield* Fiber.join(fiber)).toBe(text)
      }
    }))

  it.effect("fails one limit after the pull began, wherever the watchdog stood", () =>
    Effect.gen(function*() {
      const { pull } = yield* watchedQueue
      yield* TestClock.adjust(300)
      const fiber = yield* Effect.forkChild(pull)
      yield* TestClock.adjust(999)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail("idle"))
    }))

  it.effect("takes nothing from the stream once it failed", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* watchedQueue
      const fiber = yield* Effect.forkChild(pull)
      yield* TestClock.adjust(1000)
      yield* Fiber.await(fiber)
      yield* Queue.offer(queue, "late")
      expect(yield* Queue.size(queue)).toBe(1)
    }))

  it.effect("time in which nobody pulls does not count", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* watchedQueue
      yield* TestClock.adjust("1 hour")
      const fiber = yield* Effect.forkChild(pull)
      yield* TestClock.adjust(900)
      yield* Queue.offer(queue, "a")
      expect(yield* Fiber.join(fiber)).toBe("a")
    }))

  it.effect("pings do not restart the clock", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* watchedQueue
      const fiber = yield* Effect.forkChild(Effect.forever(pull))
      for (let index = 0; index < 3; index++) {
        yield* TestClock.adjust(300)
        yield* Queue.offer(queue, "ping")
      }
      yield* TestClock.adjust(99)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail("idle"))
    }))

  it.effect("an end and a failure of the stream stay what they are", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* watchedQueue
      yield* Queue.end(queue)
      expect(yield* Effect.flip(pull)).toEqual(Cause.Done())
      const failing = yield* Effect.scoped(idleWatched(Effect.fail("cut"), 1000, () => "idle"))
      expect(yield* Effect.flip(failing)).toBe("cut")
    }))

  it.effect("a reader that leaves interrupts the pull", () =>
    Effect.gen(function*() {
      let interrupted = false
      const silent = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const scope = yield* Scope.make()
      const pull = yield* Scope.provide(idleWatched(silent, 1000, () => "idle"), scope)
      const fiber = yield* Effect.forkChild(pull, { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      expect(interrupted).toBe(true)
    }))

  it.effect("the watchdog ends with the scope", () =>
    Effect.gen(function*() {
      const { pull, scope } = yield* watchedQueue
      const fiber = yield* Effect.forkChild(pull)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      expect(fiber.pollUnsafe()).toBeUndefined()
    }))
})
