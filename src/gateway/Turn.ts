/**
 * A turn on a target, which is what `bulkhead(breaker(…))` gives: waits for a place first, is judged at the moment of sending, and
 * hears exactly one verdict before it gives everything back.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { CircuitOpen, type GatewayError, gatewayError, QueueFull } from "../domain/GatewayError.ts"
import type { Call, EmbeddingCall, Frame, ParameterPolicy, ProviderCall } from "../providers/Provider.ts"
import type * as Bulkhead from "../resilience/Bulkhead.ts"
import type * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import type { Deadline } from "../resilience/Deadline.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type { Watchdog } from "../resilience/Watchdog.ts"
import type { CallSpan } from "./CallSpan.ts"
import type { AttemptRecord, Decision } from "./Decision.ts"
import { countOf } from "./Streaming.ts"
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
  /** The longest pause that a request waits out, in milliseconds; a longer one is noted for everyone. */
  readonly longestWaitMs: number
  /** An early probe of an open circuit, because no target is left. */
  readonly isLastResort?: boolean
}

export interface AttemptOptions<Asked = ProviderCall> {
  readonly target: Target
  readonly call: Asked
  readonly decision: Decision
  readonly clock: AttemptClock
  /** How long the flow waited before it, for the record. */
  readonly waitedMs: number
  readonly watchdog: Watchdog
}

/** An attempt, whatever is asked for. */
export type AnyAttempt = AttemptOptions<ProviderCall | EmbeddingCall>

/**
 * What one target is asked: the caller's text with the target's own name of the model. `parameters`: what becomes of what it cannot
 * be told.
 */
export const callOf = <Request>(
  { decision, request, source }: Pick<Call<Request>, "request" | "source"> & { readonly decision: Decision },
  target: Target,
  parameters?: ParameterPolicy
): Call<Request> => ({ source, request, model: target.model, requestId: decision.requestId, parameters })

