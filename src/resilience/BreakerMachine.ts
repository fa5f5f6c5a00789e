/**
 * The circuit breaker as one pure, total function: `step(settings, state, event)`, without clock and without randomness.
 * `CircuitBreaker` holds its state in a Ref. Time passes only in events, so what a timer would do (a lease that lapses, a
 * force that runs out) happens at the next event, dated to the moment it was due.
 */
import type {
  BreakerSettings,
  Closed,
  Command,
  Forced,
  HalfOpen,
  Open,
  Outcome,
  Permit,
  Rejection,
  State,
  Transition
} from "./BreakerState.ts"
import { closed, nameOf, permitOf } from "./BreakerState.ts"
import * as SlidingWindow from "./SlidingWindow.ts"

/** What happens to a breaker. `jitter` in [0, 1) is used only where a circuit opens. */
export type Event =
  & { readonly nowMs: number; readonly jitter: number }
  & (
    /** `leaseMs`: how long the call may hold its slot if it is a probe; default as in the settings. */
    | { readonly _tag: "Admit" | "LastResort"; readonly leaseMs?: number | undefined }
    | { readonly _tag: "Tick" }
    /** `isLate`: this call has been reported before; default false. */
    | { readonly _tag: "Record"; readonly permit: Permit; readonly outcome: Outcome; readonly isLate?: boolean }
    | { readonly _tag: "Control"; readonly command: Command }
  )

export interface Step {
  readonly state: State
  /** Of `Admit` and `LastResort`; undefined for the rest. */
  readonly decision: Permit | Rejection | undefined
  readonly transitions: ReadonlyArray<Transition>
}

/** Successes that close a half-open circuit: three, or one after a trip in little traffic, where three would take long. */
const manySuccesses = 3
const fewSuccesses = 1

/** Probes at once after so many successes: 1, 2, 4. */
const stageAfter = (successes: number): number => Math.min(4, 2 ** successes)

const none: ReadonlyArray<Transition> = []

const reject = (waitMs: number): Rejection => ({ _tag: "Rejection", retryAfterMs: Math.max(0, Math.ceil(waitMs)) })

/** Whole milliseconds with equal jitter on a doubling delay, never shorter than the provider asked for, never longer than `openMaxMs`. */
const openingMs = (settings: BreakerSettings, openings: number, jitter: number, retryAfterMs: number | undefined) => {
  // 2^30 of anything is beyond every limit, and Infinity × 0 would be NaN.
  const full = Math.min(settings.openMaxMs, settings.openForMs * 2 ** Math.min(openings - 1, 30))
  const jittered = Math.min(full, Math.ceil(full / 2 + jitter * full / 2))
  return retryAfterMs !== undefined && retryAfterMs > jittered
    ? Math.min(retryAfterMs, settings.openMaxMs)
    : jittered
}

const open = (
  settings: BreakerSettings,
  from: Pick<Open, "generation" | "successesToClose">,
  openings: number,
  fromMs: number,
  jitter: number,
  retryAfterMs?: number
): Open => {
  const openMs = openingMs(settings, openings, jitter, retryAfterMs)
  return {
    _tag: "Open",
    generation: from.generation + 1,
    untilMs: fromMs + openMs,
    openings,
    openMs,
    successesToClose: from.successesToClose
  }
}

/** What time alone does to a state; the same object if nothing. A clock set back shortens every wait to its full length. */
const lapse = (settings: BreakerSettings, state: State, nowMs: number, jitter: number): State => {
  switch (state._tag) {
    case "Closed":
      return state
    case "Open":
      return state.untilMs - nowMs > state.openMs ? { ...state, untilMs: nowMs + state.openMs } : state
    case "HalfOpen": {
      const expired = state.leases.find((lease) => lease.untilMs <= nowMs)
      if (expired !== undefined) return open(settings, state, state.openings + 1, expired.untilMs, jitter)
      return state.leases.some(({ leaseMs, untilMs }) => untilMs - nowMs > leaseMs)
        ? {
          ...state,
          leases: state.leases.map((lease) => ({ ...lease, untilMs: Math.min(lease.untilMs, nowMs + lease.leaseMs) }))
        }
        : state
    }
    case "Forced":
      if (state.untilMs <= nowMs) return closed(state.generation + 1, nowMs, 0, 0)
      return state.untilMs - nowMs > state.ttlMs ? { ...state, untilMs: nowMs + state.ttlMs } : state
  }
}

/** A call that asks for a place. */
type Ask = Extract<Event, { readonly _tag: "Admit" | "LastResort" }>

const grant = (settings: BreakerSettings, state: HalfOpen, ask: Ask): { state: HalfOpen; decision: Permit } => {
  const { generation, leases, nextLease } = state
  const leaseMs = ask.leaseMs !== undefined && ask.leaseMs > 0 ? ask.leaseMs : settings.leaseMs
  const lease = { id: nextLease, untilMs: ask.nowMs + leaseMs, leaseMs }
  return {
    state: { ...state, leases: [...leases, lease], nextLease: nextLease + 1 },
    decision: { _tag: "Permit", generation, probe: true, lease: nextLease, hasReturned: false }
  }
}

