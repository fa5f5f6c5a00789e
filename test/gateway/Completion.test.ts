import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { Completion } from "../../src/gateway/Completion.ts"
import { monotonicMillis } from "../../src/resilience/MonotonicTime.ts"
import { ask, flow, script } from "../flow/Scripted.ts"

describe("the deadline of a request", () => {
  it.effect("counts from its receipt: what came too slowly asks nobody", () =>
    Effect.gen(function*() {
      const receivedAtMs = yield* monotonicMillis
      yield* TestClock.adjust(1000)
      const request = { ...ask(), receivedAtMs }
      const { reason } = yield* Effect.flip((yield* Completion).complete(request))
      expect([reason._tag, request.decision.attempts.length]).toEqual(["DeadlineExceeded", 0])
    }).pipe(Effect.provide(flow([script("a", "ok")], { timeouts: { totalMs: 1000 } }))))

  it.effect("has what is left of it from then on", () =>
    Effect.gen(function*() {
      const receivedAtMs = yield* monotonicMillis
      yield* TestClock.adjust(999)
      const request = { ...ask(), receivedAtMs }
      yield* (yield* Completion).complete(request)
      expect(request.decision.deadlineMs).toBe(receivedAtMs + 1000)
    }).pipe(Effect.provide(flow([script("a", "ok")], { timeouts: { totalMs: 1000 } }))))
})
