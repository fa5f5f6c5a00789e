/**
 * What every exchange passes through, whatever its route: the request id, the one shape of every error, the drain, whether there
 * is room for it at all, the server span, and the line and counts that are written when the last byte has left.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { unhandled } from "effect/Types"
import { complete, permitted, type Response } from "./AnswerHead.ts"
import { end } from "./Ending.ts"
import { begin, CurrentExchange } from "./Exchange.ts"
import { recover } from "./Recovery.ts"
import * as ServerSpan from "./ServerSpan.ts"
import type { Surroundings } from "./Surroundings.ts"
import { turnedAway } from "./TurnedAway.ts"
import * as Unread from "./Unread.ts"

/** One exchange from its receipt to its last byte. The fiber is the request's own. */
export const pass = (
  effect: Effect.Effect<Response, unhandled>,
  around: Surroundings,
  fiber: Parameters<typeof begin>[1]
): Effect.Effect<Response, unhandled, HttpServerRequest | Scope.Scope> => {
  const { account, health, log, pending, settings: { cors }, shedding, watchdog } = around
  // The router's own effects read these two from the same context, so they are there.
  const request = Context.getUnsafe(fiber.context, HttpServerRequest)
  const scope = Context.getUnsafe(fiber.context, Scope.Scope)
  const exchange = begin(request, fiber)
  let callOff: (() => void) | undefined
  const run = (span: Tracer.AnySpan | undefined) => {
    // Of a trace that is not kept nothing could be found.
    if (span?.sampled === true) exchange.decision.traceId = span.traceId
    // The request's own frame restores the context, so this needs none of its own.
    const context = Context.add(fiber.context, CurrentExchange, exchange)
    fiber.setContext(span === undefined ? context : Context.add(context, Tracer.ParentSpan, span))
    const finish = (response: Response) => {
      if (exchange.isAdmitted) {
        pending.leave(exchange)
        callOff = Unread.watch(response, exchange, request, watchdog)
      }
      return complete(response, exchange, request, cors, health.isDraining())
    }
    const recovered = (cause: Cause.Cause<unknown>) => Effect.map(recover(cause, exchange, log), finish)
    const answered = (): Effect.Effect<Response, unhandled, Scope.Scope> => {
      const refusal = turnedAway(request, exchange, around, fiber)
      if (refusal !== undefined) return recovered(refusal)
      const permission = permitted(request, exchange, cors)
      if (permission !== undefined) return Effect.succeed(finish(permission))
      return Effect.matchCauseEffect(around.direct(request, exchange) ?? effect, {
        onSuccess: (response) => Effect.succeed(finish(response)),
        onFailure: recovered
      })
    }
    return Effect.flatMap(
      Scope.addFinalizerExit(scope, (exit) =>
        Effect.sync(() => {
          if (exchange.isAdmitted) {
            pending.leave(exchange)
            shedding.leave()
          }
          callOff?.()
          end(exchange, exit, fiber, log, span)
          if (exchange.decision.alias === "") return
          health.note(exchange.decision)
          account(exchange.decision)
        })),
      answered
    )
  }
  return run(ServerSpan.open(request, exchange, fiber, around.callers))
}
