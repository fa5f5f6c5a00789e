/** The gateway as an `EmbeddingModel` of Effect AI: vectors with the same flow behind them as text (`LanguageModel.ts`). */
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Model from "effect/ai/Model"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ai, type AiEmbedRequest } from "./Ai.ts"
import { aiErrorOf } from "./LanguageModelError.ts"

/** Members of OpenAI's request beside the texts; `dimensions` = the length of each vector, default the model's own. */
export type Parameters = Partial<Omit<AiEmbedRequest, "model" | "input">>

/** The model of this name; the texts of one `embedMany` go as one request. */
export const make = Effect.fnUntraced(function*(model: string, parameters: Parameters = {}) {
  const ai = yield* Ai
  return yield* EmbeddingModel.make({
    embedMany: ({ inputs }) =>
      ai.embed({ ...parameters, model, input: inputs }).pipe(
        Effect.map(({ usage, vectors }) => ({
          results: vectors.map((vector) => [...vector]),
          usage: { inputTokens: usage?.promptTokens }
        })),
        Effect.catch((error) =>
          Effect.clockWith((clock) =>
            Effect.fail(aiErrorOf("BreakwaterEmbeddingModel", "embedMany", error, clock.currentTimeMillisUnsafe()))
          )
        )
      )
  })
})

/** The model as the `EmbeddingModel` of a program. */
export const layer = (
  model: string,
  parameters?: Parameters
): Layer.Layer<EmbeddingModel.EmbeddingModel, never, Ai> =>
  Layer.effect(EmbeddingModel.EmbeddingModel, make(model, parameters))

/** The same with `ProviderName`, `ModelName` and `Dimensions`, which is why `dimensions` has to be said here. */
export const model = (
  name: string,
  parameters: Parameters & { readonly dimensions: number }
): Model.Model<"breakwater", EmbeddingModel.EmbeddingModel | EmbeddingModel.Dimensions, Ai> =>
  Model.make(
    "breakwater",
    name,
    Layer.merge(layer(name, parameters), Layer.succeed(EmbeddingModel.Dimensions, parameters.dimensions))
  )
