/**
 * How many calls at once a target can take, learnt from what it says. The largest limit that went well is remembered: a look
 * beyond it that fails costs no more than that look, and only where it holds no longer is the limit cut. Latency says nothing here,
 * for it follows the length of the answer.
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
  /** The largest limit that is thought to hold; a limit above it is a look beyond. */
  readonly held: number
  /** How far the next look goes beyond; twice as far after each that went well. */
  readonly stride: number
  /** Rounds of successes at what holds before the next look; twice as many after each that failed. */
  readonly rest: number
}

export const initial = (law: LimitLaw): LimitState => ({
  limit: law.start,
  successes: 0,
  cutAtMs: -Infinity,
  held: law.start,
  stride: 1,
  rest: 1
})

/** `inFlight` counts the call that the signal is about. */
export interface LimitSignal {
  readonly _tag: "Success" | "Overload" | "SlowDown"
  readonly inFlight: number
  readonly nowMs: number
  /** When the call was sent. */
  readonly sentAtMs: number
}

/** A cut answers for all calls that were sent before it, and for what is heard within this time of it. */
export const cutWindowMs = 200

/** The same where the upstream itself asked for less: for a second it is the same request. */
export const slowDownWindowMs = 1000

/** What a limit that does not hold any more becomes. */
const share = 3 / 4

/** The most rounds between two looks beyond what holds: where 20 at once hold, one of 160 calls is refused. */
const longestRest = 8

const halved = (law: LimitLaw, state: LimitState, { inFlight, nowMs }: LimitSignal): LimitState => {
  if (nowMs - state.cutAtMs < slowDownWindowMs) return state
  const limit = Math.max(law.min, Math.floor((Number.isFinite(state.limit) ? state.limit : inFlight) / 2))
  return { limit, held: limit, successes: 0, cutAtMs: nowMs, stride: 1, rest: longestRest }
}

const cut = (law: LimitLaw, state: LimitState, { nowMs, sentAtMs }: LimitSignal): LimitState => {
  const { cutAtMs, held, limit, rest } = state
  if (nowMs - cutAtMs < cutWindowMs || sentAtMs <= cutAtMs) return state
  const next = { successes: 0, cutAtMs: nowMs, stride: 1 }
  return limit > held
    ? { ...next, limit: held, held, rest: Math.min(longestRest, rest * 2) }
    : { ...next, limit: Math.max(law.min, Math.floor(limit * share)), held: Math.max(law.min, limit - 1), rest: 1 }
}

/** After a round of successes: back to what held in half again as much at a time, then further and further beyond it. */
const afterRound = (law: LimitLaw, state: LimitState): LimitState => {
  const { held, limit, rest, stride } = state
  if (limit < held) return { ...state, limit: Math.min(held, limit + Math.ceil(limit / 2)), successes: 0 }
  const wasLook = limit > held
  const next = wasLook ? Math.max(1, Math.min(stride * 2, Math.floor(limit / 2))) : stride
  return {
    ...state,
    limit: Math.min(law.max, limit + next),
    held: limit,
    successes: 0,
    stride: next,
    rest: wasLook ? 1 : rest
  }
}

/** A limit that does not learn is back whole after this long without a cut. */
const restoreAfterMs = 60_000

const grow = (law: LimitLaw, state: LimitState, { inFlight, nowMs }: LimitSignal): LimitState => {
  const { cutAtMs, held, limit, rest, successes } = state
  if (limit >= law.max) return state
  if (!law.learns && nowMs - cutAtMs >= restoreAfterMs) return { ...initial(law), cutAtMs }
  // A limit that is not reached has proved nothing.
  if (inFlight < limit) return state
  const enough = limit === held ? limit * rest : limit
  return successes + 1 < enough ? { ...state, successes: successes + 1 } : afterRound(law, state)
}

/** The limit after one call; pure, and always within the law. */
export const step = (law: LimitLaw, state: LimitState, signal: LimitSignal): LimitState => {
  if (signal._tag === "Success") return grow(law, state, signal)
  if (signal._tag === "SlowDown") return halved(law, state, signal)
  return law.learns ? cut(law, state, signal) : state
}

/** What a failure says about how much the target can take; undefined = nothing. */
export const signalOf = (reason: Reason): "Overload" | "SlowDown" | undefined => {
  if (reason._tag === "RateLimited" && reason.code === "slow_down") return "SlowDown"
  return reason._tag === "RateLimited" || reason._tag === "Overloaded" || reason._tag === "UpstreamTimedOut"
    ? "Overload"
    : undefined
}
