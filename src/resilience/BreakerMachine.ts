/**
 * The circuit breaker as one pure, total function: `step(settings, state, event)`, without clock and without randomness.
 * `CircuitBreaker` holds its state in a Ref. Time passes only in events, so what a timer would do (a lease that lapses, a
 * force that runs out) happens at the next event, dated to the moment it was due.
 */
import type {
  BreakerSettings,
  Cause,
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

/** `jitter` in [0, 1) is used only where a circuit opens. */
export interface Moment {
  readonly nowMs: number
  readonly jitter: number
}

/** A call that asks for a place. */
interface Ask extends Moment {
  readonly _tag: "Admit" | "LastResort"
  /** How long the call may hold its slot if it is a probe; default as in the settings. */
  readonly leaseMs?: number | undefined
}

/** A report on a call. */
interface Report extends Moment {
  readonly _tag: "Record"
  readonly permit: Permit
  readonly outcome: Outcome
  /** This call has been reported before; default false. */
  readonly isLate?: boolean
}

/** An operator's word. */
interface Order extends Moment {
  readonly _tag: "Control"
  readonly command: Command
}

interface Tick extends Moment {
  readonly _tag: "Tick"
}

/** What happens to a breaker. */
export type Event = Ask | Report | Order | Tick

export interface Step {
  readonly state: State
  /** Of `Admit` and `LastResort`; undefined for the rest. */
  readonly decision: Permit | Rejection | undefined
  readonly transitions: ReadonlyArray<Transition>
}

interface Answered extends Step {
  readonly decision: Permit | Rejection
}

interface Commanded extends Step {
  /** The last of the transitions, even where it leads to where it began. */
  readonly change: Transition
}

/** What opens a closed circuit, and how many successes will close it again. */
interface Trip {
  readonly cause: Cause
  readonly successesToClose: number
}

/** Successes that close a half-open circuit: three, or one after a trip in little traffic, where three would take long. */
const manySuccesses = 3
const fewSuccesses = 1

/** Probes at once after so many successes: 1, 2, 4. */
const stageAfter = (successes: number): number => Math.min(4, 2 ** successes)

const none: ReadonlyArray<Transition> = []

const reject = (waitMs: number): Rejection => ({ _tag: "Rejection", retryAfterMs: Math.max(0, Math.ceil(waitMs)) })

/** Whole milliseconds with equal jitter on a doubling delay, never shorter than the provider asked for, never longer than `openMaxMs`. */
const openingMs = (settings: BreakerSettings, openings: number, jitter: number, retryAfterMs: number): number => {
  // 2^30 of anything is beyond every limit, and Infinity × 0 would be NaN.
  const full = Math.min(settings.openMaxMs, settings.openForMs * 2 ** Math.min(openings - 1, 30))
  const jittered = Math.min(full, Math.ceil(full / 2 + jitter * full / 2))
  return Math.min(settings.openMaxMs, Math.max(jittered, retryAfterMs))
}

const open = (
  settings: BreakerSettings,
  from: Pick<Open, "generation" | "successesToClose">,
  openings: number,
  fromMs: number,
  jitter: number,
  retryAfterMs = 0
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
  if (state._tag === "Closed") return state
  switch (state._tag) {
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

const grant = (settings: BreakerSettings, state: HalfOpen, event: Ask): { state: HalfOpen; decision: Permit } => {
  const { generation, leases, nextLease } = state
  const askedMs = event.leaseMs ?? 0
  const leaseMs = askedMs > 0 ? askedMs : settings.leaseMs
  const lease = { id: nextLease, untilMs: event.nowMs + leaseMs, leaseMs }
  return {
    state: { ...state, leases: [...leases, lease], nextLease: nextLease + 1 },
    decision: { _tag: "Permit", generation, lease: nextLease, hasReturned: false }
  }
}

const probe = (settings: BreakerSettings, state: Open, event: Ask, cause: "open-elapsed" | "last-resort"): Answered => {
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
  return { ...grant(settings, halfOpen, event), transitions: [{ from: "open", to: "half-open", cause }] }
}

/** A call under way, counted from here to its first report. */
const send = (settings: BreakerSettings, state: Closed, nowMs: number): Answered => ({
  state: {
    _tag: "Closed",
    generation: state.generation,
    window: SlidingWindow.begin(state.window, nowMs, settings.windowMs),
    run: state.run
  },
  decision: permitOf(state.generation),
  transitions: none
})

const admit = (settings: BreakerSettings, state: State, event: Ask): Answered => {
  const { nowMs } = event
  switch (state._tag) {
    case "Closed":
      return send(settings, state, nowMs)
    case "Open": {
      if (nowMs >= state.untilMs) return probe(settings, state, event, "open-elapsed")
      if (event._tag === "Admit") return { state, decision: reject(state.untilMs - nowMs), transitions: none }
      // Counted from its opening, which is what the last probe came to, whoever it was for.
      const nextMs = Math.min(state.untilMs, state.untilMs - state.openMs + settings.openForMs)
      return nowMs >= nextMs
        ? probe(settings, state, event, "last-resort")
        : { state, decision: reject(nextMs - nowMs), transitions: none }
    }
    case "HalfOpen": {
      if (state.leases.length < state.stage) return { ...grant(settings, state, event), transitions: none }
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
const tripOf = (settings: BreakerSettings, window: SlidingWindow.SlidingWindow, nowMs: number): Trip | undefined => {
  const { calls, failureRate, slowRate } = SlidingWindow.rates(window, nowMs, settings.windowMs)
  const isBusy = calls >= settings.minimumCalls
  if (isBusy && failureRate >= settings.failureRate) return { cause: "failure-rate", successesToClose: manySuccesses }
  if (isBusy && slowRate >= settings.slowRate) return { cause: "slow-rate", successesToClose: manySuccesses }
  const { consecutiveFailures, lastSuccessMs } = window
  const run = nowMs - lastSuccessMs >= settings.windowMs
    ? settings.consecutiveFailures
    : Math.max(settings.consecutiveFailures, settings.minimumCalls)
  return consecutiveFailures >= Math.max(run, window.outstanding)
    ? { cause: "consecutive-failures", successesToClose: isBusy ? manySuccesses : fewSuccesses }
    : undefined
}

/** Only these change a rate. */
type Sample = Exclude<Outcome, { readonly _tag: "Ignored" | "Throttled" }>

const isSample = (outcome: Outcome): outcome is Sample => outcome._tag !== "Ignored" && outcome._tag !== "Throttled"

const hintOf = (outcome: Outcome): number | undefined => outcome._tag === "Failure" ? outcome.retryAfterMs : undefined

const unchanged = (state: State): Step => ({ state, decision: undefined, transitions: none })

const recordClosed = (settings: BreakerSettings, state: Closed, outcome: Sample, event: Report): Step => {
  const { generation, run } = state
  const { isLate, jitter, nowMs } = event
  const window = SlidingWindow.add(state.window, outcome._tag, nowMs, settings.windowMs, isLate)
  // Only bad news opens a circuit, even where a success is the call that makes the minimum.
  const trip = outcome._tag === "Success" ? undefined : tripOf(settings, window, nowMs)
  if (trip === undefined) return unchanged({ _tag: "Closed", generation, window, run })
  const openings = nowMs - run.sinceMs >= run.openMs ? 1 : run.openings + 1
  const from = { generation, successesToClose: trip.successesToClose }
  return {
    state: open(settings, from, openings, nowMs, jitter, hintOf(outcome)),
    decision: undefined,
    transitions: [{ from: "closed", to: "open", cause: trip.cause }]
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

const control = (state: State, { command, nowMs }: Omit<Order, "_tag">): Commanded => {
  const generation = state.generation + 1
  const from = nameOf(state)
  const { reason } = command
  if (command._tag === "Reset") {
    const change: Transition = { from, to: "closed", cause: "control", reason }
    return { state: closed(generation, nowMs, 0, 0), decision: undefined, transitions: [change], change }
  }
  const mode = modes[command._tag]
  const askedMs = command.ttlMs ?? Number.POSITIVE_INFINITY
  const ttlMs = askedMs >= 0 ? askedMs : Number.POSITIVE_INFINITY
  const window = SlidingWindow.empty(nowMs)
  const forced: Forced = { _tag: "Forced", generation, mode, reason, ttlMs, untilMs: nowMs + ttlMs, window }
  const change: Transition = { from, to: mode, cause: "control", reason }
  return { state: forced, decision: undefined, transitions: [change], change }
}

/** What time did on the way comes first. */
const joined = <S extends Step>(before: State, current: State, done: S): S => {
  if (current._tag === before._tag) return done
  const cause = before._tag === "Forced" ? "ttl-elapsed" : "lease-expired"
  const lapsed: Transition = { from: nameOf(before), to: nameOf(current), cause }
  return { ...done, transitions: [lapsed, ...done.transitions] }
}

/** `step` of a call that asks. */
export const ask = (settings: BreakerSettings, state: State, event: Ask): Answered => {
  if (state._tag === "Closed") return send(settings, state, event.nowMs)
  const current = lapse(settings, state, event.nowMs, event.jitter)
  return joined(state, current, admit(settings, current, event))
}

/** `step` of an operator's word. */
export const obey = (settings: BreakerSettings, state: State, event: Omit<Order, "_tag">): Commanded => {
  const current = lapse(settings, state, event.nowMs, event.jitter)
  return joined(state, current, control(current, event))
}

/** The whole breaker: what an event makes of a state, what is decided, and what changed on the way. */
export const step = (settings: BreakerSettings, state: State, event: Event): Step => {
  switch (event._tag) {
    case "Admit":
    case "LastResort":
      return ask(settings, state, event)
    case "Control":
      return obey(settings, state, event)
    case "Record": {
      const current = lapse(settings, state, event.nowMs, event.jitter)
      return joined(state, current, record(settings, current, event))
    }
    case "Tick": {
      const current = lapse(settings, state, event.nowMs, event.jitter)
      return joined(state, current, unchanged(current))
    }
  }
}

/** Whether a call that asks at `nowMs` would pass, without asking. Jitter is left out, as if every opening were the shortest. */
export const wouldAdmit = (settings: BreakerSettings, state: State, nowMs: number): boolean =>
  state._tag === "Closed" || ask(settings, state, { _tag: "Admit", nowMs, jitter: 0 }).decision._tag === "Permit"