const probe = (settings: BreakerSettings, state: Open, ask: Ask, cause: "open-elapsed" | "last-resort"): Step => {
  const halfOpen: HalfOpen = {
    _tag: "HalfOpen",
    generation: state.generation + 1,
    stage: stageAfter(0),
    successes: 0,
    successesToClose: state.successesToClose,
    leases: [],
    nextLease: 1,
    openings: state.openings,
    openMs: state.openMs
  }
  return { ...grant(settings, halfOpen, ask), transitions: [{ from: "open", to: "half-open", cause }] }
}

/** A call under way, counted from here to its first report. */
const send = (settings: BreakerSettings, state: Closed, nowMs: number): Step => ({
  state: {
    _tag: "Closed",
    generation: state.generation,
    window: SlidingWindow.begin(state.window, nowMs, settings.windowMs),
    openings: state.openings,
    openMs: state.openMs,
    sinceMs: state.sinceMs
  },
  decision: permitOf(state.generation),
  transitions: none
})

const admit = (settings: BreakerSettings, state: State, ask: Ask): Step => {
  const { nowMs } = ask
  switch (state._tag) {
    case "Closed":
      return send(settings, state, nowMs)
    case "Open": {
      if (nowMs >= state.untilMs) return probe(settings, state, ask, "open-elapsed")
      if (ask._tag === "Admit") return { state, decision: reject(state.untilMs - nowMs), transitions: none }
      // Counted from its opening, which is what the last probe came to, whoever it was for.
      const nextMs = Math.min(state.untilMs, state.untilMs - state.openMs + settings.openForMs)
      return nowMs >= nextMs
        ? probe(settings, state, ask, "last-resort")
        : { state, decision: reject(nextMs - nowMs), transitions: none }
    }
    case "HalfOpen": {
      if (state.leases.length < state.stage) return { ...grant(settings, state, ask), transitions: none }
      const nextMs = Math.min(...state.leases.map((lease) => lease.untilMs), nowMs + settings.openMaxMs)
      return { state, decision: reject(nextMs - nowMs), transitions: none }
    }
    case "Forced":
      return {
        state,
        decision: state.mode === "forced-open"
          ? reject(Math.min(state.untilMs - nowMs, settings.openMaxMs))
          : permitOf(state.generation),
        transitions: none
      }
  }
}

/**
 * Why this window opens the circuit, if it does. Failures come back first, so a run of them says little while more calls than
 * it has are still out; and a run as long as the minimum of calls says enough, however well all was before it.
 */
const tripCause = (
  settings: BreakerSettings,
  window: SlidingWindow.SlidingWindow,
  rates: SlidingWindow.Rates,
  nowMs: number
) => {
  if (rates.calls >= settings.minimumCalls) {
    if (rates.failureRate >= settings.failureRate) return "failure-rate"
    if (rates.slowRate >= settings.slowRate) return "slow-rate"
  }
  const run = nowMs - window.lastSuccessMs >= settings.windowMs
    ? settings.consecutiveFailures
    : Math.max(settings.consecutiveFailures, settings.minimumCalls)
  return window.consecutiveFailures >= Math.max(run, window.outstanding) ? "consecutive-failures" : undefined
}

/** Only these change a rate. */
type Sample = Exclude<Outcome, { readonly _tag: "Ignored" | "Throttled" }>

const isSample = (outcome: Outcome): outcome is Sample => outcome._tag !== "Ignored" && outcome._tag !== "Throttled"

const hintOf = (outcome: Outcome): number | undefined => outcome._tag === "Failure" ? outcome.retryAfterMs : undefined

const unchanged = (state: State): Step => ({ state, decision: undefined, transitions: none })

/** A report on a call. */
type Report = Extract<Event, { readonly _tag: "Record" }>

const recordClosed = (settings: BreakerSettings, state: Closed, outcome: Sample, event: Report): Step => {
  const { isLate, jitter, nowMs } = event
  const window = SlidingWindow.add(state.window, outcome._tag, nowMs, settings.windowMs, isLate)
  // Only bad news opens a circuit, even where a success is the call that makes the minimum.
  const rates = outcome._tag === "Success" ? undefined : SlidingWindow.rates(window, nowMs, settings.windowMs)
  const cause = rates && tripCause(settings, window, rates, nowMs)
  if (rates === undefined || cause === undefined) {
    const { generation, openMs, openings, sinceMs } = state
    return unchanged({ _tag: "Closed", generation, window, openings, openMs, sinceMs })
  }
  const openings = nowMs - state.sinceMs >= state.openMs ? 1 : state.openings + 1
  const from = {
    generation: state.generation,
    successesToClose: rates.calls < settings.minimumCalls ? fewSuccesses : manySuccesses
  }
  return {
    state: open(settings, from, openings, nowMs, jitter, hintOf(outcome)),
    decision: undefined,
    transitions: [{ from: "closed", to: "open", cause }]
  }
}

