import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { make, note } from "../../src/resilience/Cooldown.ts"

describe("Cooldown", () => {
  it.effect("a target is left alone until its pause is over", () =>
    Effect.gen(function*() {
      const cooldown = yield* make
      yield* cooldown.note("a", 5000)
      expect(yield* cooldown.remaining("b")).toBe(0)
      yield* TestClock.adjust(2000)
      expect(yield* cooldown.remaining("a")).toBe(3000)
      yield* TestClock.adjust(3000)
      expect(yield* cooldown.remaining("a")).toBe(0)
    }))

  it.effect("a shorter pause does not cut a longer one", () =>
    Effect.gen(function*() {
      const cooldown = yield* make
      yield* cooldown.note("a", 5000)
      yield* cooldown.note("a", 1000)
      expect(yield* cooldown.remaining("a")).toBe(5000)
    }))

  it.effect("nonsense is not believed", () =>
    Effect.gen(function*() {
      const cooldown = yield* make
      for (const hint of [-5, 0, Number.NaN]) yield* cooldown.note("a", hint)
      expect(yield* cooldown.remaining("a")).toBe(0)
      yield* cooldown.note("a", 1e12)
      expect(yield* cooldown.remaining("a")).toBe(3_600_000)
    }))

  it.effect("can be cleared by key or whole", () =>
    Effect.gen(function*() {
      const cooldown = yield* make
      for (const key of ["a", "b", "c"]) yield* cooldown.note(key, 5000)
      yield* cooldown.clear("a")
      expect(yield* cooldown.remaining("a")).toBe(0)
      expect(yield* cooldown.remaining("b")).toBe(5000)
      yield* cooldown.clear()
      expect(yield* cooldown.remaining("c")).toBe(0)
    }))

  it("pauses that are over take no room", () => {
    const waits = new Map([["old", 10], ["just over", 50], ["new", 99]])
    expect([...note(waits, "key", 50, 7).keys()]).toEqual(["new", "key"])
  })
})
