/** Leads every route of the router, and what finds none, through the passage. */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { Shedding } from "../admission/Shedding.ts"
import * as Account from "../gateway/Account.ts"
import { Health } from "../gateway/Health.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import * as ClientAddress from "../validation/ClientAddress.ts"
import type { Exchange } from "./Exchange.ts"
import { direct, IsAlone } from "./LeanCompletions.ts"
import { pass } from "./Passage.ts"
import * as Services from "./Services.ts"

/** The middleware around everything. */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const services = yield* Services.make
    const { settings } = services
    const isAlone = yield* IsAlone
    const around = {
      health: yield* Health,
      account: yield* Account.make,
      log: services.log,
      keys: services.keys,
      settings,
      direct: (request: HttpServerRequest, exchange: Exchange) =>
        isAlone ? direct(services, request, exchange) : undefined,
      callers: ClientAddress.make(settings.trustedProxies),
      shedding: yield* Shedding,
      watchdog: yield* Watchdog.make,
      pending: services.streams.pending
    }
    yield* router.addGlobalMiddleware((effect) => Effect.withFiber((fiber) => pass(effect, around, fiber)))
  })
)
