/**
 * What is counted of every finished request for monitoring: plain counters in a few maps of bounded size, under a microsecond a
 * request. `read` gives them in a form that survives JSON, so that the counts of several processes can be added up.
 */
import * as Schema from "effect/Schema"
import { callersOwn } from "../domain/GatewayError.ts"
import { type PicoUsd, plus } from "../domain/Money.ts"
import { modelName } from "../observability/Redaction.ts"
import * as Decision from "./Decision.ts"
import * as Latency from "./Latency.ts"
import * as Traffic from "./Traffic.ts"

const Count = Schema.Number
const Sparse = Schema.Array(Count)

/** What a process has counted. Amounts are whole pico-dollars as text, because they may be larger than a number can hold. */
export const TallyParts = Schema.Struct({
  totals: Schema.Record(Schema.String, Count),
  slots: Schema.Array(Traffic.Slot),
  targets: Schema.Array(Schema.Struct({
    target: Schema.String,
    attempts: Count,
    failures: Count,
    /** Milliseconds since 1970; 0 = it never failed. */
    lastErrorAtMs: Count,
    answer: Sparse,
    firstContent: Sparse
  })),
  spending: Schema.Array(Schema.Struct({
    provider: Schema.String,
    model: Schema.String,
    requests: Count,
    inputTokens: Count,
    outputTokens: Count,
    cachedTokens: Count,
    picoUsd: Schema.String,
    unpriced: Count
  })),
  failures: Schema.Array(Schema.Struct({
    target: Schema.String,
    reason: Schema.String,
    count: Count,
    retried: Count,
    failedOver: Count,
    ended: Count
  })),
  skips: Schema.Array(Schema.Struct({ target: Schema.String, why: Schema.String, count: Count }))
})
export type TallyParts = typeof TallyParts.Type

interface Failures {
  count: number
  retried: number
  failedOver: number
  ended: number
}

interface TargetTally {
  attempts: number
  failures: number
  lastErrorAtMs: number
  readonly answer: Latency.Lately
  readonly firstContent: Latency.Lately
  readonly reasons: Map<string, Failures>
  readonly skips: Map<string, number>
}

interface Spending {
  requests: number
  inputTokens: number
  outputTokens: number
  cachedTokens: number
  picoUsd: PicoUsd
  unpriced: number
}

/** Models of one provider that are told apart; callers may name more, and those count as `*`. */
const modelsEach = 100

export interface Tally {
  /** Counts a request that ended at this moment, in milliseconds since 1970. */
  readonly note: (decision: Decision.Decision, nowMs: number) => void
  readonly read: (nowMs: number) => TallyParts
}

const newTarget = (): TargetTally => ({
  attempts: 0,
  failures: 0,
  lastErrorAtMs: 0,
  answer: Latency.lately(),
  firstContent: Latency.lately(),
  reasons: new Map(),
  skips: new Map()
})

const newSpending = (): Spending => ({
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  picoUsd: 0,
  unpriced: 0
})

const found = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

const noFailures = (): Failures => ({ count: 0, retried: 0, failedOver: 0, ended: 0 })

const noteFailure = (tally: TargetTally, reason: string, atMs: number, next: boolean | undefined): void => {
  tally.failures += 1
  tally.lastErrorAtMs = atMs
  const failures = found(tally.reasons, reason, noFailures)
  failures.count += 1
  if (next === undefined) failures.ended += 1
  else if (next) failures.retried += 1
  else failures.failedOver += 1
}

const spend = (spending: Spending, decision: Decision.Decision): void => {
  const { usage } = decision
  const cost = Decision.costOf(decision)
  spending.requests += 1
  if (usage !== undefined) {
    spending.inputTokens += usage.promptTokens
    spending.outputTokens += usage.completionTokens
    spending.cachedTokens += usage.cachedTokens ?? 0
  }
  if (cost === undefined) return
  if ("absent" in cost) spending.unpriced += 1
  else spending.picoUsd = plus(spending.picoUsd, cost.picoUsd)
}

