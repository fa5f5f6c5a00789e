/** From slices to what is said about a candidate: ratios inside a round, then the median over the rounds. */
import { type Candidate, yardstick, yardstickAgain } from "./Candidates.ts"
import type { Mode } from "./Payload.ts"
import type { SliceResult } from "./Slice.ts"

export interface Scenario {
  readonly mode: Mode
  readonly title: string
  readonly unit: "request" | "frame"
  readonly connections: number
  readonly warmupMs: number
  /** Requests a second; absent = as fast as the candidate answers. */
  readonly perSecond?: number
}

/** One round: the slice of each candidate, by name. */
export type Round = ReadonlyMap<string, SliceResult>

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Row {
  readonly candidate: string
  /** CPU a unit in units of the bare proxy; undefined without a single valid round. */
  readonly ratio: Spread | undefined
  readonly ratios: ReadonlyArray<number>
  /** CPU µs a unit. For information: the host's own speed is in it. */
  readonly micros: Spread | undefined
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Median share of their core that the candidate, and driver and upstream together, used. */
  readonly candidateBusy: number
  readonly loadBusy: number
  readonly socketErrors: number
  readonly badAnswers: number
  readonly complaints: ReadonlyArray<string>
  readonly budget: number | undefined
  readonly passed: boolean | undefined
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

const spread = (values: ReadonlyArray<number>): Spread | undefined =>
  values.length === 0 ? undefined : { median: median(values), min: Math.min(...values), max: Math.max(...values) }

const microsPerUnit = (slice: SliceResult): number => slice.cpuNanos / 1000 / slice.units

const isSound = (slice: SliceResult | undefined): slice is SliceResult => slice !== undefined && slice.units > 0

/**
 * The ratio of one candidate inside one round; undefined when either slice has no unit. The bare proxy runs twice in a round and
 * both turns are the yardstick, for one alone carries its own noise into every ratio; they are judged by each other.
 */
export const ratioIn = (round: Round, name: string): number | undefined => {
  const slice = round.get(name)
  const yardsticks = [yardstick, ...(name === yardstick || name === yardstickAgain ? [] : [yardstickAgain])]
  const bases = yardsticks.map((one) => round.get(one)).filter(isSound)
  if (!isSound(slice) || bases.length === 0) return undefined
  return microsPerUnit(slice) * bases.length / bases.reduce((sum, base) => sum + microsPerUnit(base), 0)
}

export const rowOf = (candidate: Candidate, scenario: Scenario, rounds: ReadonlyArray<Round>): Row => {
  const slices = rounds.map((round) => round.get(candidate.name)).filter(isSound)
  const every = rounds.flatMap((round) => round.get(candidate.name) ?? [])
  const ratios = rounds.flatMap((round) => ratioIn(round, candidate.name) ?? [])
  const ratio = spread(ratios)
  const budget = candidate.budgets[scenario.mode]
  const middle = (value: (slice: SliceResult) => number): number => median(slices.map(value))
  const badAnswers = every.reduce((sum, slice) => sum + slice.badAnswers, 0)
  return {
    candidate: candidate.name,
    ratio,
    ratios,
    micros: spread(slices.map(microsPerUnit)),
    perSecond: middle((slice) => slice.units / (slice.wallNanos / 1e9)),
    p50: middle((slice) => slice.latencies.p50),
    p99: middle((slice) => slice.latencies.p99),
    candidateBusy: middle((slice) => slice.cpuNanos / slice.wallNanos),
    loadBusy: middle((slice) => slice.driverBusy + slice.upstreamBusy),
    socketErrors: every.reduce((sum, slice) => sum + slice.socketErrors, 0),
    badAnswers,
    complaints: [...new Set(every.flatMap((slice) => slice.complaint ?? []))],
    budget,
    passed: budget === undefined ? undefined : ratio !== undefined && ratio.median <= budget && badAnswers === 0
  }
}
