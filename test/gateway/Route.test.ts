import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { drawOrder, Routes } from "../../src/gateway/Route.ts"
import { Targets } from "../../src/gateway/Target.ts"
import type { Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"

const gateway = (settings: Gateway.GatewaySettings) =>
  Gateway.layer(settings).pipe(Layer.provide(Providers.layer([Simulated.make("one"), Simulated.make("two")])))

/** A provider that lists nothing, as one whose upstream is not asked. */
const open = (name: string): Provider => {
  const { complete, stream } = Simulated.make(name)
  return { name, kind: name, models: [], complete, stream }
}

/** What is said of a model that leads nowhere. */
const refusal = (model: string, ...providers: ReadonlyArray<Provider>) =>
  Effect.flatMap(Routes, (routes) => Effect.flip(routes.resolve(model))).pipe(
    Effect.map(({ reason }) => [reason._tag, reason.message] as const),
    Effect.provide(Gateway.layer().pipe(Layer.provide(Providers.layer([...providers, Simulated.make("simulated")]))))
  )

const weighted = (one: number, two: number) =>
  gateway({
    aliases: {
      mix: {
        strategy: "weighted",
        targets: [{ provider: "one", model: "sim", weight: one }, { provider: "two", model: "sim", weight: two }]
      }
    }
  })

const firsts = Effect.gen(function*() {
  const routes = yield* Routes
  const names: Record<string, number> = { one: 0, two: 0 }
  for (let index = 0; index < 2000; index++) {
    const [first] = (yield* routes.resolve("mix")).targets
    if (first !== undefined) names[first.provider.name] = (names[first.provider.name] ?? 0) + 1
  }
  return names
}).pipe(Random.withSeed("weights"))

describe("routes", () => {
  it.effect("a weight is the share of requests that go to a target first", () =>
    Effect.gen(function*() {
      const { one = 0 } = yield* firsts
      expect(one / 2000).toBeGreaterThan(0.71)
      expect(one / 2000).toBeLessThan(0.79)
    }).pipe(Effect.provide(weighted(3, 1))))

  it.effect("weight 0 is asked only after the others", () =>
    Effect.gen(function*() {
      expect(yield* firsts).toEqual({ one: 0, two: 2000 })
    }).pipe(Effect.provide(weighted(0, 1))))

  it("a draw keeps every target exactly once", () => {
    const draws = [0.99, 0.5, 0.01]
    expect([...drawOrder(["a", "b", "c"], [1, 2, 3], () => draws.pop() ?? 0)].sort()).toEqual(["a", "b", "c"])
  })

  it.effect("provider/model asks a provider without an alias", () =>
    Effect.gen(function*() {
      const route = yield* (yield* Routes).resolve("two/sim-fast")
      expect(route.targets.map(({ name }) => name)).toEqual(["two/sim-fast"])
    }).pipe(Effect.provide(gateway({}))))

  it.effect("models that only callers name share one set of guards per provider", () =>
    Effect.gen(function*() {
      const routes = yield* Routes
      const before = (yield* (yield* Targets).guards).length
      for (let index = 0; index < 100; index++) yield* routes.resolve(`open/made-up-${index}`)
      expect((yield* (yield* Targets).guards).length).toBe(before)
    }).pipe(Effect.provide(Gateway.layer().pipe(Layer.provide(Providers.layer([open("open")]))))))

  it.effect("a provider that knows its models is not asked for another, and they are named", () =>
    Effect.gen(function*() {
      const [tag, message] = yield* refusal("simulated/sim-dwon")
      expect(tag).toBe("ModelNotFound")
      expect(message).toContain("The models of `simulated` are sim, sim-fast")
      expect(message).toContain("sim-down")
    }))

  it.effect("a misspelt name is answered with the one that was probably meant", () =>
    Effect.gen(function*() {
      expect((yield* refusal("sim-fst"))[1]).toContain("Did you mean `simulated/sim-fast`? ")
      expect((yield* refusal("simulated/sim-dwon"))[1]).toContain("Did you mean `simulated/sim-down`? ")
      expect((yield* refusal("quite-another"))[1]).not.toContain("Did you mean")
    }))

  it.effect("a bare model that nobody lists is answered with the names it may have", () =>
    Effect.gen(function*() {
      const [, message] = yield* refusal("gpt-4.1-mini", open("openai"), open("groq"))
      expect(message).toContain("openai/gpt-4.1-mini, groq/gpt-4.1-mini")
      expect(message).not.toContain("simulated/gpt-4.1-mini")
    }))

  it.effect("a provider that is off is told with the variable or the section that switches it on", () =>
    Effect.gen(function*() {
      expect((yield* refusal("openai/gpt-4.1-mini"))[1]).toContain("OPENAI_API_KEY switches it on")
      expect((yield* refusal("ollama/llama3"))[1]).toContain("a section `providers.ollama` in its file adds it")
    }))

  it.effect("an unknown provider is a 404 that names what exists", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* Routes).resolve("three/sim"))
      expect([error.reason._tag, error.reason.errorCode]).toEqual(["ModelNotFound", "model_not_found"])
      expect(error.message).toContain("one/sim")
    }).pipe(Effect.provide(gateway({}))))
})
