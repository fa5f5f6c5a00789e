import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import type { Capabilities } from "../../src/domain/Model.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { ModelListing } from "../../src/gateway/Listing.ts"
import { Pricing } from "../../src/gateway/Pricing.ts"
import { Routes } from "../../src/gateway/Route.ts"
import type { Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"

const provider = (name: string, kind: string, models: ReadonlyArray<string>): Provider => ({
  name,
  kind,
  models,
  complete: () => Effect.die("nobody is asked"),
  stream: () => Effect.die("nobody is asked")
})

const providers = [
  { ...provider("azure", "azure-openai", []), deployments: { "prod-chat": "gpt-4o" } },
  provider("openai", "openai", ["gpt-4o", "gpt-3.5-turbo", "text-embedding-3-small"]),
  provider("local", "openai-compatible", ["qwen"])
]

type Written = readonly [provider: string, model: string, capabilities?: Capabilities]

/** What is listed of an alias of these targets, and of the models beside it. */
const listed = (targets: ReadonlyArray<Written>, settings: Gateway.GatewaySettings = {}) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(Date.parse("2026-11-23"))
    const all = yield* (yield* Routes).models
    const found = (id: string): ModelListing | undefined => all.find((one) => one.id === id)
    return { all, alias: found("fast"), found }
  }).pipe(Effect.provide(
    Gateway.layer({
      aliases: {
        fast: {
          strategy: "ordered",
          targets: targets.map(([provider, model, capabilities]) => ({ provider, model, capabilities, weight: 1 }))
        }
      },
      ...settings
    }).pipe(Layer.provide(Providers.layer(providers)))
  ))

describe("the list of models", () => {
  it.effect("knows a deployment of Azure's by the model that it is said to be", () =>
    Effect.gen(function*() {
      const { alias } = yield* listed([["azure", "prod-chat"]])
      expect(alias).toMatchObject({ capabilities: { context: 128_000, vision: true }, usdPerMtok: { input: "2.5" } })
      expect((yield* listed([["azure", "constructor"]])).alias).not.toHaveProperty("capabilities.context")
    }))

  it.effect("has the aliases first, then each provider's own, then their bare names", () =>
    Effect.gen(function*() {
      const { all } = yield* listed([["openai", "gpt-4o"]])
      expect(all.map(({ id }) => id)).toEqual([
        "fast",
        "openai/gpt-4o",
        "openai/gpt-3.5-turbo",
        "openai/text-embedding-3-small",
        "local/qwen",
        "gpt-4o",
        "gpt-3.5-turbo",
        "text-embedding-3-small",
        "qwen"
      ])
    }))

  it.effect("says what a model can do and what it costs", () =>
    Effect.gen(function*() {
      const { found } = yield* listed([["openai", "gpt-4o"]])
      expect(found("openai/gpt-4o")).toMatchObject({
        ownedBy: "openai",
        capabilities: { context: 128_000, maxOutput: 16_384, vision: true },
        usdPerMtok: { input: "2.5", output: "10", cacheRead: "1.25" }
      })
      expect(found("text-embedding-3-small")?.usdPerMtok).toEqual({ input: "0.02" })
    }))

  it.effect("says nothing of a model that nothing is known of", () =>
    Effect.gen(function*() {
      const { found } = yield* listed([["openai", "gpt-4o"]])
      expect(found("local/qwen")).toMatchObject({ capabilities: undefined, usdPerMtok: undefined, targets: undefined })
    }))

  it.effect("has the file's prices over the list's", () =>
    Effect.gen(function*() {
      const { found } = yield* listed([["openai", "gpt-4o"]], {
        prices: { openai: { "gpt-4o": { usdPerMtok: { input: "1", output: 0.000001 } } } }
      })
      expect(found("gpt-4o")?.usdPerMtok).toEqual({ input: "1", output: "0.000001" })
    }))

  it.effect("has the prices in force, where the provider is", () =>
    Effect.gen(function*() {
      const own = { usdPerMtok: { input: "1", output: "2" }, regions: { eu: "1.1" } }
      const { models } = yield* Routes
      const { replace } = yield* Pricing
      const priceOf = Effect.map(models, (all) => all.find(({ id }) => id === "local/qwen")?.usdPerMtok)
      expect(yield* priceOf).toBeUndefined()
      replace({ prices: { local: { qwen: own } } })
      expect(yield* priceOf).toEqual({ input: "1", output: "2" })
      replace({ prices: { local: { qwen: own } }, regions: { local: "eu" } })
      expect(yield* priceOf).toEqual({ input: "1.1", output: "2.2" })
      replace({ prices: { local: { qwen: own } }, regions: { local: "us" } })
      expect(yield* priceOf).toBeUndefined()
    }).pipe(Effect.provide(Gateway.layer().pipe(Layer.provide(Providers.layer(providers))))))

  it.effect("shows of an alias what a request can have of any of its targets", () =>
    Effect.gen(function*() {
      const { alias } = yield* listed([["openai", "gpt-3.5-turbo"], ["openai", "gpt-4o"]])
      expect(alias).toEqual({
        id: "fast",
        ownedBy: "breakwater",
        targets: ["openai/gpt-3.5-turbo", "openai/gpt-4o"],
        capabilities: {
          context: 128_000,
          maxOutput: 16_384,
          vision: true,
          tools: true,
          jsonSchema: true,
          reasoning: false,
          sampling: true
        },
        usdPerMtok: undefined
      })
    }))

  it.effect("shows nothing of an alias for sure where one of its targets is not known", () =>
    Effect.gen(function*() {
      const { alias } = yield* listed([["openai", "gpt-3.5-turbo"], ["local", "qwen"]])
      expect(alias?.capabilities).toEqual({ tools: true })
    }))

  it.effect("shows the price of an alias where all of its targets have the same", () =>
    Effect.gen(function*() {
      const { alias } = yield* listed([["openai", "gpt-4o"], ["openai", "gpt-4o-2024-08-06"]])
      expect(alias?.usdPerMtok?.input).toBe("2.5")
    }))

  it.effect("has what the file says of a target over the catalogue", () =>
    Effect.gen(function*() {
      const { alias } = yield* listed([["openai", "gpt-4o", { vision: false, context: 1000 }]])
      expect(alias?.capabilities).toMatchObject({ vision: false, context: 1000, tools: true })
    }))
})
