import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Overloaded } from "../../src/domain/GatewayError.ts"
import type { Priority } from "../../src/domain/Priority.ts"
import type { Bulkhead } from "../../src/resilience/Bulkhead.ts"
import { make } from "../../src/resilience/Bulkhead.ts"
import { after } from "../../src/resilience/Deadline.ts"

const start = (bulkhead: Bulkhead) => Effect.forkChild(bulkhead.acquire, { startImmediately: true })

/** Takes a place for good. */
const occupy = (bulkhead: Bulkhead) => Effect.asVoid(bulkhead.acquire)

const counts = (bulkhead: Bulkhead) => ({ inFlight: bulkhead.inFlight(), waiting: bulkhead.waiting() })

describe("Bulkhead", () => {
  it.effect("without a limit everybody has a place at once and is counted", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({})
      const places = yield* Effect.all(Array.from({ length: 500 }, () => bulkhead.acquire))
      expect(counts(bulkhead)).toEqual({ inFlight: 500, waiting: 0 })
      yield* Effect.all(places)
      expect(counts(bulkhead)).toEqual({ inFlight: 0, waiting: 0 })
    }))

  it.effect("gives places in the order of arrival", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1, maxQueue: 3 })
      const order: Array<number> = []
      const first = yield* bulkhead.acquire
      const waiting = yield* Effect.forEach([1, 2, 3], (name) =>
        Effect.forkChild(
          Effect.flatMap(bulkhead.acquire, (release) => Effect.andThen(Effect.sync(() => order.push(name)), release)),
          { startImmediately: true }
        ))
      yield* first
      yield* Fiber.joinAll(waiting)
      expect(order).toEqual([1, 2, 3])
      expect(counts(bulkhead)).toEqual({ inFlight: 0, waiting: 0 })
    }))

  it.effect("a newcomer does not overtake the queue", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1 })
      const first = yield* bulkhead.acquire
      const waiter = yield* start(bulkhead)
      yield* first
      const newcomer = yield* start(bulkhead)
      yield* Fiber.await(waiter)
      expect(newcomer.pollUnsafe()).toBeUndefined()
      expect(counts(bulkhead)).toEqual({ inFlight: 1, waiting: 1 })
    }))

  it.effect("as many may wait as may run, and the next is refused at once", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 2 })
      yield* occupy(bulkhead)
      yield* occupy(bulkhead)
      yield* start(bulkhead)
      yield* start(bulkhead)
      expect(yield* Effect.flip(occupy(bulkhead))).toEqual({ _tag: "BulkheadFull", why: "queue-full" })
    }))

  it.effect("a wait ends after two seconds and leaves the queue", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1 })
      yield* occupy(bulkhead)
      const waiter = yield* start(bulkhead)
      yield* TestClock.adjust(1999)
      expect(waiter.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Effect.flip(Effect.asVoid(Fiber.join(waiter)))).toEqual({
        _tag: "BulkheadFull",
        why: "waited-too-long"
      })
      expect(counts(bulkhead)).toEqual({ inFlight: 1, waiting: 0 })
    }))

  it.effect("an interrupted wait leaves no trace", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1 })
      const first = yield* bulkhead.acquire
      const waiter = yield* Effect.forkChild(
        Effect.acquireUseRelease(bulkhead.acquire, () => Effect.void, (release) => release),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(waiter)
      expect(counts(bulkhead)).toEqual({ inFlight: 1, waiting: 0 })
      yield* first
      expect(counts(bulkhead)).toEqual({ inFlight: 0, waiting: 0 })
    }))

  it.effect("a waiter interrupted in the moment it is given a place hands it on", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1, maxQueue: 2 })
      const first = yield* bulkhead.acquire
      const use = Effect.acquireUseRelease(bulkhead.acquire, () => Effect.yieldNow, (release) => release)
      const gone = yield* Effect.forkChild(use, { startImmediately: true })
      const next = yield* Effect.forkChild(use, { startImmediately: true })
      expect(counts(bulkhead)).toEqual({ inFlight: 1, waiting: 2 })
      yield* first
      yield* Fiber.interrupt(gone)
      yield* Fiber.join(next)
      expect(counts(bulkhead)).toEqual({ inFlight: 0, waiting: 0 })
    }))

  it.effect("places go by class, and within a class by arrival", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1, maxQueue: 5 })
      const order: Array<string> = []
      const first = yield* bulkhead.acquire
      const waiting = yield* Effect.forEach(
        [["batch", 1], ["normal", 1], ["best-effort", 1], ["critical", 1], ["normal", 2]] as const,
        ([priority, name]) =>
          Effect.forkChild(
            Effect.flatMap(
              bulkhead.wait({ priority }),
              (release) => Effect.andThen(Effect.sync(() => order.push(`${priority} ${name}`)), release)
            ),
            { startImmediately: true }
          )
      )
      yield* first
      yield* Fiber.joinAll(waiting)
      expect(order).toEqual(["critical 1", "normal 1", "normal 2", "best-effort 1", "batch 1"])
    }))

  it.effect("in a full queue the last of the least class gives way to one that matters more, and to no other", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 2 })
      const begin = (priority: Priority) => Effect.forkChild(bulkhead.wait({ priority }), { startImmediately: true })
      yield* occupy(bulkhead)
      yield* occupy(bulkhead)
      const stays = yield* begin("batch")
      const goes = yield* begin("batch")
      yield* begin("normal")
      expect(yield* Effect.flip(Effect.asVoid(Fiber.join(goes)))).toEqual({ _tag: "BulkheadFull", why: "gave-way" })
      expect(stays.pollUnsafe()).toBeUndefined()
      const refused = yield* begin("batch")
      expect(yield* Effect.flip(Effect.asVoid(Fiber.join(refused)))).toEqual({
        _tag: "BulkheadFull",
        why: "queue-full"
      })
    }))

  it.effect("nobody waits longer than a tenth of what the request has left", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 1 })
      yield* occupy(bulkhead)
      const deadline = after(5000, yield* Clock.clockWith(Effect.succeed))
      const waiter = yield* Effect.forkChild(bulkhead.wait({ priority: "normal", deadline }), {
        startImmediately: true
      })
      yield* TestClock.adjust(499)
      expect(waiter.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Effect.flip(Effect.asVoid(Fiber.join(waiter)))).toEqual({
        _tag: "BulkheadFull",
        why: "waited-too-long"
      })
    }))

  it.effect("a queue that stands for half a second may be half as long", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 4 })
      yield* Effect.forEach([1, 2, 3, 4], () => occupy(bulkhead))
      yield* start(bulkhead)
      yield* start(bulkhead)
      yield* TestClock.adjust(499)
      yield* start(bulkhead)
      expect(bulkhead.waiting()).toBe(3)
      yield* TestClock.adjust(1)
      expect(yield* Effect.flip(occupy(bulkhead))).toEqual({ _tag: "BulkheadFull", why: "queue-full" })
    }))

  it.effect("it may be whole again when nobody has needed it for half a second, and not because it was empty once", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 2 })
      const places = yield* Effect.forEach([1, 2], () => bulkhead.acquire)
      yield* start(bulkhead)
      yield* TestClock.adjust(499)
      yield* start(bulkhead)
      for (const release of places) yield* release
      expect(counts(bulkhead)).toEqual({ inFlight: 2, waiting: 0 })
      yield* TestClock.adjust(1)
      yield* start(bulkhead)
      expect(yield* Effect.flip(occupy(bulkhead))).toEqual({ _tag: "BulkheadFull", why: "queue-full" })
      yield* TestClock.adjust(2000)
      expect(bulkhead.waiting()).toBe(0)
      yield* start(bulkhead)
      yield* start(bulkhead)
      expect(bulkhead.waiting()).toBe(2)
    }))

  it.effect("a limit that was cut lets nobody in until enough have left", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.clockWith(Effect.succeed)
      const bulkhead = yield* make({ maxConcurrency: { min: 1, max: 4 } })
      const places = yield* Effect.forEach([1, 2, 3, 4], () => bulkhead.acquire)
      bulkhead.onFailure(new Overloaded({ message: "" }), clock, 0)
      expect(bulkhead.limit()).toBe(3)
      const waiter = yield* start(bulkhead)
      for (const release of places.slice(0, 1)) yield* release
      expect([waiter.pollUnsafe(), bulkhead.inFlight()]).toEqual([undefined, 3])
      for (const release of places.slice(1, 2)) yield* release
      yield* Effect.asVoid(Fiber.join(waiter))
      expect(counts(bulkhead)).toEqual({ inFlight: 3, waiting: 0 })
    }))

  it.effect("a limit that was cut has a shorter queue at once: who came last is refused", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.clockWith(Effect.succeed)
      const bulkhead = yield* make({ maxConcurrency: { min: 1, max: 4 } })
      yield* Effect.forEach([1, 2, 3, 4], () => occupy(bulkhead))
      const waiting = yield* Effect.forEach([1, 2, 3, 4], () => start(bulkhead))
      bulkhead.onFailure(new Overloaded({ message: "" }), clock, 0)
      expect(bulkhead.waiting()).toBe(3)
      for (const last of waiting.slice(3)) {
        expect(yield* Effect.flip(Effect.asVoid(Fiber.join(last)))).toEqual({ _tag: "BulkheadFull", why: "queue-full" })
      }
      for (const first of waiting.slice(0, 3)) expect(first.pollUnsafe()).toBeUndefined()
    }))

  it.effect("a limit that grows lets the first of the queue in", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.clockWith(Effect.succeed)
      const bulkhead = yield* make({ maxConcurrency: { min: 1, max: 2 } })
      const places = yield* Effect.forEach([1, 2], () => bulkhead.acquire)
      bulkhead.onFailure(new Overloaded({ message: "" }), clock, 0)
      for (const release of places.slice(1)) yield* release
      const waiter = yield* start(bulkhead)
      bulkhead.onSuccess(clock)
      yield* Effect.asVoid(Fiber.join(waiter))
      expect(bulkhead.limit()).toBe(2)
    }))

  it.effect("giving a place back twice gives it back once", () =>
    Effect.gen(function*() {
      const bulkhead = yield* make({ maxConcurrency: 2 })
      const release = yield* bulkhead.acquire
      yield* occupy(bulkhead)
      yield* release
      yield* release
      expect(bulkhead.inFlight()).toBe(1)
    }))
})
