/** `GET /dashboard`, behind the admin rule: a browser that has no key yet is asked for it as a password. */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { page } from "../dashboard/Dashboard.ts"
import { requireAdmin } from "./Authorization.ts"
import { ServerOptions } from "./ServerSettings.ts"

/** The route on the router. */
export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const settings = yield* ServerOptions
  const { headers, html } = yield* page
  const shown = HttpServerResponse.text(html, { contentType: "text/html; charset=utf-8", headers })
  yield* router.add("GET", "/dashboard", requireAdmin(settings, Effect.succeed(shown)))
}))
