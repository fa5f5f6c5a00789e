/**
 * The thread that owns a SQLite file: node:sqlite waits for the disk, and here nobody waits with it. Takes statements one at a
 * time over its port and answers each; ends when it is told to close.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"

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

const open = ({ isReader, path }: Opening): DatabaseSync => {
  if (isReader) return new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  const database = new DatabaseSync(path, { timeout: 5000 })
  // The file is whole after any crash; what the system had not yet written when the machine (not the process) died is lost.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
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
  const together = (steps: ReadonlyArray<Step>): void => {
    database.exec("BEGIN IMMEDIATE")
    try {
      for (const [sql, values] of steps) prepared(sql).run(...values)
      database.exec("COMMIT")
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw error
    }
  }
  const rowsOf = (step: Step | undefined, asArrays: boolean): ReadonlyArray<unknown> => {
    if (step === undefined) return []
    const statement = prepared(step[0])
    statement.setReturnArrays(asArrays)
    return statement.all(...step[1])
  }
  const answer = ({ ask, number, steps }: Question): Reply => {
    try {
      if (ask !== "together") return { number, rows: rowsOf(steps[0], ask === "arrays") }
      together(steps)
      return { number, rows: [] }
    } catch (error) {
      return failure(number, error)
    }
  }
  port.on("message", (question: Question | "close") => {
    if (question !== "close") return port.postMessage(answer(question))
    statements.clear()
    database.close()
    port.close()
  })
}

const isOpening = (value: unknown): value is Opening =>
  typeof value === "object" && value !== null && "path" in value && "isReader" in value

if (parentPort !== null && isOpening(workerData)) serve(parentPort, workerData)
