/**
 * One try on one target: `bulkhead(breaker(deadline(provider)))`. The permits of its turn live to the last byte, so a stream that
 * breaks late still reaches the breaker, which turns its sample into a failure.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { saidBytes } from "../accounting/Estimate.ts"
import {
  DeadlineExceeded,
  type GatewayError,
  gatewayError,
  InternalFailure,
  UpstreamTimedOut
} from "../domain/GatewayError.ts"
import type {
  Answer,
  EmbeddingAnswer,
  EmbeddingCall,
  Frame,
  Limit,
  Provider,
  ProviderCall
} from "../providers/Provider.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import type { Decision } from "./Decision.ts"
import * as Report from "./Report.ts"
import * as Streaming from "./Streaming.ts"
import { type AnyAttempt, type AttemptOptions, enter, type Turn } from "./Turn.ts"

export { type AttemptClock, type AttemptOptions, callOf } from "./Turn.ts"

/** A limit shorter than the target's own is the caller's deadline, or a part of it while another target could answer. */
const timedOut = (options: AnyAttempt, turn: Turn, nowMs: number, what: string): GatewayError => {
  const { clock, target } = options
  const limitMs = limitAt(options, nowMs)
  const within = `${Math.round(limitMs)} ms`
  turn.isOverdue = true
  return gatewayError(
    limitMs < clock.slowAfterMs && clock.limitMs >= clock.deadline.atMs - nowMs
      ? new DeadlineExceeded({
        message: `The deadline of the request left ${target.name} ${within}, and it sent no ${what}.`
      })
      : new UpstreamTimedOut({ message: `${target.name} sent no ${what} within ${within}.` })
  )
}

/** One kind of whole answer: how it is asked for, and what is noted of it. */
interface Kind<Call, Whole> {
  readonly ask: (provider: Provider, call: Call) => Effect.Effect<Whole, GatewayError>
  readonly note: (options: AttemptOptions<Call>, turn: Turn, answer: Whole) => void
}

const noteAnswer = ({ decision }: AttemptOptions, turn: Turn, answer: Answer): void => {
  const { choices } = answer.completion
  decision.usage = turn.record.usage = answer.usage
  if (answer.usage === undefined) {
    turn.uncountedEvents = 1
    turn.uncountedBytes = choices.reduce((bytes, { message }) => bytes + saidBytes(message), 0)
  }
  decision.captured?.took(answer.completion)
  decision.finishReasons = choices.map((choice) => choice.finish_reason)
  decision.upstreamRequestId = answer.upstreamRequestId
  if (answer.dropped !== undefined) decision.dropped = answer.dropped
  turn.span?.took(answer)
}

const chat: Kind<ProviderCall, Answer> = { ask: (provider, call) => provider.complete(call), note: noteAnswer }

const noteVectors = ({ decision }: AttemptOptions<EmbeddingCall>, turn: Turn, answer: EmbeddingAnswer): void => {
  decision.usage = turn.record.usage = answer.usage
  decision.upstreamRequestId = answer.upstreamRequestId
  if (answer.dropped !== undefined) decision.dropped = answer.dropped
  turn.span?.embedded(answer)
}

/** Only for what is meant not to get here: a provider without is passed over before. */
const noEmbeddings = Effect.fail(gatewayError(new InternalFailure({ message: "The provider has no embeddings." })))

const vectors: Kind<EmbeddingCall, EmbeddingAnswer> = {
  ask: (provider, call) => provider.embed?.(call) ?? noEmbeddings,
  note: noteVectors
}

/** How long the attempt may take; it may have waited in the queue, and the end of the request does not move for that. */
const limitAt = ({ clock }: AnyAttempt, nowMs: number): number => Math.min(clock.limitMs, clock.deadline.atMs - nowMs)

/** The call with someone who hears of what goes over the wire, where the request is traced. */
const wired = <Call extends object>(call: Call, { span }: Turn): Call =>
  span === undefined ? call : { ...call, wire: span }

/** The provider's effect within the limit of the attempt, as a child of the attempt's span; not begun with nothing left. */
const bounded = <A, R>(
  options: AnyAttempt,
  turn: Turn,
  effect: Effect.Effect<A, GatewayError, R>,
  what: string
): Effect.Effect<A, GatewayError, R> =>
  Effect.withFiber((fiber) => {
    const nowMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock))
    const limitMs = limitAt(options, nowMs)
    const overdue = () => Effect.fail(timedOut(options, turn, nowMs, what))
    if (limitMs <= 0) return overdue()
    const early = limitMs > options.clock.slowAfterMs ? Report.slowed(options, turn, fiber) : undefined
    return Watchdog.within(options.watchdog, nowMs + limitMs, effect, overdue, early)
  })

/** The same for a whole answer; a provider that keeps the limit itself needs no fiber for it. */
const wholeAnswer = <Call extends AnyAttempt["call"], Whole>(
  options: AttemptOptions<Call>,
  turn: Turn,
  { ask }: Kind<Call, Whole>
): Effect.Effect<Whole, GatewayError> => {
  const { call, target: { provider }, watchdog } = options
  if (provider.keepsLimit !== true) return bounded(options, turn, ask(provider, wired(call, turn)), "answer")
  const nowMs = monotonicMillisUnsafe(turn.clock)
  const limitMs = limitAt(options, nowMs)
  if (limitMs <= 0) return Effect.fail(timedOut(options, turn, nowMs, "answer"))
  const limit: Limit = (stop) => {
    const early = limitMs > options.clock.slowAfterMs ? Report.slowed(options, turn, turn.fiber) : undefined
    const onDue = () => stop(timedOut(options, turn, nowMs, "answer"))
    const watched = Watchdog.twice(watchdog, early, nowMs + limitMs, onDue)
    watchdog.watch(watched)
    return () => watchdog.callOff(watched)
  }
  return Effect.interruptible(ask(provider, { ...call, limit, wire: turn.span }))
}

