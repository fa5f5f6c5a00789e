import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type LedgerEntry, type Sum, sumKinds } from "../../src/domain/LedgerEntry.ts"
import * as LedgerMemory from "../../src/storage/LedgerMemory.ts"
import type { LedgerStore, Numbered } from "../../src/storage/LedgerStore.ts"
import * as Postgres from "../../src/storage/Postgres.ts"
import * as Sqlite from "../../src/storage/Sqlite.ts"
import { randomEntry } from "../accounting/Entries.ts"
import { makeRandom } from "../providers/Seeded.ts"
import { isMissing, make, type PostgresServer } from "./PostgresServer.ts"

const next = makeRandom(11)
const entries = Array.from({ length: 700 }, (_, number) => ({
  id: `seeded-${number}`,
  entry: randomEntry(next, number)
}))

/** The sums again, written apart from the code: BigInt throughout. */
const expected = (by: (typeof sumKinds)[number], sinceMs: number) => {
  const sums = new Map<
    string,
    { requests: number; attempts: number; input: bigint; cost: bigint; guessed: bigint; words: bigint }
  >()
  const at = (name: string) => {
    const found = sums.get(name) ?? { requests: 0, attempts: 0, input: 0n, cost: 0n, guessed: 0n, words: 0n }
    sums.set(name, found)
    return found
  }
  const names = (entry: LedgerEntry, attempt: LedgerEntry["attempts"][number] | undefined): ReadonlyArray<string> => {
    if (by === "model" || by === "provider") return attempt === undefined ? [] : [attempt[by]]
    if (by === "key") return [entry.key ?? ""]
    if (by === "day") return [new Date(entry.atMs).toISOString().slice(0, 10)]
    return entry.tags.length === 0 ? [""] : [...new Set(entry.tags)]
  }
  for (const { entry } of entries) {
    if (entry.atMs < sinceMs) continue
    const seen = new Set(names(entry, undefined))
    for (const attempt of entry.attempts) {
      for (const name of names(entry, attempt)) {
        seen.add(name)
        const sum = at(name)
        sum.attempts += 1
        sum.input += BigInt(attempt.tokens?.input ?? 0)
        sum.words += BigInt(attempt.estimated?.input ?? 0) * 1_000_000n + BigInt(attempt.estimated?.output ?? 0)
        if (attempt.costSource === "estimated") sum.guessed += BigInt(attempt.cost ?? 0)
        else sum.cost += BigInt(attempt.cost ?? 0)
      }
    }
    for (const name of seen) at(name).requests += 1
  }
  return new Map([...sums].toSorted())
}

const seen = (sums: ReadonlyArray<Sum>) =>
  new Map(
    sums.map((sum): [string, unknown] => [sum.name, {
      requests: sum.requests,
      attempts: sum.attempts,
      input: BigInt(sum.input),
      cost: BigInt(sum.cost),
      guessed: BigInt(sum.estimated),
      words: BigInt(sum.estimatedInput) * 1_000_000n + BigInt(sum.estimatedOutput)
    }]).toSorted()
  )

const since = Date.parse("2026-11-21T10:00:00Z")

const addsUp = (store: LedgerStore) =>
  Effect.gen(function*() {
    yield* store.append(entries.slice(0, 500))
    yield* store.append(entries.slice(500))
    for (const by of sumKinds) {
      for (const sinceMs of [0, since]) {
        expect([by, seen(yield* store.sums({ by, sinceMs }))]).toEqual([by, expected(by, sinceMs)])
      }
    }
  })

const isOnce = (store: LedgerStore) =>
  Effect.gen(function*() {
    const before = yield* store.sums({ by: "day", sinceMs: 0 })
    yield* store.append(entries.slice(0, 100))
    expect(yield* store.sums({ by: "day", sinceMs: 0 })).toEqual(before)
  })

const folder = mkdtempSync(join(tmpdir(), "breakwater-ledger-"))
afterAll(() => rmSync(folder, { recursive: true }))

describe("a ledger in memory", () => {
  it.effect("adds up to what BigInt says, by everything and from any moment on", () => addsUp(LedgerMemory.make(1000)))

  it.effect("keeps the last entries and no more", () =>
    Effect.gen(function*() {
      const store = LedgerMemory.make(10)
      yield* store.append(entries)
      const sums = yield* store.sums({ by: "key", sinceMs: 0 })
      expect(sums.reduce((count, sum) => count + sum.requests, 0)).toBe(10)
    }))
})

/** How often this process has a file open; Linux tells, and elsewhere two does as well. */
const handlesOf = (path: string): number =>
  existsSync("/proc/self/fd")
    ? readdirSync("/proc/self/fd").filter((name) => {
      try {
        return readlinkSync(join("/proc/self/fd", name)) === path
      } catch {
        return false
      }
    }).length
    : 2

/** How many transactions a log beside the file holds that was not begun anew: the last page of each says how long the file is. */
const transactionsIn = (log: Buffer): number => {
  const frame = 24 + log.readUInt32BE(8)
  let found = 0
  for (let at = 32; at + frame <= log.length; at += frame) if (log.readUInt32BE(at + 4) > 0) found += 1
  return found
}

/** Asks for all of it while somebody else has the lock, and then lets it go. */
const writeBehindLock = (path: string, store: LedgerStore, batches: ReadonlyArray<ReadonlyArray<Numbered>>) =>
  Effect.gen(function*() {
    const other = new DatabaseSync(path)
    other.exec("BEGIN IMMEDIATE")
    const writing = yield* Effect.forEach(batches, (batch) => Effect.forkChild(store.append(batch)))
    yield* Effect.yieldNow
    other.exec("ROLLBACK")
    other.close()
    return yield* Effect.forEach(writing, Fiber.await)
  })

