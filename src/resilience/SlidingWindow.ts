/**
 * What a target did lately, in two buckets: exact counts for the running slot, and the slot before weighted by the part of
 * it that the window still covers. Flat numbers: exact at slot edges, approximate between. Calls are counted when they begin
 * and when they come back, for failures come back sooner than answers.
 */

/** Counts of one target. Every value is finite and not negative but `lastSuccessMs`, which starts at minus infinity. */
export interface SlidingWindow {
  readonly startMs: number
  /** Calls that came back, with a verdict. */
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Calls that were sent, but for those that came back without a verdict. */
  readonly begun: number
  readonly previousCalls: number
  readonly previousFailures: number
  readonly previousSlow: number
  readonly previousBegun: number
  /** Calls that have not come back, whenever they were sent. */
  readonly outstanding: number
  /** Failures since the last success, by completion; neither `Slow` nor a slot edge ends the run. */
  readonly consecutiveFailures: number
  readonly lastSuccessMs: number
}

/**
 * Rates are 0 where there were no calls, else shares of the calls that came back or were sent, whichever were more.
 * `calls` came back; it may be a fraction, for the slot before counts in part.
 */
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
  begun: 0,
  previousCalls: 0,
  previousFailures: 0,
  previousSlow: 0,
  previousBegun: 0,
  outstanding: 0,
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
    begun: 0,
    previousCalls: isNext ? window.calls : 0,
    previousFailures: isNext ? window.failures : 0,
    previousSlow: isNext ? window.slow : 0,
    previousBegun: isNext ? window.begun : 0,
    outstanding: window.outstanding,
    consecutiveFailures: window.consecutiveFailures,
    lastSuccessMs: window.lastSuccessMs
  }
}

/** One more call that was sent. */
export const begin = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  return {
    startMs: now.startMs,
    calls: now.calls,
    failures: now.failures,
    slow: now.slow,
    begun: now.begun + 1,
    previousCalls: now.previousCalls,
    previousFailures: now.previousFailures,
    previousSlow: now.previousSlow,
    previousBegun: now.previousBegun,
    outstanding: now.outstanding + 1,
    consecutiveFailures: now.consecutiveFailures,
    lastSuccessMs: now.lastSuccessMs
  }
}

/** A call came back without a verdict, as if it had never been sent. */
export const withdraw = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  return {
    ...now,
    begun: Math.max(0, now.begun - 1),
    // It may have been sent in the slot before.
    previousBegun: now.begun > 0 ? now.previousBegun : Math.max(0, now.previousBegun - 1),
    outstanding: Math.max(0, now.outstanding - 1)
  }
}

/**
 * One more verdict. `isLate`: on a call that has come back before. A late failure takes the place of the sample that it was, so
 * that it is one call; where all samples of the running slot are failures it was counted in an older one, and is a call of now.
 */
export const add = (
  window: SlidingWindow,
  outcome: "Success" | "Failure" | "Slow",
  nowMs: number,
  windowMs: number,
  isLate = false
): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  const failed = outcome === "Failure" ? 1 : 0
  const isCounted = isLate && failed === 1 && now.failures < now.calls
  return {
    startMs: now.startMs,
    calls: isCounted ? now.calls : now.calls + 1,
    failures: now.failures + failed,
    slow: now.slow + (outcome === "Slow" ? 1 : 0),
    begun: now.begun,
    previousCalls: now.previousCalls,
    previousFailures: now.previousFailures,
    previousSlow: now.previousSlow,
    previousBegun: now.previousBegun,
    outstanding: isLate ? now.outstanding : Math.max(0, now.outstanding - 1),
    consecutiveFailures: outcome === "Success" ? 0 : now.consecutiveFailures + failed,
    lastSuccessMs: outcome === "Success" ? nowMs : now.lastSuccessMs
  }
}

/** Rates over the last `windowMs`. */
export const rates = (window: SlidingWindow, nowMs: number, windowMs: number): Rates => {
  const now = roll(window, nowMs, windowMs)
  const weight = 1 - (nowMs - now.startMs) / windowMs
  const calls = now.calls + now.previousCalls * weight
  const all = Math.max(calls, now.begun + now.previousBegun * weight)
  return {
    calls,
    failureRate: calls === 0 ? 0 : (now.failures + now.previousFailures * weight) / all,
    slowRate: calls === 0 ? 0 : (now.slow + now.previousSlow * weight) / all
  }
}
