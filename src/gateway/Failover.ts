/**
 * Failover goes around the targets, retry around the attempts on one of them. While another target could answer: one retry, then
 * the next target; the tries that are left are spent in a second round. One deadline and one cap for the whole request.
 */
import * as Clock from "effect/Clock"
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

/** What follows the first attempt, which has failed. */
const goOn = <A, R>(options: FailoverOptions<A, R>, failure: GatewayError): Effect.Effect<A, GatewayError, R> => {
  const { deadline, retry, timeouts, verdictMs } = options
  // A refusal of the breaker or the bulkhead sent nothing, so it is no try.
  const sentAlready = options.decision.attempts.length
  const courses = options.targets.map((target, at): Course => ({
    target,
    tries: at === 0 ? sentAlready : 0,
    spent: false,
    failure: undefined
  }))
  let attemptsLeft = retry.attempts * 2 - sentAlready

  const open = (course: Course) => !course.spent && course.tries < retry.attempts && attemptsLeft > 0
  const others = (course: Course) => courses.filter((other) => other !== course && open(other))

  const clockFor = (course: Course, left: number): AttemptClock => {
    // The last hope is given the rest of the request; a target that has failed already is no better hope.
    const isLastHope = !others(course).some((other) => other.failure === undefined)
    const limitMs = isLastHope ? left : Math.min(verdictMs, left)
    return { limitMs, slowAfterMs: verdictMs, idleMs: timeouts.idleMs, deadline }
  }

  const once = (course: Course, waitedMs: number) =>
    Effect.withFiber<A, GatewayError, R>((fiber) => {
      const before = options.decision.attempts.length
      const left = Deadline.left(deadline, fiber.getRef(Clock.Clock))
      return Effect.tapError(options.attempt(course.target, clockFor(course, left), waitedMs), () =>
        Effect.sync(() => {
          const sent = options.decision.attempts.length - before
          course.tries += sent
          attemptsLeft -= sent
        }))
    })

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

  return Effect.gen(function*() {
    let first: GatewayError | undefined = failure
    let last: GatewayError | undefined
    for (const round of [1, 2]) {
      for (const course of courses) {
        if (first === undefined && !open(course)) continue
        const left = retry.attempts - (first === undefined ? course.tries : 0)
        const tries = round === 1 && others(course).length > 0 ? Math.min(2, left) : left
        const result = yield* Effect.result(
          first === undefined ? onTarget(course, tries) : again(course, tries - 1, first)
        )
        first = undefined
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
    return yield* Effect.fail(last ?? failure)
  })
}

/** Runs the attempts until one succeeds, a failure says that no other target could do better, or nothing is left to try. */
export const run = <A, R>(options: FailoverOptions<A, R>): Effect.Effect<A, GatewayError, R> => {
  const { deadline, targets, timeouts, verdictMs } = options
  const [target] = targets
  if (target === undefined) {
    return Effect.fail(gatewayError(new InternalFailure({ message: "No target could be asked." })))
  }
  return Effect.withFiber((fiber) => {
    const left = Deadline.left(deadline, fiber.getRef(Clock.Clock))
    const limitMs = targets.length === 1 ? left : Math.min(verdictMs, left)
    const clock: AttemptClock = { limitMs, slowAfterMs: verdictMs, idleMs: timeouts.idleMs, deadline }
    return Effect.catch(options.attempt(target, clock, 0), (failure) => goOn(options, failure))
  })
}
