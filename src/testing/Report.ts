/** What callers saw: the samples of a run, counted. Every time is in milliseconds of the run's own clock, from its start. */
import type { Decision } from "../gateway/Decision.ts"

/** One request as its caller saw it. */
export interface Sample {
  readonly atMs: number
  readonly endedAtMs: number
  /** Tag of the reason it failed with; absent = answered in full. */
  readonly error?: string | undefined
  /** Its attempts, skipped targets and who answered. The times in it are the clock's, not from the start. */
  readonly decision: Decision
}

/** A breaker that changed its state. */
export interface Transition {
  readonly atMs: number
  /** `provider/model`. */
  readonly target: string
  readonly from: string
  readonly to: string
  /** Why, such as `consecutive-failures` or `probe-succeeded`. */
  readonly cause: string
}

/** Nearest rank: the value that this share of all values does not exceed. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export type Counts = Readonly<Record<string, number>>

/** A stretch of the run. */
export interface Slice {
  readonly fromMs: number
  /** Requests that came in it, and how they ended, whenever that was. */
  readonly requests: number
  readonly succeeded: number
  readonly failed: number
  /** From the request to its whole answer, of those that came in it and succeeded. */
  readonly latencyMs: Percentiles | undefined
  /** Attempts that began in it, by target. */
  readonly attempts: Counts
}

export interface Report {
  readonly requests: number
  /** Answered in full. */
  readonly succeeded: number
  readonly failed: number
  /** Still waiting when the run gave up on them; 0 unless `patience` is shorter than the gateway's own deadline. */
  readonly unfinished: number
  /** Failed requests by the tag of their reason. */
  readonly failures: Counts
  /** Of the failed: streams that broke after their first content, so that the caller had part of an answer. */
  readonly brokenStreams: number
  /** From the request to its whole answer, of those that succeeded; absent when none did. */
  readonly latencyMs: Percentiles | undefined
  /** From the request to its failure; absent when none failed. */
  readonly failedAfterMs: Percentiles | undefined
  /** From the request to the first content of a stream, also of one that broke later; absent without streams. */
  readonly firstContentMs: Percentiles | undefined
  /** Attempts by target: what left for the providers. */
  readonly attempts: Counts
  /** Failed attempts by target. */
  readonly failedAttempts: Counts
  /** Requests by the target that answered them. */
  readonly answeredBy: Counts
  /** What each stretch of the run looked like, first to last; a stretch in which nothing happened is there with zeros. */
  readonly slices: ReadonlyArray<Slice>
  /** In the order they happened. */
  readonly transitions: ReadonlyArray<Transition>
  /** Every request, in the order they ended. */
  readonly samples: ReadonlyArray<Sample>
}

export interface Run {
  readonly startedAtMs: number
  readonly requests: number
  readonly sliceMs: number
  readonly samples: ReadonlyArray<Sample>
  readonly transitions: ReadonlyArray<Transition>
}

