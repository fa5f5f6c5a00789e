/** What was spent before a desk began to count, as the ledger has it; estimates and what is not known are not in it. */
import * as Deferred from "effect/Deferred"
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

type Answer = Deferred.Deferred<ReadonlyArray<Sum>, { readonly message: string }>

/**
 * Asks the ledger once for all who want to know the same at the same time: after a start everybody does, and what each of them asked
 * would wait for all the others. It is asked to the end, whoever has left: who comes in the meantime hears it.
 */
const asking = (ledger: Ledger["Service"]) => {
  const asked = new Map<string, Answer>()
  return (by: SumKind, sinceMs: number) =>
    Effect.suspend(() => {
      const question = `${by} ${sinceMs}`
      const found = asked.get(question)
      if (found !== undefined) return Deferred.await(found)
      const answer: Answer = Deferred.makeUnsafe()
      asked.set(question, answer)
      const told = Effect.onExit(ledger.sums({ by, sinceMs }), (exit) =>
        Effect.sync(() => {
          asked.delete(question)
          Deferred.doneUnsafe(answer, exit)
        }))
      return Effect.andThen(Effect.forkDetach(told, { startImmediately: true }), Deferred.await(answer))
    })
}

/** Looks it up, with one question to the ledger for all purses of a kind and period; without a ledger nothing was spent. */
export const over = (
  ledger: Ledger["Service"] | undefined
): (unknown: ReadonlyArray<Unknown>) => Effect.Effect<ReadonlyArray<Told>, DeskFailed> => {
  const ask = ledger === undefined ? () => Effect.succeed<ReadonlyArray<Sum>>([]) : asking(ledger)
  return (unknown) => {
    const groups = Map.groupBy(unknown, ({ name, sinceMs }) => `${kindOf(name)} ${sinceMs}`)
    const told = Effect.forEach(groups.values(), (group) => {
      const [{ name, sinceMs } = { name: "", sinceMs: 0 }] = group
      const inTime = Effect.timeoutOrElse(ask(kindOf(name), sinceMs), {
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
}
