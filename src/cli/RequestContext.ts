/** What the requests of this process share. */
import * as Context from "effect/Context"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpServer from "effect/http/HttpServer"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { CurrentConventions } from "../observability/Conventions.ts"
import { EventLog } from "../observability/Logger.ts"
import { ServerSpans } from "../observability/Tracing.ts"

/** What a request's own context starts from: copied for each, so nothing that handlers bring themselves. */
const ofRequests = Context.pick(
  HttpServer.HttpServer,
  Scope.Scope,
  Tracer.Tracer,
  References.TracerEnabled,
  References.CurrentLoggers,
  References.MinimumLogLevel,
  HttpMiddleware.TracerDisabledWhen,
  ServerSpans,
  CurrentConventions,
  EventLog
)

/** The context of the server's own, with what of the application's the requests share. */
export const within =
  <A>(application: Context.Context<A>) => (own: Context.Context<HttpServer.HttpServer | Scope.Scope>) =>
    ofRequests(Context.merge(own, application))
