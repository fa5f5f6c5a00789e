/**
 * The requests that have no answer yet: when the drain is over each of them is ended and answered with why. Trap: the ending is an
 * interruption of the request's own fiber, which only its route hears; the door around it still answers (`Recovery.ts`).
 */
import * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import { Draining, gatewayError } from "../domain/GatewayError.ts"
import { Roster } from "../resilience/Roster.ts"
import type { Exchange } from "./Exchange.ts"

/** Pause that a caller is told, in milliseconds: whoever takes over listens already. */
const comeBackMs = 1000

/** Why such a request is ended. */
export const drained = Cause.fail(gatewayError(
  new Draining({
    message:
      "The gateway is being stopped and ended the request before there was an answer. Ask again on a new connection.",
    retryAfterMs: comeBackMs
  })
))

/** Of one server. A plain object: it is on the hot path. */
export interface PendingAnswers {
  /** False when the drain is over: the request is to be refused. */
  readonly enter: (exchange: Exchange, fiber: Fiber.Fiber<unknown, unknown>) => boolean
  /** There is an answer, or there will be none. */
  readonly leave: (exchange: Exchange) => void
  /** Ends all, and every one that comes later. */
  readonly endAll: () => void
  /** How many there are, for tests. */
  readonly size: () => number
}

/** With nobody waiting. */
export const make = (): PendingAnswers => {
  const all = new Roster<Exchange>()
  let isOver = false
  return {
    enter: (exchange, fiber) => {
      if (isOver) return false
      exchange.fiber = fiber
      all.add(exchange)
      return true
    },
    leave: (exchange) => {
      if (all.delete(exchange)) exchange.fiber = undefined
    },
    endAll: () => {
      isOver = true
      for (const exchange of all.members()) {
        exchange.ended = "drained"
        exchange.fiber?.interruptUnsafe()
      }
    },
    size: () => all.size
  }
}
