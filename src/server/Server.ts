/** The HTTP door put together: contract, documents, raw model ids, locks and the wrapping that every exchange passes. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Shedding from "../admission/Shedding.ts"
import { Api } from "../api/Api.ts"
import { ClientAuthorization } from "../api/Authorization.ts"
import { Completion } from "../gateway/Completion.ts"
import { EventLog } from "../observability/Logger.ts"
import * as Admin from "./Admin.ts"
import * as Authorization from "./Authorization.ts"
import * as Completions from "./Completions.ts"
import * as Door from "./Door.ts"
import * as Health from "./Health.ts"
import * as Metrics from "./Metrics.ts"
import * as Models from "./Models.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

/**
 * Handlers run in the context that their group was built in, merged into that of each request: for the busiest route it holds
 * what it needs and no more.
 */
const completions = Layer.effectContext(
  Effect.updateContext(
    Layer.build(Completions.layer),
    (all: Context.Context<Completion | ServerOptions | ClientAuthorization | Scope.Scope>) =>
      Context.pick(Completion, ServerOptions, EventLog, ClientAuthorization, Scope.Scope)(all)
  )
)

const handlers = Layer.mergeAll(completions, Models.layer, Health.layer, Health.layerMonitoring, Admin.layer)

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide(handlers)),
  HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }),
  Models.layerRawIds,
  Metrics.layer,
  Door.layer
)

/** Every route, on a router, and what judges whether there is room. Requires the flow, the health and the routes of the gateway. */
export const layer = (settings: ServerSettings) =>
  routes.pipe(
    Layer.provide(Authorization.layer),
    Layer.provide(Layer.succeed(ServerOptions, settings)),
    Layer.provideMerge(Shedding.layer(settings.shedding))
  )
