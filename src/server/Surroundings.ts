/** What every exchange meets on its way through the door. */
import type * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import type { Keys } from "../admission/Keys.ts"
import type { Shedding } from "../admission/Shedding.ts"
import type { Decision } from "../gateway/Decision.ts"
import type { Health } from "../gateway/Health.ts"
import type { EventLogShape } from "../observability/Logger.ts"
import type { Watchdog } from "../resilience/Watchdog.ts"
import type { ClientAddress } from "../validation/ClientAddress.ts"
import type { Exchange } from "./Exchange.ts"
import type { PendingAnswers } from "./PendingAnswers.ts"
import type { ServerSettings } from "./ServerSettings.ts"

export interface Surroundings {
  readonly health: Health["Service"]
  /** Writes a request that is over into the ledger. */
  readonly account: (decision: Decision) => void
  readonly log: EventLogShape
  readonly shedding: Shedding["Service"]
  readonly pending: PendingAnswers
  readonly watchdog: Watchdog
  readonly keys: Keys["Service"]
  readonly settings: ServerSettings
  readonly callers: ClientAddress
  /** The answer to a request that needs no router. */
  readonly direct: (
    request: HttpServerRequest,
    exchange: Exchange
  ) => Effect.Effect<HttpServerResponse, never, Scope.Scope> | undefined
}
