/**
 * Failover goes around the targets, retry around the attempts on one of them. While another target could answer: one retry, then
 * the next target; the tries that are left are spent in a second round. One deadline and one cap for the whole request.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type GatewayError, gatewayError, InternalFailure } from "../domain/GatewayError.ts"
import * as Classification from "../resilience/Classification.ts"
import * as Deadline from "../resilience/Deadline.ts"
import * as Retry from "../resilience/Retry.ts"
import type { AttemptClock } from "./Attempt.ts"
import type { Decision } from "./Decision.ts"
import type { Target } from "./Target.ts"

export interface FailoverOptions<A, R> {
  readonly targets: ReadonlyArray<Target>
  readonly timeouts: Deadline.TimeoutSettings
  readonly retry: Retry.RetrySettings
  readonly decision: Decision
  /** The end of the whole request. */
  readonly deadline: Deadline.Deadline
  /** The clock that an attempt has to beat: `firstTokenMs` for streams, `answerMs` for whole answers. */
  readonly verdictMs: number
  readonly attempt: (target: Target, clock: AttemptClock, waitedMs: number) => Effect.Effect<A, GatewayError, R>
}

/** What is known of a target within this request. */
interface Course {
  readonly target: Target
  tries: number
  /** Nothing more to hope for from it in this request. */
  spent: boolean
  /** What it last came to. */
  failure: GatewayError | undefined
}

/** The later failure is the better story, but what an upstream said beats what we decided ourselves. */
const isOurOwn = (error: GatewayError): boolean =>
  error.reason._tag === "CircuitOpen" || error.reason._tag === "QueueFull"

const worse = (first: GatewayError | undefined, second: GatewayError): GatewayError => {
  if (first === undefined || !isOurOwn(second)) return second
  if (!isOurOwn(first)) return first
  return (first.reason.retryAfterMs ?? 0) <= (second.reason.retryAfterMs ?? 0) ? first : second
}

/** Runs the attempts until one succeeds, a failure says that no other target could do better, or nothing is left to try. */
export const run = Effect.fnUntraced(function*<A, R>(options: FailoverOptions<A, R>) {
  const { deadline, retry, timeouts, verdictMs } = options
  const courses = options.targets.map((target): Course => ({ target, tries: 0, spent: false, failure: undefined }))
  let attemptsLeft = retry.attempts * 2
  let last: GatewayError | undefined

  const open = (course: Course) => !course.spent && course.tries < retry.attempts && attemptsLeft > 0
  const others = (course: Course) => courses.filter((other) => other !== course && open(other))

  const clockFor = (course: Course): Effect.Effect<AttemptClock> =>
    Effect.map(Deadline.remaining(deadline), (left) => {
      // The last hope is given the rest of the request; a target that has failed already is no better hope.
      const isLastHope = !others(course).some((other) => other.failure === undefined)
      return {
        limitMs: isLastHope ? left : Math.min(verdictMs, left),
        slowAfterMs: verdictMs,
        idleMs: timeouts.idleMs,
        deadline
      }
    })

  const once = (course: Course, waitedMs: number) => {
    const before = options.decision.attempts.length
    const attempt = Effect.flatMap(clockFor(course), (clock) => options.attempt(course.target, clock, waitedMs))
    // A refusal of the breaker or the bulkhead sent nothing, so it is no try.
    return Effect.tapError(attempt, () =>
      Effect.sync(() => {
        const sent = options.decision.attempts.length - before
        course.tries += sent
        attemptsLeft -= sent
      }))
  }

  /** The retries of a target; made only after its first failure, for a schedule costs more than a call that succeeds. */
  const again = (course: Course, retries: number, first: GatewayError) => {
    let waitedMs = 0
    const schedule = Schedule.tap(
      Retry.schedule({
        settings: retry,
        retries: Math.min(retries, attemptsLeft),
        deadline,
        budget: course.target.guards.budget
      }),
      ({ output }) =>
        Effect.sync(() => {
          waitedMs = output
        })
    )
    let isFirst = true
    const next = Effect.suspend((): Effect.Effect<A, GatewayError, R> => {
      if (!isFirst) return once(course, waitedMs)
      isFirst = false
      return Effect.fail(first)
    })
    return Effect.retry(next, schedule)
  }

  /** A target that has failed in this request is asked again only as a retry is: after its pause, paid for from its budget. */
  const onTarget = (course: Course, tries: number) =>
    course.failure === undefined
      ? Effect.catch(once(course, 0), (error) => again(course, tries - 1, error))
      : again(course, tries, course.failure)

  for (const round of [1, 2]) {
    for (const course of courses) {
      if (!open(course)) continue
      const left = retry.attempts - course.tries
      const tries = round === 1 && others(course).length > 0 ? Math.min(2, left) : left
      const result = yield* Effect.result(onTarget(course, tries))
      if (result._tag === "Success") return result.success
      // Nothing was sent: its pause is too long, or its budget is empty.
      if (result.failure === course.failure) continue
      const verdict = Classification.classify(result.failure.reason)
      last = worse(last, result.failure)
      if (!verdict.failover) return yield* Effect.fail(result.failure)
      course.failure = result.failure
      course.spent ||= verdict.retrySame === "no"
      if ((yield* Deadline.remaining(deadline)) === 0) return yield* Effect.fail(last)
    }
  }
  return yield* Effect.fail(last ?? gatewayError(new InternalFailure({ message: "No target could be asked." })))
})
