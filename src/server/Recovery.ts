/** From any failure of a route to the one shape of every error. A defect is told to the log by name and place, to the caller not at all. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerError from "effect/http/HttpServerError"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type { unhandled } from "effect/Types"
import { errorResponse } from "../api/ErrorBody.ts"
import { GatewayError, InvalidRequest, MethodNotAllowed, type Reason, RouteNotFound } from "../domain/GatewayError.ts"
import { describeCause, type EventLogShape, traceOf } from "../observability/Logger.ts"
import { answerHeaders, type Exchange, internalFailure } from "./Exchange.ts"
import { drained } from "./PendingAnswers.ts"
import { meantBy, methodsOf } from "./RouteTable.ts"

/** Told from the table of routes alone: nothing of what the caller wrote. */
const hintOf = (url: string): string => {
  const meant = meantBy(url)
  return meant === undefined
    ? "GET /docs shows what there is."
    : `Is ${meant} meant? The base URL of a client ends in /v1, and is no more than that behind the host.`
}

const unrouted = (exchange: Exchange, url: string): Reason => {
  const methods = methodsOf(exchange.route)
  return methods.length === 0 || methods.includes(exchange.method)
    ? new RouteNotFound({ message: `There is no such route. ${hintOf(url)}` })
    : new MethodNotAllowed({
      message: `${exchange.method} is not a method of this route. It takes ${methods.join(", ")}.`,
      allow: methods.join(", ")
    })
}

/** The reason behind any failure; undefined for a defect, which the caller is told nothing about. */
const reasonOf = (cause: Cause.Cause<unknown>, exchange: Exchange): Reason | undefined => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error instanceof GatewayError) return error.reason
  if (!(error instanceof HttpServerError.HttpServerError)) return undefined
  switch (error.reason._tag) {
    case "RouteNotFound":
      return unrouted(exchange, error.reason.request.url)
    case "RequestParseError":
      return new InvalidRequest({ message: "The request could not be read." })
    default:
      return undefined
  }
}

/** The router's type wants a middleware to leave failures open (`unhandled`); this one leaves none. */
export const recover = (
  cause: Cause.Cause<unknown>,
  exchange: Exchange,
  log: EventLogShape
): Effect.Effect<HttpServerResponse, unhandled> => {
  if (Cause.hasInterruptsOnly(cause)) {
    return exchange.ended === "drained"
      ? recover(drained, exchange, log)
      : Effect.interrupt
  }
  const known = reasonOf(cause, exchange)
  const reason = known ?? internalFailure
  exchange.decision.error = reason._tag
  const response = errorResponse(
    reason,
    exchange.decision.attempts.length === 0 ? { "x-request-id": exchange.requestId } : answerHeaders(exchange)
  )
  if (known !== undefined) return Effect.succeed(response)
  return Effect.withFiber((fiber) => {
    log.event("error", fiber.getRef(Clock.Clock).currentTimeMillisUnsafe(), "A request ended in a defect", {
      "event.name": "breakwater.request.defect",
      "breakwater.request.id": exchange.requestId,
      ...traceOf(fiber.context),
      ...describeCause(cause)
    })
    return Effect.succeed(response)
  })
}
