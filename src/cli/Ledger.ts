/** The storage of the ledger and of issued keys as an operator is told of it: where it is, and for `check` whether a file of it could be opened. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import type { Settings } from "../config/Settings.ts"

/** The file of `sqlite:FILE`. */
const fileOf = (sql: string): string | undefined => /^sqlite:(?:\/\/)?(.+)$/.exec(sql)?.[1]

/** Where the ledger is kept; a database without its user and password. */
export const place = ({ storage }: Settings): string => {
  if (storage.sql === undefined) return "memory: lost at stop (storage.sql keeps it)"
  const sql = Redacted.value(storage.sql)
  const file = fileOf(sql)
  if (file !== undefined) return `sqlite:${file}`
  const url = URL.parse(sql)
  return url === null ? "postgres" : `postgres at ${url.host}${url.pathname}`
}

const keptIn = ({ storage }: Settings): string | undefined =>
  storage.sql === undefined ? undefined : fileOf(Redacted.value(storage.sql))

/** Whether issued client keys are there again after a stop. */
export const outlivesStop = (settings: Settings): boolean => {
  const file = keptIn(settings)
  return file !== undefined && !file.startsWith(":")
}

/** Where issued client keys are kept, which Postgres is not; with Redis there are other gateways, and they do not hear of them. */
export const placeOfKeys = (settings: Settings): string => {
  const { storage } = settings
  const file = keptIn(settings)
  const others = storage.redis === undefined ? "" : "; other gateways do not know them (server.keys is for all)"
  if (file !== undefined) return `sqlite:${file}${others}`
  return `memory: lost at stop (${
    storage.sql === undefined ? "" : "Postgres does not hold them; "
  }storage.sql: sqlite:FILE keeps them)${others}`
}

const folderOf = (file: string): string => {
  const slash = file.lastIndexOf("/")
  return slash < 0 ? "." : slash === 0 ? "/" : file.slice(0, slash)
}

const magic = "SQLite format 3\0"

/** Why SQLite would not take what is there. */
const flawOf = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const { size, type } = yield* files.stat(file)
  if (type === "Directory") return "is a folder"
  const opened = yield* files.open(file, { flag: "r+" })
  const head = size === 0n ? undefined : yield* opened.readAlloc(magic.length)
  return head === undefined || (head._tag === "Some" && new TextDecoder().decode(head.value) === magic)
    ? undefined
    : "is no SQLite file"
}, Effect.scoped)

/** Why the ledger's file could not be opened here; undefined where it could, or is none. Creates nothing. */
export const unopenable = Effect.fnUntraced(function*(settings: Settings) {
  const file = keptIn(settings)
  if (file === undefined || file.startsWith(":")) return undefined
  const files = yield* FileSystem.FileSystem
  const folder = folderOf(file)
  // SQLite writes other files beside it, too.
  const isWritable = yield* Effect.isSuccess(files.access(folder, { writable: true }))
  if (!isWritable) {
    const isThere = yield* Effect.orElseSucceed(files.exists(folder), () => false)
    return `${file} cannot be opened: its folder ${isThere ? "may not be written by this user" : "does not exist"}`
  }
  if (!(yield* Effect.orElseSucceed(files.exists(file), () => false))) return undefined
  const flaw = yield* Effect.orElseSucceed(flawOf(file), () => "may not be read and written by this user")
  return flaw === undefined ? undefined : `${file} cannot be opened: it ${flaw}`
})
