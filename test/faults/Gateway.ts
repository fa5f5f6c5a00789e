/** Runs one row of the fault table: its own alias over the two upstreams, its requests, and what came of them. */
import type { Call, Read, Seen } from "./Client.ts"
import { call, readAnswer } from "./Client.ts"
import type { FaultCase } from "./scenarios.ts"
import type { Attempt, Upstream } from "./Upstream.ts"

/** The row's models on both upstreams; the tag keeps its counts and breakers apart from those of other rows. */
export const modelsOf = (row: FaultCase, index: number) => ({
  alias: `row-${index}`,
  primary: `${row.scenario}#row-${index}`,
  fallback: row.fallback === "none" ? undefined : `${row.fallback ?? "ok"}#row-${index}`
})

/** The `models` section of the configuration file: one ordered alias for each row. */
export const aliasesOf = (rows: ReadonlyArray<FaultCase>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(rows.map((row, index) => {
    const { alias, fallback, primary } = modelsOf(row, index)
    const capabilities = row.resumes === "prefill" ? { capabilities: { prefill: true } } : {}
    const second = fallback === undefined ? [] : [{ provider: "fallback", model: fallback, ...capabilities }]
    const stream = row.resumes === undefined ? {} : { stream: { onInterrupted: "resume" } }
    return [alias, { strategy: "ordered", targets: [{ provider: "primary", model: primary }, ...second], ...stream }]
  }))

export interface Outcome {
  readonly answers: ReadonlyArray<{ readonly seen: Seen; readonly read: Read }>
  readonly primary: ReadonlyArray<Attempt>
  readonly fallback: ReadonlyArray<Attempt>
  /** A healthy call to the same upstream, right after the row's own. */
  readonly next: Read
}

export interface Upstreams {
  readonly primary: Upstream
  readonly fallback: Upstream
}

/** Makes the row's requests, one after the other, and then one that nothing is wrong with. */
export const run = async (
  url: string,
  upstreams: Upstreams,
  row: FaultCase,
  index: number,
  asked: Partial<Call> = {}
): Promise<Outcome> => {
  const { alias, fallback, primary } = modelsOf(row, index)
  const answers: Array<Outcome["answers"][number]> = []
  for (let made = 0; made < (row.requests ?? 1); made++) {
    const seen = await call(url, {
      model: alias,
      stream: row.stream,
      ...(row.includeUsage === undefined ? {} : { includeUsage: row.includeUsage }),
      ...(row.headers === undefined ? {} : { headers: row.headers }),
      ...asked
    })
    answers.push({ seen, read: readAnswer(seen) })
  }
  const next = readAnswer(await call(url, { model: `primary/ok#after-${index}`, stream: row.stream }))
  return {
    answers,
    next,
    primary: upstreams.primary.attemptsOf(primary),
    fallback: fallback === undefined ? [] : upstreams.fallback.attemptsOf(fallback)
  }
}

/** Attempts whose scenario is still at work on an open socket. */
export const busy = (upstream: Upstream): ReadonlyArray<Attempt> =>
  upstream.attempts.filter((attempt) => attempt.finishedAt === undefined && attempt.closedAt === undefined)

/**
 * How many of these attempts were resets on a reused socket before a byte of the answer: they are repeated for free on a fresh
 * socket and are no attempts of the flow.
 */
export const freeOnes = (upstream: Upstream, attempts: ReadonlyArray<Attempt>): number =>
  attempts.filter(({ at, closedBy, socketId, written }) =>
    written === 0 && closedBy === "server" &&
    upstream.attempts.some((earlier) => earlier.socketId === socketId && earlier.at < at)
  ).length

/** Does all work with at most `width` of it at a time; results in the order of the items. */
export const inParallel = async <A, B>(
  width: number,
  items: ReadonlyArray<A>,
  work: (item: A, index: number) => Promise<B>
): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  const left = items.entries()
  const worker = async () => {
    for (const [index, item] of left) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}
