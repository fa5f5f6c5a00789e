/**
 * What a circuit breaker is made of: its settings, what passes in and out of it, and its state as a union in which each state
 * carries only its own flat data. What happens to a state is `BreakerMachine`'s.
 */
import * as SlidingWindow from "./SlidingWindow.ts"

/** How a target is judged. Times are milliseconds. */
export interface BreakerSettings {
  /** What counts as lately. At least twice the p99 time to a verdict. Default 30,000. */
  readonly windowMs: number
  /** Rates mean nothing below this many calls in the window. Default 20. */
  readonly minimumCalls: number
  /** Share of failures that opens the circuit, above 0 and at most 1. Default 0.5. */
  readonly failureRate: number
  /** Share of slow answers that opens the circuit, above 0 and at most 1. Default 0.8. */
  readonly slowRate: number
  /**
   * Failures in a row, with no success in the window, that open it below `minimumCalls` too; with one, `minimumCalls` in a row
   * open it. Never while more calls than that are still out. Default 5.
   */
  readonly consecutiveFailures: number
  /** First opening; each further one doubles, half of it random. Default 2,000. */
  readonly openForMs: number
  /** The longest opening, a provider's own Retry-After included. Default 15,000. */
  readonly openMaxMs: number
  /** How long a probe may hold its slot where its caller names no limit; then it counts as failed. Default 15,000. */
  readonly leaseMs: number
}

/** The right to make one call. Recording it twice turns its sample into a failure (a stream that broke after its first token). */
export interface Permit {
  readonly _tag: "Permit"
  /** A permit of an older generation changes nothing when it is recorded. */
  readonly generation: number
  /** Of a probe, which decides if a half-open circuit closes; 0 for any other call. */
  readonly lease: number
  /** Set by the breaker at the first report. Each call has a permit of its own, so that it is counted down once. */
  hasReturned: boolean
}

/** No call now. A plain value: nothing on the hot path builds an `Error`. */
export interface Rejection {
  readonly _tag: "Rejection"
  /** When asking again may be answered, in whole milliseconds. */
  readonly retryAfterMs: number
}

/**
 * How a call went, as a verdict on the target. `Slow`: it was still silent at its limit. `Throttled`: it told us to wait, which
 * is for the cooldown to heed. `Ignored`: it says nothing about the target (the caller left, the request was wrong, we refused it
 * ourselves). The last two free a probe's slot and change no rate.
 */
export type Outcome =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Failure"; readonly retryAfterMs?: number | undefined }
  | { readonly _tag: "Slow" }
  | { readonly _tag: "Throttled" }
  | { readonly _tag: "Ignored" }

/** What an operator may say. Without `ttlMs` a force stays until the next command. */
export type Command =
  | { readonly _tag: "Reset"; readonly reason?: string | undefined }
  | {
    readonly _tag: "ForceOpen" | "ForceClosed" | "MetricsOnly"
    readonly reason?: string | undefined
    readonly ttlMs?: number | undefined
  }

export type StateName = "closed" | "half-open" | "open" | "forced-open" | "forced-closed" | "metrics-only"

export type Cause =
  | "failure-rate"
  | "slow-rate"
  | "consecutive-failures"
  | "open-elapsed"
  | "last-resort"
  | "probe-succeeded"
  | "probe-failed"
  | "lease-expired"
  | "control"
  | "ttl-elapsed"

export interface Transition {
  readonly from: StateName
  readonly to: StateName
  readonly cause: Cause
  /** What the operator gave for it, where the cause is `control`. */
  readonly reason?: string | undefined
}

/** The run of openings so far; forgotten after `openMs` of staying closed. */
interface Run {
  readonly openings: number
  /** How long the last one was. */
  readonly openMs: number
  /** When the circuit closed after it. */
  readonly sinceMs: number
}

export interface Closed {
  readonly _tag: "Closed"
  readonly generation: number
  readonly window: SlidingWindow.SlidingWindow
  /** Apart, because it stays the same from call to call. */
  readonly run: Run
}

export interface Open {
  readonly _tag: "Open"
  readonly generation: number
  readonly untilMs: number
  readonly openings: number
  readonly openMs: number
  /** Successes that will close it: one where the window that opened it had little in it. */
  readonly successesToClose: number
}

interface Lease {
  readonly id: number
  readonly untilMs: number
  readonly leaseMs: number
}

/** `stage` probes may run at once: twice as many with each of the `successes`, up to four. */
export interface HalfOpen {
  readonly _tag: "HalfOpen"
  readonly generation: number
  readonly stage: number
  readonly successes: number
  readonly successesToClose: number
  readonly leases: ReadonlyArray<Lease>
  readonly nextLease: number
  readonly openings: number
  readonly openMs: number
}

export interface Forced {
  readonly _tag: "Forced"
  readonly generation: number
  readonly mode: "forced-open" | "forced-closed" | "metrics-only"
  readonly reason: string | undefined
  readonly ttlMs: number
  readonly untilMs: number
  readonly window: SlidingWindow.SlidingWindow
}

export type State = Closed | Open | HalfOpen | Forced

/** The permit of a call that is not a probe. */
export const permitOf = (generation: number): Permit => ({
  _tag: "Permit",
  generation,
  lease: 0,
  hasReturned: false
})

/** A circuit that just closed, or was reset with `openings` 0. */
export const closed = (generation: number, nowMs: number, openings: number, openMs: number): Closed => ({
  _tag: "Closed",
  generation,
  window: SlidingWindow.empty(nowMs),
  run: { openings, openMs, sinceMs: nowMs }
})

/** A circuit that has seen nothing yet. */
export const initial = (nowMs: number): State => closed(0, nowMs, 0, 0)

export const nameOf = (state: State): StateName => {
  switch (state._tag) {
    case "Closed":
      return "closed"
    case "Open":
      return "open"
    case "HalfOpen":
      return "half-open"
    case "Forced":
      return state.mode
  }
}
