/** What was spent before a desk began to count, as the ledger has it; estimates and what is not known are not in it. */
import * as Effect from "effect/Effect"
import type { Ledger } from "../accounting/Ledger.ts"
import type { Sum, SumKind } from "../domain/LedgerEntry.ts"
import { type PicoUsd, plus } from "../domain/Money.ts"
import type { Unknown } from "./Budget.ts"
import type { DeskFailed, Told } from "./Desk.ts"

/** By which sums a purse is found. */
const kindOf = (name: string): SumKind => name.startsWith("key:") ? "key" : name.startsWith("tag:") ? "tag" : "day"

const spentOf = (sums: ReadonlyArray<Sum>, name: string): PicoUsd => {
  const wanted = name.startsWith("key:") || name.startsWith("tag:") ? name.slice(4) : undefined
  return sums
    .filter((sum) => wanted === undefined || sum.name === wanted)
    .reduce<PicoUsd>((total, { cost }) => plus(total, cost), 0)
}

/** Looks it up; without a ledger nothing was spent. */
export const over =
  (ledger: Ledger["Service"] | undefined) =>
  (unknown: ReadonlyArray<Unknown>): Effect.Effect<ReadonlyArray<Told>, DeskFailed> =>
    Effect.forEach(unknown, ({ name, per, sinceMs }) =>
      ledger === undefined
        ? Effect.succeed<Told>({ name, per, sinceMs, spent: 0 })
        : Effect.mapBoth(ledger.sums({ by: kindOf(name), sinceMs }), {
          onFailure: ({ message }): DeskFailed => ({ _tag: "DeskFailed", message }),
          onSuccess: (sums): Told => ({ name, per, sinceMs, spent: spentOf(sums, name) })
        }))
