import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as LedgerWriter from "../../src/accounting/LedgerWriter.ts"
import type { LedgerEntry } from "../../src/domain/LedgerEntry.ts"
import { type LedgerStore, type Numbered, StorageFailed } from "../../src/storage/LedgerStore.ts"
import { makeRandom } from "../providers/Seeded.ts"
import { randomEntry } from "./Entries.ts"

const next = makeRandom(3)
const entries = (count: number) => Array.from({ length: count }, (_, at) => randomEntry(next, at))

/** Of retried batches the order is open. */
const namesOf = (all: ReadonlyArray<LedgerEntry>) => all.map(({ requestId }) => requestId).toSorted()

type Mode = "ok" | "away" | "silent"

/** A store that can be away, or say nothing, and that refuses for good what `refuses` names. */
const makeStore = (refuses: (batch: ReadonlyArray<Numbered>) => boolean = () => false) => {
  const batches: Array<ReadonlyArray<Numbered>> = []
  const asked: Array<ReadonlyArray<Numbered>> = []
  const state = { mode: "ok" as Mode }
  const store: LedgerStore = {
    kind: "sqlite",
    sums: () => Effect.succeed([]),
    append: (batch) =>
      Effect.suspend(() => {
        asked.push(batch)
        if (state.mode === "silent") return Effect.never
        if (state.mode === "away") return Effect.fail(new StorageFailed({ message: "away", isPassing: true }))
        if (refuses(batch)) return Effect.fail(new StorageFailed({ message: "refused", isPassing: false }))
        batches.push(batch)
        return Effect.void
      })
  }
  const stored = () => namesOf(batches.flat().map(({ entry }) => entry))
  return { store, state, batches, asked, stored }
}

const settings = { ...LedgerWriter.defaultWriterSettings, batch: 10, capacity: 50 }