/** What a provider throws before it gives an effect ends the turn like any other defect: it gives its place back. */
const begun = <Call extends AnyAttempt["call"], Whole>(
  options: AttemptOptions<Call>,
  turn: Turn,
  kind: Kind<Call, Whole>
): Effect.Effect<Whole, GatewayError> => {
  try {
    return wholeAnswer(options, turn, kind)
  } catch (defect) {
    return Effect.die(defect)
  }
}

const whole = <Call extends AnyAttempt["call"], Whole>(
  options: AttemptOptions<Call>,
  kind: Kind<Call, Whole>
): Effect.Effect<Whole, GatewayError> =>
  Effect.uninterruptible(
    Effect.flatMap(enter(options), (turn) =>
      Effect.matchCauseEffect(begun(options, turn, kind), {
        onSuccess: (answer) => {
          const judged = Report.answered(options, turn, turn.clock)
          kind.note(options, turn, answer)
          Report.completed(options)
          const exit = Exit.succeed(answer)
          return Effect.andThen(Effect.andThen(judged, turn.leave(exit)), exit)
        },
        onFailure: (cause) => {
          const error = cause.reasons.find(Cause.isFailReason)?.error
          const exit = Exit.failCause(cause)
          const left = Effect.suspend(() => turn.leave(exit))
          return Effect.andThen(
            error === undefined ? left : Effect.andThen(Report.failed(options, turn, error), left),
            exit
          )
        }
      }))
  )

/** A whole answer from one target. */
export const complete = (options: AttemptOptions): Effect.Effect<Answer, GatewayError> => whole(options, chat)

/** The vectors of one target, in the same way. */
export const embed = (options: AttemptOptions<EmbeddingCall>): Effect.Effect<EmbeddingAnswer, GatewayError> =>
  whole(options, vectors)

/** What was said, in case that nobody counts it. */
const weigh = (turn: Turn, frame: Frame): void => {
  turn.uncountedEvents += 1
  if (frame.isPlain !== true) { for (const { delta } of frame.chunk.choices) turn.uncountedBytes += saidBytes(delta) }
  else turn.uncountedBytes += frame.textBytes ?? 0
}

const observe = (decision: Decision, turn: Turn, target: string, clock: Clock.Clock) => {
  const { record, span } = turn
  const chunks = decision.meter?.chunks(target)
  let lastMs: number | undefined
  const time = (): void => {
    const nowMs = monotonicMillisUnsafe(clock)
    if (lastMs !== undefined) chunks?.observe((nowMs - lastMs) / 1000)
    lastMs = nowMs
  }
  return (frame: Frame): void => {
    span?.saw(frame)
    if (chunks !== undefined && frame.isContent) time()
    decision.captured?.saw(frame.chunk)
    if (frame.isContent) weigh(turn, frame)
    if (frame.isPlain) return
    if (frame.usage !== undefined) {
      decision.usage = record.usage = frame.usage
      turn.uncountedEvents = turn.uncountedBytes = 0
    }
    for (const choice of frame.chunk.choices) {
      if (choice.finish_reason !== null && choice.finish_reason !== undefined) {
        decision.finishReasons = [...(decision.finishReasons ?? []), choice.finish_reason]
      }
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
  const came: Array<Frame> = []
  turn.held = came
  const opened = Effect.flatMap(
    Scope.provide(options.target.provider.stream(wired(options.call, turn)), scope),
    (answer) => Effect.map(Streaming.hold(answer, came), (held) => ({ answer, held }))
  )
  const { answer, held } = yield* Effect.uninterruptible(bounded(options, turn, opened, "content")).pipe(
    Effect.tapError((error) =>
      Effect.andThen(Report.failed(options, turn, error), Scope.close(scope, Exit.fail(error)))
    )
  )
  turn.held = undefined
  const time = yield* Effect.clockWith(Effect.succeed)
  yield* Report.answered(options, turn, time)
  decision.upstreamRequestId = answer.upstreamRequestId
  if (answer.dropped !== undefined) decision.dropped = answer.dropped
  turn.span?.commit(answer.upstreamRequestId)
  return yield* Streaming.committed(held, answer, {
    scope,
    watchdog: options.watchdog,
    idleMs: clock.idleMs,
    deadline: clock.deadline,
    onOverdue: Scope.close(scope, Exit.void),
    onFrame: observe(decision, turn, options.target.name, time),
    onEnd: (error) => {
      const skipped = answer.skipped?.() ?? 0
      if (skipped > 0) decision.skippedEvents = (decision.skippedEvents ?? 0) + skipped
      if (error === undefined) {
        Report.completed(options)
        return Scope.close(scope, Exit.void)
      }
      decision.error = error.reason._tag
      return Effect.andThen(Report.broke(options, turn, error), Scope.close(scope, Exit.fail(error)))
    }
  })
})
