import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import type { LoopLook } from "../../src/admission/Shedding.ts"
import { watch } from "../../src/cli/EventLoop.ts"

describe("the watch on the event loop", () => {
  it.live("tells a lateness in milliseconds and a share of the time from the first look on", () =>
    Effect.gen(function*() {
      const looked = yield* Deferred.make<LoopLook>()
      yield* watch((look) => Deferred.doneUnsafe(looked, Effect.succeed(look)))
      const { lagMs, utilization } = yield* Deferred.await(looked)
      expect(Number.isFinite(lagMs)).toBe(true)
      expect(lagMs).toBeGreaterThanOrEqual(0)
      expect(utilization).toBeGreaterThanOrEqual(0)
      expect(utilization).toBeLessThanOrEqual(1)
    }))
})
