/**
 * The gateway as a `LanguageModel` of Effect AI: a program written against `effect/ai` gets breaker, retry, failover and cost by
 * taking its model from here. The flow makes the `gen_ai` span of each call, below the span that Effect AI opens, so nothing of
 * `gen_ai.usage` is written on that one.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { GatewayError } from "../domain/GatewayError.ts"
import { Ai } from "./Ai.ts"
import { aiErrorOf } from "./LanguageModelError.ts"
import { partsOf } from "./LanguageModelReply.ts"
import { type Parameters, requestOf } from "./LanguageModelRequest.ts"
import { PartWriter } from "./LanguageModelStream.ts"

export { CurrentParameters, type Parameters } from "./LanguageModelRequest.ts"

// Here and not beside its writer, so that whoever imports this door sees the types.
declare module "effect/ai/Response" {
  export interface FinishPartMetadata {
    /** What the gateway knows of an answer and Effect AI has no words for. */
    readonly breakwater?: {
      /** The provider's name in the configuration. */
      readonly provider: string
      /** The upstream's name of the model. */
      readonly model: string
      /** Requests that left for upstreams, the successful one included. */
      readonly attempts: number
      /** In USD, an exact decimal; null when that is not known. */
      readonly costUsd: string | null
      readonly requestId: string
    } | null
  }
  export interface TextPartMetadata {
    /** The model would not answer, and the text says why. */
    readonly breakwater?: { readonly refusal: true } | null
  }
  export interface TextStartPartMetadata {
    readonly breakwater?: { readonly refusal: true } | null
  }
}

const module = "BreakwaterLanguageModel"

/** Failures of the flow and of the translation, as Effect AI's. */
const failedAs =
  (method: string) => (error: GatewayError | AiError.AiErrorReason): Effect.Effect<never, AiError.AiError> =>
    error._tag === "GatewayError"
      ? Effect.clockWith((clock) => Effect.fail(aiErrorOf(module, method, error, clock.currentTimeMillisUnsafe())))
      : Effect.fail(AiError.make({ module, method, reason: error }))

/** The model of this name: an alias, `provider/model`, or what the configuration resolves. */
export const make = Effect.fnUntraced(function*(model: string, parameters: Parameters = {}) {
  const ai = yield* Ai
  return yield* LanguageModel.make({
    codecTransformer: toCodecOpenAI,
    generateText: (options) =>
      requestOf(model, parameters, options).pipe(
        Effect.flatMap(ai.complete),
        Effect.flatMap((answer) => partsOf(answer, options)),
        Effect.catch(failedAs("generateText"))
      ),
    streamText: (options) =>
      Stream.unwrap(Effect.map(requestOf(model, parameters, options), (request) => {
        const writer = new PartWriter(options)
        return ai.stream(request).pipe(
          Stream.mapEffect((event) => writer.read(event)),
          Stream.flattenIterable
        )
      })).pipe(
        Stream.catch((error) => Stream.fromEffect(failedAs("streamText")(error))),
        // Effect AI gives a stream its span by hand.
        Stream.provideService(Tracer.ParentSpan, options.span)
      )
  })
})

/** The model as the `LanguageModel` of a program. Nothing is asked until the program does. */
export const layer = (
  model: string,
  parameters?: Parameters
): Layer.Layer<LanguageModel.LanguageModel, never, Ai> =>
  Layer.effect(LanguageModel.LanguageModel, make(model, parameters))

/** The same with `ProviderName` (`breakwater`) and `ModelName`, as the packages of providers give it: for `ExecutionPlan` and the like. */
export const model = (
  name: string,
  parameters?: Parameters
): Model.Model<"breakwater", LanguageModel.LanguageModel, Ai> => Model.make("breakwater", name, layer(name, parameters))
