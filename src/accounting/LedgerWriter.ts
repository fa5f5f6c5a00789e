/**
 * Writes the ledger off the hot path: what is appended waits in memory and goes to the store in batches. A store that is away is
 * asked again until it is back; what no longer fits meanwhile is dropped and counted, for requests wait for nothing here.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { LedgerEntry } from "../domain/LedgerEntry.ts"
import { type LedgerStore, type Numbered, StorageFailed } from "../storage/LedgerStore.ts"

export interface WriterSettings {
  /** Entries that wait for the store at most, those under way included. Default 20,000. */
  readonly capacity: number
  /** Entries written at once at most. Default 512. */
  readonly batch: number
  /** How long the first entry of a batch waits for others, in milliseconds. Default 50. */
  readonly lingerMs: number
  /** A write that takes longer counts as failed and is repeated, in milliseconds. Default 10,000. */
  readonly writeLimitMs: number
  /** How long the end of the process waits for what is left, in milliseconds. Default 5,000. */
  readonly leaveLimitMs: number
}

export const defaultWriterSettings: WriterSettings = {
  capacity: 20_000,
  batch: 512,
  lingerMs: 50,
  writeLimitMs: 10_000,
  leaveLimitMs: 5000
}

/** How the writing goes. */
export interface WriterStatus {
  /** `down`: the last try failed. */
  readonly state: "ok" | "down"
  /** Entries that are not in the store yet. */
  readonly pending: number
  /** Entries that are lost: there was no room, or the store would never take them. */
  readonly dropped: number
  /** Entries that are in the store. */
  readonly written: number
  /** Why the last try that failed did. */
  readonly lastError: string | undefined
}

export interface LedgerWriter {
  /** Takes an entry, or drops it where there is no room. */
  readonly append: (entry: LedgerEntry) => void
  /** Returns when all that was appended before is in the store or lost; while the store is away it does not. */
  readonly flush: Effect.Effect<void>
  readonly status: () => WriterStatus
}

const firstPauseMs = 100
const longestPauseMs = 5000

/** Names that no other process gives: 48 random bits, then a number. */
const makeNames = Effect.map(Random.next, (random) => {
  const process = Math.floor(random * 2 ** 48).toString(36)
  let last = 0
  return () => `${process}-${(++last).toString(36).padStart(6, "0")}`
})

/** Writes to the store until the scope closes, and then, for a while, what is left. */
export const make = Effect.fnUntraced(function*(store: LedgerStore, settings: WriterSettings) {
  const nextName = yield* makeNames
  const some = Latch.makeUnsafe(false)
  const full = Latch.makeUnsafe(false)
  const flushes: Array<{ readonly upTo: number; readonly done: Deferred.Deferred<void> }> = []
  const waiting: Array<LedgerEntry> = []
  let underWay: ReadonlyArray<Numbered> = []
  let appended = 0
  const status = { state: "ok" as WriterStatus["state"], dropped: 0, written: 0, lastError: undefined as string | undefined }

  const append = (entry: LedgerEntry): void => {
    if (waiting.length + underWay.length >= settings.capacity) {
      status.dropped += 1
      return
    }
    appended += 1
    if (waiting.push(entry) === 1) some.openUnsafe()
    if (waiting.length === settings.batch) full.openUnsafe()
  }

  const settled = (): number => appended - waiting.length - underWay.length

  const tried = (batch: ReadonlyArray<Numbered>) =>
    Effect.timeoutOrElse(store.append(batch), {
      duration: settings.writeLimitMs,
      orElse: () =>
        Effect.fail(new StorageFailed({ message: `no answer within ${settings.writeLimitMs} ms`, isPassing: true }))
    })

  const failedWith = Effect.fnUntraced(function*(error: StorageFailed) {
    const wasDown = status.state === "down"
    status.state = "down"
    status.lastError = error.message
    if (!wasDown) yield* Effect.logWarning(`the ledger is not written: ${error.message}`)
  })

  const succeeded = Effect.fnUntraced(function*(count: number) {
    const wasDown = status.state === "down"
    status.state = "ok"
    status.written += count
    if (wasDown) yield* Effect.logInfo("the ledger is written again")
  })

  /** Until it is written; of one that the store would never take, all but what is to blame. */
  const write = (batch: ReadonlyArray<Numbered>, pauseMs: number): Effect.Effect<void> =>
    Effect.matchEffect(tried(batch), {
      onSuccess: () => succeeded(batch.length),
      onFailure: (error) => {
        const next = error.isPassing
          ? Effect.andThen(
            Effect.sleep(pauseMs),
            Effect.suspend(() => write(batch, Math.min(pauseMs * 2, longestPauseMs)))
          )
          : batch.length === 1
          ? Effect.sync(() => void (status.dropped += 1))
          : Effect.forEach([batch.slice(0, batch.length / 2), batch.slice(batch.length / 2)], (half) =>
            write(half, firstPauseMs), { discard: true })
        return Effect.andThen(failedWith(error), next)
      }
    })

  const writeSome = Effect.suspend(() => {
    if (underWay.length === 0) {
      underWay = waiting.splice(0, settings.batch).map((entry) => ({ id: nextName(), entry }))
    }
    return Effect.tap(write(underWay, firstPauseMs), () =>
      Effect.sync(() => {
        underWay = []
        if (waiting.length === 0) some.closeUnsafe()
        if (waiting.length < settings.batch) full.closeUnsafe()
        while (flushes[0] !== undefined && flushes[0].upTo <= settled()) {
          Deferred.doneUnsafe(flushes.shift()?.done ?? Deferred.makeUnsafe<void>(), Effect.void)
        }
      }))
  })

  const gathered = Effect.andThen(some.await, Effect.timeoutOption(full.await, settings.lingerMs))
  // Spans of its own would belong to no request.
  const work = Effect.withTracerEnabled(Effect.forever(Effect.andThen(gathered, writeSome)), false)
  const fiber = yield* Effect.forkDetach(work)
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Fiber.interrupt(fiber),
      Effect.whileLoop({
        while: () => waiting.length + underWay.length > 0,
        body: () => writeSome,
        step: () => {}
      })
    ).pipe(
      Effect.withTracerEnabled(false),
      Effect.timeoutOption(settings.leaveLimitMs),
      Effect.tap(() => {
        const lost = waiting.length + underWay.length
        return lost === 0 ? Effect.void : Effect.logError(`${lost} entries of the ledger are lost: ${status.lastError}`)
      })
    )
  )

  const flush = Effect.suspend(() => {
    if (settled() === appended) return Effect.void
    const done = Deferred.makeUnsafe<void>()
    flushes.push({ upTo: appended, done })
    full.openUnsafe()
    return Deferred.await(done)
  })
  const writer: LedgerWriter = {
    append,
    flush,
    status: () => ({ ...status, pending: waiting.length + underWay.length })
  }
  return writer
})
