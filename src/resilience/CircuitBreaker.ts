/**
 * Whether a target is working, one breaker per target: `admit` before a call, `record` after it, an operator's `control`
 * between. It sits inside the retry, so it sees attempts. The rules are `BreakerMachine`'s; this is its Ref, clock and dice.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { DurationText } from "../domain/Quantity.ts"
import type { Moment, Step } from "./BreakerMachine.ts"
import { ask, obey, step, wouldAdmit } from "./BreakerMachine.ts"
import type {
  BreakerSettings,
  Command,
  Outcome,
  Permit,
  Rejection,
  State,
  StateName,
  Transition
} from "./BreakerState.ts"
import { initial, nameOf } from "./BreakerState.ts"
import { monotonicMillis, monotonicMillisUnsafe } from "./MonotonicTime.ts"
import * as SlidingWindow from "./SlidingWindow.ts"

export type { BreakerSettings, Command, Outcome, Permit, Rejection, StateName, Transition } from "./BreakerState.ts"

export const defaultBreakerSettings: BreakerSettings = {
  windowMs: 30_000,
  minimumCalls: 20,
  failureRate: 0.5,
  slowRate: 0.8,
  consecutiveFailures: 5,
  openForMs: 2000,
  openMaxMs: 15_000,
  leaseMs: 15_000
}

const Share = Schema.Number.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const Span = DurationText.check(Schema.isGreaterThan(0))

/** `breaker` of the configuration. A threshold of zero is refused: it would open for ever or never. */
export const BreakerSettingsInput = Schema.Struct({
  window: Schema.optionalKey(Span),
  minimumCalls: Schema.optionalKey(Count),
  failureRate: Schema.optionalKey(Share),
  slowRate: Schema.optionalKey(Share),
  consecutiveFailures: Schema.optionalKey(Count),
  openFor: Schema.optionalKey(Span),
  openMax: Schema.optionalKey(Span)
})
export type BreakerSettingsInput = typeof BreakerSettingsInput.Type

/** What was written over what was there. */
export const fromInput = (input: BreakerSettingsInput, base = defaultBreakerSettings): BreakerSettings => ({
  windowMs: input.window ?? base.windowMs,
  minimumCalls: input.minimumCalls ?? base.minimumCalls,
  failureRate: input.failureRate ?? base.failureRate,
  slowRate: input.slowRate ?? base.slowRate,
  consecutiveFailures: input.consecutiveFailures ?? base.consecutiveFailures,
  openForMs: input.openFor ?? base.openForMs,
  openMaxMs: input.openMax ?? base.openMaxMs,
  leaseMs: base.leaseMs
})

/** A breaker at one moment. Rates are over the window; 0 while a circuit is open or half-open, for its window is gone. */
export interface Snapshot {
  readonly state: StateName
  readonly failureRate: number
  readonly slowRate: number
  readonly callsInWindow: number
  /** Openings in a row; 0 after the circuit stayed closed. */
  readonly openings: number
  /** Milliseconds until the next call may pass; absent when one may pass now. */
  readonly retryAfterMs?: number | undefined
  /** Milliseconds until an early probe may pass (`tryLastResort`); absent when one may pass now. */
  readonly lastResortAfterMs?: number | undefined
  /** Why an operator forced it. */
  readonly reason?: string | undefined
  /** Milliseconds until what an operator forced ends by itself; absent when only a reset ends it. */
  readonly forcedForMs?: number | undefined
}

export interface CircuitBreaker {
  /**
   * The right to make one call, or at once the refusal; a value either way, for a failure costs three times as much. Take it in an uninterruptible region and give it back with `record`:
   * a probe that is lost holds its slot until its lease ends, `leaseMs` after it was admitted, which has to be longer than the
   * call may take. Default: `leaseMs` of the settings.
   */
  readonly admit: (leaseMs?: number) => Effect.Effect<Permit | Rejection>
  /** Whether `admit` would pass at this moment (milliseconds of the breaker's clock); takes nothing and changes nothing. */
  readonly wouldAdmit: (nowMs: number) => boolean
  /** How the call went. A permit of an older generation changes nothing. */
  readonly record: (permit: Permit, outcome: Outcome) => Effect.Effect<void>
  /** In force before the next `admit`; calls under way are no longer counted. */
  readonly control: (command: Command) => Effect.Effect<Transition>
  readonly snapshot: Effect.Effect<Snapshot>
  /** An early probe of an open circuit, for when no target is left; `openForMs` after it opened. Otherwise like `admit`. */
  readonly tryLastResort: (leaseMs?: number) => Effect.Effect<Permit | Rejection>
}

