/** The ledger in Postgres. It may be away when we start and at any time later: connections are made when they are needed. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as LedgerSql from "./LedgerSql.ts"
import { type LedgerStore, StorageFailed } from "./LedgerStore.ts"

/** One that writes and one that reads. */
const connections = 2

/** The ledger behind a `postgres://` address. Fails only if that is none. */
export const ledger = (url: string): Effect.Effect<LedgerStore, StorageFailed, Scope.Scope> =>
  PgClient.make({
    url: Redacted.make(url),
    applicationName: "breakwater",
    maxConnections: connections,
    connectTimeout: "5 seconds"
  }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.mapError(({ message }) => new StorageFailed({ message: `storage.sql: ${message}`, isPassing: false })),
    Effect.map((client) => {
      let isReady = false
      const ready = Effect.suspend(() =>
        isReady ? Effect.void : Effect.tap(LedgerSql.migrate(client), () =>
          Effect.sync(() => {
            isReady = true
          }))
      )
      return LedgerSql.make("postgres", client, ready)
    })
  )
