/** Client keys that were issued at runtime. `record` is JSON and holds digests, never a key's text. */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

export const keys = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE breakwater_keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL,
    last_used_at_ms BIGINT
  )`
})
