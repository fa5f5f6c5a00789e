import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"

const flow = (providers: number) =>
  Gateway.layer().pipe(
    Layer.provide(Providers.layer(Array.from({ length: providers }, (_, index) => {
      const name = `p${index}`
      return { ...Simulated.make(name), models: ["m"] }
    })))
  )

const refusal = Effect.gen(function*() {
  const health = yield* Health
  return (yield* Effect.flip(health.control({ action: "reset", target: "no/such" }))).message
})

describe("the control of a target that is not there", () => {
  it.effect("is refused with at most eight of those that are", () =>
    Effect.gen(function*() {
      const message = yield* refusal
      expect(message.match(/p\d+\//g)).toHaveLength(8)
      expect(message).toMatch(/ and \d+ more\.$/)
    }).pipe(Effect.provide(flow(9))))

  it.effect("names them all where they are few", () =>
    Effect.gen(function*() {
      const message = yield* refusal
      expect(message).toContain("p0/m")
      expect(message).not.toContain("more")
    }).pipe(Effect.provide(flow(1))))
})
