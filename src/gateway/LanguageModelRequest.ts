/** A request of Effect AI as the library's door takes it. */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { AiRequest } from "./AiRequest.ts"
import { messagesOf } from "./LanguageModelPrompt.ts"
import { shapeOf } from "./LanguageModelTools.ts"

/** Members of OpenAI's request that Effect AI has no words for, such as `temperature` or `reasoning_effort`. */
export interface Parameters extends
  Partial<
    Omit<
      AiRequest,
      "model" | "messages" | "tools" | "tool_choice" | "response_format" | "functions" | "function_call" | "n"
    >
  >
{
  /**
   * Sends thoughts of earlier turns as `reasoning_content`, for hosts that ask for them where others refuse them; the kind `deepseek`
   * gets them without this. Default false.
   */
  readonly thoughtsInHistory?: boolean
}

/** Parameters for the requests made within an effect or a stream; they go before those of the layer. Default none. */
export const CurrentParameters = Context.Reference<Parameters>(
  "breakwater/gateway/LanguageModelRequest/CurrentParameters",
  {
    defaultValue: () => ({})
  }
)

/** Fails for a prompt, a tool or a schema that cannot be said in full. */
export const requestOf = (
  model: string,
  parameters: Parameters,
  options: LanguageModel.ProviderOptions
): Effect.Effect<AiRequest, AiError.AiErrorReason> => {
  return Effect.flatMap(CurrentParameters, (current) => {
    const { thoughtsInHistory = false, ...members } = { ...parameters, ...current }
    const { messages, refused } = messagesOf(options.prompt, thoughtsInHistory)
    const [first, ...rest] = messages
    const [problem] = refused
    if (first === undefined || problem !== undefined) {
      return Effect.fail(new AiError.InvalidUserInputError({ description: problem ?? "The prompt says nothing." }))
    }
    return Effect.map(shapeOf(options), (shape) => ({ ...members, ...shape, model, messages: [first, ...rest] }))
  })
}
