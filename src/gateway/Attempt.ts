/**
 * One try on one target: `bulkhead(breaker(deadline(provider)))`. Waits first and judges at the moment of sending; permits live
 * to the last byte, so a stream that breaks late still reaches the breaker, as one late sample.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import {
  CircuitOpen,
  DeadlineExceeded,
  type GatewayError,
  gatewayError,
  QueueFull,
  UpstreamTimedOut
} from "../domain/GatewayError.ts"
import * as GenAiSpan from "../observability/GenAiSpan.ts"
import type { Answer, Frame, Limit, ProviderCall } from "../providers/Provider.ts"
import type * as Bulkhead from "../resilience/Bulkhead.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Classification from "../resilience/Classification.ts"
import type { Deadline } from "../resilience/Deadline.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import { type AttemptRecord, classOf, type Decision } from "./Decision.ts"
import * as Streaming from "./Streaming.ts"
import type { Target } from "./Target.ts"

/** The clocks of one attempt, in milliseconds. */
export interface AttemptClock {
  /** The attempt is given up after this long. */
  readonly limitMs: number
  /** An answer that took longer is `Slow` for the breaker even where the attempt was allowed to go on. */
  readonly slowAfterMs: number
  /** Longest silence between events once a stream is committed. */
  readonly idleMs: number
  /** The end of the whole request. */
  readonly deadline: Deadline
  /** An early probe of an open circuit, because no target is left. */
  readonly isLastResort?: boolean
}

export interface AttemptOptions {
  readonly target: Target
  readonly call: ProviderCall
  readonly decision: Decision
  readonly clock: AttemptClock
  /** How long the flow waited before it, for the record. */
  readonly waitedMs: number
  readonly watchdog: Watchdog.Watchdog
}

/** What one target is asked: the caller's text with the target's own name of the model. */
export const callOf = (
  { decision, request, source }: Pick<ProviderCall, "request" | "source"> & { readonly decision: Decision },
  target: Target
): ProviderCall => ({ source, request, model: target.model, requestId: decision.requestId })

