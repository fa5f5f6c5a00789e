import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Shedding from "../../src/admission/Shedding.ts"
import { priorities, type Priority } from "../../src/domain/Priority.ts"

const make = (settings: Partial<Shedding.SheddingSettings> = {}) =>
  Effect.map(
    Layer.build(Shedding.layer({ ...Shedding.defaultSheddingSettings, ...settings })),
    (context) => Context.get(context, Shedding.Shedding)
  )

/** A busy loop, so late. */
const late = (lagMs: number): Shedding.LoopLook => ({ lagMs, utilization: 1 })

/** How many of a class are let in one after the other. */
const admitted = (shedding: Shedding.Shedding["Service"], priority: Priority): number => {
  let count = 0
  while (shedding.enter(priority) === undefined) count++
  return count
}

describe("Shedding", () => {
  it.effect("turns away the classes in their order: batch at half of the limit, critical at the whole", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 100 })
      const reached: Array<number> = []
      for (const priority of priorities.toReversed()) {
        admitted(shedding, priority)
        reached.push(shedding.seen().inFlight)
      }
      expect(reached).toEqual([50, 70, 90, 100])
    }))

  it("turns none of a higher class away before one of a lower, and locks no class out, whatever the limit", () => {
    for (let limit = 1; limit <= 300; limit++) {
      const { batch, "best-effort": bestEffort, critical, normal } = Shedding.thresholds(limit)
      expect([batch, bestEffort, normal, critical]).toEqual(
        [batch, bestEffort, normal, critical].toSorted((a, b) => a - b)
      )
      expect(batch).toBeGreaterThanOrEqual(1)
      expect(critical).toBe(limit)
    }
  })

  it.effect("says why and for how long, and counts by class", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 1 })
      expect(shedding.enter("normal")).toBeUndefined()
      const reason = shedding.enter("batch")
      expect([reason?.status, reason?.errorCode, reason?.retryAfterMs]).toEqual([503, "overloaded", 1000])
      expect(shedding.seen().shed).toEqual({ critical: 0, normal: 0, "best-effort": 0, batch: 1 })
    }))

  it.effect("takes again as soon as one has left", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 1 })
      shedding.enter("normal")
      expect(shedding.enter("normal")).toBeDefined()
      shedding.leave()
      expect(shedding.enter("normal")).toBeUndefined()
    }))

  it.effect("one late look changes nothing, two in a row take a fifth of what is in flight", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 1000 })
      for (let n = 0; n < 100; n++) shedding.enter("critical")
      shedding.look(late(500))
      expect(shedding.seen().limit).toBe(1000)
      shedding.look(late(101))
      expect(shedding.seen().limit).toBe(80)
      expect(shedding.enter("critical")).toBeDefined()
    }))

  it.effect("a loop that is in time again brings the whole limit back", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 1000 })
      for (let n = 0; n < 100; n++) shedding.enter("critical")
      shedding.look(late(500))
      shedding.look(late(500))
      for (let looks = 0; looks < 40; looks++) shedding.look(late(100))
      expect(shedding.seen().limit).toBe(1000)
    }))

  it.effect("a loop that is late though it has time was stopped by somebody else, and nobody is turned away for it", () =>
    Effect.gen(function*() {
      const shedding = yield* make({ inFlight: 1000 })
      for (let looks = 0; looks < 10; looks++) shedding.look({ lagMs: 10_000, utilization: 0.3 })
      expect([shedding.seen().limit, shedding.seen().lagMs]).toEqual([1000, 10_000])
    }))

  it.effect("a process that is late still takes sixty-four, or as many as it ever would", () =>
    Effect.gen(function*() {
      for (const [inFlight, fewest] of [[1000, 64], [5, 5]] as const) {
        const shedding = yield* make({ inFlight })
        for (let looks = 0; looks < 10; looks++) shedding.look(late(10_000))
        expect(shedding.seen().limit).toBe(fewest)
      }
    }))
})
