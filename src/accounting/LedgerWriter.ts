/**
 * Writes the ledger off the hot path: what is appended goes to the store in batches, which are handed over at once when a few have
 * come together, for a busy process may be long in coming to anything else. A store that is away is asked again until it is back;
 * what no longer fits meanwhile is dropped and counted, for requests wait for nothing here.
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
  /** Entries written at once at most: in need all that came while others were written. Default 4,096. */
  readonly batch: number
  /** So many are handed over without waiting for more. Default 64. */
  readonly enough: number
  /** How long an entry waits for others at most, in milliseconds. Default 50. */
  readonly lingerMs: number
  /** A write that takes longer counts as failed and is repeated, in milliseconds. Default 10,000. */
  readonly writeLimitMs: number
  /** How long the end of the process waits for what is left, in milliseconds. Default 5,000. */
  readonly leaveLimitMs: number
}

export const defaultWriterSettings: WriterSettings = {
  capacity: 20_000,
  batch: 4096,
  enough: 64,
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

/** Entries that go to the store together. */
interface Batch {
  /** How many were appended before its first one. */
  readonly after: number
  readonly rows: ReadonlyArray<Numbered>
}

/** What waits and what is under way, in the order in which it came. */
const makeQueue = Effect.fnUntraced(function*(settings: WriterSettings) {
  const nextName = yield* makeNames
  const some = Latch.makeUnsafe(false)
  const flushes = new Set<{ readonly upTo: number; readonly done: Deferred.Deferred<void> }>()
  const underWay = new Set<Batch>()
  let waiting: Array<LedgerEntry> = []
  let appended = 0
  let sent = 0
  let dropped = 0
  /** All up to this one are in the store, or lost. */
  const settled = (): number => {
    const [oldest] = underWay
    return oldest?.after ?? appended - waiting.length
  }
  return {
    underWay,
    waiting: () => waiting.length,
    pending: () => waiting.length + sent,
    dropped: () => dropped,
    lose: () => {
      dropped += 1
    },
    append: (entry: LedgerEntry): void => {
      if (waiting.length + sent >= settings.capacity) {
        dropped += 1
        return
      }
      appended += 1
      if (waiting.push(entry) === 1) some.openUnsafe()
    },
    /** When there is something, and it has waited for company. */
    gathered: Effect.andThen(some.await, Effect.sleep(settings.lingerMs)),
    /** The next batch, under way from now on. */
    take: (): Batch => {
      const rows = waiting.slice(0, settings.batch).map((entry) => ({ id: nextName(), entry }))
      const batch = { after: appended - waiting.length, rows }
      waiting = waiting.slice(settings.batch)
      sent += rows.length
      underWay.add(batch)
      if (waiting.length === 0) some.closeUnsafe()
      return batch
    },
    settle: (batch: Batch): void => {
      underWay.delete(batch)
      sent -= batch.rows.length
      for (const flush of flushes) {
        if (flush.upTo > settled()) continue
        flushes.delete(flush)
        Deferred.doneUnsafe(flush.done, Effect.void)
      }
    },
    /** When all that was appended before is settled. */
    settled: Effect.suspend(() => {
      if (settled() === appended) return Effect.void
      const done = Deferred.makeUnsafe<void>()
      flushes.add({ upTo: appended, done })
      return Deferred.await(done)
    })
  }
})

/** Puts batches into the store, again and again if need be. */
const makeSender = (store: LedgerStore, { writeLimitMs }: WriterSettings, onLost: () => void) => {
  const status: { state: WriterStatus["state"]; written: number; lastError: string | undefined } = {
    state: "ok",
    written: 0,
    lastError: undefined
  }

  const tried = (rows: ReadonlyArray<Numbered>) =>
    Effect.timeoutOrElse(store.append(rows), {
      duration: writeLimitMs,
      orElse: () => Effect.fail(new StorageFailed({ message: `no answer within ${writeLimitMs} ms`, isPassing: true }))
    })

  const failedWith = Effect.fnUntraced(function*(error: StorageFailed) {
    const wasDown = status.state === "down"
    status.state = "down"
    status.lastError = error.message
    if (!wasDown) yield* Effect.logWarning(`the ledger is not written: ${error.message}`)
  })

  const answered = Effect.fnUntraced(function*() {
    const wasDown = status.state === "down"
    status.state = "ok"
    if (wasDown) yield* Effect.logInfo("the ledger is written again")
  })

  /** Until it is written; of one that the store would never take, all but what is to blame. */
  const write = (rows: ReadonlyArray<Numbered>, pauseMs = firstPauseMs): Effect.Effect<void> =>
    Effect.matchEffect(tried(rows), {
      onSuccess: () => {
        status.written += rows.length
        return answered()
      },
      onFailure: (error) => {
        const again = Effect.suspend(() => write(rows, Math.min(pauseMs * 2, longestPauseMs)))
        if (error.isPassing) return Effect.andThen(failedWith(error), Effect.andThen(Effect.sleep(pauseMs), again))
        if (rows.length > 1) {
          const middle = rows.length / 2
          return Effect.andThen(write(rows.slice(0, middle)), Effect.suspend(() => write(rows.slice(middle))))
        }
        onLost()
        status.lastError = error.message
        return Effect.andThen(Effect.logError(`an entry of the ledger is lost: ${error.message}`), answered())
      }
    })
  return { write, status }
}

/**
 * Batches that are under way at once where the store does not say. With more than one all of them are lost with the process, and what
 * waits for the few rows of each is more than one large batch would have been.
 */
const usualAtOnce = 1

/** Writes to the store until the scope closes, and then, for a while, what is left. */
export const make = Effect.fnUntraced(function*(store: LedgerStore, settings: WriterSettings) {
  const queue = yield* makeQueue(settings)
  const { status, write } = makeSender(store, settings, queue.lose)
  const { atOnce = usualAtOnce } = store
  const enough = Math.min(settings.enough, settings.batch)
  const fibers = new Set<Fiber.Fiber<unknown>>()
  // Spans of its own would belong to no request.
  const run = Effect.runForkWith(yield* Effect.withTracerEnabled(Effect.context<never>(), false))
  let isLeaving = false
  const send = (batch: Batch) => Effect.tap(write(batch.rows), () => Effect.sync(() => queue.settle(batch)))

  /** Hands over what waits, before it returns. To a store that is away nothing more is sent than it was. */
  const handOver = (): void => {
    if (isLeaving) return
    while (status.state === "ok" && queue.waiting() > 0 && queue.underWay.size < atOnce) {
      const fiber: Fiber.Fiber<unknown> = run(send(queue.take()))
      fibers.add(fiber)
      fiber.addObserver(() => {
        fibers.delete(fiber)
        if (queue.waiting() >= enough) handOver()
      })
    }
  }
  const lingering = Effect.forever(Effect.andThen(queue.gathered, Effect.sync(handOver)))
  const worker = run(lingering)

  const rest = Effect.gen(function*() {
    for (const batch of queue.underWay) yield* send(batch)
    while (queue.pending() > 0) yield* send(queue.take())
  })
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isLeaving = true
      return Fiber.interrupt(worker)
    }).pipe(
      Effect.andThen(Effect.suspend(() => Fiber.interruptAll(fibers))),
      Effect.andThen(rest),
      Effect.withTracerEnabled(false),
      Effect.timeoutOption(settings.leaveLimitMs),
      Effect.tap(() =>
        queue.pending() === 0
          ? Effect.void
          : Effect.logError(`${queue.pending()} entries of the ledger are lost: ${status.lastError}`)
      )
    )
  )
  const writer: LedgerWriter = {
    append: (entry) => {
      queue.append(entry)
      if (queue.waiting() >= enough) handOver()
    },
    flush: Effect.suspend(() => {
      handOver()
      return queue.settled
    }),
    status: () => ({ ...status, dropped: queue.dropped(), pending: queue.pending() })
  }
  return writer
})
