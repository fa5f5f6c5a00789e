/** An exchange that is refused before the router sees it: its head and body, and the same line and count as every other. */
import * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { EventLog } from "../observability/Logger.ts"
import { end } from "../server/Ending.ts"
import { make } from "../server/Exchange.ts"

/** What is known of such an exchange. */
export interface Refused {
  readonly requestId: string
  /** `_OTHER` where no request line was read. */
  readonly method: string
  /** Template of a known route, else `_other`. */
  readonly route: string
  readonly status: number
  /** What the line says as `error.type`. */
  readonly error: string
}

/** Writes the line and counts the request; `fiber` is the one that made the server. */
export const note = (refused: Refused, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const { error, method, requestId, route, status } = refused
  const exchange = make(requestId, method, route, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
  exchange.status = status
  exchange.decision.error = error
  end(exchange, Exit.void, fiber, fiber.getRef(EventLog), undefined)
}
