/**
 * How many calls at once a target can take, learnt from what it says: half as many when it is overloaded, one more for each
 * round of successes that filled the limit (AIMD). Latency says nothing here, for it follows the length of the answer.
 */
import * as Schema from "effect/Schema"
import type { Reason } from "../domain/GatewayError.ts"

/** Between these the limit finds its own way. */
export interface AdaptiveRange {
  /** Calls at once, however overloaded the target is. Default 1. */
  readonly min: number
  /** Calls at once, however well it goes. Default 256. */
  readonly max: number
}

/** Calls at once: so many, or as many as prove right. */
export type Concurrency = number | AdaptiveRange

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/** `maxConcurrency` of a provider. */
export const ConcurrencyInput = Schema.Union([
  Positive,
  Schema.Literal("adaptive"),
  Schema.Struct({ min: Schema.optionalKey(Positive), max: Schema.optionalKey(Positive) })
])

const defaultRange: AdaptiveRange = { min: 1, max: 256 }

/** What was written, with the defaults; a lower end above the upper one is lowered to it. */
export const fromInput = (input: typeof ConcurrencyInput.Type): Concurrency => {
  if (typeof input === "number") return input
  if (input === "adaptive") return defaultRange
  const max = input.max ?? Math.max(defaultRange.max, input.min ?? 0)
  return { min: Math.min(input.min ?? defaultRange.min, max), max }
}

/** The law of one limit. */
export interface LimitLaw {
  readonly min: number
  readonly max: number
  readonly start: number
  /** Whether every kind of overload counts, or only the upstream's own request to slow down. */
  readonly learns: boolean
}

/** What a limit that learns begins with. */
const firstLimit = 20

/** A limit that was not asked for is never cut below this, so that one word of an upstream stops nobody. */
const unlimitedFloor = 4

/** The law of what an operator wrote; undefined = no limit, until the upstream asks to slow down. */
export const lawOf = (concurrency: Concurrency | undefined): LimitLaw => {
  if (typeof concurrency === "object") {
    const { max, min } = concurrency
    return { min, max, start: Math.max(min, Math.min(firstLimit, max)), learns: true }
  }
  const max = concurrency ?? Infinity
  return { min: Math.min(unlimitedFloor, max), max, start: max, learns: false }
}

export interface LimitState {
  readonly limit: number
  /** Successes at a full limit since it last changed. */
  readonly successes: number
  /** When it was last cut, on the monotonic clock. */
  readonly cutAtMs: number
}

export const initial = (law: LimitLaw): LimitState => ({ limit: law.start, successes: 0, cutAtMs: -Infinity })

/** `inFlight` counts the call that the signal is about. */
export interface LimitSignal {
  readonly _tag: "Success" | "Overload" | "SlowDown"
  readonly inFlight: number
  readonly nowMs: number
}

/** A cut answers for all calls that were under way: a second one within this time is the same bad news. */
export const cutWindowMs = 1000

const cut = (law: LimitLaw, state: LimitState, { inFlight, nowMs }: LimitSignal): LimitState =>
  nowMs - state.cutAtMs < cutWindowMs
    ? state
    : {
      limit: Math.max(law.min, Math.floor((Number.isFinite(state.limit) ? state.limit : inFlight) / 2)),
      successes: 0,
      cutAtMs: nowMs
    }

/** A limit that does not learn is back whole after this long without a cut. */
const restoreAfterMs = 60_000

const grow = (law: LimitLaw, state: LimitState, { inFlight, nowMs }: LimitSignal): LimitState => {
  if (state.limit >= law.max) return state
  if (!law.learns && nowMs - state.cutAtMs >= restoreAfterMs) return { ...state, limit: law.max, successes: 0 }
  // A limit that is not reached has proved nothing.
  if (inFlight < state.limit) return state
  return state.successes + 1 < state.limit
    ? { ...state, successes: state.successes + 1 }
    : { ...state, limit: state.limit + 1, successes: 0 }
}

/** The limit after one call; pure, and always within the law. */
export const step = (law: LimitLaw, state: LimitState, signal: LimitSignal): LimitState => {
  if (signal._tag === "Success") return grow(law, state, signal)
  return signal._tag === "SlowDown" || law.learns ? cut(law, state, signal) : state
}

/** What a failure says about how much the target can take; undefined = nothing. */
export const signalOf = (reason: Reason): "Overload" | "SlowDown" | undefined => {
  if (reason._tag === "RateLimited" && reason.code === "slow_down") return "SlowDown"
  return reason._tag === "RateLimited" || reason._tag === "Overloaded" || reason._tag === "UpstreamTimedOut"
    ? "Overload"
    : undefined
}
