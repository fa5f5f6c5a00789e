/** Where issued client keys are kept: in memory, which is nowhere, or in a database beside the ledger. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { IssuedKey } from "../domain/IssuedKey.ts"
import { StorageFailed } from "./LedgerStore.ts"

/** A key and when it was last seen, in milliseconds since 1970. */
export interface StoredKey {
  readonly record: IssuedKey
  readonly lastUsedAtMs: number | undefined
}

export interface KeyStore {
  readonly kind: "memory" | "sqlite"
  readonly load: Effect.Effect<ReadonlyArray<StoredKey>, StorageFailed>
  /** Returns when it would survive the end of this process. Fails for a name that another key has. */
  readonly put: (record: IssuedKey) => Effect.Effect<void, StorageFailed>
  /** Moments of last use, by id. */
  readonly used: (uses: ReadonlyMap<string, number>) => Effect.Effect<void, StorageFailed>
}

/** Keeps nothing. */
export const memory: KeyStore = {
  kind: "memory",
  load: Effect.succeed([]),
  put: () => Effect.void,
  used: () => Effect.void
}

const Record = Schema.fromJsonString(IssuedKey)
const decode = Schema.decodeUnknownEffect(Record)
const encode = Schema.encodeUnknownEffect(Record)

const failed = ({ message }: SqlError | Schema.SchemaError): StorageFailed =>
  new StorageFailed({ message: `client keys: ${message}`, isPassing: true })

interface Row {
  readonly record: string
  readonly last_used_at_ms: number | bigint | null
}

/** Traces are of requests: what the gateway does with its own database is in none. */
const kept = <A>(effect: Effect.Effect<A, SqlError | Schema.SchemaError>): Effect.Effect<A, StorageFailed> =>
  Effect.withTracerEnabled(Effect.mapError(effect, failed), false)

/** Over a client whose tables are there. */
export const over = (sql: SqlClient): KeyStore => ({
  kind: "sqlite",
  load: kept(
    Effect.flatMap(
      sql<Row>`SELECT record, last_used_at_ms FROM breakwater_keys`,
      (rows) =>
        Effect.forEach(rows, ({ last_used_at_ms, record }) =>
          Effect.map(decode(record), (decoded): StoredKey => ({
            record: decoded,
            lastUsedAtMs: last_used_at_ms === null ? undefined : Number(last_used_at_ms)
          })))
    )
  ),
  put: (record) =>
    kept(Effect.asVoid(
      Effect.flatMap(encode(record), (text) =>
        sql`INSERT INTO breakwater_keys (id, name, record) VALUES (${record.id}, ${record.name}, ${text})
          ON CONFLICT (id) DO UPDATE SET record = excluded.record`)
    )),
  used: (uses) =>
    kept(
      Effect.forEach(uses, ([id, atMs]) =>
        sql`UPDATE breakwater_keys SET last_used_at_ms = ${atMs}
          WHERE id = ${id} AND coalesce(last_used_at_ms, 0) < ${atMs}`, { discard: true })
    )
})
