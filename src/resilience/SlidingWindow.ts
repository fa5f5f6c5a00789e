/**
 * What a target did lately, in two buckets: exact counts for the running slot, and the slot before weighted by the part of
 * it that the window still covers. Flat numbers: exact at slot edges, approximate between.
 */

/** Counts of one target. Every value is finite and not negative but `lastSuccessMs`, which starts at minus infinity. */
export interface SlidingWindow {
  readonly startMs: number
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly previousCalls: number
  readonly previousFailures: number
  readonly previousSlow: number
  /** Failures since the last success, by completion; neither `Slow` nor a slot edge ends the run. */
  readonly consecutiveFailures: number
  readonly lastSuccessMs: number
}

/** Rates are 0 where there were no calls. `calls` may be a fraction, for the slot before counts in part. */
export interface Rates {
  readonly calls: number
  readonly failureRate: number
  readonly slowRate: number
}

export const empty = (nowMs: number): SlidingWindow => ({
  startMs: nowMs,
  calls: 0,
  failures: 0,
  slow: 0,
  previousCalls: 0,
  previousFailures: 0,
  previousSlow: 0,
  consecutiveFailures: 0,
  lastSuccessMs: Number.NEGATIVE_INFINITY
})

/** The window as seen at `nowMs`; the same object while its slot runs. A clock set back restarts the slot and keeps the counts. */
const roll = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const elapsed = nowMs - window.startMs
  if (elapsed >= 0 && elapsed < windowMs) return window
  if (elapsed < 0) return { ...window, startMs: nowMs, lastSuccessMs: Math.min(window.lastSuccessMs, nowMs) }
  const slots = Math.floor(elapsed / windowMs)
  const isNext = slots === 1
  return {
    startMs: window.startMs + slots * windowMs,
    calls: 0,
    failures: 0,
    slow: 0,
    previousCalls: isNext ? window.calls : 0,
    previousFailures: isNext ? window.failures : 0,
    previousSlow: isNext ? window.slow : 0,
    consecutiveFailures: window.consecutiveFailures,
    lastSuccessMs: window.lastSuccessMs
  }
}

/** One more finished call. */
export const add = (
  window: SlidingWindow,
  outcome: "Success" | "Failure" | "Slow",
  nowMs: number,
  windowMs: number
): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  const failed = outcome === "Failure" ? 1 : 0
  return {
    startMs: now.startMs,
    calls: now.calls + 1,
    failures: now.failures + failed,
    slow: now.slow + (outcome === "Slow" ? 1 : 0),
    previousCalls: now.previousCalls,
    previousFailures: now.previousFailures,
    previousSlow: now.previousSlow,
    consecutiveFailures: outcome === "Success" ? 0 : now.consecutiveFailures + failed,
    lastSuccessMs: outcome === "Success" ? nowMs : now.lastSuccessMs
  }
}

/** Rates over the last `windowMs`. */
export const rates = (window: SlidingWindow, nowMs: number, windowMs: number): Rates => {
  const now = roll(window, nowMs, windowMs)
  const weight = 1 - (nowMs - now.startMs) / windowMs
  const calls = now.calls + now.previousCalls * weight
  return {
    calls,
    failureRate: calls === 0 ? 0 : (now.failures + now.previousFailures * weight) / calls,
    slowRate: calls === 0 ? 0 : (now.slow + now.previousSlow * weight) / calls
  }
}
