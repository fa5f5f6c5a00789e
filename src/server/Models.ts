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
import { mayCall } from "../domain/Principal.ts"
import { Routes } from "../gateway/Route.ts"
import { admit, makeLock } from "./Authorization.ts"
import { CurrentExchange } from "./Exchange.ts"
import { body } from "./ModelBody.ts"

const notFound = (id: string, requestId: string) =>
  errorResponse(
    new ModelNotFound({
      message: `The model '${id.slice(0, 200)}' does not exist here. GET /v1/models lists what does.`,
      param: "model"
    }),
    { "x-request-id": requestId }
  )

/** The models that the caller of the request may call. */
const visible = (routes: Routes["Service"]) =>
  Effect.zipWith(
    routes.models,
    CurrentExchange,
    (models, { decision: { caller } }) =>
      caller?.models === undefined ? models : models.filter(({ id }) => mayCall(caller, id))
  )

const find = (routes: Routes["Service"], id: string) =>
  Effect.flatMap(visible(routes), (models) => {
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
        () => Effect.map(visible(routes), (models) => ({ object: "list" as const, data: models.map(body) }))
      )
      .handle("retrieve", ({ params }) => find(routes, params.id))
  }))

/** `GET /v1/models/{id}` where the id's slashes are raw. */
export const layerRawIds = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const routes = yield* Routes
  const lock = yield* makeLock
  const handler = Effect.gen(function*() {
    const exchange = yield* CurrentExchange
    const stranger = admit(lock, (yield* HttpServerRequest).headers, exchange)
    if (stranger !== undefined) return errorResponse(stranger, { "x-request-id": exchange.requestId })
    return yield* find(routes, (yield* HttpRouter.params)["*"] ?? "")
  })
  // The slash at the end, which the router drops, keeps this path from claiming `/v1/models` as well.
  yield* router.add("GET", "/v1/models/*/", handler)
}))
