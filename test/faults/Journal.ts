/** The log of attempts: what came in, when it ended and who closed it, with a way to wait for the log to become so. */
import type { Attempt } from "./Exchange.ts"

/** Epoch milliseconds with a fraction, from a monotonic clock. */
export const now = (): number => performance.timeOrigin + performance.now()

export interface Journal {
  readonly attempts: ReadonlyArray<Attempt>
  /** Logs an attempt and gives it its number among those of its scenario. */
  readonly log: (facts: Pick<Attempt, "scenario" | "body" | "headers" | "socketId">) => Attempt
  /** Calls the listener at each new attempt; answers a way to stop that. */
  readonly onAttempt: (listener: (attempt: Attempt) => void) => () => void
  /** Tells those who wait that something changed. */
  readonly notify: () => void
  /** Resolves at the first change after which the predicate holds, at once if it does; rejects after `limitMs`. */
  readonly waitFor: (predicate: () => boolean, limitMs: number) => Promise<void>
  readonly clear: () => void
}

export const makeJournal = (): Journal => {
  const attempts: Array<Attempt> = []
  const counts = new Map<string, number>()
  const changed = new Set<() => void>()
  const attempted = new Set<(attempt: Attempt) => void>()
  const notify = () => [...changed].forEach((listener) => listener())
  return {
    attempts,
    notify,
    log: (facts) => {
      const n = (counts.get(facts.scenario) ?? 0) + 1
      counts.set(facts.scenario, n)
      const attempt: Attempt = { ...facts, at: now(), n, written: 0 }
      attempts.push(attempt)
      attempted.forEach((listener) => listener(attempt))
      notify()
      return attempt
    },
    onAttempt: (listener) => {
      attempted.add(listener)
      return () => attempted.delete(listener)
    },
    waitFor: (predicate, limitMs) =>
      new Promise((resolve, reject) => {
        const stop = () => {
          changed.delete(check)
          clearTimeout(timer)
        }
        const check = () => {
          if (!predicate()) return
          stop()
          resolve()
        }
        const timer = setTimeout(() => {
          stop()
          reject(new Error(`not so within ${limitMs} ms, log: ${JSON.stringify(attempts)}`))
        }, limitMs)
        changed.add(check)
        check()
      }),
    clear: () => {
      attempts.length = 0
      counts.clear()
    }
  }
}
