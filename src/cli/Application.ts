/** The real application behind the door: the routes on an HTTP router, served. Imported late, for it is most of the start-up. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { application } from "../config/Layers.ts"
import type { Settings } from "../config/Settings.ts"
import { Health } from "../gateway/Health.ts"
import type { Running } from "./Serve.ts"

/** Serves until the scope closes. The access log is the door's own, so the router's is off. */
export const serve = (settings: Settings) =>
  HttpRouter.serve(application(settings), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.build,
    Effect.map((context): Running => Context.get(context, Health))
  )
