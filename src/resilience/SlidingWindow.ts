/**
 * What a target did lately, in two buckets: exact counts for the running slot, and the slot before weighted by the part of
 * it that the window still covers. Flat numbers: exact at slot edges, approximate between. Calls are counted when they begin
 * and when they come back, for failures come back sooner than answers.
 */

/** What stands still while a slot runs, so that a call copies little: its start, and the counts of the slot before. */
interface Slot {
  readonly startMs: number
  readonly previousCalls: number
  readonly previousFailures: number
  readonly previousSlow: number
  readonly previousBegun: number
}

/**
 * Counts of one target. Every value is finite and not negative but `lastSuccessMs`, which starts at minus infinity. One object,
 * for each call makes a new one twice.
 */
export interface SlidingWindow {
  readonly slot: Slot
  /** Calls that came back in the running slot, and those of them that failed or were slow. */
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Failures since the last success, by completion; neither `Slow` nor a slot edge ends the run. */
  readonly consecutiveFailures: number
  readonly lastSuccessMs: number
  /** Calls that were sent in the running slot, but for those that came back without a verdict. */
  readonly begun: number
  /** Calls that have not come back, whenever they were sent. */
  readonly outstanding: number
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

/** A slot after one of which nothing counts any more. */
const slotFrom = (startMs: number): Slot => ({
  startMs,
  previousCalls: 0,
  previousFailures: 0,
  previousSlow: 0,
  previousBegun: 0
})

export const empty = (nowMs: number): SlidingWindow => ({
  slot: slotFrom(nowMs),
  calls: 0,
  failures: 0,
  slow: 0,
  consecutiveFailures: 0,
  lastSuccessMs: Number.NEGATIVE_INFINITY,
  begun: 0,
  outstanding: 0
})

/** The window as seen at `nowMs`; the same object while its slot runs. A clock set back restarts the slot and keeps the counts. */
const roll = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const { slot } = window
  const elapsed = nowMs - slot.startMs
  if (elapsed < 0) {
    return { ...window, slot: { ...slot, startMs: nowMs }, lastSuccessMs: Math.min(window.lastSuccessMs, nowMs) }
  }
  if (elapsed < windowMs) return window
  const { begun, calls, failures, slow } = window
  const slots = Math.floor(elapsed / windowMs)
  const startMs = slot.startMs + slots * windowMs
  const next = slots === 1
    ? { startMs, previousCalls: calls, previousFailures: failures, previousSlow: slow, previousBegun: begun }
    : slotFrom(startMs)
  return { ...window, slot: next, calls: 0, failures: 0, slow: 0, begun: 0 }
}

/** One more call that was sent. */
export const begin = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  return {
    slot: now.slot,
    calls: now.calls,
    failures: now.failures,
    slow: now.slow,
    consecutiveFailures: now.consecutiveFailures,
    lastSuccessMs: now.lastSuccessMs,
    begun: now.begun + 1,
    outstanding: now.outstanding + 1
  }
}

/** A call came back without a verdict, as if it had never been sent. */
export const withdraw = (window: SlidingWindow, nowMs: number, windowMs: number): SlidingWindow => {
  const now = roll(window, nowMs, windowMs)
  const { begun, outstanding, slot } = now
  return {
    ...now,
    // It may have been sent in the slot before.
    slot: begun > 0 ? slot : { ...slot, previousBegun: Math.max(0, slot.previousBegun - 1) },
    begun: Math.max(0, begun - 1),
    outstanding: Math.max(0, outstanding - 1)
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
    slot: now.slot,
    calls: isCounted ? now.calls : now.calls + 1,
    failures: now.failures + failed,
    slow: now.slow + (outcome === "Slow" ? 1 : 0),
    consecutiveFailures: outcome === "Success" ? 0 : now.consecutiveFailures + failed,
    lastSuccessMs: outcome === "Success" ? nowMs : now.lastSuccessMs,
    begun: now.begun,
    outstanding: isLate ? now.outstanding : Math.max(0, now.outstanding - 1)
  }
}

/** Rates over the last `windowMs`. */
export const rates = (window: SlidingWindow, nowMs: number, windowMs: number): Rates => {
  const { begun, calls: returned, failures, slot, slow } = roll(window, nowMs, windowMs)
  const weight = 1 - (nowMs - slot.startMs) / windowMs
  const calls = returned + slot.previousCalls * weight
  const all = Math.max(calls, begun + slot.previousBegun * weight)
  return {
    calls,
    failureRate: calls === 0 ? 0 : (failures + slot.previousFailures * weight) / all,
    slowRate: calls === 0 ? 0 : (slow + slot.previousSlow * weight) / all
  }
}
