/** Issued keys in a SQLite file, which may be the ledger's. Apart from `KeyStore.ts`, which loads no database. */
import * as Effect from "effect/Effect"
import { over } from "./KeyStore.ts"
import { client } from "./Sqlite.ts"

/** Closed with the scope. Fails if the file cannot be opened or is no database. */
export const keys = (path: string) => Effect.map(client(path), over)
