/** What an operator does, with the line in the log that says who did what to which target or key, and why. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Control, type Controlled, Health } from "../gateway/Health.ts"
import { EventLog, type EventLogShape, traceOf } from "../observability/Logger.ts"
import { CurrentExchange } from "./Exchange.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

/** Longest reason of an operator that a line repeats, in characters. */
const reasonLimit = 500

/** One line a target. There is one admin key and it has no name, so it is told from loopback only. */
const tell = (
  log: EventLogShape,
  { adminKey }: ServerSettings,
  { action, reason, ttlMs }: Control,
  targets: ReadonlyArray<Controlled>
): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const nowMs = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
    const { requestId } = fiber.getRef(CurrentExchange)
    for (const { from, target, to } of targets) {
      log.event("warn", nowMs, `control of ${target}: ${from} to ${to}`, {
        "event.name": "breakwater.control",
        "breakwater.request.id": requestId,
        ...traceOf(fiber.context),
        "breakwater.target": target,
        by: adminKey === undefined ? "loopback" : "admin key",
        action,
        from,
        to,
        reason: reason?.slice(0, reasonLimit),
        ttl_ms: ttlMs
      })
    }
    return Effect.void
  })

/** A change to a client key, audited: whoever asked may go meanwhile, and what is in force is told nevertheless. */
export const changed = Effect.gen(function*() {
  const log = yield* EventLog
  const { adminKey } = yield* ServerOptions
  const line = (
    action: "issued" | "revoked" | "rotated",
    { id, name }: { readonly id: string; readonly name: string }
  ) =>
    Effect.withFiber((fiber) => {
      const nowMs = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      log.event("warn", nowMs, `client key ${name}: ${action}`, {
        "event.name": "breakwater.key",
        "breakwater.request.id": fiber.getRef(CurrentExchange).requestId,
        ...traceOf(fiber.context),
        "breakwater.key": name,
        "breakwater.key.id": id,
        by: adminKey === undefined ? "loopback" : "admin key",
        action
      })
      return Effect.void
    })
  return <A extends { readonly record: Parameters<typeof line>[1] }, E>(
    action: Parameters<typeof line>[0],
    change: Effect.Effect<A, E>
  ) => Effect.uninterruptible(Effect.tap(change, ({ record }) => line(action, record)))
})

/** `Health.control`, audited. The line is written before the answer, once the control is in force. */
export const control = Effect.gen(function*() {
  const health = yield* Health
  const log = yield* EventLog
  const settings = yield* ServerOptions
  return (request: Control) =>
    Effect.uninterruptible(
      Effect.tap(health.control(request), (targets) => tell(log, settings, request, targets))
    )
})
