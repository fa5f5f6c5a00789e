/**
 * The primary of `--workers N`: starts the workers, replaces those that die, and alone hears the signals. It serves nothing
 * itself, so it stays up whatever a request does to a worker.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import cluster, { type Worker } from "node:cluster"
import * as Desk from "../admission/Desk.ts"
import * as FleetDesk from "../admission/FleetDesk.ts"
import { keepers } from "../server/MetricsEstate.ts"
import * as Fleet from "../storage/Fleet.ts"
import { guard } from "./Handover.ts"
import * as Heartbeat from "./Heartbeat.ts"
import { drainWord, readyWord, type Signal } from "./Signals.ts"

/** No worker ever came up, so starting more would not help (a port in use, a file refused). */
export class WorkersFailed extends Data.TaggedError("WorkersFailed")<{ readonly code: number }> {}

/** A worker that lived shorter than this, in milliseconds, died at once: its successor waits. */
const shortLifeMs = 5000
const firstPauseMs = 100
const longestPauseMs = 30_000

/** A process that was killed has a signal and no code. */
type Death = { readonly code: number } | { readonly signal: string }

type Event =
  | { readonly is: "ready"; readonly worker: Worker; readonly port: number }
  | { readonly is: "exited"; readonly worker: Worker; readonly death: Death }
  | { readonly is: "signal"; readonly signal: Signal }
  | { readonly is: "respawn"; readonly place: number }

interface Place {
  worker: Worker
  startedAt: number
  /** Deaths in a row that came at once. */
  shortLives: number
  /** Its predecessor, which drains as soon as this one is ready. */
  replaces: Worker | undefined
}

const events = Effect.fnUntraced(function*(signals: Queue.Dequeue<Signal>) {
  const queue = yield* Queue.unbounded<Event>()
  const onMessage = (worker: Worker, word: unknown) => {
    if (typeof word === "object" && word !== null && "word" in word && word.word === readyWord) {
      const port = "port" in word && typeof word.port === "number" ? word.port : 0
      Queue.offerUnsafe(queue, { is: "ready", worker, port })
    }
  }
  const onExit = (worker: Worker, code: number | null, signal: string | null) =>
    void Queue.offerUnsafe(queue, { is: "exited", worker, death: signal === null ? { code: code ?? 1 } : { signal } })
  yield* Effect.acquireRelease(
    Effect.sync(() => cluster.on("message", onMessage).on("exit", onExit)),
    () => Effect.sync(() => cluster.off("message", onMessage).off("exit", onExit))
  )
  yield* Queue.take(signals).pipe(
    Effect.flatMap((signal) => Queue.offer(queue, { is: "signal", signal })),
    Effect.forever,
    Effect.forkScoped
  )
  return queue
})

/** Every worker process, those that drain included; for the signal that will not wait. */
export const killAll = (): void => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGKILL")
}

const drain = (worker: Worker): void => {
  if (worker.isConnected()) worker.send(drainWord)
}

/** Runs `count` workers until a stop signal has drained all of them. `checkReload` says whether SIGHUP may replace them. */
export const supervise = Effect.fnUntraced(function*<R>(options: {
  readonly count: number
  readonly signals: Queue.Dequeue<Signal>
  /** Called once, when all workers listen. */
  readonly onReady: (port: number) => Effect.Effect<void>
  readonly checkReload: Effect.Effect<boolean, never, R>
}): Effect.fn.Return<void, WorkersFailed, R | Scope.Scope> {
  const queue = yield* events(options.signals)
  const places: Array<Place> = []
  let waiting: Array<number> = []
  const living = new Set<Worker>()
  // Those that listen and have not been told to drain: the fleet that is asked.
  const serving = new Set<Worker>()
  let everReady = false
  let isTold = false
  const state = { stopping: false }
  const desk = yield* Effect.provide(Desk.make, Desk.memory)
  yield* Fleet.hub(
    {
      serving: () => serving,
      // Of these, those that have asked what is remembered and do not serve yet.
      starting: () => state.stopping ? [] : places.map((place) => place.worker),
      leaving: () =>
        Array.from(living).filter((worker) => state.stopping || places.every((one) => one.worker !== worker))
    },
    keepers,
    [FleetDesk.keeper(desk)]
  )
  yield* Heartbeat.watch(() => serving)

  const start = Effect.fnUntraced(function*(index: number, shortLives: number, replaces: Worker | undefined) {
    const startedAt = yield* Clock.currentTimeMillis
    // It reads the file as it is now.
    yield* desk.renew
    const worker = cluster.fork()
    guard(worker)
    living.add(worker)
    places[index] = { worker, startedAt, shortLives, replaces }
  })
  const replaceNext = Effect.gen(function*() {
    const [index, ...rest] = waiting
    waiting = rest
    const place = index === undefined ? undefined : places[index]
    if (index !== undefined && place !== undefined) yield* start(index, 0, place.worker)
    else yield* Effect.logInfo("SIGHUP: every worker has been replaced")
  })
  const onReady = Effect.fnUntraced(function*(worker: Worker, port: number) {
    const place = places.find((one) => one.worker === worker)
    everReady = true
    if (state.stopping) return drain(worker) // it may have been deaf when the word went round
    serving.add(worker)
    if (!isTold && serving.size === options.count) {
      isTold = true
      yield* options.onReady(port)
    } else if (isTold && place?.replaces === undefined) {
      yield* Effect.logInfo("a worker serves in the place of the dead one").pipe(
        Effect.annotateLogs({ worker: worker.id })
      )
    }
    if (place?.replaces === undefined) return
    serving.delete(place.replaces)
    drain(place.replaces)
    place.replaces = undefined
    yield* replaceNext
  })
  const onExited = Effect.fnUntraced(function*(worker: Worker, death: Death) {
    living.delete(worker)
    serving.delete(worker)
    const index = places.findIndex((one) => one.worker === worker)
    const place = places[index]
    if (state.stopping || place === undefined) return // it was told to go
    if (!everReady) return yield* new WorkersFailed({ code: "code" in death && death.code !== 0 ? death.code : 1 })
    const lived = (yield* Clock.currentTimeMillis) - place.startedAt
    place.shortLives = lived < shortLifeMs ? place.shortLives + 1 : 0
    const pauseMs = place.shortLives === 0 ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (place.shortLives - 1))
    yield* Effect.logWarning("a worker died and is replaced").pipe(
      Effect.annotateLogs({ worker: worker.id, ...death, livedMs: lived, pauseMs })
    )
    yield* Effect.sleep(pauseMs).pipe(
      Effect.andThen(Queue.offer(queue, { is: "respawn", place: index })),
      Effect.forkScoped
    )
  })
  const onSignal = Effect.fnUntraced(function*(signal: Signal) {
    if (signal === "stop") {
      state.stopping = true
      serving.clear()
      living.forEach(drain)
    } else if (!state.stopping && waiting.length === 0 && (yield* options.checkReload)) {
      waiting = places.map((_, index) => index)
      yield* replaceNext
    }
  })

  for (let index = 0; index < options.count; index++) yield* start(index, 0, undefined)
  while (!state.stopping || living.size > 0) {
    const event = yield* Queue.take(queue)
    if (event.is === "ready") yield* onReady(event.worker, event.port)
    else if (event.is === "exited") yield* onExited(event.worker, event.death)
    else if (event.is === "signal") yield* onSignal(event.signal)
    else if (!state.stopping) {
      const place = places[event.place]
      yield* start(event.place, place?.shortLives ?? 0, place?.replaces)
    }
  }
})
