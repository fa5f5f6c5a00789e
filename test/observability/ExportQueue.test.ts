import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as ExportQueue from "../../src/observability/ExportQueue.ts"
import { CurrentInstruments, Instruments } from "../../src/observability/Instruments.ts"
import { render } from "../../src/observability/Prometheus.ts"

const down = Effect.fail({ message: "down", isTransient: true })

/** A queue whose batches go to `sent` while `answer` lets them. */
const started = (options: Partial<ExportQueue.QueueOptions<number>> = {}) => {
  const sent: Array<ReadonlyArray<number>> = []
  const world = { answer: Effect.succeed(0) as Effect.Effect<number, ExportQueue.SendFailure>, sent }
  return Effect.map(
    ExportQueue.make<number>({
      capacity: 10,
      batch: 4,
      intervalMs: 1000,
      shutdownMs: 3000,
      send: (items) => Effect.tap(Effect.suspend(() => world.answer), () => Effect.sync(() => sent.push(items))),
      ...options
    }),
    (queue) => ({ ...queue, world })
  )
}

/** A queue that begins to close when it is told to; gives the fiber that closes it. */
const closable = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const queue = yield* Scope.provide(started(), scope)
  return { ...queue, close: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true }) }
})

const fill = (push: (item: number) => void, count: number): void => {
  for (let at = 0; at < count; at++) push(at)
}

