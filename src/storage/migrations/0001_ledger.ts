/** The ledger's two tables. One text for SQLite and Postgres; money is in pico-dollars, times are milliseconds since 1970. */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

export const ledger = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`CREATE TABLE breakwater_requests (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    alias TEXT NOT NULL,
    stream INTEGER NOT NULL,
    key_name TEXT,
    tags TEXT NOT NULL,
    provider TEXT,
    model TEXT,
    ended TEXT NOT NULL,
    error TEXT
  )`
  yield* sql`CREATE INDEX breakwater_requests_at_ms ON breakwater_requests (at_ms)`
  yield* sql`CREATE TABLE breakwater_attempts (
    request TEXT NOT NULL,
    number INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    duration_ms BIGINT,
    input BIGINT,
    cache_read BIGINT,
    cache_write_5m BIGINT,
    cache_write_1h BIGINT,
    input_audio BIGINT,
    input_image BIGINT,
    output BIGINT,
    reasoning BIGINT,
    output_audio BIGINT,
    cost_pico BIGINT,
    cost_source TEXT,
    cost_absent TEXT,
    PRIMARY KEY (request, number)
  )`
})
