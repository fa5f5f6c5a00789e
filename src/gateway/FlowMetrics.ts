/**
 * What the flow counts. A request is counted once, when it has ended, from its record; only chunks of streams, and what happens to
 * a target's machines, are counted as they come. Labels are bound once per target, and a model that only callers name is `other`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Catalogue from "../observability/Catalogue.ts"
import { CurrentConventions } from "../observability/Conventions.ts"
import { type Counter, CurrentInstruments, type Instruments } from "../observability/Instruments.ts"
import { Providers } from "../providers/Providers.ts"
import { monotonicMillis } from "../resilience/MonotonicTime.ts"
import type { AttemptRecord, Decision, Meter } from "./Decision.ts"
import { costOf } from "./Decision.ts"
import { Pricing } from "./Pricing.ts"
import type { GuardChange } from "./Target.ts"
import { Targets } from "./Target.ts"
import * as TargetMetrics from "./TargetMetrics.ts"

/** Every word that a skip may give as its reason, as a label. */
export const skipReasons: Readonly<Record<string, string>> = {
  "circuit open": "circuit_open",
  "queue full": "queue_full",
  "credential rejected": "credential_rejected",
  "quota exhausted": "quota_exhausted",
  "cooling down": "cooling_down",
  "model missing": "model_missing",
  "parameter unsupported": "parameter_unsupported",
  "no embeddings": "no_embeddings",
  "no vision": "no_vision",
  "no tools": "no_tools",
  "no json schema": "no_json_schema",
  "no prefill": "no_prefill",
  "no sampling": "no_sampling",
  "answers too short": "answers_too_short",
  "context too small": "context_too_small"
}

/** The rest of what a request adds to, by names that are known when it ends. */
const familiesOf = (instruments: Instruments) => ({
  overhead: instruments.histogram(Catalogue.overhead).of(),
  retries: instruments.counter(Catalogue.retries),
  failovers: instruments.counter(Catalogue.failovers),
  rejections: instruments.counter(Catalogue.breakerRejections),
  skips: instruments.counter(Catalogue.skips),
  resumptions: instruments.counter(Catalogue.resumptions),
  cost: instruments.counter(Catalogue.cost),
  unpriced: instruments.counter(Catalogue.unpriced),
  estimated: instruments.counter(Catalogue.estimated)
})

type Families = ReturnType<typeof familiesOf>

const unfinished = "unfinished"

/** What happened between the attempts, and what was not asked at all. */
const countTurns = (families: Families, { attempts, resumed, skipped }: Decision): void => {
  for (let at = 1; at < attempts.length; at++) {
    const before = attempts[at - 1]
    const { target } = attempts[at] ?? {}
    if (before === undefined || target === undefined) continue
    const why = before.outcome ?? unfinished
    if (before.target === target) families.retries.of(target, why).add(1)
    else families.failovers.of(before.target, target, why).add(1)
  }
  for (const { target, why } of skipped) {
    const reason = skipReasons[why] ?? "other"
    families.skips.of(target, reason).add(1)
    if (reason === "circuit_open") families.rejections.of(target).add(1)
  }
  const last = attempts.at(-1)
  if (resumed !== undefined && last !== undefined) families.resumptions.of(last.target).add(resumed)
}

/** What an answer cost, or that this is not known. A target outside the file counts as its provider's. */
const countCost = (families: Families, costs: Map<string, Counter>, decision: Decision, target: string): void => {
  const found = costOf(decision)
  if (found === undefined) return
  if ("absent" in found) {
    families.unpriced.of(target).add(1)
    // What is estimated is counted, and never in the sum.
    if (found.estimate !== undefined) families.estimated.of(target).add(1)
    return
  }
  let cost = costs.get(target)
  if (cost === undefined) costs.set(target, cost = families.cost.of(target))
  cost.add(Number(found.picoUsd) / 1e12)
}

/** One call of a target: its attempts that came one after the other, ended now unless the last of them has ended. */
const countCall = (
  series: TargetMetrics.TargetMetrics,
  { endedAtMs = 0, stream }: Decision,
  first: AttemptRecord,
  last: AttemptRecord,
  isLast: boolean
): void => {
  const { outcome, startedAtMs, tookMs } = last
  const isOpen = isLast && (outcome === undefined || (outcome === "ok" && stream))
  const ms = isOpen || tookMs === undefined
    ? endedAtMs - first.startedAtMs
    : startedAtMs - first.startedAtMs + tookMs
  const histogram = outcome === undefined || outcome === "ok" ? series.answered : series.failed(outcome)
  histogram.observe(Math.max(ms, 0) / 1000)
  if (outcome === "ok" && stream && tookMs !== undefined) series.firstChunk.observe(tookMs / 1000)
}

/** Milliseconds that were neither an upstream's nor a pause. */
const ownMs = (
  { attempts, stream }: Decision,
  receivedAtMs: number | undefined,
  nowMs: number
): number | undefined => {
  if (receivedAtMs === undefined) return undefined
  let othersMs = 0
  let answeredAtMs = nowMs
  for (const { settledAtMs, tookMs, waitedMs } of attempts) {
    if (tookMs === undefined || settledAtMs === undefined) return undefined
    othersMs += tookMs + waitedMs
    if (stream) answeredAtMs = settledAtMs
  }
  return Math.max(0, answeredAtMs - receivedAtMs - othersMs)
}