describe("the queue of the export", () => {
  it.effect("says once that the collector is down, and once that it is back", () => {
    const lines: Array<string> = []
    const collect = Logger.make<unknown, void>(({ logLevel, message }) => void lines.push(`${logLevel} ${message}`))
    return Effect.gen(function*() {
      const { push, world } = yield* started()
      for (let outage = 0; outage < 2; outage++) {
        world.answer = down
        fill(push, 2)
        for (let at = 0; at < 10; at++) yield* TestClock.adjust(10_000)
        world.answer = Effect.succeed(0)
        for (let at = 0; at < 4; at++) yield* TestClock.adjust(30_000)
      }
      expect(lines).toEqual([
        expect.stringMatching(/^Warn traces: the collector takes no spans: down;/),
        "Info traces: the collector takes spans again",
        expect.stringMatching(/^Warn/),
        expect.stringMatching(/^Info/)
      ])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([collect])))
  })

  it.effect("is on the page of metrics", () => {
    const instruments = new Instruments()
    return Effect.gen(function*() {
      const { push, world } = yield* started()
      world.answer = down
      fill(push, 12)
      yield* TestClock.adjust(1000)
      const page = render(instruments)
      expect(page).toContain("breakwater_telemetry_spans_total{outcome=\"dropped\"} 2\n")
      expect(page).toContain("breakwater_telemetry_queue 10\n")
      world.answer = Effect.succeed(0)
      yield* TestClock.adjust(60_000)
      expect(render(instruments)).toContain("breakwater_telemetry_spans_total{outcome=\"exported\"} 10\n")
    }).pipe(Effect.scoped, Effect.provideService(CurrentInstruments, instruments))
  })

  it.effect("sends what there is after its interval", () =>
    Effect.gen(function*() {
      const { push, state, world } = yield* started()
      yield* Effect.yieldNow
      fill(push, 2)
      yield* TestClock.adjust(999)
      expect(world.sent).toEqual([])
      yield* TestClock.adjust(1)
      expect(world.sent).toEqual([[0, 1]])
      expect(state()).toEqual({ queued: 0, exported: 2, dropped: 0, failure: undefined })
    }).pipe(Effect.scoped))

  it.effect("sends a full batch at once", () =>
    Effect.gen(function*() {
      const { push, world } = yield* started()
      yield* Effect.yieldNow
      fill(push, 4)
      yield* TestClock.adjust(0)
      expect(world.sent).toEqual([[0, 1, 2, 3]])
    }).pipe(Effect.scoped))

  it.effect("keeps to its capacity while the collector is down, and counts what it drops", () =>
    Effect.gen(function*() {
      const { push, state, world } = yield* started()
      world.answer = down
      for (let at = 0; at < 50; at++) {
        fill(push, 20)
        yield* TestClock.adjust(1000)
        expect(state().queued).toBeLessThanOrEqual(10)
      }
      expect(state()).toEqual({ queued: 10, exported: 0, dropped: 990, failure: "down" })
    }).pipe(Effect.scoped))

  it.effect("sends what it kept once the collector is back", () =>
    Effect.gen(function*() {
      const { push, state, world } = yield* started()
      world.answer = down
      fill(push, 6)
      yield* TestClock.adjust(5000)
      world.answer = Effect.succeed(0)
      yield* TestClock.adjust(60_000)
      expect(world.sent.flat()).toEqual([0, 1, 2, 3, 4, 5])
      expect(state()).toEqual({ queued: 0, exported: 6, dropped: 0, failure: undefined })
    }).pipe(Effect.scoped))

  it.effect("asks less and less often while the collector is down", () =>
    Effect.gen(function*() {
      let asked = 0
      const { push } = yield* started({
        send: () =>
          Effect.suspend(() => {
            asked++
            return down
          })
      })
      fill(push, 4)
      yield* TestClock.adjust(600_000)
      expect(asked).toBeLessThan(30)
    }).pipe(Effect.scoped))

  it.effect("drops a batch that will never be taken, and goes on with the next", () =>
    Effect.gen(function*() {
      const { push, state, world } = yield* started()
      world.answer = Effect.fail({ message: "no", isTransient: false })
      fill(push, 4)
      yield* TestClock.adjust(1000)
      world.answer = Effect.succeed(1)
      fill(push, 4)
      yield* TestClock.adjust(1000)
      expect(state()).toEqual({ queued: 0, exported: 3, dropped: 5, failure: "the collector rejected 1 spans" })
    }).pipe(Effect.scoped))

  it.effect("sends what is left when it closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { push, world } = yield* Scope.provide(started(), scope)
      fill(push, 3)
      yield* Scope.close(scope, Exit.void)
      expect(world.sent).toEqual([[0, 1, 2]])
    }))

  it.effect("waits for the answer to what is on its way when it closes, and does not send it twice", () =>
    Effect.gen(function*() {
      const { close, push, state, world } = yield* closable
      let asked = 0
      world.answer = Effect.andThen(Effect.sync(() => void asked++), Effect.delay(Effect.succeed(0), 1000))
      fill(push, 3)
      yield* TestClock.adjust(1000)
      expect({ asked, sent: world.sent }).toEqual({ asked: 1, sent: [] })
      push(3)
      const closing = yield* close
      yield* TestClock.adjust(2000)
      yield* Fiber.join(closing)
      expect({ asked, sent: world.sent }).toEqual({ asked: 2, sent: [[0, 1, 2], [3]] })
      expect(state()).toMatchObject({ queued: 0, exported: 4, dropped: 0 })
    }))

  it.effect("sends what was on its way when it closes once more if there is no answer in half of the time", () =>
    Effect.gen(function*() {
      const { close, push, state, world } = yield* closable
      world.answer = Effect.never
      fill(push, 3)
      yield* TestClock.adjust(1000)
      expect(state().queued).toBe(3)
      world.answer = Effect.succeed(0)
      const closing = yield* close
      yield* TestClock.adjust(1499)
      expect(world.sent).toEqual([])
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      expect(world.sent).toEqual([[0, 1, 2]])
      expect(state()).toMatchObject({ queued: 0, exported: 3, dropped: 0 })
    }))

  it.effect("counts what is on its way at the end as dropped when no answer comes", () =>
    Effect.gen(function*() {
      const { close, push, state, world } = yield* closable
      world.answer = Effect.never
      fill(push, 3)
      const closing = yield* close
      yield* TestClock.adjust(3000)
      yield* Fiber.join(closing)
      expect(state()).toMatchObject({ queued: 0, exported: 0, dropped: 3 })
    }))

  it.effect("goes on after a batch that cannot be written", () =>
    Effect.gen(function*() {
      const { push, state, world } = yield* started()
      world.answer = Effect.die(new TypeError("a ring"))
      fill(push, 2)
      yield* TestClock.adjust(1000)
      world.answer = Effect.succeed(0)
      fill(push, 3)
      yield* TestClock.adjust(1000)
      expect(state()).toEqual({ queued: 0, exported: 3, dropped: 2, failure: undefined })
    }).pipe(Effect.scoped))

  it.effect("counts what is left as dropped when nobody takes it at the end", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { push, state, world } = yield* Scope.provide(started(), scope)
      world.answer = down
      fill(push, 3)
      yield* Scope.close(scope, Exit.void)
      expect(state()).toMatchObject({ queued: 0, dropped: 3 })
    }))
})
