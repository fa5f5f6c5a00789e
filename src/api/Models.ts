/** `GET /v1/models` and `GET /v1/models/{id}`: what a caller may put in `model`. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ClientAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

/** One model, as OpenAI lists it; `created` is in seconds and 0 when nobody said. */
const ModelBody = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Number,
  owned_by: Schema.String
}).annotate({ identifier: "Model" })

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
