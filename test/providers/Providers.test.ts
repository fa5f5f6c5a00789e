import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import * as Transport from "../../src/providers/Transport.ts"

class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}

describe("Providers.layer", () => {
  it.effect("takes providers and Effects that make one, and needs what they need", () =>
    Effect.gen(function*() {
      const layer: Layer.Layer<Providers, "no prefix", Prefix | Transport.Transport> = Providers.layer([
        Simulated.make("first"),
        OpenAiCompatible.make({ name: "second", baseUrl: "http://127.0.0.1:1/v1" }),
        Effect.flatMap(
          Prefix,
          (prefix) =>
            prefix === "" ? Effect.fail("no prefix" as const) : Effect.succeed(Simulated.make(`${prefix}third`))
        )
      ])
      const { providers } = yield* Effect.provide(Providers, layer.pipe(Layer.provide(Layer.succeed(Prefix, "the-"))))
      expect([...providers.keys()]).toEqual(["first", "second", "the-third"])
    }).pipe(Effect.provide(Transport.layer())))

  it.effect("needs nothing for providers that are there", () =>
    Effect.gen(function*() {
      const layer: Layer.Layer<Providers> = Providers.layer([Simulated.make("only")])
      expect((yield* Effect.provide(Providers, layer)).providers.size).toBe(1)
    }))
})
