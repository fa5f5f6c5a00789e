/** What a model can do, as the catalogue knows it or the file says it. What is absent is not known, and then nothing is refused for it. */
import * as Schema from "effect/Schema"

const tokens = Schema.Int.check(Schema.isGreaterThan(0))

export const Capabilities = Schema.Struct({
  /** Tokens of prompt and answer together. */
  context: Schema.optionalKey(tokens),
  /** Most tokens of one answer. */
  maxOutput: Schema.optionalKey(tokens),
  /** It looks at images. */
  vision: Schema.optionalKey(Schema.Boolean),
  /** It calls functions. */
  tools: Schema.optionalKey(Schema.Boolean),
  /** It keeps to a JSON Schema by itself. */
  jsonSchema: Schema.optionalKey(Schema.Boolean),
  /** It goes on from the beginning of an answer that is given as the last message. */
  prefill: Schema.optionalKey(Schema.Boolean),
  /** It thinks before it answers, and can be told how much. */
  reasoning: Schema.optionalKey(Schema.Boolean),
  /** It takes `temperature` and `top_p`; one that does not refuses them. */
  sampling: Schema.optionalKey(Schema.Boolean)
})
export type Capabilities = typeof Capabilities.Type
