/** What was counted as it is shown: rates, percentiles and sums. Counts of several processes are added up before. */
import { plus, toUsd } from "../domain/Money.ts"
import * as Latency from "./Latency.ts"
import type { TallyParts } from "./Tally.ts"
import * as Traffic from "./Traffic.ts"

/** Of one target, since the start; the percentiles are of the last five to ten minutes. */
export interface TargetStatistics {
  readonly attempts?: number
  readonly failures?: number
  /** Milliseconds since 1970. */
  readonly lastErrorAtMs?: number
  /** Whole answers, in milliseconds. */
  readonly answer?: Latency.Percentiles
  /** First content events of streams, in milliseconds. */
  readonly firstContent?: Latency.Percentiles
}

const none: TallyParts = { totals: {}, slots: [], targets: [], spending: [], failures: [], skips: [] }

const addUp = <Row extends object>(
  rows: ReadonlyArray<Row>,
  keyOf: (row: Row) => string,
  join: (left: Row, right: Row) => Row
): ReadonlyArray<Row> => {
  const merged = new Map<string, Row>()
  for (const row of rows) {
    const seen = merged.get(keyOf(row))
    merged.set(keyOf(row), seen === undefined ? row : join(seen, row))
  }
  return Array.from(merged.values())
}

/** Adds up the numbers that both have. */
const sumOf = <Row extends object>(left: Row, right: Row): Row => {
  const sums = Object.entries(left).map(([key, value]) => {
    const other: unknown = Reflect.get(right, key)
    return [key, typeof value === "number" && typeof other === "number" ? value + other : value] as const
  })
  return { ...left, ...Object.fromEntries(sums) }
}

const joined = (left: Latency.Sparse, right: Latency.Sparse): Latency.Sparse =>
  Latency.toSparse(Latency.addSparse(Latency.addSparse(Latency.empty(), left), right))

type Row<Part extends "slots" | "targets" | "spending"> = TallyParts[Part][number]

const slotOf = (left: Row<"slots">, right: Row<"slots">): Row<"slots"> => ({
  ...sumOf(left, right),
  number: left.number,
  latency: joined(left.latency, right.latency),
  firstContent: joined(left.firstContent, right.firstContent)
})

const targetOf = (left: Row<"targets">, right: Row<"targets">): Row<"targets"> => ({
  ...sumOf(left, right),
  lastErrorAtMs: Math.max(left.lastErrorAtMs, right.lastErrorAtMs),
  answer: joined(left.answer, right.answer),
  firstContent: joined(left.firstContent, right.firstContent)
})

const spendingOf = (left: Row<"spending">, right: Row<"spending">): Row<"spending"> => ({
  ...sumOf(left, right),
  picoUsd: String(plus(BigInt(left.picoUsd), BigInt(right.picoUsd)))
})

/** The counts of all of them. */
export const mergeTallies = (parts: ReadonlyArray<TallyParts>): TallyParts =>
  parts.reduce((left, right) => ({
    totals: sumOf(
      { ...Object.fromEntries(Object.keys(right.totals).map((key) => [key, 0])), ...left.totals },
      right.totals
    ),
    slots: addUp([...left.slots, ...right.slots], ({ number }) => String(number), slotOf),
    targets: addUp([...left.targets, ...right.targets], ({ target }) => target, targetOf),
    spending: addUp([...left.spending, ...right.spending], ({ model, provider }) => `${provider}/${model}`, spendingOf),
    failures: addUp([...left.failures, ...right.failures], ({ reason, target }) => `${target} ${reason}`, sumOf),
    skips: addUp([...left.skips, ...right.skips], ({ target, why }) => `${target} ${why}`, sumOf)
  }), none)

/** What is known of each target by its name. */
export const statisticsOf = ({ targets }: TallyParts): ReadonlyMap<string, TargetStatistics> =>
  new Map(targets.map(({ answer, attempts, failures, firstContent, lastErrorAtMs, target }) => [target, {
    attempts,
    failures,
    ...(lastErrorAtMs === 0 ? {} : { lastErrorAtMs }),
    answer: Latency.percentilesOf(answer),
    firstContent: Latency.percentilesOf(firstContent)
  }]))

const percentilesOf = (slots: ReadonlyArray<Traffic.Slot>, of: "latency" | "firstContent"): Latency.Percentiles => {
  const all = Latency.empty()
  for (const slot of slots) Latency.addSparse(all, slot[of])
  return Latency.percentiles(all)
}

const sum = (slots: ReadonlyArray<Traffic.Slot>, of: "requests" | "failed" | "inputTokens" | "outputTokens"): number =>
  slots.reduce((total, slot) => total + slot[of], 0)

/** Slots back from now, the current one counted by what has passed of it, so that rates do not saw. */
const rate = (slots: ReadonlyArray<Traffic.Slot>, nowMs: number, of: Parameters<typeof sum>[1]): number => {
  const passed = nowMs % Traffic.stepMs / Traffic.stepMs
  const current = slots.at(-1)?.[of] ?? 0
  const before = slots.at(-2)?.[of] ?? 0
  return Math.round((current + before * (1 - passed)) / Traffic.stepMs * 1e6) / 1000
}

/** What the page shows of the counts; `nowMs` in milliseconds since 1970. */
export const shown = (parts: TallyParts, nowMs: number, inFlight: number) => {
  const last = Math.floor(nowMs / Traffic.stepMs)
  const byNumber = new Map(parts.slots.map((slot) => [slot.number, slot]))
  const slots = Array.from({ length: Traffic.slotCount }, (_, index) => {
    const number = last - Traffic.slotCount + 1 + index
    return byNumber.get(number) ?? { ...Traffic.nothing, number }
  })
  const minute = slots.slice(-6)
  const ended = sum(minute, "requests")
  return {
    now: {
      atMs: nowMs,
      requestsPerSecond: rate(slots, nowMs, "requests"),
      tokensPerSecond: rate(slots, nowMs, "inputTokens") + rate(slots, nowMs, "outputTokens"),
      errorRate: ended === 0 ? 0 : sum(minute, "failed") / ended,
      inFlight
    },
    latency: percentilesOf(slots, "latency"),
    firstContent: percentilesOf(slots, "firstContent"),
    traffic: {
      stepMs: Traffic.stepMs,
      points: slots.map(({ firstContent, latency, number, ...counts }) => ({
        atMs: number * Traffic.stepMs,
        ...counts,
        latency: Latency.percentilesOf(latency),
        firstContent: Latency.percentilesOf(firstContent)
      }))
    },
    spending: parts.spending.map(({ picoUsd, ...row }) => ({ ...row, costUsd: toUsd(plus(BigInt(picoUsd), 0)) })),
    failures: parts.failures,
    skips: parts.skips
  }
}
