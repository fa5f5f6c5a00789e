/** The decision record on the span of its request: attributes for what to search by, one event for each turn it took. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { toUsd } from "../domain/Money.ts"
import { costOf, type Decision, endingOf, isEventful, toRecord, winnerOf } from "./Decision.ts"
import type { GuardChange } from "./Target.ts"

const nanos = (ms: number): bigint => BigInt(Math.round(ms)) * 1_000_000n

const attemptEvents = (span: Tracer.Span, { attempts }: Decision): void => {
  for (const [at, attempt] of attempts.entries()) {
    const before = attempts[at - 1]
    if (before === undefined) continue
    const isRetry = before.target === attempt.target
    span.event(isRetry ? "breakwater.retry" : "breakwater.failover", nanos(attempt.startedAtMs), {
      "breakwater.target": attempt.target,
      ...(isRetry ? {} : { "breakwater.from": before.target }),
      "breakwater.waited_ms": Math.round(attempt.waitedMs),
      "error.type": before.outcome ?? "unfinished"
    })
  }
}

/** Attributes and events of a finished request; call it before the span ends. */
export const annotate = (span: Tracer.Span, decision: Decision): void => {
  span.attribute("breakwater.alias", decision.alias.slice(0, 256))
  if (decision.candidates.length > 0) span.attribute("breakwater.candidates", decision.candidates)
  span.attribute("breakwater.attempts", decision.attempts.length)
  span.attribute("breakwater.ended", endingOf(decision))
  const winner = winnerOf(decision)
  if (winner !== undefined) span.attribute("breakwater.winner", winner)
  if (decision.resumed !== undefined) span.attribute("breakwater.resumed", decision.resumed)
  const cost = costOf(decision)
  if (cost !== undefined && "picoUsd" in cost) span.attribute("breakwater.cost.usd", toUsd(cost.picoUsd))
  if (!isEventful(decision)) return
  span.attribute("breakwater.decision", JSON.stringify(toRecord(decision)))
  attemptEvents(span, decision)
  // The record keeps no time of a skip, which costs none: they stand at the receipt.
  for (const { target, why } of decision.skipped) {
    span.event("breakwater.skip", nanos(decision.startedAtMs), { "breakwater.target": target, "breakwater.why": why })
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
        from,
        to,
        cause
      })
    }
    return Effect.void
  })
