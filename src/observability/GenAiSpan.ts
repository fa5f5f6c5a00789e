/**
 * The client span of one call to a provider, by OpenTelemetry's GenAI conventions 1.41. The attempt ends it, for a stream with
 * the last byte. Without a tracer it is not made at all: even a disabled span costs about 2 µs.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Usage } from "../domain/Usage.ts"

export interface CallFacts {
  /** `provider/model` of the file. */
  readonly target: string
  readonly provider: string
  readonly model: string
  readonly stream: boolean
}

/** Opens the span as a child of the span at hand; undefined where tracing is off. Whoever opens it ends it. */
export const open = (
  fiber: Fiber.Fiber<unknown, unknown>,
  facts: CallFacts
): Effect.Effect<Tracer.Span> | undefined => {
  if (!fiber.getRef(References.TracerEnabled)) return undefined
  return Effect.makeSpan(`chat ${facts.model}`, {
    kind: "client",
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": facts.provider,
      "gen_ai.request.model": facts.model,
      "breakwater.target": facts.target,
      ...(facts.stream ? { "gen_ai.request.stream": true } : {})
    }
  })
}

/** Runs an effect as the span's child. */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  span: Tracer.Span | undefined
): Effect.Effect<A, E, R> => span === undefined ? effect : Effect.provideService(effect, Tracer.ParentSpan, span)

export interface AnswerFacts {
  readonly responseId?: string | undefined
  readonly responseModel?: string | undefined
  readonly usage?: Usage | undefined
  readonly finishReasons?: ReadonlyArray<string> | undefined
}

/** What the answer said. */
export const answered = (span: Tracer.Span | undefined, facts: AnswerFacts): void => {
  if (span === undefined) return
  if (facts.responseId !== undefined) span.attribute("gen_ai.response.id", facts.responseId)
  if (facts.responseModel !== undefined) span.attribute("gen_ai.response.model", facts.responseModel)
  if (facts.finishReasons !== undefined) span.attribute("gen_ai.response.finish_reasons", facts.finishReasons)
  if (facts.usage !== undefined) {
    span.attribute("gen_ai.usage.input_tokens", facts.usage.promptTokens)
    span.attribute("gen_ai.usage.output_tokens", facts.usage.completionTokens)
  }
}

/** Why the call failed: the tag of the reason, from a closed set. */
export const failed = (span: Tracer.Span | undefined, errorType: string): void => {
  span?.attribute("error.type", errorType)
}