const countBy = <A>(items: ReadonlyArray<A>, key: (item: A) => string | undefined): Counts => {
  const counts: Record<string, number> = {}
  for (const item of items) {
    const name = key(item)
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

const percentiles = (values: ReadonlyArray<number>): Percentiles | undefined => {
  const sorted = values.toSorted((left, right) => left - right)
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return sorted.length === 0 ? undefined : { p50: rank(0.5), p99: rank(0.99), max: rank(1) }
}

const failed = (sample: Sample): boolean => sample.error !== undefined

const waitOf = (sample: Sample): number => sample.endedAtMs - sample.atMs

const latencyOf = (samples: ReadonlyArray<Sample>): Percentiles | undefined =>
  percentiles(samples.filter((sample) => !failed(sample)).map(waitOf))

interface Attempted {
  readonly target: string
  readonly atMs: number
  readonly outcome: string | undefined
}

const slicesOf = ({ samples, sliceMs }: Run, attempts: ReadonlyArray<Attempted>): ReadonlyArray<Slice> => {
  const at = (ms: number) => Math.floor(ms / sliceMs)
  const came = Map.groupBy(samples, ({ atMs }) => at(atMs))
  const tried = Map.groupBy(attempts, ({ atMs }) => at(atMs))
  const length = Math.max(-1, ...came.keys(), ...tried.keys()) + 1
  return Array.from({ length }, (_, index) => {
    const own = came.get(index) ?? []
    const lost = own.filter(failed).length
    return {
      fromMs: index * sliceMs,
      requests: own.length,
      succeeded: own.length - lost,
      failed: lost,
      latencyMs: latencyOf(own),
      attempts: countBy(tried.get(index) ?? [], ({ target }) => target)
    }
  })
}

/** Counts a run. */
export const make = (run: Run): Report => {
  const { samples } = run
  const lost = samples.filter(failed)
  const attempts = samples.flatMap(({ decision }) =>
    decision.attempts.map(({ outcome, startedAtMs, target }): Attempted => ({
      target,
      atMs: startedAtMs - run.startedAtMs,
      outcome
    }))
  )
  return {
    requests: run.requests,
    succeeded: samples.length - lost.length,
    failed: lost.length,
    unfinished: run.requests - samples.length,
    failures: countBy(lost, ({ error }) => error),
    brokenStreams: lost.filter(({ decision }) => decision.firstContentMs !== undefined).length,
    latencyMs: latencyOf(samples),
    failedAfterMs: percentiles(lost.map(waitOf)),
    firstContentMs: percentiles(samples.flatMap(({ decision }) => decision.firstContentMs ?? [])),
    attempts: countBy(attempts, ({ target }) => target),
    failedAttempts: countBy(
      attempts,
      ({ outcome, target }) => outcome === "ok" || outcome === "Diverged" ? undefined : target
    ),
    answeredBy: countBy(
      samples.filter((sample) => !failed(sample)),
      ({ decision }) => decision.attempts.findLast(({ outcome }) => outcome === "ok")?.target
    ),
    slices: slicesOf(run, attempts),
    transitions: run.transitions,
    samples
  }
}

const counts = (all: Counts): string =>
  Object.entries(all).map(([name, count]) => `${name} ${count}`).join(", ") || "none"

const times = (all: Percentiles | undefined): string =>
  all === undefined
    ? "none"
    : `p50 ${Math.round(all.p50)} ms, p99 ${Math.round(all.p99)} ms, max ${Math.round(all.max)} ms`

const share = (part: number, whole: number): string => whole === 0 ? "" : ` (${(100 * part / whole).toFixed(2)} %)`

/** How many transitions the text shows. */
const shownTransitions = 12

const transitionLines = (transitions: ReadonlyArray<Transition>): ReadonlyArray<string> => {
  const shown = transitions.slice(0, shownTransitions).map(({ atMs, cause, from, target, to }) =>
    `  ${(atMs / 1000).toFixed(1).padStart(6)} s  ${target}: ${from} to ${to} (${cause})`
  )
  const more = transitions.length - shown.length
  return more > 0 ? [...shown, `          and ${more} more`] : shown
}

/** The report in a few lines for people; the transitions after the first twelve are only counted. */
export const render = (report: Report): string =>
  [
    `${report.requests} requests: ${report.succeeded} answered${share(report.succeeded, report.requests)}, `
    + `${report.failed} failed${report.unfinished > 0 ? `, ${report.unfinished} unfinished` : ""}`,
    `failures     ${counts(report.failures)}${report.brokenStreams > 0 ? `; ${report.brokenStreams} mid-stream` : ""}`,
    `answered in  ${times(report.latencyMs)}`,
    ...(report.firstContentMs === undefined ? [] : [`first word   ${times(report.firstContentMs)}`]),
    ...(report.failed === 0 ? [] : [`failed after ${times(report.failedAfterMs)}`]),
    `answered by  ${counts(report.answeredBy)}`,
    `attempts     ${counts(report.attempts)}; failed: ${counts(report.failedAttempts)}`,
    `breakers     ${report.transitions.length} transition(s)`,
    ...transitionLines(report.transitions)
  ].join("\n")
