/** Leads every route of the router, and what finds none, through the passage. */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { Keys } from "../admission/Keys.ts"
import { Shedding } from "../admission/Shedding.ts"
import * as Account from "../gateway/Account.ts"
import { Health } from "../gateway/Health.ts"
import { EventLog } from "../observability/Logger.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import * as ClientAddress from "../validation/ClientAddress.ts"
import { OpenStreams } from "./OpenStreams.ts"
import { pass } from "./Passage.ts"
import { ServerOptions } from "./ServerSettings.ts"

/** The middleware around everything. */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const settings = yield* ServerOptions
    const around = {
      health: yield* Health,
      account: yield* Account.make,
      log: yield* EventLog,
      keys: yield* Keys,
      settings,
      callers: ClientAddress.make(settings.trustedProxies),
      shedding: yield* Shedding,
      watchdog: yield* Watchdog.make,
      pending: (yield* OpenStreams).pending
    }
    yield* router.addGlobalMiddleware((effect) => Effect.withFiber((fiber) => pass(effect, around, fiber)))
  })
)
