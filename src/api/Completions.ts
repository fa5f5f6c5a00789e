/** `POST /v1/chat/completions`: OpenAI's shape, as one JSON answer or as server-sent events. */
import * as Sse from "effect/encoding/Sse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ChatRequest } from "../domain/Chat.ts"
import { ClientAuthorization } from "./Authorization.ts"
import { errorsAt } from "./ErrorBody.ts"

/** A whole answer. Members that a provider adds pass through unnamed. */
const ChatCompletionBody = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("chat.completion"),
  created: Schema.Number,
  model: Schema.String,
  choices: Schema.Array(Schema.Struct({
    index: Schema.Number,
    finish_reason: Schema.NullOr(Schema.String),
    logprobs: Schema.optionalKey(Schema.Unknown),
    message: Schema.Struct({
      role: Schema.Literal("assistant"),
      content: Schema.optionalKey(Schema.NullOr(Schema.String)),
      refusal: Schema.optionalKey(Schema.NullOr(Schema.String)),
      tool_calls: Schema.optionalKey(Schema.Array(Schema.Unknown))
    })
  })),
  usage: Schema.optionalKey(Schema.NullOr(Schema.Struct({
    prompt_tokens: Schema.Number,
    completion_tokens: Schema.Number,
    total_tokens: Schema.Number
  })))
}).annotate({ identifier: "ChatCompletion", description: "Members that a provider adds are passed through." })

/** Events of a streamed answer: chunks as JSON, then `[DONE]`; after a failure one error event and no `[DONE]`. */
const ChatEvents = HttpApiSchema.StreamSse({ events: Sse.EventEncoded })

const create = HttpApiEndpoint.post("create", "/v1/chat/completions", {
  payload: ChatRequest,
  success: [ChatCompletionBody, ChatEvents],
  error: errorsAt(400, 403, 404, 413, 415, 429, 500, 502, 503, 504)
}).annotateMerge(OpenApi.annotations({
  summary: "Create a chat completion",
  description: "OpenAI-compatible. Unknown members are allowed and forwarded. With `stream: true` the answer is " +
    "`text/event-stream`: `data:` frames of chunks, then `data: [DONE]`; a failure after the first frame is one " +
    "`data: {\"error\": …}` frame, after which the body ends without `[DONE]`. The header `x-breakwater-priority` " +
    "(`critical`, `normal`, `best-effort` or `batch`; default `normal`) says who is turned away last when there is too much."
}))

/** The completions of the contract, behind the client key. */
export class CompletionsApi extends HttpApiGroup.make("completions").add(create).middleware(ClientAuthorization) {}

/** The same without its lock, for a handler that judges the key itself: a lock put around it costs twice what judging does. */
export class UnlockedCompletions extends HttpApi.make("breakwater").add(HttpApiGroup.make("completions").add(create)) {}
