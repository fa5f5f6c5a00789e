/**
 * Whether a provider still accepts us: one machine for each credential (usable → refreshing → usable or dead), and the pool that
 * picks one for a call. It only orders and remembers; whether a target is asked at all is the flow's to decide.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { GatewayError, Reason } from "../domain/GatewayError.ts"
import * as Cooldown from "./Cooldown.ts"
import { monotonicMillisUnsafe } from "./MonotonicTime.ts"

/** `generation` tells a credential from the one it was before a refresh or a reset: late news of that one changes nothing. */
export type Credential =
  | { readonly _tag: "Usable"; readonly generation: number; readonly refreshedAtMs: number }
  | { readonly _tag: "Refreshing"; readonly generation: number }
  | { readonly _tag: "Dead"; readonly generation: number; readonly why: Death; readonly untilMs: number }

/** `rejected` lasts until a reset or another configuration; `quota` for an hour, for money may come back without either. */
export type Death = "rejected" | "quota"

/** What happens to a credential; times are milliseconds on the monotonic clock. */
export type Event =
  & { readonly nowMs: number }
  & (
    | { readonly _tag: "Tick" }
    | { readonly _tag: "Reset" }
    | { readonly _tag: "Rejected"; readonly generation: number; readonly canRefresh: boolean }
    | { readonly _tag: "Exhausted"; readonly generation: number; readonly pauseMs: number }
    | { readonly _tag: "Refreshed"; readonly generation: number; readonly isFresh: boolean }
  )

/** A credential that is rejected again so soon after a refresh is not mended by another. */
const refreshAgainMs = 60_000
const never = Number.NEGATIVE_INFINITY

const usable = (generation: number, refreshedAtMs = never): Credential => ({
  _tag: "Usable",
  generation,
  refreshedAtMs
})

const dead = (generation: number, why: Death, untilMs: number): Credential => ({
  _tag: "Dead",
  generation,
  why,
  untilMs
})

/** What an event makes of a credential: pure and total; the same object where it changes nothing. */
export const step = (state: Credential, event: Event): Credential => {
  const { generation } = state
  if (event._tag === "Reset") return usable(generation + 1)
  if (state._tag === "Dead") return state.untilMs <= event.nowMs ? usable(generation + 1) : state
  if (event._tag === "Tick" || event.generation !== generation) return state
  switch (event._tag) {
    case "Exhausted":
      return dead(generation, "quota", event.nowMs + event.pauseMs)
    case "Rejected":
      if (state._tag === "Refreshing") return state
      return event.canRefresh && event.nowMs - state.refreshedAtMs >= refreshAgainMs
        ? { _tag: "Refreshing", generation }
        : dead(generation, "rejected", Number.POSITIVE_INFINITY)
    case "Refreshed":
      return event.isFresh
        ? usable(generation + 1, event.nowMs)
        : dead(generation, "rejected", Number.POSITIVE_INFINITY)
  }
}

/** The credential that a call goes out with. */
export interface Use {
  readonly index: number
  readonly generation: number
}

/** What a failure came to. */
export interface Noted {
  /** To wait for before the call is made again. */
  readonly refresh?: Effect.Effect<void>
  /** Present where the credential can be used no more, at least for this model; it could before. */
  readonly death?: Death
}

/** What an operator sees of one credential. */
export type CredentialState = "usable" | "refreshing" | `dead: ${Death}`

export interface Credentials {
  /** The one in use until it is refused or slowed down, then the next that is free; the least bad one where none is. */
  readonly pick: (model: string, clock: Clock.Clock) => Use
  /** How a call failed; `asked`: for what, default chat. */
  readonly note: (use: Use, model: string, reason: Reason, clock: Clock.Clock, asked?: Asked) => Noted
  /** Whether one may be used for this model right now. */
  readonly isFree: (model: string, nowMs: number) => boolean
  /** Milliseconds until one may be used for this model: 0 = now, infinity = not without a reset. */
  readonly waitMs: (model: string, nowMs: number) => number
  /** Why none can be used for this model; undefined while one can. */
  readonly death: (model: string, nowMs: number) => Death | undefined
  /** All usable again; true if one was not. */
  readonly reset: (nowMs: number) => boolean
  /** In the order they were given; with a model, what may not be used for it is dead. */
  readonly states: (nowMs: number, model?: string) => ReadonlyArray<CredentialState>
}

/**
 * What a call was for. A key may be for chat alone: what it may not do with a model for vectors is held against that model, and what
 * it may not do, or not pay for, where texts are judged against nothing.
 */
export type Asked = "chat" | "vectors" | "moderation"

export interface CredentialOptions {
  /** How many there are, at least 1. */
  readonly count: number
  /** Gets a new token for one, where the provider can; absent = a rejected one is dead at once. */
  readonly refresh?: ((index: number) => Effect.Effect<void, GatewayError>) | undefined
}

/** A limit without a hint sends calls to the other credentials for this long. */
const unhintedPauseMs = 1000

const shown = (state: Credential): CredentialState =>
  state._tag === "Dead" ? `dead: ${state.why}` : state._tag === "Usable" ? "usable" : "refreshing"

