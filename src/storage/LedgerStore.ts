/** Where the ledger's entries go: one interface over memory, SQLite and Postgres. The writing room decides when, not how. */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { LedgerEntry, Sum, SumKind } from "../domain/LedgerEntry.ts"

/** The store did not do it. `message` names no secret. */
export class StorageFailed extends Data.TaggedError("StorageFailed")<{
  readonly message: string
  /** The same might succeed later: the store is away, busy or full, and nothing is wrong with what it was given. */
  readonly isPassing: boolean
}> {}

/** An entry and its name in the store: one that is written twice stands there once. */
export interface Numbered {
  readonly id: string
  readonly entry: LedgerEntry
}

export interface SumQuery {
  readonly by: SumKind
  /** Requests received from then on, in milliseconds since 1970; default all. */
  readonly sinceMs: number
}

export interface LedgerStore {
  readonly kind: "memory" | "sqlite" | "postgres"
  /** All of them or none; returns when they would survive the end of this process. */
  readonly append: (entries: ReadonlyArray<Numbered>) => Effect.Effect<void, StorageFailed>
  /**
   * How many appends may be under way. Default 1: a process that dies takes with it what is under way and what has come since. Any
   * number where all that are not begun yet are written together, which comes to the same.
   */
  readonly atOnce?: number
  /** In no particular order. */
  readonly sums: (query: SumQuery) => Effect.Effect<ReadonlyArray<Sum>, StorageFailed>
}
