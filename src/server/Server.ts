/** The HTTP door put together: contract, documents, raw model ids, locks and the wrapping that every exchange passes. */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Keys from "../admission/Keys.ts"
import * as Shedding from "../admission/Shedding.ts"
import { Api } from "../api/Api.ts"
import * as Authorization from "./Authorization.ts"
import * as Dashboard from "./Dashboard.ts"
import * as Docs from "./Docs.ts"
import * as Door from "./Door.ts"
import * as Handlers from "./Handlers.ts"
import * as Metrics from "./Metrics.ts"
import * as Models from "./Models.ts"
import * as OpenStreams from "./OpenStreams.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide(Handlers.layer)),
  Docs.layer,
  Models.layerRawIds,
  Metrics.layer,
  Dashboard.layer,
  Door.layer
)

/** The keys that are there, else those of the settings alone. */
const keysOf = (settings: ServerSettings) =>
  Layer.unwrap(Effect.map(
    Effect.serviceOption(Keys.Keys),
    (found) => found._tag === "Some" ? Layer.succeed(Keys.Keys, found.value) : Keys.layerStatic(settings.keys)
  ))

/**
 * Every route, on a router, the streams that are open, and what judges whether there is room. Requires the flow, the health and
 * the routes of the gateway.
 */
export const layer = (settings: ServerSettings) =>
  routes.pipe(
    Layer.provide(Authorization.layer),
    Layer.provide(Layer.succeed(ServerOptions, settings)),
    Layer.provide(keysOf(settings)),
    Layer.provideMerge(OpenStreams.layer(settings)),
    Layer.provideMerge(Shedding.layer(settings.shedding))
  )
