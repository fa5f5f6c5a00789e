/**
 * Whether the workers that serve still take turns: each is asked every two seconds, and one that has left five questions in a row
 * unanswered is killed, for its callers wait for ever and it is handed new ones. Counted in questions and not in time, so that a machine
 * that slept kills nobody.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import cluster, { type Worker } from "node:cluster"
import { pingWord, pongWord } from "./Signals.ts"

/** Between two questions, in milliseconds. */
const everyMs = 2000
/** Left unanswered in a row. */
const mostSilent = 5

const look = (workers: Iterable<Worker>, silent: Map<Worker, number>): ReadonlyArray<Worker> => {
  const hung: Array<Worker> = []
  const asked = new Map<Worker, number>()
  for (const worker of workers) {
    const unanswered = silent.get(worker) ?? 0
    if (unanswered >= mostSilent) hung.push(worker)
    else if (worker.isConnected()) {
      asked.set(worker, unanswered + 1)
      worker.send(pingWord)
    }
  }
  silent.clear()
  for (const [worker, count] of asked) silent.set(worker, count)
  return hung
}

/** Looks after the workers that `serving` gives, until the scope closes. A worker that is killed is replaced like any that dies. */
export const watch = (serving: () => Iterable<Worker>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const silent = new Map<Worker, number>()
    const onMessage = (worker: Worker, word: unknown) => {
      if (word === pongWord && silent.has(worker)) silent.set(worker, 0)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => cluster.on("message", onMessage)),
      () => Effect.sync(() => cluster.off("message", onMessage))
    )
    const kill = (worker: Worker) =>
      Effect.logError("a worker hangs and is killed").pipe(
        Effect.annotateLogs({ worker: worker.id, pid: worker.process.pid, silentMs: everyMs * mostSilent }),
        Effect.andThen(Effect.sync(() => worker.process.kill("SIGKILL")))
      )
    yield* Effect.suspend(() => Effect.forEach(look(serving(), silent), kill)).pipe(
      Effect.delay(everyMs),
      Effect.forever,
      Effect.forkScoped
    )
  })
