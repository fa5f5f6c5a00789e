/**
 * Health over every process of the fleet: control is broadcast and acknowledged by all before the answer, monitoring is
 * gathered. Control in force is remembered for workers that start later. The probes and the phase stay this process's own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DecisionRecord } from "../domain/DecisionRecord.ts"
import { type GatewayError, gatewayError, InternalFailure, RouteNotFound } from "../domain/GatewayError.ts"
import { Fleet, type FleetIncomplete, type Memo } from "../storage/Fleet.ts"
import { mergeChecks, mergeMonitoring, mergeOverall } from "./FleetMonitoring.ts"
import { type Control, type Controlled, Health } from "./Health.ts"

const controlTopic = "health.control"
const monitoringTopic = "health.monitoring"
const overallTopic = "health.overall"
const checksTopic = "health.checks"
const findTopic = "health.find"

const ControlBody = Schema.Struct({
  action: Schema.Literals(["reset", "open", "close", "metrics-only"]),
  target: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  ttlMs: Schema.optional(Schema.Number),
  /** End of a remembered control, in milliseconds since 1970: the processes share a wall clock only. */
  untilMs: Schema.optional(Schema.Number)
})

const ControlledBody = Schema.Struct({
  targets: Schema.Array(Schema.Struct({ target: Schema.String, from: Schema.String, to: Schema.String })),
  /** Why no target was found. */
  unknown: Schema.optional(Schema.String)
})

const decodeRecord = Schema.decodeUnknownOption(DecisionRecord)
const decodeControl = Schema.decodeUnknownEffect(ControlBody)
const decodeControlled = Schema.decodeUnknownEffect(ControlledBody)

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

/** What a worker that starts later must be told, for each target that is meant; nothing of a reset but to forget. */
const memosOf = (request: Control, targets: ReadonlyArray<string>, nowMs: number): ReadonlyArray<Memo> => {
  const { action, reason, target, ttlMs } = request
  const untilMs = ttlMs === undefined ? undefined : nowMs + ttlMs
  return targets
    .filter((name) => target === undefined || name === target)
    .map((key) => action === "reset" ? { key } : { key, body: { action, target: key, reason, untilMs } })
}

/** Puts the fleet before this process's own Health. */
export const layer: Layer.Layer<Health, never, Health | Fleet> = Layer.effect(
  Health,
  Effect.gen(function*() {
    const local = yield* Health
    const fleet = yield* Fleet
    yield* fleet.handle(
      monitoringTopic,
      () => Effect.zipWith(local.monitoring, local.tally, (monitoring, tally) => ({ ...monitoring, tally }))
    )
    yield* fleet.handle(checksTopic, () => local.checks)
    yield* fleet.handle(
      findTopic,
      (requestId) =>
        Effect.map(typeof requestId === "string" ? local.find(requestId) : Effect.undefined, (record) => record ?? null)
    )
    yield* fleet.handle(overallTopic, () => local.overall)
    yield* fleet.handle(controlTopic, (body) =>
      decodeControl(body).pipe(
        Effect.flatMap(Effect.fnUntraced(function*({ untilMs, ...control }) {
          const ttlMs = untilMs === undefined ? control.ttlMs : untilMs - (yield* Clock.currentTimeMillis)
          if (untilMs !== undefined && ttlMs !== undefined && ttlMs <= 0) return { targets: [] }
          return yield* local.control({ ...control, ttlMs }).pipe(
            Effect.map((targets) => ({ targets })),
            Effect.catch((error) => Effect.succeed({ targets: [], unknown: error.message }))
          )
        }))
      ))
    const control = Effect.fnUntraced(function*(request: Control) {
      const known = (yield* local.targets).map(({ target }) => target)
      const memos = memosOf(request, known, yield* Clock.currentTimeMillis)
      const replies = yield* Effect.mapError(fleet.broadcast({ topic: controlTopic, body: request, memos }), incomplete)
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
    const overall = Effect.gen(function*() {
      const replies = yield* fleet.gather({ topic: overallTopic, body: null })
      return mergeOverall(yield* local.overall, replies)
    })
    const checks = Effect.gen(function*() {
      const replies = yield* fleet.gather({ topic: checksTopic, body: null })
      return mergeChecks(yield* local.checks, replies)
    })
    const find = Effect.fnUntraced(function*(requestId: string) {
      const replies = yield* fleet.gather({ topic: findTopic, body: requestId })
      const records = replies.flatMap(({ body }) => Option.toArray(decodeRecord(body)))
      return records.toSorted((left, right) => right.at_ms - left.at_ms)[0]
    })
    return Health.of({ ...local, checks, control, find, monitoring, overall })
  })
)