const reopened = (settings: BreakerSettings, state: HalfOpen, outcome: Outcome, event: Report): Step => ({
  state: open(settings, state, state.openings + 1, event.nowMs, event.jitter, hintOf(outcome)),
  decision: undefined,
  transitions: [{ from: "half-open", to: "open", cause: "probe-failed" }]
})

const recordProbe = (settings: BreakerSettings, state: HalfOpen, event: Report): Step => {
  const { outcome, permit } = event
  if (!state.leases.some((lease) => lease.id === permit.lease)) {
    // It has come back before, so this is a late sample; a stream that broke after its first content is bad news all the same.
    return outcome._tag === "Failure" ? reopened(settings, state, outcome, event) : unchanged(state)
  }
  const leases = state.leases.filter((lease) => lease.id !== permit.lease)
  switch (outcome._tag) {
    case "Ignored":
    case "Throttled":
      return unchanged({ ...state, leases })
    case "Success": {
      const successes = state.successes + 1
      if (successes < state.successesToClose) {
        return unchanged({ ...state, leases, successes, stage: stageAfter(successes) })
      }
      return {
        state: closed(state.generation + 1, event.nowMs, state.openings, state.openMs),
        decision: undefined,
        transitions: [{ from: "half-open", to: "closed", cause: "probe-succeeded" }]
      }
    }
    case "Failure":
    case "Slow":
      return reopened(settings, state, outcome, event)
  }
}

/** The call is back and says nothing about the target. */
const withdraw = (settings: BreakerSettings, state: Closed, { isLate, nowMs }: Report): Step =>
  unchanged(isLate ? state : { ...state, window: SlidingWindow.withdraw(state.window, nowMs, settings.windowMs) })

const record = (settings: BreakerSettings, state: State, event: Report): Step => {
  const { isLate, nowMs, outcome, permit } = event
  if (permit.generation !== state.generation || state._tag === "Open") return unchanged(state)
  if (state._tag === "HalfOpen") return recordProbe(settings, state, event)
  if (!isSample(outcome)) return state._tag === "Closed" ? withdraw(settings, state, event) : unchanged(state)
  if (state._tag === "Closed") return recordClosed(settings, state, outcome, event)
  const window = SlidingWindow.add(state.window, outcome._tag, nowMs, settings.windowMs, isLate)
  return unchanged({ ...state, window })
}

const modes = { ForceOpen: "forced-open", ForceClosed: "forced-closed", MetricsOnly: "metrics-only" } as const

const control = (state: State, command: Command, nowMs: number): Step => {
  const generation = state.generation + 1
  const from = nameOf(state)
  if (command._tag === "Reset") {
    return {
      state: closed(generation, nowMs, 0, 0),
      decision: undefined,
      transitions: [{ from, to: "closed", cause: "control", reason: command.reason }]
    }
  }
  const mode = modes[command._tag]
  const ttlMs = command.ttlMs !== undefined && command.ttlMs >= 0 ? command.ttlMs : Number.POSITIVE_INFINITY
  const forced: Forced = {
    _tag: "Forced",
    generation,
    mode,
    reason: command.reason,
    ttlMs,
    untilMs: nowMs + ttlMs,
    window: SlidingWindow.empty(nowMs)
  }
  return {
    state: forced,
    decision: undefined,
    transitions: [{ from, to: mode, cause: "control", reason: command.reason }]
  }
}

const react = (settings: BreakerSettings, state: State, event: Event): Step => {
  switch (event._tag) {
    case "Admit":
    case "LastResort":
      return admit(settings, state, event)
    case "Record":
      return record(settings, state, event)
    case "Control":
      return control(state, event.command, event.nowMs)
    case "Tick":
      return unchanged(state)
  }
}

/** The whole breaker: what an event makes of a state, what is decided, and what changed on the way. */
export const step = (settings: BreakerSettings, state: State, event: Event): Step => {
  const current = lapse(settings, state, event.nowMs, event.jitter)
  const done = react(settings, current, event)
  if (current._tag === state._tag) return done
  const cause = state._tag === "Forced" ? "ttl-elapsed" : "lease-expired"
  const lapsed: Transition = { from: nameOf(state), to: nameOf(current), cause }
  return { state: done.state, decision: done.decision, transitions: [lapsed, ...done.transitions] }
}

/** Whether a call that asks at `nowMs` would pass, without asking. Jitter is left out, as if every opening were the shortest. */
export const wouldAdmit = (settings: BreakerSettings, state: State, nowMs: number): boolean =>
  state._tag === "Closed" ||
  step(settings, state, { _tag: "Admit", nowMs, jitter: 0 }).decision?._tag === "Permit"
