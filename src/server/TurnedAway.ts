/**
 * Who is turned away at the door, before anything of the body is read: whose head is none, and calls that this process has no room
 * for, by their own word on how much they matter (`x-breakwater-priority`).
 */
import * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import { defaultPriority, priorities, type Priority, priorityNamed } from "../domain/Priority.ts"
import { CurrentInstruments } from "../observability/Instruments.ts"
import { judgeClient } from "./Authorization.ts"
import type { Exchange } from "./Exchange.ts"
import { flawOfHead } from "./Head.ts"
import * as Metrics from "./Metrics.ts"
import { drained } from "./PendingAnswers.ts"
import type { Surroundings } from "./Surroundings.ts"

/** A word that nobody knows is a mistake, and better found on the first call than in the hour that it was meant for. */
const unknownPriority = Cause.fail(gatewayError(
  new InvalidRequest({
    message: `x-breakwater-priority is one of ${priorities.join(", ")}.`,
    param: "x-breakwater-priority",
    code: "unknown_priority"
  })
))

/** The door comes before the lock: who shows no key that is known does not go before those who do. */
const judged = (
  asked: Priority,
  headers: HttpServerRequest["headers"],
  lock: Pick<Surroundings, "keys" | "settings">,
  nowMs: number
): Priority => asked === "critical" && "_tag" in judgeClient(lock, headers, nowMs) ? defaultPriority : asked

/**
 * First for its head. For want of room only what costs an upstream is counted and turned away: probes, metrics and the operator's
 * routes always get through.
 */
export const turnedAway = (
  request: HttpServerRequest,
  exchange: Exchange,
  around: Pick<Surroundings, "keys" | "settings" | "pending" | "shedding">,
  fiber: Fiber.Fiber<unknown, unknown>
): Cause.Cause<GatewayError> | undefined => {
  const flaw = flawOfHead(request)
  if (flaw !== undefined) return flaw
  const { headers, method } = request
  if (method !== "POST" || !exchange.route.startsWith("/v1/")) return undefined
  const { decision } = exchange
  const asked = headers["x-breakwater-priority"]
  if (asked !== undefined) {
    const priority = priorityNamed(asked.toLowerCase())
    if (priority === undefined) return unknownPriority
    decision.priority = judged(priority, headers, around, exchange.startedAtMs)
  }
  const { pending, shedding } = around
  const refusal = shedding.enter(decision.priority)
  if (refusal === undefined) {
    exchange.isAdmitted = true
    return pending.enter(exchange, fiber) ? undefined : drained
  }
  Metrics.recordShed(decision.priority, fiber.getRef(CurrentInstruments))
  return Cause.fail(gatewayError(refusal))
}
