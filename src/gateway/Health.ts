/** What an operator sees and does: the state of every target, the manual control of breakers, and whether we are draining. */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { DecisionRecord } from "../domain/DecisionRecord.ts"
import { type GatewayError, gatewayError, RouteNotFound } from "../domain/GatewayError.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import { monotonicMillis } from "../resilience/MonotonicTime.ts"
import { checksOf, type ComponentHealth, componentsOf, showAll, type Status, type TargetHealth } from "./Components.ts"
import { type Decision, toRecord } from "./Decision.ts"
import * as Monitoring from "./Monitoring.ts"
import * as Recent from "./Recent.ts"
import * as Tally from "./Tally.ts"
import type { TallyParts } from "./Tally.ts"
import { type Guards, Targets } from "./Target.ts"

export { countsText } from "./Components.ts"
export type { ComponentHealth, Status, TargetHealth } from "./Components.ts"

export type Phase = "starting" | "ready" | "draining"

export interface Control {
  readonly action: "reset" | "open" | "close" | "metrics-only"
  /** `provider/model`; absent = all. */
  readonly target?: string | undefined
  readonly reason?: string | undefined
  readonly ttlMs?: number | undefined
}

export interface Controlled {
  readonly target: string
  readonly from: string
  readonly to: string
}

/** How many targets a refusal names. */
const namedTargets = 8

const listOf = (targets: ReadonlyArray<Guards>): string => {
  const names = targets.slice(0, namedTargets).map((guards) => guards.name).join(", ")
  return targets.length > namedTargets ? `${names} and ${targets.length - namedTargets} more` : names
}

/** How many decision records monitoring shows. */
const recordsShown = 50

/** What else can be well or ill in this process beside its targets, asked whenever health is; quick and without waiting. */
export interface Vitals {
  readonly components: () => ReadonlyArray<ComponentHealth>
  /** Requests in flight at the door; absent = those on targets count. */
  readonly inFlight?: () => number
  /** Where the file's aliases lead, for showing. */
  readonly routes?: () => ReadonlyArray<{ readonly alias: string; readonly route: string }>
}

export class Health extends Context.Service<Health, {
  readonly overall: Effect.Effect<{ readonly status: Status; readonly components: ReadonlyArray<ComponentHealth> }>
  /** Every measurement of every component, as `checks` of `application/health+json`. */
  readonly checks: Effect.Effect<Readonly<Record<string, unknown>>>
  readonly targets: Effect.Effect<ReadonlyArray<TargetHealth>>
  /** The last 50 requests' decision records, newest first, what was counted since start, and every target. */
  readonly monitoring: Effect.Effect<Readonly<Record<string, unknown>>>
  /** What was counted, in a form that can be added up. */
  readonly tally: Effect.Effect<TallyParts>
  /** The record of a request that is over, if it is still remembered: of the last 100, or of the last 400 with more to tell. */
  readonly find: (requestId: string) => Effect.Effect<DecisionRecord | undefined>
  /** Fails with `RouteNotFound` (code `target_not_found`) for an unknown target. */
  readonly control: (control: Control) => Effect.Effect<ReadonlyArray<Controlled>, GatewayError>
  /** Remembers a finished request; called once per request, when its last byte has left. */
  readonly note: (decision: Decision) => void
  /** Lets another part of the process take part in health, for as long as the process lives. */
  readonly include: (vitals: Vitals) => void
  /** `ready` to serve; `draining` once SIGTERM was seen. */
  readonly phase: Effect.Effect<Phase>
  /** Plain, because every answer asks. */
  readonly isDraining: () => boolean
  readonly setPhase: (phase: Phase) => Effect.Effect<void>
}>()("breakwater/gateway/Health") {}

const commandOf = ({ action, reason, ttlMs }: Control): CircuitBreaker.Command => {
  switch (action) {
    case "reset":
      return { _tag: "Reset", reason }
    case "open":
      return { _tag: "ForceOpen", reason, ttlMs }
    case "close":
      return { _tag: "ForceClosed", reason, ttlMs }
    case "metrics-only":
      return { _tag: "MetricsOnly", reason, ttlMs }
  }
}