const targetParts = (targets: Map<string, TargetTally>, nowMs: number) =>
  Array.from(targets, ([target, own]) => ({
    target,
    attempts: own.attempts,
    failures: own.failures,
    lastErrorAtMs: own.lastErrorAtMs,
    answer: Latency.latelySparse(own.answer, nowMs),
    firstContent: Latency.latelySparse(own.firstContent, nowMs)
  }))

export const make = (): Tally => {
  const targets = new Map<string, TargetTally>()
  const providers = new Map<string, Map<string, Spending>>()
  const traffic = Traffic.make()
  const totals = {
    requests: 0,
    failed: 0,
    refused: 0,
    cancelled: 0,
    attempts: 0,
    retriesAndFailovers: 0,
    retries: 0,
    failovers: 0,
    skipped: 0,
    resumed: 0,
    recovered: 0
  }

  const noteAttempts = ({ attempts, stream }: Decision.Decision, nowMs: number): void => {
    for (let at = 0; at < attempts.length; at++) {
      const attempt = attempts[at]
      if (attempt === undefined) continue
      const tally = found(targets, attempt.target, newTarget)
      tally.attempts += 1
      const next = attempts[at + 1]
      const isRetried = next === undefined ? undefined : next.target === attempt.target
      if (isRetried === true) totals.retries += 1
      else if (isRetried === false) totals.failovers += 1
      if (attempt.outcome === "ok") {
        if (attempt.endedAtMs === undefined) continue
        const kind = stream ? tally.firstContent : tally.answer
        Latency.addLately(kind, nowMs, attempt.endedAtMs - attempt.startedAtMs)
      } else if (attempt.outcome !== undefined) {
        noteFailure(tally, attempt.outcome, attempt.endedAtMs ?? nowMs, isRetried)
      }
    }
  }

  const note = (decision: Decision.Decision, nowMs: number): void => {
    const { attempts, cancelled, error, model = "*", provider, skipped } = decision
    const before = totals.retries + totals.failovers
    totals.requests += 1
    totals.attempts += attempts.length
    totals.skipped += skipped.length
    totals.resumed += decision.resumed ?? 0
    if (cancelled === true) totals.cancelled += 1
    else if (error !== undefined) {
      totals.failed += 1
      if (callersOwn.has(error)) totals.refused += 1
    }
    noteAttempts(decision, nowMs)
    totals.retriesAndFailovers = totals.retries + totals.failovers
    const again = totals.retriesAndFailovers - before
    if (error === undefined && cancelled !== true && (again > 0 || skipped.length > 0)) totals.recovered += 1
    for (const { target, why } of skipped) {
      const { skips } = found(targets, target, newTarget)
      skips.set(why, (skips.get(why) ?? 0) + 1)
    }
    if (provider !== undefined) {
      const models = found(providers, provider, () => new Map<string, Spending>())
      const name = modelName(model)
      spend(found(models, models.has(name) || models.size < modelsEach ? name : "*", newSpending), decision)
    }
    Traffic.note(traffic, decision, again, nowMs)
  }

  const read = (nowMs: number): TallyParts => ({
    totals: { ...totals },
    slots: Traffic.read(traffic, nowMs),
    targets: targetParts(targets, nowMs),
    spending: Array.from(
      providers,
      ([provider, models]) =>
        Array.from(models, ([model, own]) => ({ provider, model, ...own, picoUsd: String(own.picoUsd) }))
    ).flat(),
    failures: Array.from(
      targets,
      ([target, { reasons }]) => Array.from(reasons, ([reason, own]) => ({ target, reason, ...own }))
    ).flat(),
    skips: Array.from(targets, ([target, { skips }]) => Array.from(skips, ([why, count]) => ({ target, why, count })))
      .flat()
  })

  return { note, read }
}
