/** What an operator sees and does: the state of every target, the manual control of breakers, and whether we are draining. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { type GatewayError, gatewayError, RouteNotFound } from "../domain/GatewayError.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import type { CredentialState } from "../resilience/Credential.ts"
import { monotonicMillis } from "../resilience/MonotonicTime.ts"
import type { Decision } from "./Decision.ts"
import { type Guards, Targets } from "./Target.ts"

export type Status = "pass" | "warn" | "fail"
export type Phase = "starting" | "ready" | "draining"

export interface ComponentHealth {
  readonly component: string
  readonly status: Status
  readonly output?: string | undefined
}

export interface TargetHealth {
  /** `provider/model` of the file; `provider/*` stands for models that only callers name. */
  readonly target: string
  readonly breaker: CircuitBreaker.Snapshot
  readonly inFlight: number
  readonly waiting: number
  readonly retryBudget: number
  /** How long it has yet to be left alone, because it said so; the longest of its models. 0 = not at all. */
  readonly cooldownMs: number
  /** Its provider's, in the order of the file; absent = it has none. */
  readonly credentials?: ReadonlyArray<CredentialState> | undefined
  /** Tag of the reason of the last failure. */
  readonly lastError?: string | undefined
}

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
const remembered = 50

export class Health extends Context.Service<Health, {
  readonly overall: Effect.Effect<{ readonly status: Status; readonly components: ReadonlyArray<ComponentHealth> }>
  readonly targets: Effect.Effect<ReadonlyArray<TargetHealth>>
  /** The last 50 requests' decision records, newest first, totals since start, and every target. */
  readonly monitoring: Effect.Effect<Readonly<Record<string, unknown>>>
  /** Fails with `RouteNotFound` (code `target_not_found`) for an unknown target. */
  readonly control: (control: Control) => Effect.Effect<ReadonlyArray<Controlled>, GatewayError>
  /** Remembers a finished request; called once per request, when its last byte has left. */
  readonly note: (decision: Decision) => void
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

const show = (guards: Guards): Effect.Effect<TargetHealth> =>
  Effect.map(
    Effect.all([guards.breaker.snapshot, guards.budget.left, monotonicMillis]),
    ([breaker, retryBudget, nowMs]) => ({
      target: guards.name,
      breaker,
      inFlight: guards.bulkhead.inFlight(),
      waiting: guards.bulkhead.waiting(),
      retryBudget,
      cooldownMs: Math.ceil(guards.cooldown.longest(nowMs)),
      credentials: guards.credentials?.states(nowMs),
      lastError: guards.lastError
    })
  )

/** In words, what keeps a target from being asked for long; a pause that it asked for is no illness. */
const illnessOf = ({ breaker: { state }, credentials, target }: TargetHealth): string | undefined =>
  state !== "closed" && state !== "forced-closed"
    ? `${target} is ${state}`
    : credentials?.every((credential) => credential.startsWith("dead")) === true
    ? `${target} has no credential left`
    : undefined

/** A provider that is down is `warn`, never `fail`: every replica sees it, and together they would leave nobody to answer. */
const componentsOf = (targets: ReadonlyArray<TargetHealth>): ReadonlyArray<ComponentHealth> => {
  const providers = Map.groupBy(targets, (target) => target.target.slice(0, target.target.indexOf("/")))
  return [...providers].map(([provider, own]) => {
    const ill = own.map(illnessOf).filter((illness) => illness !== undefined)
    return ill.length === 0
      ? { component: `provider:${provider}`, status: "pass" as const }
      : {
        component: `provider:${provider}`,
        status: "warn" as const,
        output: ill.join("; ")
      }
  })
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
  const phase = yield* Ref.make<Phase>("starting")
  const startedAtMs = yield* Clock.currentTimeMillis
  const recent: Array<Decision> = []
  const totals = { requests: 0, failed: 0, attempts: 0, retriesAndFailovers: 0 }

  const note = (decision: Decision): void => {
    totals.requests += 1
    totals.attempts += decision.attempts.length
    totals.retriesAndFailovers += Math.max(decision.attempts.length - 1, 0)
    if (decision.error !== undefined) totals.failed += 1
    recent.unshift(decision)
    if (recent.length > remembered) recent.pop()
  }

  const targets = Effect.flatMap(registry.guards, (all) => Effect.forEach(all, show))

  const overall = Effect.gen(function*() {
    const components = componentsOf(yield* targets)
    const draining = (yield* Ref.get(phase)) === "draining"
    const status: Status = draining
      ? "fail"
      : components.some((component) => component.status !== "pass")
      ? "warn"
      : "pass"
    return { status, components }
  })

  const monitoring = Effect.gen(function*() {
    const uptimeMs = (yield* Clock.currentTimeMillis) - startedAtMs
    return {
      ...(yield* overall),
      phase: yield* Ref.get(phase),
      uptimeMs,
      totals: { ...totals },
      targets: yield* targets,
      recent: [...recent]
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
    overall,
    targets,
    monitoring,
    control,
    note,
    phase: Ref.get(phase),
    isDraining: () => Ref.getUnsafe(phase) === "draining",
    setPhase: (next) => Ref.set(phase, next)
  })
})

export const layer: Layer.Layer<Health, never, Targets> = Layer.effect(Health, make)
