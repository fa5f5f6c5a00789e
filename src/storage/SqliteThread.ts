/**
 * The thread that owns a SQLite file: node:sqlite waits for the disk, and here nobody waits with it. Answers what its port brings
 * in its order; what has come to be written while a transaction was under way is the next one, all of it, so that nothing waits for
 * more than two. Ends when it is told to close.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"

/** A statement and its values. */
type Step = readonly [sql: string, values: ReadonlyArray<SQLInputValue>]

/** What the thread is asked: the rows of a statement, as objects or as arrays, or that all of some steps is done or none. */
export interface Question {
  readonly number: number
  readonly ask: "rows" | "arrays" | "together"
  readonly steps: ReadonlyArray<Step>
}

/** What it says: the rows, or why there are none. Number 0 is the opening of the file. */
export type Reply =
  | { readonly number: number; readonly rows: ReadonlyArray<unknown> }
  | { readonly number: number; readonly message: string; readonly errcode: number }

/** Statements kept prepared; those of whole batches are few and come all the time. */
const keptStatements = 64

/** What a thread is started with. */
export interface Opening {
  readonly path: string
  /** Only read, beside another thread that writes. */
  readonly isReader: boolean
}

/** How long somebody else's lock is waited for, in milliseconds. */
const lockMs = 5000
const pauseMs = 20
const isBusy = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === 5

/** For a new file that others open too SQLite does not wait by itself: that one of them has a lock is an error at once. */
const useLog = (database: DatabaseSync, triesLeft = lockMs / pauseMs): void => {
  try {
    database.exec("PRAGMA journal_mode = WAL")
  } catch (error) {
    if (!isBusy(error) || triesLeft <= 0) throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
    useLog(database, triesLeft - 1)
  }
}

const open = ({ isReader, path }: Opening): DatabaseSync => {
  if (isReader) return new DatabaseSync(path, { readOnly: true, timeout: lockMs })
  const database = new DatabaseSync(path, { timeout: 0 })
  // The file is whole after any crash; what the system had not yet written when the machine (not the process) died is lost.
  useLog(database)
  database.exec(`PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${lockMs}`)
  return database
}

/** SQLite's own code for a value that does not fit: Node refuses some before SQLite sees them, and has no code for that. */
const mismatch = 20

const failure = (number: number, error: unknown): Reply => ({
  number,
  message: error instanceof Error ? error.message : String(error),
  errcode: error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : mismatch
})

const serve = (port: NonNullable<typeof parentPort>, opening: Opening): void => {
  const statements = new Map<string, StatementSync>()
  let database: DatabaseSync
  try {
    database = open(opening)
    port.postMessage({ number: 0, rows: [] } satisfies Reply)
  } catch (error) {
    port.postMessage(failure(0, error))
    port.close()
    return
  }
  const prepared = (sql: string): StatementSync => {
    const found = statements.get(sql)
    if (found !== undefined) return found
    if (statements.size >= keptStatements) statements.clear()
    const made = database.prepare(sql)
    statements.set(sql, made)
    return made
  }
  /** In one transaction, or, where one of them is to blame that it cannot be, each in its own. */
  const writeAll = (asked: ReadonlyArray<Question>): void => {
    const tellAll = (error: unknown) => asked.forEach(({ number }) => port.postMessage(failure(number, error)))
    try {
      database.exec("BEGIN IMMEDIATE")
    } catch (error) {
      return tellAll(error)
    }
    try {
      for (const { steps } of asked) for (const [sql, values] of steps) prepared(sql).run(...values)
      database.exec("COMMIT")
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      return asked.length > 1 ? asked.forEach((one) => writeAll([one])) : tellAll(error)
    }
    for (const { number } of asked) port.postMessage({ number, rows: [] } satisfies Reply)
  }
  const rowsOf = (step: Step | undefined, asArrays: boolean): ReadonlyArray<unknown> => {
    if (step === undefined) return []
    const statement = prepared(step[0])
    statement.setReturnArrays(asArrays)
    return statement.all(...step[1])
  }
  const answer = ({ ask, number, steps }: Question): Reply => {
    try {
      return { number, rows: rowsOf(steps[0], ask === "arrays") }
    } catch (error) {
      return failure(number, error)
    }
  }
  const close = (): void => {
    statements.clear()
    database.close()
    port.close()
  }
  port.on("message", (first: Question | "close") => {
    let toWrite: Array<Question> = []
    let next: Question | "close" | undefined = first
    while (next !== undefined) {
      if (next !== "close" && next.ask === "together") toWrite.push(next)
      else {
        if (toWrite.length > 0) writeAll(toWrite)
        toWrite = []
        if (next === "close") return close()
        port.postMessage(answer(next))
      }
      next = receiveMessageOnPort(port)?.message
    }
    if (toWrite.length > 0) writeAll(toWrite)
  })
}

const isOpening = (value: unknown): value is Opening =>
  typeof value === "object" && value !== null && "path" in value && "isReader" in value

if (parentPort !== null && isOpening(workerData)) serve(parentPort, workerData)
