import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { mint, requestId } from "../../src/observability/Correlation.ts"

const idFor = (header: string | undefined) => Effect.withFiber((fiber) => Effect.succeed(requestId(header, fiber)))

describe("the request id", () => {
  it.effect("a sane one of the caller is kept", () =>
    Effect.gen(function*() {
      for (const id of ["abc", "req_1.2-3", "x".repeat(128)]) expect(yield* idFor(id)).toBe(id)
    }))

  it.effect("any other is replaced by a UUIDv7", () =>
    Effect.gen(function*() {
      for (const id of [undefined, "", "a b", "a\nb", "<script>", "x".repeat(129), "é"]) {
        expect(yield* idFor(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      }
    }))

  it.effect("one seed gives one id", () =>
    Effect.gen(function*() {
      const ids = Effect.all([idFor(undefined), idFor(undefined)])
      const first = yield* Random.withSeed(ids, "seed")
      expect(yield* Random.withSeed(ids, "seed")).toEqual(first)
      expect(first[0]).not.toBe(first[1])
    }))

  it("ids of later milliseconds sort later", () => {
    expect(mint(1_700_000_000_000, () => 0.99) < mint(1_700_000_000_001, () => 0)).toBe(true)
  })
})
