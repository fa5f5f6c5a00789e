/** OpenAI's chat request, answer and chunk as schemas: read leniently (unknown members are allowed everywhere), written strictly. */
import * as Schema from "effect/Schema"

/** The members of a request that the flow itself reads. */
export const ChatRequest = Schema.Struct({
  model: Schema.String.check(Schema.isNonEmpty()),
  messages: Schema.NonEmptyArray(Schema.Any),
  stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
})
export type ChatRequest = typeof ChatRequest.Type

export interface ChatCompletion {
  readonly id: string
  readonly model: string
}

export interface ChatChunk {
  readonly id: string
  readonly model: string
}