/** A place on a target: exactly one verdict before it is left, which gives everything back. */
interface Turn {
  readonly span: Tracer.Span | undefined
  readonly startedAtMs: number
  readonly record: AttemptRecord
  readonly settle: (outcome: CircuitBreaker.Outcome) => Effect.Effect<void>
  /** Safe to run twice; a turn without a verdict counts as nothing. */
  readonly leave: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

const success: CircuitBreaker.Outcome = { _tag: "Success" }
const slow: CircuitBreaker.Outcome = { _tag: "Slow" }
const ignored: CircuitBreaker.Outcome = { _tag: "Ignored" }

const refuse = (options: AttemptOptions, why: string, reason: CircuitOpen | QueueFull) => {
  options.decision.skipped.push({ target: options.target.name, why })
  return Effect.fail(gatewayError(reason))
}

const turnOf = (
  options: AttemptOptions,
  permit: CircuitBreaker.Permit,
  release: Bulkhead.Release,
  span: Tracer.Span | undefined,
  clock: Clock.Clock
): Turn => {
  const { breaker } = options.target.guards
  const startedAtMs = clock.currentTimeMillisUnsafe()
  const record: AttemptRecord = { target: options.target.name, startedAtMs, waitedMs: options.waitedMs }
  options.decision.attempts.push(record)
  let settled = false
  let left = false
  const settle = (outcome: CircuitBreaker.Outcome) => {
    settled = true
    return breaker.record(permit, outcome)
  }
  const leave = (exit: Exit.Exit<unknown, unknown>) => {
    if (left) return Effect.void
    left = true
    span?.end(clock.currentTimeNanosUnsafe(), exit)
    return settled ? release : Effect.andThen(settle(ignored), release)
  }
  return { span, startedAtMs, record, settle, leave }
}

const circuitOpen = (options: AttemptOptions, retryAfterMs: number) =>
  refuse(
    options,
    "circuit open",
    new CircuitOpen({ message: `The circuit of ${options.target.name} is open.`, retryAfterMs })
  )

const queueFull = (options: AttemptOptions) =>
  refuse(
    options,
    "queue full",
    new QueueFull({
      message: `${options.target.name} has as many requests in flight as it may have, and its queue is full.`,
      retryAfterMs: 1000
    })
  )

const begin = (options: AttemptOptions, permit: CircuitBreaker.Permit, release: Bulkhead.Release) =>
  Effect.withFiber<Turn>((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const { call, decision, target } = options
    const span = GenAiSpan.open(fiber, {
      target: target.name,
      provider: target.provider.kind,
      model: call.model,
      stream: decision.stream
    })
    if (span === undefined) return Effect.succeed(turnOf(options, permit, release, undefined, clock))
    return Effect.map(span, (opened) => turnOf(options, permit, release, opened, clock))
  })

/** A probe holds its slot for this long after its own limit, before it is taken for lost. */
const graceMs = 5000

const judged = (options: AttemptOptions, release: Bulkhead.Release): Effect.Effect<Turn, GatewayError> => {
  const { clock, target: { guards: { breaker } } } = options
  const leaseMs = clock.limitMs + graceMs
  return Effect.matchEffect(clock.isLastResort === true ? breaker.tryLastResort(leaseMs) : breaker.admit(leaseMs), {
    onSuccess: (permit) => begin(options, permit, release),
    onFailure: ({ retryAfterMs }) => Effect.andThen(release, circuitOpen(options, retryAfterMs))
  })
}

/** Bulkhead, then breaker. Run it where it cannot be interrupted: only the wait in the bulkhead's queue can. */
const enter = (options: AttemptOptions): Effect.Effect<Turn, GatewayError> =>
  Effect.suspend(() => {
    const { clock: { deadline }, decision: { priority }, target: { guards: { bulkhead } } } = options
    const free = bulkhead.take()
    if (free !== undefined) return judged(options, free)
    return Effect.matchEffect(bulkhead.wait({ priority, deadline }), {
      onSuccess: (release) => judged(options, release),
      onFailure: () => queueFull(options)
    })
  })

/** A limit shorter than the target's own is the caller's deadline, and says nothing about the target. */
const timedOut = ({ clock, target }: AttemptOptions, limitMs: number, what: string): GatewayError => {
  const within = `${Math.round(limitMs)} ms`
  return gatewayError(
    limitMs < clock.slowAfterMs
      ? new DeadlineExceeded({
        message: `The deadline of the request left ${target.name} ${within}, and it sent no ${what}.`
      })
      : new UpstreamTimedOut({ message: `${target.name} sent no ${what} within ${within}.` })
  )
}

/** `late`: after the stream was committed, where a silence is a stall and not merely slow. */
const failed = (options: AttemptOptions, turn: Turn, error: GatewayError, late = false): Effect.Effect<void> =>
  Clock.clockWith((clock) => {
    turn.record.outcome = error.reason._tag
    GenAiSpan.failed(turn.span, error.reason._tag)
    turn.record.endedAtMs = clock.currentTimeMillisUnsafe()
    options.target.guards.lastError = error.reason._tag
    options.target.guards.bulkhead.onFailure(error.reason, clock)
    const verdict = Classification.classify(error.reason)
    const { breaker } = verdict
    turn.record.failureClass = classOf(verdict)
    return turn.settle({
      _tag: late && breaker === "Slow" ? "Failure" : breaker,
      retryAfterMs: error.reason.retryAfterMs
    })
  })

const answered = (options: AttemptOptions, turn: Turn, clock: Clock.Clock): Effect.Effect<void> => {
  const now = clock.currentTimeMillisUnsafe()
  turn.record.outcome = "ok"
  turn.record.endedAtMs = now
  options.decision.provider = options.target.provider.name
  options.decision.model = options.call.model
  options.target.guards.budget.onSuccess()
  options.target.guards.bulkhead.onSuccess(clock)
  return turn.settle(now - turn.startedAtMs > options.clock.slowAfterMs ? slow : success)
}

const noteAnswer = ({ decision }: AttemptOptions, turn: Turn, answer: Answer): void => {
  const { choices, id, model } = answer.completion
  decision.usage = answer.usage
  decision.finishReasons = choices.map((choice) => choice.finish_reason)
  decision.upstreamRequestId = answer.upstreamRequestId
  GenAiSpan.answered(turn.span, { ...decision, responseId: id, responseModel: model })
}

/** How long the attempt may take; it may have waited in the queue, and the end of the request does not move for that. */
const limitAt = ({ clock }: AttemptOptions, nowMs: number): number =>
  Math.min(clock.limitMs, clock.deadline.atMs - nowMs)

/** The provider's effect within the limit of the attempt, as a child of the attempt's span; not begun with nothing left. */
const bounded = <A, R>(
  options: AttemptOptions,
  turn: Turn,
  effect: Effect.Effect<A, GatewayError, R>,
  what: string
): Effect.Effect<A, GatewayError, R> =>
  Effect.withFiber((fiber) => {
    const nowMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock))
    const limitMs = limitAt(options, nowMs)
    const overdue = () => Effect.fail(timedOut(options, limitMs, what))
    return limitMs <= 0
      ? overdue()
      : Watchdog.within(options.watchdog, nowMs + limitMs, GenAiSpan.within(effect, turn.span), overdue)
  })

