/** The ledger in a database: the same statements for SQLite and Postgres, over whichever `SqlClient` is there. */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { LedgerAttempt, Sum, SumKind } from "../domain/LedgerEntry.ts"
import { fromMicroAndRest, type PicoUsd } from "../domain/Money.ts"
import { type LedgerStore, type Numbered, StorageFailed, type SumQuery } from "./LedgerStore.ts"
import { ledger } from "./migrations/0001_ledger.ts"
import { estimates } from "./migrations/0002_estimates.ts"
import { keys } from "./migrations/0003_keys.ts"
import { dayOf, mergeSums, tokenKinds } from "./Sums.ts"

type Value = string | number | bigint | null

/** Rows of one statement; a database has a limit to the values of one. */
const rowsEach = 64

/** What 64 bits hold: a larger cost (9.2 million USD) is nobody's, and would stop every other entry. */
const largest = 2n ** 63n - 1n

const requestColumns =
  "id, request_id, at_ms, duration_ms, alias, stream, key_name, tags, provider, model, ended, error"
const attemptColumns = "request, number, provider, model, outcome, at_ms, duration_ms, input, cache_read, "
  + "cache_write_5m, cache_write_1h, input_audio, input_image, output, reasoning, output_audio, cost_pico, cost_source, cost_absent, "
  + "estimated_input, estimated_output"

// A NUL cannot be written to Postgres, and a lone half of a character to neither; both can come in an alias.
const text = (value: string): string => value.replaceAll("\0", "").toWellFormed()
const optional = (value: string | undefined): string | null => value === undefined ? null : text(value)

const money = (value: PicoUsd | undefined): Value =>
  value === undefined || (typeof value === "bigint" && value > largest) ? null : value

const requestRow = ({ entry, id }: Numbered): ReadonlyArray<Value> => [
  id,
  text(entry.requestId),
  Math.round(entry.atMs),
  Math.round(entry.durationMs),
  text(entry.alias),
  entry.stream ? 1 : 0,
  optional(entry.key),
  JSON.stringify(entry.tags.map(text)),
  optional(entry.provider),
  optional(entry.model),
  entry.ended,
  optional(entry.error)
]

const attemptRow = (id: string, number: number, attempt: LedgerAttempt): ReadonlyArray<Value> => {
  const { durationMs, tokens } = attempt
  const row: Array<Value> = [
    id,
    number,
    text(attempt.provider),
    text(attempt.model),
    attempt.outcome,
    Math.round(attempt.atMs),
    durationMs === undefined ? null : Math.round(durationMs)
  ]
  for (const kind of tokenKinds) row.push(tokens === undefined ? null : tokens[kind])
  row.push(money(attempt.cost), attempt.costSource ?? null, attempt.costAbsent ?? null)
  row.push(attempt.estimated?.input ?? null, attempt.estimated?.output ?? null)
  return row
}

const attemptRows = ({ entry, id }: Numbered): ReadonlyArray<ReadonlyArray<Value>> =>
  entry.attempts.map((attempt, at) => attemptRow(id, at + 1, attempt))

/** A statement and its values. */
export type Insert = readonly [statement: string, values: ReadonlyArray<Value>]

const placesOf = (width: number): string => `(${Array.from({ length: width }, () => "?").join(",")})`

/** What stands there already stays: it was written by a try that was thought lost. */
const insertsInto = (
  table: string,
  columns: string,
  rows: ReadonlyArray<ReadonlyArray<Value>>
): ReadonlyArray<Insert> => {
  const found: Array<Insert> = []
  const places = placesOf(rows[0]?.length ?? 0)
  for (let at = 0; at < rows.length; at += rowsEach) {
    const some = rows.slice(at, at + rowsEach)
    const all = some.map(() => places).join(",")
    found.push([`INSERT INTO ${table} (${columns}) VALUES ${all} ON CONFLICT DO NOTHING`, some.flat()])
  }
  return found
}

