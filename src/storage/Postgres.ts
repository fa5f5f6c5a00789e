/**
 * The ledger in Postgres, which may be away when we start and at any time later: connections are made when they are needed, and a
 * first one for the tables that are missing.
 * Trap: a statement that is interrupted waits for the server's word first, and one that is silent gives none. Whoever gives up
 * waiting therefore leaves the whole pool behind, and the next statement gets a new one.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as LedgerSql from "./LedgerSql.ts"
import { type LedgerStore, StorageFailed } from "./LedgerStore.ts"

/** One that writes and one that reads. */
const connections = 2

/** A pool and the ledger over it. */
interface Pool {
  readonly store: LedgerStore
  /** Makes the tables that are missing. */
  readonly ready: Effect.Effect<void, StorageFailed>
  readonly scope: Scope.Closeable
}

const makePool = Effect.fnUntraced(function*(url: string) {
  const scope = yield* Scope.make()
  const client = yield* PgClient.make({
    url: Redacted.make(url),
    applicationName: "breakwater",
    maxConnections: connections,
    connectTimeout: "5 seconds"
  }).pipe(
    Effect.provide(Reactivity.layer),
    Scope.provide(scope),
    Effect.mapError(({ message }) => new StorageFailed({ message: `storage.sql: ${message}`, isPassing: false }))
  )
  let isReady = false
  const migrated = Effect.tap(LedgerSql.migrate(client), () =>
    Effect.sync(() => {
      isReady = true
    }))
  const ready = Effect.suspend(() => isReady ? Effect.void : migrated)
  const pool: Pool = { store: LedgerSql.make("postgres", client, { ready }), ready, scope }
  return pool
})

const leftBehind = new StorageFailed({
  message: "another statement was given up and its connections left",
  isPassing: true
})

/** What was asked over a pool that somebody else has left ends with it, and is to be asked again: nobody gave this one up. */
const ofOther = <A>(exit: Exit.Exit<A, StorageFailed>): Exit.Exit<A, StorageFailed> =>
  Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause) ? Exit.fail(leftBehind) : exit

/** The ledger behind a `postgres://` address. Fails only if that is none. */
export const ledger = Effect.fnUntraced(function*(
  url: string
): Effect.fn.Return<LedgerStore, StorageFailed, Scope.Scope> {
  let current: Pool | undefined = yield* makePool(url)
  const leave = (pool: Pool) =>
    Effect.suspend(() => {
      if (current === pool) current = undefined
      return Effect.forkDetach(Scope.close(pool.scope, Exit.void))
    })
  yield* Effect.addFinalizer(() => current === undefined ? Effect.void : leave(current))
  const use = <A>(ask: (pool: Pool) => Effect.Effect<A, StorageFailed>): Effect.Effect<A, StorageFailed> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const pool: Pool = current ?? (yield* makePool(url))
        current = pool
        const fiber = yield* Effect.forkDetach(restore(ask(pool)))
        return yield* Effect.onInterrupt(restore(Effect.flatMap(Fiber.await(fiber), ofOther)), () =>
          Effect.andThen(leave(pool), Effect.forkDetach(Fiber.interrupt(fiber))))
      })
    )
  // Each of many questions waits for a process's turn: a busy one that is not ready yet would be so late that nothing is written.
  yield* Effect.forkScoped(Effect.ignore(use(({ ready }) => ready)))
  return {
    kind: "postgres",
    append: (entries) => use(({ store }) => store.append(entries)),
    sums: (query) => use(({ store }) => store.sums(query))
  }
})
