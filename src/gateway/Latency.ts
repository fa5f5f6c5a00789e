/**
 * How long things took, as counts in a bounded number of buckets: each is a fifth wider than the one before, from 1 ms to ten
 * minutes, so a percentile is right to a fifth however many requests there were, and processes' counts can be added up.
 */

/** Buckets for each doubling. */
const perDoubling = 4
const size = 78

/** Counts by bucket. */
export type Buckets = Uint32Array

/** Counts as they travel: bucket, count, bucket, count …, without the empty ones. */
export type Sparse = ReadonlyArray<number>

/** Milliseconds below which the given share of all lies; absent where there were none. */
export interface Percentiles {
  readonly count: number
  readonly p50?: number
  readonly p95?: number
  readonly p99?: number
}

export const empty = (): Buckets => new Uint32Array(size)

/** Counts one duration in milliseconds. */
export const add = (buckets: Buckets, ms: number): void => {
  const at = ms > 1 ? Math.min(size - 1, Math.ceil(Math.log2(ms) * perDoubling)) : 0
  buckets[at] = (buckets[at] ?? 0) + 1
}

export const toSparse = (buckets: Buckets): Sparse => {
  const out: Array<number> = []
  buckets.forEach((count, at) => count > 0 && out.push(at, count))
  return out
}

/** Adds counts that came from elsewhere; buckets that do not exist here count as the longest. */
export const addSparse = (buckets: Buckets, sparse: Sparse): Buckets => {
  for (let index = 0; index + 1 < sparse.length; index += 2) {
    const at = Math.min(size - 1, Math.max(0, sparse[index] ?? 0))
    buckets[at] = (buckets[at] ?? 0) + (sparse[index + 1] ?? 0)
  }
  return buckets
}

const edge = (at: number): number => at < 0 ? 0 : 2 ** (at / perDoubling)

/** Within a bucket durations are taken to be spread evenly. */
const percentile = (buckets: Buckets, count: number, share: number): number => {
  const rank = share * count
  let seen = 0
  for (let at = 0; at < size; at++) {
    const own = buckets[at] ?? 0
    if (own > 0 && seen + own >= rank) {
      return Math.round(edge(at - 1) + (edge(at) - edge(at - 1)) * (rank - seen) / own)
    }
    seen += own
  }
  return Math.round(edge(size - 1))
}

/** The percentiles of all that was counted. */
export const percentiles = (buckets: Buckets): Percentiles => {
  const count = buckets.reduce((sum, own) => sum + own, 0)
  if (count === 0) return { count }
  return {
    count,
    p50: percentile(buckets, count, 0.5),
    p95: percentile(buckets, count, 0.95),
    p99: percentile(buckets, count, 0.99)
  }
}

/** The percentiles of counts as they travel. */
export const percentilesOf = (sparse: Sparse): Percentiles =>
  sparse.length === 0 ? { count: 0 } : percentiles(addSparse(empty(), sparse))

/** Counts of the last five to ten minutes. */
export interface Lately {
  sinceMs: number
  now: Buckets
  before: Buckets
}

const halfMs = 300_000

export const lately = (): Lately => ({ sinceMs: 0, now: empty(), before: empty() })

const turn = (recent: Lately, nowMs: number): void => {
  const passed = nowMs - recent.sinceMs
  if (passed < halfMs) return
  recent.before = passed < 2 * halfMs ? recent.now : empty()
  recent.now = empty()
  recent.sinceMs = nowMs - nowMs % halfMs
}

/** Counts one duration that ended now. */
export const addLately = (recent: Lately, nowMs: number, ms: number): void => {
  turn(recent, nowMs)
  add(recent.now, ms)
}

export const latelySparse = (recent: Lately, nowMs: number): Sparse => {
  turn(recent, nowMs)
  return toSparse(addSparse(recent.now.slice(), toSparse(recent.before)))
}
