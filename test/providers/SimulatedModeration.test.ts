import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulated from "../../src/providers/Simulated.ts"

const judged = (model: string, ...input: readonly [string, ...Array<string>]) =>
  Effect.suspend(() => Simulated.make("s").moderate?.({ model, input }) ?? Effect.die("none"))

describe("a simulated moderation", () => {
  it.effect("lets everything pass but a text that asks to be flagged", () =>
    Effect.gen(function*() {
      expect(yield* judged("omni-moderation-latest", "a", "please [flag me]")).toEqual([undefined, ["simulated"]])
    }))

  it.effect("fails as the model does that it is called like", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(judged("sim-down", "a"))).reason._tag).toBe("Overloaded")
    }))
})
