/** The ledger of a process without a database: the last entries and no more, gone with the process. */
import * as Effect from "effect/Effect"
import type { LedgerAttempt, LedgerEntry, Sum } from "../domain/LedgerEntry.ts"
import type { LedgerStore, SumQuery } from "./LedgerStore.ts"
import { addSums, dayOf, emptySum, mergeSums } from "./Sums.ts"

const sumOfAttempt = (name: string, attempt: LedgerAttempt): Sum => {
  const { cost = 0, costAbsent, costSource, estimated, tokens } = attempt
  const isEstimated = costSource === "estimated"
  return {
    ...emptySum(name),
    ...tokens,
    attempts: 1,
    cost: isEstimated ? 0 : cost,
    estimated: isEstimated ? cost : 0,
    estimatedInput: estimated?.input ?? 0,
    estimatedOutput: estimated?.output ?? 0,
    unpriced: costAbsent === undefined ? 0 : 1
  }
}

/** A request's part in each name's sum; by model and provider a request counts once for each that it came to. */
const sumsOf = (entry: LedgerEntry, by: SumQuery["by"]): ReadonlyArray<Sum> => {
  if (by === "model" || by === "provider") {
    const parts = mergeSums(entry.attempts.map((attempt) => sumOfAttempt(attempt[by], attempt)))
    return parts.map((sum) => ({ ...sum, requests: 1 }))
  }
  const all = entry.attempts.reduce(
    (sum, attempt) => addSums(sum, sumOfAttempt("", attempt)),
    { ...emptySum(""), requests: 1 }
  )
  if (by === "tag") {
    return entry.tags.length === 0 ? [all] : [...new Set(entry.tags)].map((name) => ({ ...all, name }))
  }
  return [{ ...all, name: by === "day" ? dayOf(entry.atMs) : entry.key ?? "" }]
}

/** Keeps the last `capacity` entries. */
export const make = (capacity: number): LedgerStore & { readonly put: (entry: LedgerEntry) => void } => {
  const kept: Array<LedgerEntry> = []
  let next = 0
  const put = (entry: LedgerEntry): void => {
    kept[next] = entry
    next = (next + 1) % capacity
  }
  return {
    kind: "memory",
    put,
    append: (entries) => Effect.sync(() => entries.forEach(({ entry }) => put(entry))),
    sums: ({ by, sinceMs }) =>
      Effect.sync(() => {
        const sums = new Map<string, Sum>()
        for (const entry of kept) {
          if (entry.atMs < sinceMs) continue
          for (const sum of sumsOf(entry, by)) {
            const before = sums.get(sum.name)
            sums.set(sum.name, before === undefined ? sum : addSums(before, sum))
          }
        }
        return [...sums.values()]
      })
  }
}