/** A place on a target: exactly one verdict before it is left, which gives everything back. */
export interface Turn {
  /** Absent where the request is not traced. */
  readonly span: CallSpan | undefined
  /** On the monotonic clock, in milliseconds. */
  readonly sinceMs: number
  readonly record: AttemptRecord
  /** It was given up at its own limit, which is not the upstream's word. */
  isOverdue: boolean
  /** The breaker has heard already that it is slow. */
  isSlow: boolean
  /** What came since its upstream last said what it had used: events with content, and the bytes of their text. */
  uncountedEvents: number
  uncountedBytes: number
  /** What came of a stream that has no content yet; absent once it has. */
  held: ReadonlyArray<Frame> | undefined
  readonly settle: (outcome: CircuitBreaker.Outcome) => Effect.Effect<void>
  /** Safe to run twice; a turn without a verdict counts as nothing. */
  readonly leave: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

const ignored: CircuitBreaker.Outcome = { _tag: "Ignored" }

const refuse = (options: AnyAttempt, why: string, reason: CircuitOpen | QueueFull) => {
  options.decision.skipped.push({ target: options.target.name, why })
  return Effect.fail(gatewayError(reason))
}

/** Guesses at what its upstream has not counted, at the end of the turn: the request and its words are not kept. */
const estimate = ({ call, decision }: AnyAttempt, { record, uncountedBytes, uncountedEvents }: Turn): void => {
  const { prices } = decision
  const { request } = call
  // Vectors say nothing, so there is no event of theirs to get here.
  if (prices === undefined || !("messages" in request)) return
  const { usage } = record
  const promptTokens = usage?.promptTokens ?? prices.estimator.input(request)
  const completionTokens = (usage?.completionTokens ?? 0) + prices.estimator.output(uncountedBytes, uncountedEvents)
  decision.estimated = record.estimated = {
    ...usage,
    promptTokens,
    completionTokens,
    totalTokens: promptTokens + completionTokens,
    reportedCost: undefined
  }
}

/** Keeps what was used by a stream that ended without content; more may have been where its upstream did not come to the end. */
const count = (record: AttemptRecord, held: ReadonlyArray<Frame>, span: CallSpan | undefined): void => {
  const counted = countOf(held)
  if (counted === undefined) return
  record.usage = counted.usage
  if (!counted.isFinal) record.estimated = { ...counted.usage, reportedCost: undefined }
  if (span !== undefined) { for (const frame of held) span.saw(frame) }
}

const turnOf = (
  options: AnyAttempt,
  permit: CircuitBreaker.Permit,
  release: Bulkhead.Release,
  clock: Clock.Clock
): Turn => {
  const { breaker } = options.target.guards
  const record: AttemptRecord = {
    target: options.target.name,
    provider: options.target.provider.name,
    model: options.call.model,
    startedAtMs: clock.currentTimeMillisUnsafe(),
    endedAtMs: undefined,
    outcome: undefined,
    failureClass: undefined,
    waitedMs: options.waitedMs,
    tookMs: undefined,
    settledAtMs: undefined,
    upstreamStatus: undefined,
    usage: undefined,
    estimated: undefined,
    isUntold: undefined
  }
  options.decision.attempts.push(record)
  const span = options.decision.trace?.begin(options)
  let settled = false
  let left = false
  const turn: Turn = {
    span,
    sinceMs: monotonicMillisUnsafe(clock),
    record,
    isOverdue: false,
    isSlow: false,
    uncountedEvents: 0,
    uncountedBytes: 0,
    held: undefined,
    settle: (outcome) => {
      settled = true
      return breaker.record(permit, outcome)
    },
    leave: (exit) => {
      if (left) return Effect.void
      left = true
      if (turn.held !== undefined && record.usage === undefined) count(record, turn.held, span)
      if (turn.uncountedEvents > 0) estimate(options, turn)
      if (span !== undefined && record.estimated !== undefined) span.isEstimated = true
      span?.leave(exit)
      return settled ? release : Effect.andThen(turn.settle(ignored), release)
    }
  }
  return turn
}

const circuitOpen = (options: AnyAttempt, retryAfterMs: number) =>
  refuse(
    options,
    "circuit open",
    new CircuitOpen({ message: `The circuit of ${options.target.name} is open.`, retryAfterMs })
  )

const queueFull = (options: AnyAttempt) =>
  refuse(
    options,
    "queue full",
    new QueueFull({
      message: `${options.target.name} has as many requests in flight as it may have, and its queue is full.`,
      retryAfterMs: 1000
    })
  )

const begin = (options: AnyAttempt, permit: CircuitBreaker.Permit, release: Bulkhead.Release) =>
  Effect.withFiber<Turn>((fiber) => Effect.succeed(turnOf(options, permit, release, fiber.getRef(Clock.Clock))))

/** A probe holds its slot for this long after its own limit, before it is taken for lost. */
const graceMs = 5000

const judged = (options: AnyAttempt, release: Bulkhead.Release): Effect.Effect<Turn, GatewayError> => {
  const { clock, target: { guards: { breaker } } } = options
  const leaseMs = clock.limitMs + graceMs
  return Effect.flatMap(
    clock.isLastResort === true ? breaker.tryLastResort(leaseMs) : breaker.admit(leaseMs),
    (decision) =>
      decision._tag === "Permit"
        ? begin(options, decision, release)
        : Effect.andThen(release, circuitOpen(options, decision.retryAfterMs))
  )
}

/** Bulkhead, then breaker. Run it where it cannot be interrupted: only the wait in the bulkhead's queue can. */
export const enter = (options: AnyAttempt): Effect.Effect<Turn, GatewayError> =>
  Effect.suspend(() => {
    const { clock: { deadline }, decision: { priority }, target: { guards: { bulkhead } } } = options
    const free = bulkhead.take()
    if (free !== undefined) return judged(options, free)
    return Effect.matchEffect(bulkhead.wait({ priority, deadline }), {
      onSuccess: (release) => judged(options, release),
      onFailure: () => queueFull(options)
    })
  })