describe("the writer of the ledger", () => {
  it.effect("writes nothing while a request could still wait for it, and all of it in batches soon after", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      const all = entries(7)
      all.forEach(writer.append)
      expect(fake.batches).toEqual([])
      expect(writer.status()).toMatchObject({ pending: 7, written: 0 })
      yield* TestClock.adjust(settings.lingerMs)
      expect(fake.stored()).toEqual(namesOf(all))
      expect(fake.batches.length).toBe(1)
      entries(25).forEach(writer.append)
      yield* TestClock.adjust(settings.lingerMs * 3)
      expect(fake.batches.map((batch) => batch.length)).toEqual([7, 10, 10, 5])
      expect(writer.status()).toMatchObject({ state: "ok", pending: 0, written: 32, dropped: 0 })
    }))

  it.effect("writes a full batch without waiting for more", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      entries(10).forEach(writer.append)
      yield* TestClock.adjust(0)
      expect(fake.stored().length).toBe(10)
    }))

  it.effect("hands over what is enough before it returns, for a busy process may be long in coming back to it", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, { ...settings, batch: 100, enough: 4 })
      entries(11).forEach(writer.append)
      expect(fake.batches.map((batch) => batch.length)).toEqual([4, 4])
      expect(writer.status()).toMatchObject({ pending: 3, written: 8 })
    }))

  for (
    const [atOnce, what] of [[undefined, "one batch"], [2, "two batches"], [
      Number.POSITIVE_INFINITY,
      "all batches"
    ]] as const
  ) {
    it.effect(`has ${what} under way where the store says ${atOnce}, and larger ones for what waited`, () =>
      Effect.gen(function*() {
        const fake = makeStore()
        fake.state.mode = "silent"
        const store = atOnce === undefined ? fake.store : { ...fake.store, atOnce }
        const writer = yield* LedgerWriter.make(store, { ...settings, enough: 2 })
        entries(20).forEach(writer.append)
        const most = Math.min(atOnce ?? 1, 10)
        expect(fake.asked.map((batch) => batch.length)).toEqual(Array.from({ length: most }, () => 2))
        fake.state.mode = "ok"
        yield* TestClock.adjust("1 minute")
        expect(fake.stored().length).toBe(20)
        expect(fake.batches.some((batch) => batch.length > 2)).toBe(most < 10)
      }))
  }

  it.effect("writes all that came while a batch was under way in the next one, as it is by default", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const { writeLimitMs } = LedgerWriter.defaultWriterSettings
      const writer = yield* LedgerWriter.make(fake.store, LedgerWriter.defaultWriterSettings)
      fake.state.mode = "silent"
      entries(4000).forEach(writer.append)
      yield* TestClock.adjust(writeLimitMs)
      fake.state.mode = "ok"
      yield* TestClock.adjust("1 second")
      expect(fake.batches.map((batch) => batch.length)).toEqual([64, 3936])
    }))

  it.effect("sends nothing more to a store that is away, whatever comes", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      fake.state.mode = "away"
      const writer = yield* LedgerWriter.make({ ...fake.store, atOnce: Number.POSITIVE_INFINITY }, settings)
      entries(50).forEach(writer.append)
      yield* TestClock.adjust(50)
      expect(fake.asked.length).toBe(1)
      fake.state.mode = "ok"
    }))

  it.effect("loses nothing while the store is away, says so, and asks with longer and longer pauses", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      fake.state.mode = "away"
      const all = entries(30)
      all.forEach(writer.append)
      yield* TestClock.adjust("1 minute")
      expect(writer.status()).toMatchObject({ state: "down", lastError: "away", pending: 30, dropped: 0 })
      // Each of three batches.
      expect(fake.asked.length).toBeLessThan(75)
      fake.state.mode = "ok"
      yield* TestClock.adjust("6 seconds")
      expect(fake.stored()).toEqual(namesOf(all))
      expect(writer.status()).toMatchObject({ state: "ok", pending: 0, written: 30 })
    }))

  it.effect("drops and counts what does not fit while the store is away, and keeps what came first", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      fake.state.mode = "away"
      const all = entries(60)
      all.forEach(writer.append)
      yield* TestClock.adjust("1 second")
      entries(5).forEach(writer.append)
      expect(writer.status()).toMatchObject({ pending: 50, dropped: 15 })
      fake.state.mode = "ok"
      yield* TestClock.adjust("10 seconds")
      expect(fake.stored()).toEqual(namesOf(all.slice(0, 50)))
    }))

  it.effect("repeats a write that gets no answer, with the same names, so that it can stand there only once", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      fake.state.mode = "silent"
      entries(3).forEach(writer.append)
      yield* TestClock.adjust(settings.lingerMs + settings.writeLimitMs)
      expect(writer.status()).toMatchObject({ state: "down", lastError: "no answer within 10000 ms" })
      fake.state.mode = "ok"
      yield* TestClock.adjust("1 second")
      const [first, second] = fake.asked.map((batch) => batch.map(({ id }) => id))
      expect(second).toEqual(first)
      expect(new Set(fake.asked.flat().map(({ id }) => id)).size).toBe(3)
    }))

  it.effect("gives up one entry that the store would never take, and only that one", () =>
    Effect.gen(function*() {
      const all = entries(10)
      const poison = all[6]
      const fake = makeStore((batch) => batch.some(({ entry }) => entry === poison))
      const writer = yield* LedgerWriter.make(fake.store, settings)
      all.forEach(writer.append)
      yield* TestClock.adjust("1 second")
      expect(fake.stored()).toEqual(namesOf(all.filter((entry) => entry !== poison)))
      expect(writer.status()).toMatchObject({ state: "ok", pending: 0, written: 9, dropped: 1 })
    }))

  it.effect("writes what is left when the process leaves, also what was under way", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(LedgerWriter.make(fake.store, settings), scope)
      fake.state.mode = "away"
      const all = entries(25)
      all.forEach(writer.append)
      yield* TestClock.adjust("1 second")
      fake.state.mode = "ok"
      yield* Scope.close(scope, Exit.void)
      expect(fake.stored()).toEqual(namesOf(all))
    }))

  it.effect("does not keep a process that leaves for longer than it may where the store is away", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(LedgerWriter.make(fake.store, settings), scope)
      fake.state.mode = "away"
      entries(25).forEach(writer.append)
      const left = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(settings.leaveLimitMs)
      yield* Fiber.join(left)
      expect(fake.stored()).toEqual([])
    }))

  it.effect("says when all that came before is written", () =>
    Effect.gen(function*() {
      const fake = makeStore()
      const writer = yield* LedgerWriter.make(fake.store, settings)
      const all = entries(4)
      all.forEach(writer.append)
      const flushed = yield* Effect.forkChild(writer.flush)
      yield* Fiber.join(flushed)
      expect(fake.stored()).toEqual(namesOf(all))
      yield* writer.flush
    }))
})