const batchesOf = (size: number) =>
  Array.from({ length: entries.length / size }, (_, at) => entries.slice(at * size, at * size + size))

describe("a ledger in SQLite", () => {
  it.live("writes all that came while a transaction was under way in the next one", () =>
    Effect.gen(function*() {
      const path = join(folder, "joined.db")
      const store = yield* Sqlite.ledger(path)
      const before = transactionsIn(readFileSync(`${path}-wal`))
      const exits = yield* writeBehindLock(path, store, batchesOf(10))
      expect(exits.every(Exit.isSuccess)).toBe(true)
      expect(transactionsIn(readFileSync(`${path}-wal`)) - before).toBeLessThanOrEqual(2)
      const sums = yield* store.sums({ by: "key", sinceMs: 0 })
      expect(sums.reduce((count, sum) => count + sum.requests, 0)).toBe(700)
    }))

  it.live("writes what came together with what cannot be written, which alone is refused", () =>
    Effect.gen(function*() {
      const path = join(folder, "together.db")
      const store = yield* Sqlite.ledger(path)
      const [first, ...others] = batchesOf(100)
      const poison = (first ?? []).map(({ entry }) => ({ id: "poison", entry: { ...entry, atMs: Number.NaN } }))
      const exits = yield* writeBehindLock(path, store, [...others, poison])
      expect(exits.map(Exit.isSuccess)).toEqual([...others.map(() => true), false])
      const sums = yield* store.sums({ by: "key", sinceMs: 0 })
      expect(sums.reduce((count, sum) => count + sum.requests, 0)).toBe(600)
    }))

  it.live("adds up to what BigInt says, by everything and from any moment on, also once it was closed", () =>
    Effect.gen(function*() {
      const path = join(folder, "sums.db")
      yield* Effect.scoped(Effect.flatMap(Sqlite.ledger(path), addsUp))
      const store = yield* Sqlite.ledger(path)
      expect(seen(yield* store.sums({ by: "model", sinceMs: 0 }))).toEqual(expected("model", 0))
      yield* isOnce(store)
    }))

  it.live("is written by several at once, each of which makes the tables if they are missing", () =>
    Effect.gen(function*() {
      const path = join(folder, "shared.db")
      const stores = yield* Effect.forEach([1, 2, 3], () => Sqlite.ledger(path), { concurrency: "unbounded" })
      yield* Effect.forEach(
        stores,
        (store, at) => store.append(entries.slice(at * 200, at * 200 + 200)),
        { concurrency: "unbounded" }
      )
      const sums = yield* (stores[0] ?? LedgerMemory.make(1)).sums({ by: "key", sinceMs: 0 })
      expect(sums.reduce((count, sum) => count + sum.requests, 0)).toBe(600)
    }))

  it.live("is opened though another process has a lock on the new file at that moment", () =>
    Effect.gen(function*() {
      const path = join(folder, "new.db")
      const other = new DatabaseSync(path)
      other.exec("BEGIN IMMEDIATE")
      const opening = yield* Effect.forkChild(Sqlite.ledger(path))
      while (handlesOf(path) === 1) yield* Effect.sleep(0)
      other.close()
      yield* Effect.flatMap(Fiber.join(opening), (store) => store.append(entries.slice(0, 10)))
    }))

  it.live("is refused with its name where the file is no database or the folder is not there", () =>
    Effect.gen(function*() {
      const path = join(folder, "text.db")
      writeFileSync(path, "this is no database, but it is long enough to be looked at as one".repeat(20))
      const text = yield* Effect.flip(Sqlite.ledger(path))
      expect(text.message).toMatch(/text\.db cannot be opened: .*not a database/)
      const none = yield* Effect.flip(Sqlite.ledger(join(folder, "no", "such.db")))
      expect(none.message).toMatch(/such\.db cannot be opened: unable to open/)
    }))

  it.live("answers while its writer has to wait for somebody else's lock", () =>
    Effect.gen(function*() {
      const path = join(folder, "locked.db")
      const store = yield* Sqlite.ledger(path)
      yield* store.append(entries.slice(0, 100))
      const other = new DatabaseSync(path)
      other.exec("BEGIN IMMEDIATE")
      const writing = yield* Effect.forkChild(store.append(entries.slice(100, 200)))
      yield* Effect.yieldNow
      const count = Effect.map(
        store.sums({ by: "key", sinceMs: 0 }),
        (sums) => sums.reduce((all, sum) => all + sum.requests, 0)
      )
      expect(yield* count).toBe(100)
      other.exec("COMMIT")
      other.close()
      yield* Fiber.join(writing)
      expect(yield* count).toBe(200)
    }))

  it.live("blames an entry that no database would take, not the moment", () =>
    Effect.gen(function*() {
      const store = yield* Sqlite.ledger(join(folder, "poison.db"))
      const [first] = entries
      if (first === undefined) return
      const poison = { ...first.entry, atMs: Number.NaN }
      const error = yield* Effect.flip(store.append([{ id: "poison", entry: poison }]))
      expect(error.isPassing).toBe(false)
    }))
})

describe.skipIf(isMissing())("a ledger in Postgres (skipped where Debian's postgresql is absent)", () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await make()
    await server.start()
  }, 60_000)
  afterAll(() => server.dispose())

  it.live("has its tables before anything is written, for a busy process would be long in making them", () =>
    Effect.gen(function*() {
      yield* Postgres.ledger(server.url)
      yield* Effect.promise(() => server.until("SELECT to_regclass('breakwater_attempts')", "breakwater_attempts"))
    }))

  it.live("adds up to what BigInt says, by everything and from any moment on", () =>
    Effect.gen(function*() {
      const store = yield* Postgres.ledger(server.url)
      yield* addsUp(store)
      yield* isOnce(store)
    }))
})
