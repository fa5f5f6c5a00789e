/** `GET /v1/models` and `GET /v1/models/{id}`: what a caller may put in `model`. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ClientAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

const flag = Schema.optionalKey(Schema.Boolean)
const decimal = Schema.optionalKey(Schema.String)

/** One model, as OpenAI lists it; `created` is in seconds and 0 when nobody said. The rest is ours. */
const ModelBody = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Number,
  owned_by: Schema.String,
  context_window: Schema.optionalKey(Schema.Number.annotate({ description: "Tokens of prompt and answer together." })),
  max_output_tokens: Schema.optionalKey(Schema.Number),
  capabilities: Schema.optionalKey(Schema.Struct({
    vision: flag,
    tools: flag,
    json_schema: flag,
    prefill: flag,
    reasoning: flag,
    sampling: flag
  })),
  usd_per_mtok: Schema.optionalKey(
    Schema.Struct({
      input: decimal,
      output: decimal,
      cache_read: decimal,
      cache_write_5m: decimal,
      cache_write_1h: decimal,
      input_audio: decimal,
      output_audio: decimal
    }).annotate({ description: "USD for a million tokens, exact decimals, below any tier." })
  ),
  targets: Schema.optionalKey(Schema.Array(Schema.String).annotate({ description: "Of an alias." }))
}).annotate({
  identifier: "Model",
  description: "What is not known is absent. An alias shows what a request can have of any of its targets."
})

const list = HttpApiEndpoint.get("list", "/v1/models", {
  success: Schema.Struct({ object: Schema.Literal("list"), data: Schema.Array(ModelBody) }),
  error: errorsAt(500)
}).annotateMerge(OpenApi.annotations({ summary: "List the models: aliases first, then provider/model names" }))

const retrieve = HttpApiEndpoint.get("retrieve", "/v1/models/:id", {
  params: { id: Schema.String },
  success: ModelBody,
  error: errorsAt(404, 500)
}).annotateMerge(OpenApi.annotations({
  summary: "Look up one model",
  description: "The id may contain slashes, raw or encoded."
}))

/** The models of the contract, behind the client key. */
export class ModelsApi extends HttpApiGroup.make("models").add(list, retrieve).middleware(ClientAuthorization) {}
