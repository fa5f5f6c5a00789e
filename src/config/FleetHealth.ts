/**
 * Health over every process of the fleet: control is broadcast and acknowledged by all before the answer, monitoring is
 * gathered. The probes and the phase stay this process's own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type GatewayError, gatewayError, InternalFailure, RouteNotFound } from "../domain/GatewayError.ts"
import { type Control, type Controlled, Health } from "../gateway/Health.ts"
import { Fleet, type FleetIncomplete, type Reply } from "../storage/Fleet.ts"

const controlTopic = "health.control"
const monitoringTopic = "health.monitoring"

const ControlBody = Schema.Struct({
  action: Schema.Literals(["reset", "open", "close", "metrics-only"]),
  target: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  ttlMs: Schema.optional(Schema.Number)
})

const ControlledBody = Schema.Struct({
  targets: Schema.Array(Schema.Struct({ target: Schema.String, from: Schema.String, to: Schema.String })),
  /** Why no target was found. */
  unknown: Schema.optional(Schema.String)
})

const decodeControl = Schema.decodeUnknownEffect(ControlBody)
const decodeControlled = Schema.decodeUnknownEffect(ControlledBody)

type Monitoring = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Monitoring =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const incomplete = (error: FleetIncomplete): GatewayError =>
  gatewayError(
    new InternalFailure({
      message: `Not every worker acknowledged: ${
        error.missing.map(({ worker, why }) => `${worker}: ${why}`).join("; ")
      }.`,
      code: "fleet_incomplete"
    })
  )

const unreadable = gatewayError(new InternalFailure({ message: "A worker answered with something unreadable." }))

/** One entry a target: where processes differ, the first whose state was changed. */
const mergeControlled = (lists: ReadonlyArray<ReadonlyArray<Controlled>>): ReadonlyArray<Controlled> => {
  const merged = new Map<string, Controlled>()
  for (const entry of lists.flat()) {
    const seen = merged.get(entry.target)
    if (seen === undefined || (seen.from === seen.to && entry.from !== entry.to)) merged.set(entry.target, entry)
  }
  return Array.from(merged.values())
}

const sumTotals = (parts: ReadonlyArray<Monitoring>): Monitoring => {
  const sum: Record<string, number> = {}
  for (const { totals } of parts) {
    for (const [name, value] of isRecord(totals) ? Object.entries(totals) : []) {
      if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value
    }
  }
  return sum
}

/** This process's view with the fleet's totals, and each process's own under `workers`. */
const mergeMonitoring = (own: Monitoring, replies: ReadonlyArray<Reply>): Monitoring => {
  const parts = replies.flatMap(({ body }) => isRecord(body) ? [body] : [])
  if (parts.length < 2) return own
  return {
    ...own,
    status: parts.some(({ status }) => status === "fail")
      ? "fail"
      : parts.some(({ status }) => status === "warn")
      ? "warn"
      : "pass",
    totals: sumTotals(parts),
    workers: replies.flatMap(({ body, worker }) => isRecord(body) ? [{ worker, ...body }] : [])
  }
}

/** Puts the fleet before this process's own Health. */
export const layer: Layer.Layer<Health, never, Health | Fleet> = Layer.effect(
  Health,
  Effect.gen(function*() {
    const local = yield* Health
    const fleet = yield* Fleet
    yield* fleet.handle(monitoringTopic, () => local.monitoring)
    yield* fleet.handle(controlTopic, (body) =>
      decodeControl(body).pipe(
        Effect.flatMap((control) =>
          local.control(control).pipe(
            Effect.map((targets) => ({ targets })),
            Effect.catch((error) => Effect.succeed({ targets: [], unknown: error.message }))
          )
        )
      ))
    const control = Effect.fnUntraced(function*(request: Control) {
      const replies = yield* Effect.mapError(fleet.broadcast({ topic: controlTopic, body: request }), incomplete)
      const answers = yield* Effect.mapError(
        Effect.forEach(replies, ({ body }) => decodeControlled(body)),
        () => unreadable
      )
      const targets = mergeControlled(answers.map((answer) => answer.targets))
      const missing = answers.find((answer) => answer.unknown !== undefined)?.unknown
      if (targets.length > 0 || missing === undefined) return targets
      return yield* Effect.fail(
        gatewayError(new RouteNotFound({ message: missing, code: "target_not_found", param: "target" }))
      )
    })
    const monitoring = Effect.gen(function*() {
      const replies = yield* fleet.gather({ topic: monitoringTopic, body: null })
      return mergeMonitoring(yield* local.monitoring, replies)
    })
    return Health.of({ ...local, control, monitoring })
  })
)
