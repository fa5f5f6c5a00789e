/**
 * The state of each target as operators see it, and what follows from it for the health of its provider. The checks are those of
 * `application/health+json` (draft-inadarei-api-health-check-06): one array for each component and measurement.
 */
import * as Effect from "effect/Effect"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import type { CredentialState } from "../resilience/Credential.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type { TargetStatistics } from "./Monitoring.ts"
import type { Guards } from "./Target.ts"

export type Status = "pass" | "warn" | "fail"

export interface ComponentHealth {
  readonly component: string
  readonly status: Status
  readonly output?: string | undefined
  readonly observedValue?: number | undefined
  readonly observedUnit?: string | undefined
  /** What its output counts, each by its word: several processes' are added up. */
  readonly counts?: Readonly<Record<string, number>> | undefined
}

/** Counts as an output has them: `3 written, 0 waiting`. */
export const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts).map(([word, count]) => `${count} ${word}`).join(", ")

export interface TargetHealth {
  /** `provider/model` of the file; `provider/*` stands for models that only callers name. */
  readonly target: string
  readonly breaker: CircuitBreaker.Snapshot & {
    /** How long it has been in this state, in milliseconds; absent = since the start. */
    readonly forMs?: number
    /** What brought it there. */
    readonly cause?: string
    /** While it is open or half-open: why it was opened, and the last failure before that. */
    readonly openedBy?: string | undefined
  }
  readonly inFlight: number
  /** Requests that may be in flight at this moment; absent = no limit. */
  readonly limit?: number | undefined
  readonly waiting: number
  readonly retryBudget: number
  /** How long it has yet to be left alone, because it said so; the longest of its models. 0 = not at all. */
  readonly cooldownMs: number
  /** Its provider's, in the order of the file, as they are for this model; absent = it has none. */
  readonly credentials?: ReadonlyArray<CredentialState> | undefined
  /** Tag of the reason of the last failure. */
  readonly lastError?: string | undefined
}

const changeOf = (
  { lastChange }: Guards,
  atMs: number
): Pick<TargetHealth["breaker"], "forMs" | "cause" | "openedBy"> =>
  lastChange === undefined
    ? {}
    : { forMs: Math.max(0, atMs - lastChange.atMs), cause: lastChange.cause, openedBy: lastChange.openedBy }

/** The target at this moment, in milliseconds on the monotonic clock and since 1970. */
const show = (guards: Guards, nowMs: number, atMs: number): Effect.Effect<TargetHealth> =>
  Effect.flatMap(guards.breaker.snapshot, (breaker) =>
    Effect.map(guards.budget.left, (retryBudget) => ({
      target: guards.name,
      breaker: { ...breaker, ...changeOf(guards, atMs) },
      inFlight: guards.bulkhead.inFlight(),
      limit: Number.isFinite(guards.bulkhead.limit()) ? guards.bulkhead.limit() : undefined,
      waiting: guards.bulkhead.waiting(),
      retryBudget,
      cooldownMs: Math.ceil(guards.cooldown.longest(nowMs)),
      credentials: guards.credentials?.states(nowMs, guards.name.slice(guards.name.indexOf("/") + 1)),
      lastError: guards.lastError
    })))

/** All of them at this moment. */
export const showAll = (all: ReadonlyArray<Guards>): Effect.Effect<ReadonlyArray<TargetHealth>> =>
  Effect.clockWith((clock) => {
    const [nowMs, atMs] = [monotonicMillisUnsafe(clock), clock.currentTimeMillisUnsafe()]
    return Effect.forEach(all, (guards) => show(guards, nowMs, atMs))
  })

/** In words, what keeps a target from being asked for long; a pause that it asked for is no illness. */
const illnessOf = ({ breaker: { state }, credentials, target }: TargetHealth): string | undefined =>
  state !== "closed" && state !== "forced-closed"
    ? `${target} is ${state}`
    : credentials?.every((credential) => credential.startsWith("dead")) === true
    ? `${target} has no credential left`
    : undefined

/** A provider that is down is `warn`, never `fail`: every replica sees it, and together they would leave nobody to answer. */
export const componentsOf = (targets: ReadonlyArray<TargetHealth>): ReadonlyArray<ComponentHealth> => {
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

/** One measurement of one component. */
export interface Check {
  readonly componentId: string
  readonly componentType: "component" | "datastore" | "system"
  readonly status: Status
  readonly observedValue?: string | number | undefined
  readonly observedUnit?: string | undefined
  readonly output?: string | undefined
  /** RFC 3339. */
  readonly time: string
}

/** By `component:measurement`. */
export type Checks = Readonly<Record<string, ReadonlyArray<Check>>>

type Measurement = Pick<Check, "observedValue" | "observedUnit" | "output"> & { readonly status?: Status }

const measurementsOf = (
  target: TargetHealth & TargetStatistics
): ReadonlyArray<readonly [string, Measurement | undefined]> => {
  const { answer, breaker, cooldownMs, firstContent, inFlight, lastError } = target
  const illness = illnessOf(target)
  const milliseconds = (observedValue: number | undefined): Measurement | undefined =>
    observedValue === undefined ? undefined : { observedValue, observedUnit: "ms" }
  const share = (observedValue: number): Measurement | undefined =>
    breaker.callsInWindow === 0 ? undefined : { observedValue, observedUnit: "share" }
  return [
    ["circuit", { observedValue: breaker.state, status: illness === undefined ? "pass" : "warn", output: illness }],
    ["inFlight", { observedValue: inFlight, observedUnit: "requests" }],
    ["failureRate", share(breaker.failureRate)],
    ["slowRate", share(breaker.slowRate)],
    ["firstContentP50", milliseconds(firstContent?.p50)],
    ["firstContentP95", milliseconds(firstContent?.p95)],
    ["answerP50", milliseconds(answer?.p50)],
    ["answerP95", milliseconds(answer?.p95)],
    ["cooldown", cooldownMs > 0 ? milliseconds(cooldownMs) : undefined],
    ["lastError", lastError === undefined ? undefined : { observedValue: lastError }]
  ]
}

/** Every target's measurements, and one check for each other component. */
export const checksOf = (
  targets: ReadonlyArray<TargetHealth & TargetStatistics>,
  others: ReadonlyArray<ComponentHealth>,
  time: string
): Checks => {
  const checks: Record<string, ReadonlyArray<Check>> = {}
  for (const target of targets) {
    for (const [name, measurement] of measurementsOf(target)) {
      if (measurement === undefined) continue
      checks[`${target.target}:${name}`] = [{
        componentId: target.target,
        componentType: "component",
        status: "pass",
        ...measurement,
        time
      }]
    }
  }
  for (const { component, counts: _, ...rest } of others) {
    const componentType = component === "storage" || component === "redis" ? "datastore" : "system"
    checks[component] = [{ componentId: component, componentType, ...rest, time }]
  }
  return checks
}