/** As statements for SQLite, to be run in one transaction. */
export const insertsOf = (entries: ReadonlyArray<Numbered>): ReadonlyArray<Insert> => [
  ...insertsInto("breakwater_requests", requestColumns, entries.map(requestRow)),
  ...insertsInto("breakwater_attempts", attemptColumns, entries.flatMap(attemptRows))
]

const typeOf = (column: string): string =>
  column === "stream" || column === "number"
    ? "integer"
    : /_ms$|^(?:input|output|cache|reasoning|estimated)|^cost_pico$/.test(column)
    ? "bigint"
    : "text"

const fromRecords = (table: string, columns: string, place: string): string =>
  `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM jsonb_to_recordset(${place}::jsonb) AS rows(${
    columns.split(", ").map((column) => `${column} ${typeOf(column)}`).join(", ")
  }) ON CONFLICT DO NOTHING`

/** One statement for any number of entries, so that Postgres is asked once: each question to it waits for a busy process's turn. */
const insertBoth = `WITH requests AS (${fromRecords("breakwater_requests", requestColumns, "$1")}) `
  + fromRecords("breakwater_attempts", attemptColumns, "$2")

const recordsOf = (columns: string, rows: ReadonlyArray<ReadonlyArray<Value>>): string => {
  const names = columns.split(", ")
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]]))),
    (_, value: unknown) => typeof value === "bigint" ? String(value) : value
  )
}

/** Writes them into Postgres, all or none. */
const insertRecords = (sql: SqlClient, entries: ReadonlyArray<Numbered>): Effect.Effect<unknown, SqlError> =>
  sql.unsafe(insertBoth, [
    recordsOf(requestColumns, entries.map(requestRow)),
    recordsOf(attemptColumns, entries.flatMap(attemptRows))
  ]).raw

const nameOf: Readonly<Record<SumKind, string>> = {
  model: "a.model",
  provider: "a.provider",
  key: "coalesce(r.key_name, '')",
  tag: "r.tags",
  day: `r.at_ms / ${24 * 60 * 60 * 1000}`
}

/** Money in two parts, of which no sum is ever too large for 64 bits. */
const sumOf = (expression: string): string => `CAST(coalesce(sum(${expression}), 0) AS TEXT)`
const isCounted = "coalesce(a.cost_source, '') <> 'estimated'"
const when = (condition: string, value: string): string => `CASE WHEN ${condition} THEN ${value} ELSE 0 END`

const columnOf = (kind: (typeof tokenKinds)[number]): string =>
  kind.replace(/([A-Z]|[15])/g, (found) => `_${found.toLowerCase()}`)

const sumsText = (by: SumKind, place: string): string => {
  const isOfAttempts = by === "model" || by === "provider"
  const columns = [
    `CAST(${nameOf[by]} AS TEXT) AS name`,
    "CAST(count(DISTINCT r.id) AS TEXT) AS requests",
    "CAST(count(a.request) AS TEXT) AS attempts",
    ...tokenKinds.map((kind) => `${sumOf(`a.${columnOf(kind)}`)} AS ${columnOf(kind)}`),
    `${sumOf(when(isCounted, "a.cost_pico / 1000000"))} AS cost_micro`,
    `${sumOf(when(isCounted, "a.cost_pico % 1000000"))} AS cost_rest`,
    `${sumOf(when(`NOT ${isCounted}`, "a.cost_pico / 1000000"))} AS estimated_micro`,
    `${sumOf(when(`NOT ${isCounted}`, "a.cost_pico % 1000000"))} AS estimated_rest`,
    `${sumOf("a.estimated_input")} AS estimated_input`,
    `${sumOf("a.estimated_output")} AS estimated_output`,
    `${sumOf(when("a.cost_absent IS NOT NULL", "1"))} AS unpriced`
  ]
  return `SELECT ${columns.join(", ")} FROM breakwater_requests r ${
    isOfAttempts ? "" : "LEFT "
  }JOIN breakwater_attempts a `
    + `ON a.request = r.id WHERE r.at_ms >= ${place} GROUP BY ${nameOf[by]}`
}