const countRequest = (
  families: Families,
  costs: Map<string, Counter>,
  seriesOf: (target: string, operation: Decision["operation"]) => TargetMetrics.TargetMetrics,
  decision: Decision,
  receivedAtMs: number | undefined,
  nowMs: number
): void => {
  const { attempts, operation, usage } = decision
  let first = attempts[0]
  if (attempts.length > 1 || decision.skipped.length > 0) countTurns(families, decision)
  if (first === undefined) return
  const own = ownMs(decision, receivedAtMs, nowMs)
  if (own !== undefined) families.overhead.observe(own / 1000)
  for (let at = 0; at < attempts.length; at++) {
    const attempt = attempts[at]
    if (attempt === undefined) continue
    if (first.target !== attempt.target) first = attempt
    const series = seriesOf(attempt.target, operation)
    if (attempt.tookMs !== undefined) {
      const histogram = attempt.outcome === "ok" ? series.sentWell : series.sent(attempt)
      histogram.observe(attempt.tookMs / 1000)
    }
    const next = attempts[at + 1]
    if (next?.target !== attempt.target) countCall(series, decision, first, attempt, next === undefined)
    if (next !== undefined) continue
    countCost(families, costs, decision, attempt.target)
    if (usage === undefined || decision.provider === undefined) continue
    series.used(usage)
  }
}

/** The meter of a flow. Requires the providers for what they are. */
export const make: Effect.Effect<Meter, never, Providers> = Effect.gen(function*() {
  const instruments = yield* CurrentInstruments
  const conventions = yield* CurrentConventions
  const { providers } = yield* Providers
  const families = familiesOf(instruments)
  const costs = new Map<string, Counter>()
  const chats = new Map<string, TargetMetrics.TargetMetrics>()
  const embeddings = new Map<string, TargetMetrics.TargetMetrics>()
  const seriesOf = (target: string, operation?: Decision["operation"]): TargetMetrics.TargetMetrics => {
    const known = operation === undefined ? chats : embeddings
    let series = known.get(target)
    if (series === undefined) {
      const provider = target.slice(0, target.indexOf("/"))
      const is = providers.get(provider) ?? { kind: provider }
      series = TargetMetrics.bind(instruments, conventions, target, is, operation)
      known.set(target, series)
    }
    return series
  }
  return {
    ended: (decision, receivedAtMs, nowMs) => countRequest(families, costs, seriesOf, decision, receivedAtMs, nowMs),
    chunks: (target) => seriesOf(target).perChunk
  }
})

const countChange = (
  instruments: Instruments,
  target: string,
  { cause, from, machine, to }: GuardChange
): void => {
  if (machine === "circuit" && from !== to) {
    instruments.counter(Catalogue.breakerTransitions).of(target, from, to).add(1)
  }
  if (machine === "cooldown" && to === "cooling") instruments.counter(Catalogue.cooldowns).of(target, cause).add(1)
}

/** Counts what happens to a target's machines. */
export const changes = Effect.map(
  CurrentInstruments,
  (instruments) => (target: string, change: GuardChange): void => countChange(instruments, target, change)
)

/** 0 closed, 1 half-open, 2 open, 3 forced. */
const stateNumbers = {
  closed: 0,
  "metrics-only": 0,
  "half-open": 1,
  open: 2,
  "forced-open": 3,
  "forced-closed": 3
} as const

/**
 * Money of a target from the first reading on: of a counter that appears with a value Prometheus takes that for what was there before.
 * Where no price is known nothing is claimed, not even 0.
 */
const showMoney = Effect.gen(function*() {
  const instruments = yield* CurrentInstruments
  const { current } = yield* Pricing
  const cost = instruments.counter(Catalogue.cost)
  const unpriced = instruments.counter(Catalogue.unpriced)
  const shown = new Set<string>()
  return (target: string, atMs: number): void => {
    if (shown.has(target)) return
    shown.add(target)
    unpriced.of(target)
    const slash = target.indexOf("/")
    if (current().listed(target.slice(0, slash), target.slice(slash + 1), atMs) !== undefined) cost.of(target)
  }
})

/** Shows the state of every target whenever the instruments are read, until the scope closes. */
export const watch = Effect.gen(function*() {
  const instruments = yield* CurrentInstruments
  const { guards } = yield* Targets
  const state = instruments.gauge(Catalogue.breakerState)
  const cooldown = instruments.gauge(Catalogue.cooldownRemaining)
  const budget = instruments.gauge(Catalogue.retryBudget)
  const inFlight = instruments.gauge(Catalogue.targetInFlight)
  const queue = instruments.gauge(Catalogue.queueLength)
  const showMoneyOf = yield* showMoney
  const look = Effect.gen(function*() {
    const nowMs = yield* monotonicMillis
    const atMs = yield* Clock.currentTimeMillis
    for (const guard of yield* guards) {
      const { name } = guard
      state.of(name).set(stateNumbers[(yield* guard.breaker.snapshot).state])
      cooldown.of(name).set(guard.cooldown.longest(nowMs) / 1000)
      budget.of(name).set(yield* guard.budget.left)
      inFlight.of(name).set(guard.bulkhead.inFlight())
      queue.of(name).set(guard.bulkhead.waiting())
      showMoneyOf(name, atMs)
    }
  })
  const run = Effect.runSyncWith(yield* Effect.context())
  yield* instruments.observe(() => run(look))
})
