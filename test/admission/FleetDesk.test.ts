import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Purse } from "../../src/admission/Budget.ts"
import * as Desk from "../../src/admission/Desk.ts"
import { keeper, remote } from "../../src/admission/FleetDesk.ts"
import { why } from "./Orders.ts"

/** A large one, which no JSON number could hold. */
const purse: Purse = { name: "key:alice", limit: 20_000_000_000_000_000n, per: "month", soft: 0.8 }
const line = { name: "key:alice", rpm: 10, concurrent: 1 }

const order = (id: string, bound: bigint | number = 0): Desk.Order => ({
  id,
  lines: [line],
  purses: [purse],
  tokens: 1,
  bound
})

/** Two workers of one primary, with JSON between them. */
const fleet = Effect.gen(function*() {
  const own = yield* Effect.provide(Desk.make, Desk.memory)
  const primary = keeper(own)
  const worker = (id: number) =>
    remote((message) =>
      Effect.map(
        primary.answer(JSON.parse(JSON.stringify(message.body)), id),
        (answer) => JSON.parse(JSON.stringify(answer))
      )
    )
  return { one: worker(1), two: worker(2), gone: primary.gone }
})

describe("workers at one desk", () => {
  it.effect("share limits and budgets to the pico-dollar", () =>
    Effect.gen(function*() {
      const { one, two } = yield* fleet
      expect(yield* one.enter(order("1", 19_999_999_999_999_999n))).toMatchObject({
        granted: { requests: { limit: 10, remaining: 9 } }
      })
      expect(why(yield* two.enter(order("1", 1)))).toBe("concurrent")
      yield* one.leave("1", { tokens: 5, spent: 19_999_999_999_999_999n })
      expect(yield* two.balances([purse, { name: "key:bob", per: "day" }])).toEqual([
        { spent: 19_999_999_999_999_999n, reserved: 0, endMs: 2_678_400_000 },
        undefined
      ])
      expect(yield* two.enter(order("2", 2))).toMatchObject({
        refused: { why: "budget", name: "key:alice", left: "0.000000000001", untilMs: 2_678_400_000 }
      })
      expect(why(yield* two.enter(order("3", 1)))).toBe("granted")
    }))

  it.effect("leave nothing held behind when one of them dies", () =>
    Effect.gen(function*() {
      const { gone, one, two } = yield* fleet
      yield* one.enter(order("1", 1000))
      yield* gone(2)
      expect(why(yield* two.enter(order("1")))).toBe("concurrent")
      yield* gone(1)
      expect(why(yield* two.enter(order("2")))).toBe("granted")
      expect(yield* two.balances([purse])).toMatchObject([{ spent: 1000 }])
    }))

  it.effect("hear of it when the primary says nothing", () =>
    Effect.gen(function*() {
      const silent = remote(() => Effect.fail({ message: "no answer in time" }))
      expect(yield* Effect.flip(silent.enter(order("1")))).toEqual({ _tag: "DeskFailed", message: "no answer in time" })
      yield* silent.leave("1", { tokens: 0, spent: 0 })
    }))
})
