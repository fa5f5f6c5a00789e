import { describe, expect, it } from "@effect/vitest"
import { EmbeddingModel, Model } from "effect/ai"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BreakwaterEmbeddingModel from "../../src/gateway/EmbeddingModel.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"

const gateway = Gateway.layer({
  aliases: {
    vectors: {
      strategy: "ordered",
      targets: [{ provider: "a", model: "sim-down", weight: 1 }, { provider: "b", model: "sim-fast", weight: 1 }]
    }
  },
  retry: { attempts: 1 }
}).pipe(Layer.provide(Providers.layer([Simulated.make("a"), Simulated.make("b")])))

const model = (name: string) => BreakwaterEmbeddingModel.model(name, { dimensions: 8 }).pipe(Layer.provide(gateway))

describe("vectors through the door of Effect AI", () => {
  it.effect("one text and many come from the target that works", () =>
    Effect.gen(function*() {
      const { embed, embedMany } = yield* EmbeddingModel.EmbeddingModel
      const { vector } = yield* embed("the sea")
      const { embeddings, usage } = yield* embedMany(["the sea", "a wall"])
      expect(vector).toHaveLength(yield* EmbeddingModel.Dimensions)
      expect(embeddings[0]?.vector).toEqual(vector)
      expect(usage.inputTokens).toBe(4)
      expect([yield* Model.ProviderName, yield* Model.ModelName]).toEqual(["breakwater", "vectors"])
    }).pipe(Effect.provide(model("vectors"))))

  it.effect("a failure is Effect AI's own", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* EmbeddingModel.EmbeddingModel).embed("the sea"))
      expect(error).toMatchObject({ _tag: "AiError", reason: { _tag: "InvalidRequestError", parameter: "model" } })
    }).pipe(Effect.provide(model("nobody"))))
})