/** The same for a whole answer; a provider that keeps the limit itself needs no fiber for it. */
const wholeAnswer = (options: AttemptOptions, turn: Turn): Effect.Effect<Answer, GatewayError> => {
  const { call, target: { provider }, watchdog } = options
  if (provider.keepsLimit !== true) return bounded(options, turn, provider.complete(call), "answer")
  return Effect.withFiber((fiber) => {
    const nowMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock))
    const limitMs = limitAt(options, nowMs)
    if (limitMs <= 0) return Effect.fail(timedOut(options, limitMs, "answer"))
    const limit: Limit = (stop) => {
      const watched: Watchdog.Watched = {
        atMs: nowMs + limitMs,
        onDue: () => stop(timedOut(options, limitMs, "answer"))
      }
      watchdog.watch(watched)
      return () => watchdog.callOff(watched)
    }
    return Effect.interruptible(GenAiSpan.within(provider.complete({ ...call, limit }), turn.span))
  })
}

/** A whole answer from one target. */
export const complete = (options: AttemptOptions): Effect.Effect<Answer, GatewayError> =>
  Effect.uninterruptible(
    Effect.flatMap(enter(options), (turn) =>
      Effect.matchCauseEffect(wholeAnswer(options, turn), {
        onSuccess: (answer) =>
          Effect.withFiber((fiber) => {
            const judged = answered(options, turn, fiber.getRef(Clock.Clock))
            noteAnswer(options, turn, answer)
            const exit = Exit.succeed(answer)
            return Effect.andThen(Effect.andThen(judged, turn.leave(exit)), exit)
          }),
        onFailure: (cause) => {
          const error = cause.reasons.find(Cause.isFailReason)?.error
          const exit = Exit.failCause(cause)
          const left = Effect.suspend(() => turn.leave(exit))
          return Effect.andThen(error === undefined ? left : Effect.andThen(failed(options, turn, error), left), exit)
        }
      }))
  )

const observe = (decision: Decision) => (frame: Frame): void => {
  if (frame.usage !== undefined) decision.usage = frame.usage
  for (const choice of frame.chunk.choices) {
    if (choice.finish_reason !== null && choice.finish_reason !== undefined) {
      decision.finishReasons = [...(decision.finishReasons ?? []), choice.finish_reason]
    }
  }
}

/** A committed stream from one target; until then every failure is this effect's own. The permit lives as long as the scope. */
export const stream = Effect.fnUntraced(function*(options: AttemptOptions) {
  const { clock, decision } = options
  const scope = yield* Scope.fork(yield* Effect.scope)
  const entered = Effect.flatMap(enter(options), (turn) => Effect.as(Scope.addFinalizerExit(scope, turn.leave), turn))
  const turn = yield* Effect.uninterruptible(entered).pipe(
    Effect.tapError((error) => Scope.close(scope, Exit.fail(error)))
  )
  const opened = Effect.flatMap(
    Scope.provide(options.target.provider.stream(options.call), scope),
    (answer) => Effect.map(Streaming.hold(answer), (held) => ({ answer, held }))
  )
  const { answer, held } = yield* Effect.uninterruptible(bounded(options, turn, opened, "content")).pipe(
    Effect.tapError((error) => Effect.andThen(failed(options, turn, error), Scope.close(scope, Exit.fail(error))))
  )
  yield* answered(options, turn, yield* Effect.clockWith(Effect.succeed))
  decision.upstreamRequestId = answer.upstreamRequestId
  return yield* Streaming.committed(held, answer, {
    scope,
    watchdog: options.watchdog,
    idleMs: clock.idleMs,
    deadline: clock.deadline,
    onOverdue: Scope.close(scope, Exit.void),
    onFrame: observe(decision),
    onEnd: (error) => {
      const { id, model } = held[0].chunk
      const skipped = answer.skipped?.() ?? 0
      if (skipped > 0) decision.skippedEvents = (decision.skippedEvents ?? 0) + skipped
      GenAiSpan.answered(turn.span, { ...decision, responseId: id, responseModel: model })
      if (error === undefined) return Scope.close(scope, Exit.void)
      decision.error = error.reason._tag
      return Effect.andThen(failed(options, turn, error, true), Scope.close(scope, Exit.fail(error)))
    }
  })
})