/** What only some states have. */
const partsOf = (state: State) => {
  switch (state._tag) {
    case "Closed":
      return { openings: state.run.openings, window: state.window, reason: undefined }
    case "Open":
    case "HalfOpen":
      return { openings: state.openings, window: undefined, reason: undefined }
    case "Forced":
      return { openings: 0, window: state.window, reason: state.reason }
  }
}

const forcedFor = (state: State, nowMs: number): number | undefined =>
  state._tag === "Forced" && Number.isFinite(state.untilMs) ? Math.max(0, state.untilMs - nowMs) : undefined

const view = (settings: BreakerSettings, state: State, nowMs: number): Snapshot => {
  const { openings, reason, window } = partsOf(state)
  const rates = SlidingWindow.rates(window ?? SlidingWindow.empty(nowMs), nowMs, settings.windowMs)
  // A dry run of the next call tells how long it would wait.
  const waitFor = (_tag: "Admit" | "LastResort"): number | undefined => {
    const { decision } = ask(settings, state, { _tag, nowMs, jitter: 0 })
    return decision._tag === "Rejection" ? decision.retryAfterMs : undefined
  }
  return {
    state: nameOf(state),
    failureRate: rates.failureRate,
    slowRate: rates.slowRate,
    callsInWindow: Math.round(rates.calls),
    openings,
    retryAfterMs: waitFor("Admit"),
    lastResortAfterMs: waitFor("LastResort"),
    reason,
    forcedForMs: forcedFor(state, nowMs)
  }
}

const isOpening = (transition: Transition): boolean => transition.to === "open"

/** A command may find the breaker where it sends it; then its counts begin anew, but nothing is told. */
const isChange = (transition: Transition): boolean => transition.from !== transition.to

/** A function of the machine. */
type Run<M extends Moment, S extends Step> = (settings: BreakerSettings, state: State, event: M) => S

type AnyFiber = Fiber.Fiber<unknown, unknown>

const nowOf = (fiber: AnyFiber): number => monotonicMillisUnsafe(fiber.getRef(Clock.Clock))

/** A closed breaker. `onTransition` runs in the fiber that caused the change, after it took effect. */
export const make = Effect.fnUntraced(function*(
  settings: BreakerSettings,
  onTransition: (transition: Transition) => Effect.Effect<void> = () => Effect.void
): Effect.fn.Return<CircuitBreaker> {
  const ref = yield* Ref.make(initial(yield* monotonicMillis))

  /**
   * One step on the Ref, in one synchronous stretch: a `Ref.modify` spelled out, which saves an admitted call a third of its
   * cost. Dice are thrown only where a circuit opens, so a seed gives the same run whatever the load.
   */
  const take = <M extends Moment, S extends Step>(fiber: AnyFiber, run: Run<M, S>, event: M): S => {
    const state = Ref.getUnsafe(ref)
    const still = run(settings, state, event)
    const done = still.transitions.some(isOpening)
      ? run(settings, state, { ...event, jitter: fiber.getRef(Random.Random).nextDoubleUnsafe() })
      : still
    ref.ref.current = done.state
    return done
  }

  /** The answer, after the listener has heard of what changed. */
  const tell = <A>({ transitions }: Step, answer: Effect.Effect<A>): Effect.Effect<A> =>
    transitions.some(isChange)
      ? Effect.andThen(Effect.forEach(transitions.filter(isChange), onTransition), answer)
      : answer

  const asking = (_tag: "Admit" | "LastResort") => (leaseMs?: number) =>
    Effect.withFiber((fiber) => {
      const done = take(fiber, ask, { _tag, nowMs: nowOf(fiber), jitter: 0, leaseMs })
      return tell(done, Effect.succeed(done.decision))
    })

  return {
    admit: asking("Admit"),
    tryLastResort: asking("LastResort"),
    wouldAdmit: (nowMs) => wouldAdmit(settings, Ref.getUnsafe(ref), nowMs),
    record: (permit, outcome) =>
      Effect.withFiber((fiber) => {
        const isLate = permit.hasReturned
        permit.hasReturned = true
        return tell(
          take(fiber, step, { _tag: "Record", nowMs: nowOf(fiber), jitter: 0, permit, outcome, isLate }),
          Effect.void
        )
      }),
    control: (command) =>
      Effect.withFiber((fiber) => {
        const done = take(fiber, obey, { nowMs: nowOf(fiber), jitter: 0, command })
        return tell(done, Effect.succeed(done.change))
      }),
    snapshot: Effect.withFiber((fiber) => {
      const nowMs = nowOf(fiber)
      const done = take(fiber, step, { _tag: "Tick", nowMs, jitter: 0 })
      return tell(done, Effect.succeed(view(settings, done.state, nowMs)))
    })
  }
})
