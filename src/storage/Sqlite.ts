/** A `SqlClient` over a SQLite file. The file is opened in a thread of its own, for node:sqlite is synchronous. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { Worker } from "node:worker_threads"
import * as LedgerSql from "./LedgerSql.ts"
import { type LedgerStore, StorageFailed } from "./LedgerStore.ts"
import type { Opening, Question, Reply } from "./SqliteThread.ts"

type Rows = ReadonlyArray<any> // Connection's own type of rows

const sqlError = (message: string, errcode: number | undefined): SqlError =>
  new SqlError({
    reason: classifySqliteError({ errcode, errno: errcode, message }, { message, operation: "execute" })
  })

/** Starts the thread and opens the file; fails if that cannot be done. What is asked is answered in its order. */
const openThread = Effect.fnUntraced(function*(path: string, isReader = false) {
  const waiting = new Map<number, Deferred.Deferred<Rows, SqlError>>()
  let last = 0
  let gone: SqlError | undefined
  const settle = (number: number, exit: Exit.Exit<Rows, SqlError>) => {
    const asked = waiting.get(number)
    waiting.delete(number)
    if (asked !== undefined) Deferred.doneUnsafe(asked, exit)
  }
  const receive = (reply: Reply) =>
    settle(
      reply.number,
      "rows" in reply ? Exit.succeed(reply.rows) : Exit.fail(sqlError(reply.message, reply.errcode))
    )
  const end = (why: string) => {
    gone = sqlError(why, undefined)
    for (const number of waiting.keys()) settle(number, Exit.fail(gone))
  }
  const opened = yield* Deferred.make<Rows, SqlError>()
  waiting.set(0, opened)
  // Beside this module, with its suffix: .ts in the source, .js in the package.
  const module = new URL(import.meta.url.replace(/Sqlite(\.\w+)$/, "SqliteThread$1"))
  const thread = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Worker(module, { workerData: { path, isReader } satisfies Opening, execArgv: [] })
        .on("message", receive)
        .on("error", (error: Error) => end(error.message))
        .on("exit", () => end("the thread of the SQLite file has ended"))
    ),
    (worker) =>
      Effect.callback<void>((resume) => {
        if (gone !== undefined) return resume(Effect.void)
        worker.once("exit", () => resume(Effect.void))
        worker.postMessage("close")
      })
  )
  yield* Deferred.await(opened)
  return (kind: Question["ask"], steps: ReadonlyArray<readonly [string, ReadonlyArray<unknown>]>) =>
    Effect.suspend((): Effect.Effect<Rows, SqlError> => {
      if (gone !== undefined) return Effect.fail(gone)
      const number = ++last
      const answer = Deferred.makeUnsafe<Rows, SqlError>()
      waiting.set(number, answer)
      // What is no value of SQLite's is refused by the thread.
      thread.postMessage({ number, ask: kind, steps: steps as Question["steps"] } satisfies Question)
      return Deferred.await(answer)
    })
})

const notStreamed = Stream.die("a SQLite file is not read as a stream here")

type Ask = Effect.Success<ReturnType<typeof openThread>>

const makeClient = Effect.fnUntraced(function*(ask: Ask) {
  const execute: Connection["execute"] = (sql, values, transform) =>
    Effect.map(ask("rows", [[sql, values]]), (rows) => transform === undefined ? rows : transform(rows))
  const asArrays: Connection["executeValues"] = (sql, values) => ask("arrays", [[sql, values]])
  const connection: Connection = {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, values) => ask("rows", [[sql, values]]),
    executeValues: asArrays,
    executeValuesUnprepared: asArrays,
    executeStream: () => notStreamed
  }
  const { acquirer, borrower, onCommitFailure, transactionAcquirer } = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: Semaphore.makeUnsafe(1)
  })
  return yield* SqlClient.make({
    acquirer,
    borrower,
    transactionAcquirer,
    onCommitFailure,
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    // Two processes that both read first and then want to write would have to give up.
    beginTransaction: "BEGIN IMMEDIATE",
    spanAttributes: [["db.system.name", "sqlite"]]
  }).pipe(Effect.provide(Reactivity.layer))
})

const opened = (path: string) =>
  Effect.mapError(
    openThread(path),
    ({ message }) =>
      new StorageFailed({ message: `storage.sql: ${path} cannot be opened: ${message}`, isPassing: false })
  )

/** A client over a SQLite file with every table, in a thread of its own. Fails as `ledger` does. */
export const client = Effect.fnUntraced(function*(path: string) {
  const made = yield* makeClient(yield* opened(path))
  yield* LedgerSql.migrate(made)
  return made
})

/**
 * The ledger in a SQLite file, which is made if it is not there; closed with the scope. Fails if it cannot be opened or is no
 * database. What is appended goes to the thread in one piece, for each word with it waits for a busy process's turn. Sums are taken in
 * a second thread, which the first question opens: over a large file they take long, and nothing that is to be written waits for them.
 */
export const ledger = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<LedgerStore, StorageFailed, Scope.Scope> {
  const ask = yield* opened(path)
  const client = yield* makeClient(ask)
  yield* LedgerSql.migrate(client)
  const scope = yield* Effect.scope
  // One that cannot be opened would be missed less than the answer.
  const reader = yield* Effect.cached(
    Effect.orElseSucceed(Scope.provide(openThread(path, true), scope), () => ask)
  )
  const reading = yield* makeClient((kind, steps) => Effect.flatMap(reader, (read) => read(kind, steps)))
  return LedgerSql.make("sqlite", reading, {
    atOnce: Number.POSITIVE_INFINITY,
    append: (entries) => Effect.suspend(() => ask("together", LedgerSql.insertsOf(entries)))
  })
})