/** A pool in which all are usable. */
export const make = ({ count, refresh }: CredentialOptions): Credentials => {
  const ref = Ref.makeUnsafe<ReadonlyArray<Credential>>(Array.from({ length: count }, () => usable(0)))
  const refreshes = new Map<number, Effect.Effect<void>>()
  // Of a credential with a model: slowed down, or (403) not allowed.
  const cooling = Cooldown.make()
  let current: Use = { index: 0, generation: 0 }
  let isCalm = true

  const keyOf = (index: number, model: string): string => `${index} ${model}`
  const send = (index: number, event: Event): Noted => {
    const before = Ref.getUnsafe(ref)
    const states = before.map((state, at) => at === index ? step(state, event) : state)
    ref.ref.current = states
    isCalm = false
    const after = states[index]
    return after?._tag === "Dead" && before[index]?._tag !== "Dead" ? { death: after.why } : {}
  }
  const tick = (nowMs: number): ReadonlyArray<Credential> =>
    ref.ref.current = Ref.getUnsafe(ref).map((state) => step(state, { _tag: "Tick", nowMs }))

  /** Milliseconds until this one may be used for the model; a refresh takes its time too. */
  const waitOf = (state: Credential, index: number, model: string, nowMs: number): number =>
    state._tag === "Dead"
      ? state.untilMs - nowMs
      : Math.max(state._tag === "Refreshing" ? 1 : 0, cooling.remaining(keyOf(index, model), nowMs))

  const waitMs = (model: string, nowMs: number): number =>
    isCalm ? 0 : Math.min(...tick(nowMs).map((state, index) => waitOf(state, index, model, nowMs)))

  const isFree = (model: string, nowMs: number): boolean => waitMs(model, nowMs) === 0

  const choose = (model: string, nowMs: number): Use => {
    const states = tick(nowMs)
    isCalm = cooling.longest(nowMs) === 0 && states.every((state) => state._tag === "Usable")
    const turns = states.map((_, at) => (current.index + at) % count)
    const [index = 0] = turns
      .map((index) => ({ index, ms: waitOf(states[index] ?? usable(0), index, model, nowMs) }))
      .toSorted((left, right) => left.ms === right.ms ? 0 : left.ms - right.ms)
      .map((turn) => turn.index)
    current = { index, generation: states[index]?.generation ?? 0 }
    return current
  }

  /** One refresh for all who were rejected meanwhile. It cannot be interrupted, because the others wait for it. */
  const refreshOf = (index: number, generation: number, clock: Clock.Clock): Effect.Effect<void> => {
    const running = refreshes.get(index)
    if (running !== undefined) return running
    const refreshed = Effect.onExit(refresh?.(index) ?? Effect.void, (exit) =>
      Effect.sync(() => {
        refreshes.delete(index)
        const nowMs = monotonicMillisUnsafe(clock)
        send(index, { _tag: "Refreshed", nowMs, generation, isFresh: exit._tag === "Success" })
      }))
    const once = Effect.runSync(Effect.cached(Effect.uninterruptible(Effect.ignore(refreshed))))
    refreshes.set(index, once)
    return once
  }

  const cool = (index: number, model: string, nowMs: number, pauseMs: number, why: Reason["_tag"]): boolean => {
    isCalm = false
    return cooling.note(keyOf(index, model), nowMs, pauseMs, why)
  }

  /** It may not be used for the model, whatever it may do for others. */
  const isForbidden = (index: number, model: string, nowMs: number): boolean =>
    cooling.why(keyOf(index, model), nowMs) === "CredentialRejected"

  const rejected = ({ generation, index }: Use, clock: Clock.Clock): Noted => {
    const nowMs = monotonicMillisUnsafe(clock)
    const noted = send(index, { _tag: "Rejected", nowMs, generation, canRefresh: refresh !== undefined })
    const after = Ref.getUnsafe(ref)[index]
    return after?._tag === "Refreshing" ? { refresh: refreshOf(index, after.generation, clock) } : noted
  }

  const note: Credentials["note"] = (use, model, reason, clock, asked = "chat") => {
    const { generation, index } = use
    const nowMs = monotonicMillisUnsafe(clock)
    switch (reason._tag) {
      case "RateLimited":
        // A pause of nothing is no hint, or the same one would be free at once.
        cool(index, model, nowMs, reason.retryAfterMs || unhintedPauseMs, reason._tag)
        return {}
      case "QuotaExhausted": {
        if (asked === "moderation") return {}
        const pauseMs = Math.min(reason.retryAfterMs || Cooldown.longestPauseMs, Cooldown.longestPauseMs)
        return send(index, { _tag: "Exhausted", nowMs, generation, pauseMs })
      }
      case "CredentialRejected":
        if (asked === "moderation") return {}
        if (reason.upstreamStatus !== 403 && (asked === "chat" || refresh !== undefined)) return rejected(use, clock)
        // News of the one that it was before.
        if (Ref.getUnsafe(ref)[index]?.generation !== generation) return {}
        // What a credential may not do with one model it may do with another.
        return cool(index, model, nowMs, Cooldown.longestPauseMs, reason._tag) ? { death: "rejected" } : {}
      default:
        return {}
    }
  }

  return {
    note,
    isFree,
    waitMs,
    pick: (model, clock) => isCalm ? current : choose(model, monotonicMillisUnsafe(clock)),
    death: (model, nowMs) => {
      if (isCalm) return undefined
      let found: Death | undefined
      for (const [index, state] of tick(nowMs).entries()) {
        const death = state._tag === "Dead" ? state.why : isForbidden(index, model, nowMs) ? "rejected" : undefined
        if (death === undefined) return undefined
        // Of both the one that may pass by itself.
        if (found !== "quota") found = death
      }
      return found
    },
    reset: (nowMs) => {
      const before = tick(nowMs)
      const wasCooling = cooling.clear(nowMs)
      ref.ref.current = before.map((state) => step(state, { _tag: "Reset", nowMs }))
      isCalm = false
      return wasCooling || before.some((state) => state._tag !== "Usable")
    },
    states: (nowMs, model) =>
      tick(nowMs).map((state, index) =>
        state._tag === "Usable" && model !== undefined && isForbidden(index, model, nowMs)
          ? "dead: rejected"
          : shown(state)
      )
  }
}
