/** `POST /v1/embeddings`: OpenAI's shape, vectors as numbers or in base64. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { EmbeddingRequest } from "../domain/Embedding.ts"
import { ClientAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

/** The vectors in the order of the input. Members that a provider adds pass through unnamed. */
const EmbeddingList = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(Schema.Struct({
    object: Schema.Literal("embedding"),
    index: Schema.Number,
    embedding: Schema.Union([Schema.Array(Schema.Number), Schema.String]).annotate({
      description: "Numbers, or with `encoding_format: base64` the same as 32-bit floats, little end first, in base64."
    })
  })),
  model: Schema.String,
  usage: Schema.optionalKey(Schema.Struct({ prompt_tokens: Schema.Number, total_tokens: Schema.Number }))
}).annotate({ identifier: "EmbeddingList", description: "Members that a provider adds are passed through." })

const create = HttpApiEndpoint.post("create", "/v1/embeddings", {
  payload: EmbeddingRequest,
  success: EmbeddingList,
  error: errorsAt(400, 404, 413, 415, 429, 500, 502, 503, 504)
}).annotateMerge(OpenApi.annotations({
  summary: "Create embeddings",
  description:
    "OpenAI-compatible, up to 2048 inputs. Unknown members are allowed and forwarded. Retries, failover and " +
    "headers are those of a chat completion; failing over is of use between targets of the same model, for the vectors of " +
    "two models cannot be compared."
}))

/** The embeddings of the contract, behind the client key. */
export class EmbeddingsApi extends HttpApiGroup.make("embeddings").add(create).middleware(ClientAuthorization) {}

/** The same without its lock, for a handler that judges the key itself. */
export class UnlockedEmbeddings extends HttpApi.make("breakwater").add(HttpApiGroup.make("embeddings").add(create)) {}
