/** The real application behind the door: the routes on an HTTP router, served. Imported late, for it is most of the start-up. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { Shedding } from "../admission/Shedding.ts"
import { application } from "../config/Layers.ts"
import { repricing } from "../config/Repricing.ts"
import { Health } from "../gateway/Health.ts"
import { OpenStreams } from "../server/OpenStreams.ts"
import { SinkOf } from "../server/Sink.ts"
import * as EventLoop from "./EventLoop.ts"
import { within } from "./RequestContext.ts"
import * as RequestScopes from "./RequestScopes.ts"
import { sinkOf } from "./ResponseSink.ts"
import type { Running } from "./Serve.ts"

/**
 * Serves until the scope closes. Trap: `HttpRouter.serve` runs the requests in the context around the application, where its
 * own tracer and tracing switches are not; here they run in the application's.
 */
export const serve = Effect.fnUntraced(function*(settings: Parameters<typeof application>[0]) {
  const context = yield* Layer.build(
    application(settings).pipe(
      Layer.provide(Layer.succeed(SinkOf, sinkOf)),
      Layer.provideMerge(HttpRouter.layer)
    )
  )
  const router = Context.get(context, HttpRouter.HttpRouter)
  const server = yield* RequestScopes.Listener
  // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- the router's type leaves failures open, the door leaves none
  const served = RequestScopes.serve(server, router.asHttpEffect())
  yield* Effect.updateContext(served, within(context))
  yield* EventLoop.watch(Context.get(context, Shedding).look)
  const running: Running = {
    reprice: repricing(context),
    setPhase: Context.get(context, Health).setPhase,
    endStreams: Context.get(context, OpenStreams).endAll
  }
  return running
})
