import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import {
  after,
  defaultTimeoutSettings,
  fromInput,
  remaining,
  TimeoutSettingsInput
} from "../../src/resilience/Deadline.ts"

describe("Deadline", () => {
  it.effect("what remains shrinks to nothing and no further", () =>
    Effect.gen(function*() {
      const deadline = after(1000, yield* Effect.clockWith(Effect.succeed))
      yield* TestClock.adjust(400)
      expect(yield* remaining(deadline)).toBe(600)
      yield* TestClock.adjust(4000)
      expect(yield* remaining(deadline)).toBe(0)
    }))

  it("timeouts that are not written are the default", () => {
    const decode = Schema.decodeUnknownSync(TimeoutSettingsInput)
    expect(fromInput(decode({ firstToken: "3s" }))).toEqual({ ...defaultTimeoutSettings, firstTokenMs: 3000 })
    expect(() => decode({ idle: "0s" })).toThrow(/Expected/)
  })
})
