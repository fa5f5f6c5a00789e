/** The decision record on the span of its route: attributes for what to search by, and an event for each target that was passed over. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { toUsd } from "../domain/Money.ts"
import { aliasOf, costOf, type Decision, droppedOf, endingOf, isEventful, toRecord, winnerOf } from "./Decision.ts"
import type { Route } from "./Route.ts"
import type { GuardChange } from "./Target.ts"

/** What is known before anybody is asked. */
export const begin = (span: Tracer.Span, decision: Decision, route: Route): void => {
  span.attribute("breakwater.request.id", decision.requestId)
  span.attribute("breakwater.model.requested", aliasOf(decision))
  span.attribute("breakwater.route.policy", route.strategy ?? "ordered")
  span.attribute("breakwater.candidates", route.names)
}

/** What came of a request that is over; the times of those who were passed over are not known, so they stand at `startedAt`. */
export const annotate = (span: Tracer.Span, decision: Decision, startedAt: bigint, isCancelled: boolean): void => {
  const { attempts, skipped } = decision
  const targets = new Set(attempts.map(({ target }) => target)).size
  span.attribute("breakwater.attempts", attempts.length)
  span.attribute("breakwater.targets.tried", targets)
  if (attempts.length > targets) span.attribute("breakwater.retries", attempts.length - targets)
  const winner = winnerOf(decision)
  if (winner !== undefined) {
    span.attribute("breakwater.winner", winner)
    if (targets > 1 || skipped.length > 0) span.attribute("breakwater.fallback", winner !== decision.candidates[0])
  }
  const ended = isCancelled ? { ...decision, cancelled: true } : decision
  span.attribute("breakwater.ended", endingOf(ended))
  if (decision.resumed !== undefined) span.attribute("breakwater.resumed", decision.resumed)
  const dropped = droppedOf(decision)
  if (dropped !== undefined) span.attribute("breakwater.parameters.dropped", dropped)
  const cost = costOf(decision)
  if (cost !== undefined) {
    if ("picoUsd" in cost) span.attribute("breakwater.cost.usd", toUsd(cost.picoUsd))
    else span.attribute("breakwater.cost.status", cost.estimate === undefined ? "unpriced" : "estimated")
  }
  if (!isEventful(ended)) return
  span.attribute("breakwater.decision", JSON.stringify(toRecord(ended)))
  for (const { target, why } of skipped) {
    const name = why === "circuit open" ? "breakwater.breaker.rejected" : "breakwater.skip"
    span.event(name, startedAt, { "breakwater.target": target, "breakwater.why": why })
  }
}

/** What the machines of a target are called in log and span when they change. */
export const eventNames = {
  circuit: "breakwater.breaker.transition",
  cooldown: "breakwater.cooldown.transition",
  credential: "breakwater.credential.transition"
} as const

/** The change of a target's machine, on the span of the request that caused it. */
export const noteChange = (target: string, { cause, from, machine, to }: GuardChange): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
    if (span?._tag === "Span") {
      span.event(eventNames[machine], fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), {
        "breakwater.target": target,
        "breakwater.breaker.from": from,
        "breakwater.breaker.to": to,
        "breakwater.cause": cause
      })
    }
    return Effect.void
  })
