/** The process's signals as Effects. While these run, Node's own behaviour (die at once) is off. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Flush } from "../observability/Logger.ts"

/** `stop` = SIGTERM, SIGINT, or the primary's word to a worker; `reload` = SIGHUP. */
export type Signal = "stop" | "reload"

/**
 * A terminal and npm each pass the same Ctrl-C on, so a second signal within this time, in milliseconds, is the first one
 * once more; later it means that the operator will not wait.
 */
const echoMs = 200

/** 128 and the signal's number, what a shell shows for a process that it has ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

/** Longest wait for the last line to be written, in milliseconds. */
const lastLineMs = 500

/** The signals of a process that decides for itself. A second stop ends the process at once, after `beforeExit` and one line. */
export const processSignals = (beforeExit: () => void): Effect.Effect<Queue.Dequeue<Signal>, never, Scope.Scope> =>
  Effect.clockWith(Effect.fnUntraced(function*(clock) {
    const queue = yield* Queue.unbounded<Signal>()
    const flush = yield* Flush
    const fork = Effect.runForkWith(yield* Effect.context())
    let stoppedAt: number | undefined
    let isEnding = false
    const endAtOnce = (signal: keyof typeof exitCodes): void => {
      if (isEnding) return
      isEnding = true
      beforeExit()
      const line = Effect.logWarning(`a second ${signal}: stopped at once, what was open is cut`)
      fork(line.pipe(
        Effect.andThen(flush),
        Effect.timeoutOption(lastLineMs),
        Effect.ensuring(Effect.sync(() => process.exit(exitCodes[signal])))
      ))
    }
    const stop = (signal: keyof typeof exitCodes) => {
      const now = clock.currentTimeMillisUnsafe()
      if (stoppedAt === undefined) {
        stoppedAt = now
        Queue.offerUnsafe(queue, "stop")
      } else if (now - stoppedAt > echoMs) endAtOnce(signal)
    }
    const reload = () => void Queue.offerUnsafe(queue, "reload")
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", reload)),
      () => Effect.sync(() => process.off("SIGTERM", stop).off("SIGINT", stop).off("SIGHUP", reload))
    )
    return queue
  }))

/** What the primary says to a worker, beside the fleet's own messages. */
export const drainWord = "breakwater:drain"

/** What the primary asks a worker now and then, to see whether it still takes turns, and what the worker answers. */
export const pingWord = "breakwater:ping"
export const pongWord = "breakwater:pong"

/** What a worker says to the primary once it listens. */
export const readyWord = "breakwater:ready"

/** A worker's signals: the primary alone hears the terminal and passes the word on; a primary that is gone means stop too. */
export const workerSignals: Effect.Effect<Queue.Dequeue<Signal>, never, Scope.Scope> = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<Signal>()
  const deaf = () => {}
  const stop = () => void Queue.offerUnsafe(queue, "stop")
  const hear = (word: unknown) => {
    if (word === drainWord) stop()
    else if (word === pingWord) process.send?.(pongWord)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      process.on("SIGTERM", deaf).on("SIGINT", deaf).on("SIGHUP", deaf).on("message", hear).on("disconnect", stop)
    ),
    () =>
      Effect.sync(() =>
        process.off("SIGTERM", deaf).off("SIGINT", deaf).off("SIGHUP", deaf).off("message", hear).off(
          "disconnect",
          stop
        )
      )
  )
  return queue
})