/** Whatever lets a target be asked again also ends its pause and trusts its credentials again, all before this returns. */
const apply = Effect.fnUntraced(function*(guards: Guards, request: Control) {
  const { reason } = request
  const { from, to } = yield* guards.breaker.control(commandOf(request))
  // The breaker tells of changes only; what an operator does is told even where it changes nothing.
  if (from === to) yield* guards.tell({ machine: "circuit", from, to, cause: "control", reason })
  if (request.action !== "open") {
    const nowMs = yield* monotonicMillis
    const wasCooling = guards.cooldown.clear(nowMs)
    const wasRefused = guards.credentials?.reset(nowMs) === true
    const cause = "control"
    if (wasCooling) yield* guards.tell({ machine: "cooldown", from: "cooling", to: "ready", cause, reason })
    if (wasRefused) yield* guards.tell({ machine: "credential", from: "refused", to: "usable", cause, reason })
  }
  return { target: guards.name, from, to }
})

const make = Effect.gen(function*() {
  const registry = yield* Targets
  const clock = yield* Effect.clockWith(Effect.succeed)
  const phase = yield* Ref.make<Phase>("starting")
  const startedAtMs = clock.currentTimeMillisUnsafe()
  const recent = Recent.make()
  const tally = Tally.make()
  const others: Array<Vitals> = []

  const note = (decision: Decision): void => {
    tally.note(decision, decision.endedAtMs ?? clock.currentTimeMillisUnsafe())
    recent.add(decision)
  }

  const targets = Effect.flatMap(registry.guards, showAll)
  const otherComponents = () => others.flatMap(({ components }) => components())

  const overallOf = (seen: ReadonlyArray<TargetHealth>) => {
    const components = [...componentsOf(seen), ...otherComponents()]
    const status: Status = Ref.getUnsafe(phase) === "draining"
      ? "fail"
      : components.some((component) => component.status !== "pass")
      ? "warn"
      : "pass"
    return { status, components }
  }

  const withStatistics = (seen: ReadonlyArray<TargetHealth>, parts: TallyParts) => {
    const statistics = Monitoring.statisticsOf(parts)
    return seen.map((target) => ({ ...target, ...statistics.get(target.target) }))
  }

  const checks = Effect.map(Effect.all([targets, DateTime.now]), ([seen, now]) => {
    const parts = tally.read(DateTime.toEpochMillis(now))
    return checksOf(withStatistics(seen, parts), otherComponents(), DateTime.formatIso(now))
  })

  const monitoring = Effect.map(targets, (seen) => {
    const nowMs = clock.currentTimeMillisUnsafe()
    const parts = tally.read(nowMs)
    const onTargets = seen.reduce((sum, { inFlight, waiting }) => sum + inFlight + waiting, 0)
    const inFlight = others.reduce<number | undefined>((sum, vitals) => vitals.inFlight?.() ?? sum, undefined)
    return {
      ...overallOf(seen),
      phase: Ref.getUnsafe(phase),
      uptimeMs: nowMs - startedAtMs,
      totals: parts.totals,
      ...Monitoring.shown(parts, nowMs, inFlight ?? onTargets),
      targets: withStatistics(seen, parts),
      routes: others.flatMap(({ routes }) => routes?.() ?? []),
      recent: recent.last(recordsShown).map(toRecord)
    }
  })

  const control = Effect.fnUntraced(function*(request: Control) {
    const all = yield* registry.guards
    const chosen = request.target === undefined ? all : all.filter((guards) => guards.name === request.target)
    if (chosen.length === 0) {
      return yield* Effect.fail(gatewayError(
        new RouteNotFound({
          message: `There is no target ${request.target}; the targets are ${listOf(all)}.`,
          code: "target_not_found",
          param: "target"
        })
      ))
    }
    return yield* Effect.forEach(chosen, (guards) => apply(guards, request))
  })

  return Health.of({
    overall: Effect.map(targets, overallOf),
    checks,
    targets,
    monitoring,
    tally: Effect.sync(() => tally.read(clock.currentTimeMillisUnsafe())),
    find: (requestId) =>
      Effect.sync(() => {
        const decision = recent.find(requestId)
        return decision === undefined ? undefined : toRecord(decision)
      }),
    control,
    note,
    include: (vitals) => void others.push(vitals),
    phase: Ref.get(phase),
    isDraining: () => Ref.getUnsafe(phase) === "draining",
    setPhase: (next) => Ref.set(phase, next)
  })
})

export const layer: Layer.Layer<Health, never, Targets> = Layer.effect(Health, make)
