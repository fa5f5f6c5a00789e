/** What was spent before a desk began to count, as the ledger has it; estimates and what is not known are not in it. */
import * as Effect from "effect/Effect"
import type { Ledger } from "../accounting/Ledger.ts"
import type { Sum, SumKind } from "../domain/LedgerEntry.ts"
import { type PicoUsd, plus } from "../domain/Money.ts"
import type { Unknown } from "./Budget.ts"
import type { DeskFailed, Told } from "./Desk.ts"

/** Longest wait for the ledger, in milliseconds: the request that asked waits with it. */
const limitMs = 5000

/** By which sums a purse is found. */
const kindOf = (name: string): SumKind => name.startsWith("key:") ? "key" : name.startsWith("tag:") ? "tag" : "day"

const spentOf = (sums: ReadonlyArray<Sum>, name: string): PicoUsd => {
  const wanted = name.startsWith("key:") || name.startsWith("tag:") ? name.slice(4) : undefined
  return sums
    .filter((sum) => wanted === undefined || sum.name === wanted)
    .reduce<PicoUsd>((total, { cost }) => plus(total, cost), 0)
}

/** Looks it up, with one question to the ledger for all purses of a kind and period; without a ledger nothing was spent. */
export const over =
  (ledger: Ledger["Service"] | undefined) =>
  (unknown: ReadonlyArray<Unknown>): Effect.Effect<ReadonlyArray<Told>, DeskFailed> => {
    const groups = Map.groupBy(unknown, ({ name, sinceMs }) => `${kindOf(name)} ${sinceMs}`)
    const told = Effect.forEach(groups.values(), (group) => {
      const [{ name, sinceMs } = { name: "", sinceMs: 0 }] = group
      const sums = ledger?.sums({ by: kindOf(name), sinceMs }) ?? Effect.succeed<ReadonlyArray<Sum>>([])
      const inTime = Effect.timeoutOrElse(sums, {
        duration: limitMs,
        orElse: () => Effect.fail({ message: `the ledger gave no sums within ${limitMs / 1000} s` })
      })
      return Effect.mapBoth(inTime, {
        onFailure: ({ message }): DeskFailed => ({ _tag: "DeskFailed", message }),
        onSuccess: (found) => group.map((one): Told => ({ ...one, spent: spentOf(found, one.name) }))
      })
    })
    return Effect.map(told, (lists) => lists.flat())
  }
