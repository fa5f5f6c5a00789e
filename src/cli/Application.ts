/** The real application behind the door: the routes on an HTTP router, served. Imported late, for it is most of the start-up. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { application } from "../config/Layers.ts"
import { Health } from "../gateway/Health.ts"
import { EventLog } from "../observability/Logger.ts"
import { ServerSpans } from "../observability/Tracing.ts"
import { OpenStreams } from "../server/OpenStreams.ts"
import type { Running } from "./Serve.ts"

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
  EventLog
)

/**
 * Serves until the scope closes. Trap: `HttpRouter.serve` runs the requests in the context around the application, where its
 * own tracer and tracing switches are not; here they run in the application's.
 */
export const serve = Effect.fnUntraced(function*(settings: Parameters<typeof application>[0]) {
  const context = yield* Layer.build(Layer.provideMerge(application(settings), HttpRouter.layer))
  const router = Context.get(context, HttpRouter.HttpRouter)
  yield* Effect.updateContext(
    // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- the router's type leaves failures open, the door leaves none
    Layer.build(HttpServer.serve(router.asHttpEffect())),
    (own: Context.Context<HttpServer.HttpServer | Scope.Scope>) => ofRequests(Context.merge(own, context))
  )
  const running: Running = {
    setPhase: Context.get(context, Health).setPhase,
    endStreams: Context.get(context, OpenStreams).endAll
  }
  return running
})
