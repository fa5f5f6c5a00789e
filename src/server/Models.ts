/** What a caller may put in `model`. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Api } from "../api/Api.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { ModelNotFound } from "../domain/GatewayError.ts"
import type { Capabilities } from "../domain/Model.ts"
import type { ModelListing } from "../gateway/Listing.ts"
import { Routes } from "../gateway/Route.ts"
import { judgeClient } from "./Authorization.ts"
import { CurrentExchange } from "./Exchange.ts"
import { ServerOptions } from "./ServerSettings.ts"

type Flags = { readonly [name: string]: boolean | undefined }

/** Without what is not known. */
const present = <A>(members: { readonly [name: string]: A | undefined }): { readonly [name: string]: A } =>
  Object.fromEntries(Object.entries(members).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]))

const capabilitiesOf = ({ jsonSchema, prefill, reasoning, sampling, tools, vision }: Capabilities) => {
  const flags: Flags = { vision, tools, json_schema: jsonSchema, prefill, reasoning, sampling }
  const known = present(flags)
  return Object.keys(known).length === 0 ? {} : { capabilities: known }
}

const priceOf = (price: NonNullable<ModelListing["usdPerMtok"]>) => ({
  usd_per_mtok: present({
    input: price.input,
    output: price.output,
    cache_read: price.cacheRead,
    cache_write_5m: price.cacheWrite5m,
    cache_write_1h: price.cacheWrite1h,
    input_audio: price.inputAudio,
    output_audio: price.outputAudio
  })
})

const body = ({ capabilities = {}, id, ownedBy, targets, usdPerMtok }: ModelListing) => ({
  id,
  object: "model" as const,
  created: 0,
  owned_by: ownedBy,
  ...(capabilities.context === undefined ? {} : { context_window: capabilities.context }),
  ...(capabilities.maxOutput === undefined ? {} : { max_output_tokens: capabilities.maxOutput }),
  ...capabilitiesOf(capabilities),
  ...(usdPerMtok === undefined ? {} : priceOf(usdPerMtok)),
  ...(targets === undefined ? {} : { targets })
})

const notFound = (id: string, requestId: string) =>
  errorResponse(
    new ModelNotFound({
      message: `The model '${id.slice(0, 200)}' does not exist here. GET /v1/models lists what does.`,
      param: "model"
    }),
    { "x-request-id": requestId }
  )

const find = (routes: Routes["Service"], id: string) =>
  Effect.flatMap(routes.models, (models) => {
    const model = models.find((candidate) => candidate.id === id)
    return model === undefined
      ? Effect.map(CurrentExchange, (exchange) => notFound(id, exchange.requestId))
      : Effect.succeed(HttpServerResponse.jsonUnsafe(body(model)))
  })

/** The models of the contract. */
export const layer = HttpApiBuilder.group(Api, "models", (handlers) =>
  Effect.gen(function*() {
    const routes = yield* Routes
    return handlers
      .handle(
        "list",
        () => Effect.map(routes.models, (models) => ({ object: "list" as const, data: models.map(body) }))
      )
      .handle("retrieve", ({ params }) => find(routes, params.id))
  }))

/** `GET /v1/models/{id}` where the id's slashes are raw. */
export const layerRawIds = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const routes = yield* Routes
  const settings = yield* ServerOptions
  const handler = Effect.gen(function*() {
    const judged = judgeClient(settings, (yield* HttpServerRequest).headers)
    if ("_tag" in judged) return errorResponse(judged, { "x-request-id": (yield* CurrentExchange).requestId })
    return yield* find(routes, (yield* HttpRouter.params)["*"] ?? "")
  })
  // The slash at the end, which the router drops, keeps this path from claiming `/v1/models` as well.
  yield* router.add("GET", "/v1/models/*/", handler)
}))
