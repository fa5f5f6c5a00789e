import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fleet, layerSingle } from "../../src/storage/Fleet.ts"

describe("a process alone", () => {
  it.effect("is a fleet of one: it answers what it is asked", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* fleet.handle("double", (body) => Effect.succeed(Number(body) * 2))
      expect(yield* fleet.broadcast({ topic: "double", body: 21 })).toEqual([{ worker: 0, body: 42 }])
      expect(yield* fleet.gather({ topic: "double", body: 4 })).toEqual([{ worker: 0, body: 8 }])
    }).pipe(Effect.scoped, Effect.provide(layerSingle)))

  it.effect("says so when a broadcast is not acknowledged, and gathers what there is", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* fleet.handle("fail", () => Effect.fail({ message: "no" }))
      const error = yield* Effect.flip(fleet.broadcast({ topic: "fail", body: null }))
      expect(error.missing).toEqual([{ worker: 0, why: "no" }])
      expect(yield* fleet.gather({ topic: "fail", body: null })).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(layerSingle)))

  it.effect("forgets a handler when its scope closes", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* Effect.scoped(fleet.handle("gone", () => Effect.succeed(1)))
      const error = yield* Effect.flip(fleet.broadcast({ topic: "gone", body: null }))
      expect(error.missing).toEqual([{ worker: 0, why: "nobody handles gone" }])
    }).pipe(Effect.provide(layerSingle)))
})
