/**
 * What every exchange passes through, whatever its route: the request id, the one shape of every error, the drain, and the
 * record that is written when the last byte has left.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { unhandled } from "effect/Types"
import { errorResponse } from "../api/ErrorBody.ts"
import {
  GatewayError,
  InternalFailure,
  InvalidRequest,
  MethodNotAllowed,
  type Reason,
  RouteNotFound
} from "../domain/GatewayError.ts"
import { Health } from "../gateway/Health.ts"
import { requestId } from "../observability/Correlation.ts"
import { CurrentExchange, type Exchange, make } from "./Exchange.ts"
import { methodsOf, routeOf } from "./RouteTable.ts"

type Response = HttpServerResponse.HttpServerResponse

const unrouted = (exchange: Exchange): Reason => {
  const methods = methodsOf(exchange.route)
  return methods.length === 0 || methods.includes(exchange.method)
    ? new RouteNotFound({ message: "There is no such route. GET /docs shows what there is." })
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
      return unrouted(exchange)
    case "RequestParseError":
      return new InvalidRequest({ message: "The request could not be read." })
    default:
      return undefined
  }
}

const internal = new InternalFailure({ message: "The gateway failed. The request id helps to find out why." })

/** The router's type wants a middleware to leave failures open (`unhandled`); this one leaves none. */
const recover = (cause: Cause.Cause<unknown>, exchange: Exchange): Effect.Effect<Response, unhandled> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const known = reasonOf(cause, exchange)
  const reason = known ?? internal
  exchange.decision.error = reason._tag
  const response = errorResponse(reason, { "x-request-id": exchange.requestId })
  return known === undefined
    ? Effect.as(Effect.logError("A request ended in a defect", cause), response)
    : Effect.succeed(response)
}

const complete = (response: Response, exchange: Exchange, isDraining: boolean): Response => {
  exchange.status = response.status
  const isNamed = response.headers["x-request-id"] !== undefined
  if (isNamed && !isDraining) return response
  const headers: Record<string, string> = isNamed ? {} : { "x-request-id": exchange.requestId }
  if (isDraining) headers["connection"] = "close"
  return HttpServerResponse.setHeaders(response, headers)
}

/** What is told about an exchange once its last byte has left or its caller has gone. */
export type OnEnd = (
  exchange: Exchange,
  exit: Exit.Exit<unknown, unknown>,
  fiber: Fiber.Fiber<unknown, unknown>
) => void

/** Wraps every route of the router, and what finds none. `onEnd` must not throw. */
export const layer = (onEnd: OnEnd) =>
  HttpRouter.use((router) =>
    Effect.flatMap(Health, (health) =>
      router.addGlobalMiddleware((effect) =>
        Effect.withFiber((fiber) => {
          const request = Context.getUnsafe(fiber.context, HttpServerRequest)
          const scope = Context.getUnsafe(fiber.context, Scope.Scope)
          const id = requestId(request.headers["x-request-id"], fiber)
          const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
          const exchange = make(id, request.method, routeOf(request.url), now)
          const ended = Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => onEnd(exchange, exit, fiber)))
          const handled = Effect.catchCause(
            Effect.provideService(effect, CurrentExchange, exchange),
            (cause) => recover(cause, exchange)
          )
          const answered = Effect.flatMap(
            handled,
            (response) => Effect.map(health.phase, (phase) => complete(response, exchange, phase === "draining"))
          )
          return Effect.andThen(ended, answered)
        })
      ))
  )
