/**
 * What every exchange passes through, whatever its route: the request id, the one shape of every error, the drain, the server
 * span, and the line and counts that are written when the last byte has left.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { unhandled } from "effect/Types"
import { Health } from "../gateway/Health.ts"
import { EventLog, type EventLogShape } from "../observability/Logger.ts"
import { end } from "./Ending.ts"
import { begin, CurrentExchange, type Exchange, lacksHost, missingHost } from "./Exchange.ts"
import { recover } from "./Recovery.ts"
import * as ServerSpan from "./ServerSpan.ts"

type Response = HttpServerResponse.HttpServerResponse

const complete = (response: Response, exchange: Exchange, isDraining: boolean): Response => {
  exchange.status = response.status
  const isNamed = response.headers["x-request-id"] !== undefined
  if (isNamed && !isDraining) return response
  const headers: Record<string, string> = isNamed ? {} : { "x-request-id": exchange.requestId }
  if (isDraining) headers["connection"] = "close"
  return HttpServerResponse.setHeaders(response, headers)
}

const wrap = (
  effect: Effect.Effect<Response, unhandled>,
  health: Health["Service"],
  log: EventLogShape,
  fiber: Fiber.Fiber<unknown, unknown>
): Effect.Effect<Response, unhandled, HttpServerRequest | Scope.Scope> => {
  // The router's own effects read these two from the same context, so they are there.
  const request = Context.getUnsafe(fiber.context, HttpServerRequest)
  const scope = Context.getUnsafe(fiber.context, Scope.Scope)
  const exchange = begin(request, fiber)
  const run = (span: Tracer.Span | undefined) => {
    const served = lacksHost(request) ? recover(missingHost, exchange, log) : Effect.catchCause(
      Effect.provideService(effect, CurrentExchange, exchange),
      (cause) => recover(cause, exchange, log)
    )
    const answered = Effect.flatMap(
      span === undefined ? served : Effect.provideService(served, Tracer.ParentSpan, span),
      (response) => Effect.map(health.phase, (phase) => complete(response, exchange, phase === "draining"))
    )
    return Effect.andThen(
      Scope.addFinalizerExit(scope, (exit) =>
        Effect.sync(() => {
          end(exchange, exit, fiber, log, span)
          if (exchange.decision.alias !== "") health.note(exchange.decision)
        })),
      answered
    )
  }
  const opened = ServerSpan.open(request, exchange, fiber)
  return opened === undefined ? run(undefined) : Effect.flatMap(opened, run)
}

/** Wraps every route of the router, and what finds none. */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const health = yield* Health
    const log = yield* EventLog
    yield* router.addGlobalMiddleware((effect) => Effect.withFiber((fiber) => wrap(effect, health, log, fiber)))
  })
)
