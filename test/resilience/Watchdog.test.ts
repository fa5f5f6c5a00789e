import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { monotonicMillis } from "../../src/resilience/MonotonicTime.ts"
import * as Watchdog from "../../src/resilience/Watchdog.ts"

/** A watchdog, and a list of the names whose moment has passed. */
const kennel = Effect.gen(function*() {
  const watchdog = yield* Watchdog.make
  const nowMs = yield* monotonicMillis
  const due: Array<string> = []
  const watch = (name: string, inMs: number): Watchdog.Watched => {
    const watched: Watchdog.Watched = { atMs: nowMs + inMs, onDue: () => void due.push(name) }
    watchdog.watch(watched)
    return watched
  }
  return { watchdog, due, watch, nowMs }
})

describe("Watchdog", () => {
  it.effect("calls each at its moment, whatever the order in which they came", () =>
    Effect.gen(function*() {
      const { due, watch, watchdog } = yield* kennel
      watch("third", 300)
      watch("first", 100)
      watch("second", 200)
      yield* TestClock.adjust(99)
      expect(due).toEqual([])
      yield* TestClock.adjust(1)
      expect(due).toEqual(["first"])
      yield* TestClock.adjust(1000)
      expect(due).toEqual(["first", "second", "third"])
      expect(watchdog.size()).toBe(0)
    }))

  it.effect("forgets what was called off", () =>
    Effect.gen(function*() {
      const { due, watch, watchdog } = yield* kennel
      watchdog.callOff(watch("gone", 100))
      watch("here", 200)
      yield* TestClock.adjust(500)
      expect(due).toEqual(["here"])
    }))

  it.effect("looks at a moment that was put off only when it comes", () =>
    Effect.gen(function*() {
      const { due, nowMs, watch } = yield* kennel
      const watched = watch("late", 100)
      watched.atMs = nowMs + 250
      yield* TestClock.adjust(249)
      expect(due).toEqual([])
      yield* TestClock.adjust(1)
      expect(due).toEqual(["late"])
    }))

  it.effect("is told of a moment that was made earlier", () =>
    Effect.gen(function*() {
      const { due, nowMs, watch, watchdog } = yield* kennel
      const watched = watch("early", 1000)
      watched.atMs = nowMs + 10
      watchdog.hasten(watched)
      yield* TestClock.adjust(10)
      expect(due).toEqual(["early"])
    }))

  it.effect("calls what another's call has added, when it is due", () =>
    Effect.gen(function*() {
      const { due, nowMs, watchdog, watch } = yield* kennel
      watchdog.watch({ atMs: nowMs + 100, onDue: () => void watch("added", 150) })
      yield* TestClock.adjust(149)
      expect(due).toEqual([])
      yield* TestClock.adjust(1)
      expect(due).toEqual(["added"])
    }))

  it.effect("misses nobody where one that is due calls others off", () =>
    Effect.gen(function*() {
      const { due, nowMs, watch, watchdog } = yield* kennel
      const early = watch("early", 500)
      const alsoDue = watch("also due", 200)
      watchdog.watch({
        atMs: nowMs + 100,
        onDue: () => {
          due.push("caller")
          watchdog.callOff(early)
          watchdog.callOff(alsoDue)
        }
      })
      watch("last", 90)
      watch("later", 150)
      yield* TestClock.adjust(100)
      expect(due.toSorted()).toEqual(["caller", "last"])
      yield* TestClock.adjust(50)
      expect(due.toSorted()).toEqual(["caller", "last", "later"])
      expect(watchdog.size()).toBe(0)
    }))

  it.effect("calls nobody after its scope has closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { due, watch } = yield* Scope.provide(kennel, scope)
      watch("never", 100)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(1000)
      expect(due).toEqual([])
    }))
})

describe("within", () => {
  const bounded = <A, E>(effect: Effect.Effect<A, E>, early?: Watchdog.Watched) =>
    Effect.gen(function*() {
      const watchdog = yield* Watchdog.make
      const atMs = (yield* monotonicMillis) + 1000
      const running = Effect.uninterruptible(Watchdog.within(watchdog, atMs, effect, () => Effect.fail("late"), early))
      return { watchdog, fiber: yield* Effect.forkChild(running, { startImmediately: true }) }
    })

  it.effect("an effect that outlasts its moment is interrupted, and then replaced", () =>
    Effect.gen(function*() {
      const story: Array<string> = []
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void story.push("interrupted")))
      const { fiber, watchdog } = yield* bounded(slow)
      yield* TestClock.adjust(999)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail("late"))
      expect(story).toEqual(["interrupted"])
      expect(watchdog.size()).toBe(0)
    }))

  it.effect("an effect that ends in time is called off, with its own end", () =>
    Effect.gen(function*() {
      const quick = yield* bounded(Effect.as(Effect.sleep(10), "done"))
      expect(quick.watchdog.size()).toBe(1)
      yield* TestClock.adjust(10)
      expect(yield* Fiber.await(quick.fiber)).toEqual(Exit.succeed("done"))
      expect(quick.watchdog.size()).toBe(0)
      const failing = yield* bounded(Effect.fail("broken"))
      expect(yield* Fiber.await(failing.fiber)).toEqual(Exit.fail("broken"))
    }))

  it.effect("an earlier moment is called once, and only while the effect is still running", () =>
    Effect.gen(function*() {
      let called = 0
      const early = { atMs: (yield* monotonicMillis) + 400, onDue: () => void called++ }
      const { fiber, watchdog } = yield* bounded(Effect.never, early)
      yield* TestClock.adjust(399)
      expect(called).toBe(0)
      yield* TestClock.adjust(1)
      expect([called, watchdog.size()]).toEqual([1, 1])
      yield* TestClock.adjust(600)
      expect([called, watchdog.size(), yield* Fiber.await(fiber)]).toEqual([1, 0, Exit.fail("late")])
      const quick = yield* bounded(Effect.as(Effect.sleep(399), "done"), { ...early, atMs: early.atMs + 1000 })
      yield* TestClock.adjust(2000)
      expect([called, yield* Fiber.await(quick.fiber)]).toEqual([1, Exit.succeed("done")])
    }))

  it.effect("whoever waits may be interrupted, and takes the effect with it", () =>
    Effect.gen(function*() {
      const story: Array<string> = []
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void story.push("interrupted")))
      const { fiber, watchdog } = yield* bounded(slow)
      yield* Fiber.interrupt(fiber)
      expect(story).toEqual(["interrupted"])
      expect(watchdog.size()).toBe(0)
    }))
})
