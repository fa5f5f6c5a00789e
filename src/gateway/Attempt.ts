/**
 * One try on one target: `bulkhead(breaker(deadline(provider)))`. Waits first and judges at the moment of sending; permits live
 * to the last byte, so a stream that breaks late still reaches the breaker, as one late sample.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { CircuitOpen, type GatewayError, gatewayError, QueueFull, UpstreamTimedOut } from "../domain/GatewayError.ts"
import * as GenAiSpan from "../observability/GenAiSpan.ts"
import type { Answer, AnswerStream, Frame, ProviderCall } from "../providers/Provider.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Classification from "../resilience/Classification.ts"
import type { Deadline } from "../resilience/Deadline.ts"
import type { AttemptRecord, Decision } from "./Decision.ts"
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
}

export interface AttemptOptions {
  readonly target: Target
  readonly call: ProviderCall
  readonly decision: Decision
  readonly clock: AttemptClock
  /** How long the flow waited before it, for the record. */
  readonly waitedMs: number
}

/** A place on a target: exactly one verdict, and everything given back when the scope closes. */
interface Turn {
  readonly span: Tracer.Span | undefined
  readonly startedAtMs: number
  readonly record: AttemptRecord
  readonly settle: (outcome: CircuitBreaker.Outcome) => Effect.Effect<void>
}

const success: CircuitBreaker.Outcome = { _tag: "Success" }
const slow: CircuitBreaker.Outcome = { _tag: "Slow" }
const ignored: CircuitBreaker.Outcome = { _tag: "Ignored" }

const refuse = (options: AttemptOptions, why: string, error: GatewayError) => {
  options.decision.skipped.push({ target: options.target.name, why })
  return Effect.fail(error)
}

const enter = Effect.fnUntraced(function*(options: AttemptOptions, scope: Scope.Scope) {
  const { decision, target, waitedMs } = options
  const { breaker, bulkhead } = target.guards
  const release = yield* Effect.catch(bulkhead.acquire, () =>
    refuse(
      options,
      "queue full",
      gatewayError(
        new QueueFull({
          message: `${target.name} has as many requests in flight as it may have, and its queue is full.`,
          retryAfterMs: 1000
        })
      )
    ))
  yield* Scope.addFinalizer(scope, release)
  const permit = yield* Effect.catch(breaker.admit, ({ retryAfterMs }) =>
    refuse(
      options,
      "circuit open",
      gatewayError(
        new CircuitOpen({ message: `The circuit of ${target.name} is open.`, retryAfterMs })
      )
    ))
  const startedAtMs = yield* Clock.currentTimeMillis
  const record: AttemptRecord = { target: target.name, startedAtMs, waitedMs }
  decision.attempts.push(record)
  const span = yield* GenAiSpan.open(
    { target: target.name, provider: target.provider.kind, model: options.call.model, stream: decision.stream },
    scope
  )
  let settled = false
  const settle = (outcome: CircuitBreaker.Outcome): Effect.Effect<void> => {
    settled = true
    return breaker.record(permit, outcome)
  }
  yield* Scope.addFinalizer(
    scope,
    Effect.suspend(() => settled ? Effect.void : breaker.record(permit, ignored))
  )
  return { span, startedAtMs, record, settle } satisfies Turn
}, Effect.uninterruptible)

const timedOut = (options: AttemptOptions, what: string) => () =>
  Effect.fail(gatewayError(
    new UpstreamTimedOut({
      message: `${options.target.name} sent no ${what} within ${Math.round(options.clock.limitMs)} ms.`
    })
  ))

/** `late`: after the stream was committed, where a silence is a stall and not merely slow. */
const failed = (options: AttemptOptions, turn: Turn, error: GatewayError, late = false): Effect.Effect<void> =>
  Clock.clockWith((clock) => {
    turn.record.outcome = error.reason._tag
    GenAiSpan.failed(turn.span, error.reason._tag)
    turn.record.endedAtMs = clock.currentTimeMillisUnsafe()
    options.target.guards.lastError = error.reason._tag
    const { breaker } = Classification.classify(error.reason)
    return turn.settle({
      _tag: late && breaker === "Slow" ? "Failure" : breaker,
      retryAfterMs: error.reason.retryAfterMs
    })
  })

const answered = (options: AttemptOptions, turn: Turn): Effect.Effect<void> =>
  Clock.clockWith((clock) => {
    const now = clock.currentTimeMillisUnsafe()
    turn.record.outcome = "ok"
    turn.record.endedAtMs = now
    options.decision.provider = options.target.provider.name
    options.decision.model = options.call.model
    const outcome = now - turn.startedAtMs > options.clock.slowAfterMs ? slow : success
    return Effect.andThen(options.target.guards.budget.onSuccess, turn.settle(outcome))
  })

/** A whole answer from one target. */
export const complete = (options: AttemptOptions): Effect.Effect<Answer, GatewayError> =>
  Effect.scopedWith(Effect.fnUntraced(function*(scope) {
    const turn = yield* enter(options, scope)
    const answer = yield* options.target.provider.complete(options.call).pipe(
      Effect.timeoutOrElse({ duration: options.clock.limitMs, orElse: timedOut(options, "answer") }),
      Effect.tapError((error) => failed(options, turn, error))
    )
    yield* answered(options, turn)
    const { decision } = options
    decision.usage = answer.usage
    decision.finishReasons = answer.completion.choices.map((choice) => choice.finish_reason)
    decision.upstreamRequestId = answer.upstreamRequestId
    const { id, model } = answer.completion
    GenAiSpan.answered(turn.span, { ...decision, responseId: id, responseModel: model })
    return answer
  }))

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
  const turn = yield* enter(options, scope).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
  const opened = Effect.gen(function*() {
    const answer: AnswerStream = yield* Scope.provide(options.target.provider.stream(options.call), scope)
    return [answer, yield* Streaming.hold(answer)] as const
  })
  const [answer, held] = yield* opened.pipe(
    Effect.timeoutOrElse({ duration: clock.limitMs, orElse: timedOut(options, "content") }),
    Effect.tapError((error) => Effect.andThen(failed(options, turn, error), Scope.close(scope, Exit.fail(error))))
  )
  yield* answered(options, turn)
  decision.upstreamRequestId = answer.upstreamRequestId
  return Streaming.committed(held, answer, {
    idleMs: clock.idleMs,
    deadline: clock.deadline,
    onFrame: observe(decision),
    onEnd: (error) => {
      if (error !== undefined) decision.error = error.reason._tag
      const { id, model } = held[0].chunk
      GenAiSpan.answered(turn.span, { ...decision, responseId: id, responseModel: model })
      return Effect.andThen(
        error === undefined ? Effect.void : failed(options, turn, error, true),
        Scope.close(scope, error === undefined ? Exit.void : Exit.fail(error))
      )
    }
  })
})
