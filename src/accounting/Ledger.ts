/**
 * The ledger: every request that is over, with what each of its attempts used and cost. In a database where `storage.sql` names
 * one, else the last entries in memory. Of a fleet each process writes its own, and a question is answered for all of them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type LedgerEntry, type Sum, sumKinds } from "../domain/LedgerEntry.ts"
import { fromMicroAndRest } from "../domain/Money.ts"
import { Fleet } from "../storage/Fleet.ts"
import * as LedgerMemory from "../storage/LedgerMemory.ts"
import { type LedgerStore, StorageFailed, type SumQuery } from "../storage/LedgerStore.ts"
import { mergeSums } from "../storage/Sums.ts"
import * as LedgerWriter from "./LedgerWriter.ts"

export interface LedgerSettings extends LedgerWriter.WriterSettings {
  /** `sqlite:FILE` or `postgres://…`. Default absent = memory. */
  readonly sql: Redacted.Redacted | undefined
  /** Entries kept in memory where there is no database. Default 10,000. */
  readonly remembered: number
}

const defaultLedgerSettings: LedgerSettings = {
  ...LedgerWriter.defaultWriterSettings,
  sql: undefined,
  remembered: 10_000
}

/** What is known of the store without asking it. */
export interface LedgerState extends LedgerWriter.WriterStatus {
  readonly kind: LedgerStore["kind"]
}

/** How the ledger of this process is, for health and metrics; reading it costs nothing. */
export class LedgerStatus extends Context.Service<LedgerStatus, {
  readonly read: () => LedgerState
}>()("breakwater/accounting/Ledger/LedgerStatus") {}

export class Ledger extends Context.Service<Ledger, {
  readonly kind: LedgerStore["kind"]
  /** Takes what is over; never waits, never fails. */
  readonly append: (entry: LedgerEntry) => void
  /** Sums of all processes, with all that is over by now, the largest cost first. */
  readonly sums: (query: SumQuery) => Effect.Effect<ReadonlyArray<Sum>, StorageFailed>
}>()("breakwater/accounting/Ledger") {}

/** Longest wait for a store that is asked for sums, in milliseconds; and for what is not written yet. */
const sumsLimitMs = 30_000
const flushLimitMs = 2000

/** The file of `sqlite:FILE`. */
const sqliteFile = /^sqlite:(?:\/\/)?(.+)$/

const openStore = (sql: string): Effect.Effect<LedgerStore, StorageFailed, Scope.Scope> => {
  const file = sqliteFile.exec(sql)?.[1]
  return file === undefined
    ? Effect.flatMap(Effect.promise(() => import("../storage/Postgres.ts")), (module) => module.ledger(sql))
    : Effect.flatMap(Effect.promise(() => import("../storage/Sqlite.ts")), (module) => module.ledger(file))
}

interface Own {
  readonly kind: LedgerStore["kind"]
  readonly append: (entry: LedgerEntry) => void
  readonly flush: Effect.Effect<void>
  readonly sums: LedgerStore["sums"]
  readonly read: () => LedgerState
}

const inMemory = (remembered: number): Own => {
  const store = LedgerMemory.make(remembered)
  let written = 0
  return {
    kind: store.kind,
    append: (entry) => {
      written += 1
      store.put(entry)
    },
    flush: Effect.void,
    sums: store.sums,
    read: () => ({ kind: "memory", state: "ok", pending: 0, dropped: 0, written, lastError: undefined })
  }
}

const inDatabase = Effect.fnUntraced(function*(sql: string, settings: LedgerSettings) {
  const store = yield* openStore(sql)
  const writer = yield* LedgerWriter.make(store, settings)
  const own: Own = {
    kind: store.kind,
    append: writer.append,
    flush: Effect.asVoid(Effect.timeoutOption(writer.flush, flushLimitMs)),
    sums: (query) =>
      Effect.timeoutOrElse(Effect.withTracerEnabled(store.sums(query), false), {
        duration: sumsLimitMs,
        orElse: () => Effect.fail(new StorageFailed({ message: "the ledger did not answer in time", isPassing: true }))
      }),
    read: () => ({ kind: store.kind, ...writer.status() })
  }
  return own
})

const topic = "ledger"

const Question = Schema.Struct({ by: Schema.Literals(sumKinds), sinceMs: Schema.Number })

const Count = Schema.Number

/** A sum as it travels between processes: money as digits. */
const Parcel = Schema.Struct({
  name: Schema.String,
  requests: Count,
  attempts: Count,
  input: Count,
  cacheRead: Count,
  cacheWrite5m: Count,
  cacheWrite1h: Count,
  inputAudio: Count,
  inputImage: Count,
  output: Count,
  reasoning: Count,
  outputAudio: Count,
  unpriced: Count,
  cost: Schema.String,
  estimated: Schema.String,
  estimatedInput: Count,
  estimatedOutput: Count
})

const decodeQuestion = Schema.decodeUnknownEffect(Question)
const decodeParcels = Schema.decodeUnknownEffect(Schema.Array(Parcel))

const parcelOf = (sum: Sum): typeof Parcel.Type => ({
  ...sum,
  cost: String(sum.cost),
  estimated: String(sum.estimated)
})

const sumFrom = (parcel: typeof Parcel.Type): Sum => ({
  ...parcel,
  cost: fromMicroAndRest("0", parcel.cost),
  estimated: fromMicroAndRest("0", parcel.estimated)
})

const byCost = (left: Sum, right: Sum): number =>
  left.cost === right.cost ? right.requests - left.requests : left.cost < right.cost ? 1 : -1

/** A database holds what all have written, once each of them has; without one everybody is asked for its own. */
const make = Effect.fnUntraced(function*(settings: LedgerSettings) {
  const { sql } = settings
  const fleet = yield* Fleet
  const own = sql === undefined
    ? inMemory(settings.remembered)
    : yield* inDatabase(Redacted.value(sql), settings)
  yield* fleet.handle(topic, (body) =>
    own.kind === "memory"
      ? Effect.map(Effect.flatMap(decodeQuestion(body), own.sums), (sums) => sums.map(parcelOf))
      : Effect.as(own.flush, []))
  const sums = Effect.fnUntraced(function*(query: SumQuery) {
    const replies = yield* fleet.gather({ topic, body: query })
    if (own.kind !== "memory") return (yield* own.sums(query)).toSorted(byCost)
    const parcels = yield* Effect.forEach(replies, ({ body }) => Effect.orElseSucceed(decodeParcels(body), () => []))
    return mergeSums(parcels.flat().map(sumFrom)).toSorted(byCost)
  })
  return Context.make(Ledger, Ledger.of({ kind: own.kind, append: own.append, sums })).pipe(
    Context.add(LedgerStatus, LedgerStatus.of({ read: own.read }))
  )
})

/** The ledger and what is known of it. Fails where a SQLite file cannot be opened; a Postgres that is away is waited for. */
export const layer = (
  settings: Partial<LedgerSettings> = {}
): Layer.Layer<Ledger | LedgerStatus, StorageFailed, Fleet> =>
  Layer.effectContext(make({ ...defaultLedgerSettings, ...settings }))