type Row = Readonly<Record<string, string>>

const count = (row: Row, column: string): number => Number(row[column] ?? 0)

const amount = (row: Row, column: string): PicoUsd =>
  fromMicroAndRest(row[`${column}_micro`] ?? "0", row[`${column}_rest`] ?? "0")

const namesOf = (by: SumKind, name: string): ReadonlyArray<string> => {
  if (by === "day") return [dayOf(Number(name) * 86_400_000)]
  if (by !== "tag") return [name]
  const tags: unknown = JSON.parse(name)
  return Array.isArray(tags) && tags.length > 0 ? [...new Set(tags.map(String))] : [""]
}

const sumFrom = (row: Row, name: string): Sum => ({
  name,
  requests: count(row, "requests"),
  attempts: count(row, "attempts"),
  input: count(row, "input"),
  cacheRead: count(row, "cache_read"),
  cacheWrite5m: count(row, "cache_write_5m"),
  cacheWrite1h: count(row, "cache_write_1h"),
  inputAudio: count(row, "input_audio"),
  inputImage: count(row, "input_image"),
  output: count(row, "output"),
  reasoning: count(row, "reasoning"),
  outputAudio: count(row, "output_audio"),
  cost: amount(row, "cost"),
  estimated: amount(row, "estimated"),
  estimatedInput: count(row, "estimated_input"),
  estimatedOutput: count(row, "estimated_output"),
  unpriced: count(row, "unpriced")
})

/** What is wrong with the values themselves: classes 22 and 54 of Postgres; too big, mismatch and range of SQLite. */
const ofData = /^(?:22|54)...$|^(?:18|20|25)$/

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause
    ? String(cause.code)
    : typeof cause === "object" && cause !== null && "errcode" in cause
    ? String(cause.errcode)
    : ""

const failed = (error: SqlError | Migrator.MigrationError): StorageFailed => {
  const reason = error._tag === "MigrationError" ? undefined : error.reason
  const isOfData = reason?._tag === "ConstraintError" || reason?._tag === "UniqueViolation"
    || ofData.test(codeOf(reason?.cause))
  return new StorageFailed({ message: error.message, isPassing: !isOfData })
}

/** Makes the tables that are missing, untraced; of several processes that come at once, one does. */
export const migrate = (sql: SqlClient): Effect.Effect<void, StorageFailed> =>
  Migrator.make({})({
    loader: Migrator.fromRecord({ "0001_ledger": ledger, "0002_estimates": estimates, "0003_keys": keys }),
    table: "breakwater_migrations"
  }).pipe(
    Effect.provideService(SqlClient, sql),
    Effect.mapError(failed),
    Effect.asVoid,
    Effect.withTracerEnabled(false)
  )

/** The store over a client whose tables are there once `ready` has succeeded, which is run before each use. */
export const make = (
  kind: "sqlite" | "postgres",
  sql: SqlClient,
  { append = (entries) => insertRecords(sql, entries), atOnce, ready = Effect.void }: {
    /** All of them or none. Default Postgres's. */
    readonly append?: (entries: ReadonlyArray<Numbered>) => Effect.Effect<unknown, SqlError>
    readonly ready?: Effect.Effect<void, StorageFailed>
    readonly atOnce?: number
  }
): LedgerStore => ({
  kind,
  ...(atOnce === undefined ? {} : { atOnce }),
  append: (entries) => Effect.andThen(ready, Effect.asVoid(Effect.mapError(append(entries), failed))),
  sums: ({ by, sinceMs }: SumQuery) =>
    Effect.andThen(
      ready,
      sql.unsafe<Row>(sumsText(by, kind === "sqlite" ? "?" : "$1"), [Math.floor(sinceMs)]).pipe(
        Effect.mapError(failed),
        Effect.map((rows) =>
          mergeSums(rows.flatMap((row) => namesOf(by, row["name"] ?? "").map((name) => sumFrom(row, name))))
        )
      )
    )
})
