import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { watch } from "../../src/cli/EventLoop.ts"

describe("the watch on the event loop", () => {
  it.live("tells a lateness that is a number of milliseconds from the first look on", () =>
    Effect.gen(function*() {
      const looked = yield* Deferred.make<number>()
      yield* watch((lagMs) => Deferred.doneUnsafe(looked, Effect.succeed(lagMs)))
      const lagMs = yield* Deferred.await(looked)
      expect(Number.isFinite(lagMs)).toBe(true)
      expect(lagMs).toBeGreaterThanOrEqual(0)
    }))
})
