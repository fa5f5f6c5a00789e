/**
 * Failover goes around the targets, retry around the attempts on one of them. While another target could answer: one retry, then
 * the next target; the tries that are left are spent in a second round. One deadline and one cap for the whole request. A target
 * that has asked for a pause, or that accepts us no more, is passed over; where all circuits are open, one is probed early.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type GatewayError, gatewayError, InternalFailure } from "../domain/GatewayError.ts"
import * as Classification from "../resilience/Classification.ts"
import * as Deadline from "../resilience/Deadline.ts"
import { monotonicMillis, monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import * as Retry from "../resilience/Retry.ts"
import { type Abilities, isLarger } from "./Abilities.ts"
import type { AttemptClock } from "./Attempt.ts"
import * as Course from "./Course.ts"
import type { Decision } from "./Decision.ts"
import * as Pause from "./Pause.ts"
import { couldAnswer, isAvailable, refusalOf, type Target } from "./Target.ts"

export interface FailoverOptions<A, R> {
  readonly targets: ReadonlyArray<Target>
  readonly timeouts: Deadline.TimeoutSettings
  readonly retry: Retry.RetrySettings
  /** What is known of the targets; absent = nothing that would matter. */
  readonly abilities?: Abilities | undefined
  readonly decision: Decision
  /** The end of the whole request. */
  readonly deadline: Deadline.Deadline
  /** The clock that an attempt has to beat: `firstTokenMs` for streams, `answerMs` for whole answers. */
  readonly verdictMs: number
  readonly attempt: (target: Target, clock: AttemptClock, waitedMs: number) => Effect.Effect<A, GatewayError, R>
}

/** Part of what is left that an attempt may take while another target could answer, so that the other has time to. */
const share = 1 / 2

/** The attempt, if there is time for it. */
const once = <A, R>(
  options: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  waitedMs: number,
  isLastResort = false
) =>
  Effect.withFiber<A, GatewayError, R>((fiber) => {
    const { deadline, decision, timeouts, verdictMs } = options
    const nowMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock))
    const left = Math.max(0, deadline.atMs - nowMs)
    if (left === 0) return Effect.fail(course.failure ?? Course.lastWord(plan))
    const limitMs = Course.isLastHope(plan, course, nowMs) ? left : Math.min(verdictMs, left * share)
    const clock = {
      limitMs,
      slowAfterMs: verdictMs,
      idleMs: timeouts.idleMs,
      deadline,
      longestWaitMs: options.retry.maxMs,
      isLastResort
    }
    const before = decision.attempts.length
    return Effect.tapError(options.attempt(course.target, clock, waitedMs), (error) =>
      Effect.sync(() => {
        Course.note(plan, course, error)
        const sent = decision.attempts.length - before
        course.tries += sent
        plan.attemptsLeft -= sent
      }))
  })

/**
 * After a failure that was the credential's: with another one at once, if one is free. As many times as there are others, and
 * once more for one that was renewed; that a credential is free says nothing where nobody noted how it failed.
 */
const withAnother = <A, R>(
  options: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  failure: GatewayError
): Effect.Effect<A, GatewayError, R> =>
  Effect.flatMap(monotonicMillis, (nowMs) => {
    const { guards: { credentials }, model } = course.target
    if (credentials === undefined || !Course.mayRepeat(plan)) return Effect.fail(failure)
    if (!Classification.isOfCredential(failure.reason) || !credentials.isFree(model, nowMs)) return Effect.fail(failure)
    const others = credentials.states(nowMs).length - (failure.reason._tag === "CredentialRejected" ? 0 : 1)
    if (course.switches >= others) return Effect.fail(failure)
    course.switches += 1
    return asked(options, plan, course, 0)
  })

/** A target with each of its credentials. */
const asked = <A, R>(
  options: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  waitedMs: number
): Effect.Effect<A, GatewayError, R> =>
  Effect.catch(once(options, plan, course, waitedMs), (failure) => withAnother(options, plan, course, failure))

/** The retries of a target; made only after its first failure, for a schedule costs more than a call that succeeds. */
const again = <A, R>(
  options: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  retries: number,
  first: GatewayError
) => {
  let waitedMs = 0
  const schedule = Schedule.tap(
    Retry.schedule({
      settings: options.retry,
      retries,
      deadline: options.deadline,
      budget: course.target.guards.budget,
      isAllowed: () => Course.mayRepeat(plan)
    }),
    ({ output }) =>
      Effect.sync(() => {
        waitedMs = output
      })
  )
  let isFirst = true
  const next = Effect.suspend((): Effect.Effect<A, GatewayError, R> => {
    if (!isFirst) return asked(options, plan, course, waitedMs)
    isFirst = false
    return Effect.fail(first)
  })
  return Effect.retry(next, schedule)
}

/**
 * One visit to a target. `failure`: what its first attempt, already made, came to. A target that has failed in this request
 * before is asked again only as a retry is: after its pause, paid for from its budget.
 */
const visit = <A, R>(
  options: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  tries: number,
  failure: GatewayError | undefined
): Effect.Effect<A, GatewayError, R> => {
  if (failure === undefined && course.failure !== undefined) {
    return again(options, plan, course, tries, course.failure)
  }
  const first = failure === undefined ? asked(options, plan, course, 0) : withAnother(options, plan, course, failure)
  return Effect.catch(first, (error) => again(options, plan, course, tries - 1, error))
}

/** Whether a target is passed over because of its own word, which is noted. */
const isPassedOver = Effect.fnUntraced(function*(decision: Decision, plan: Course.Plan, course: Course.Course) {
  const { target } = course
  const refusal = refusalOf(target, yield* monotonicMillis)
  if (refusal === undefined || (yield* Pause.isForced(target))) return false
  decision.skipped.push({ target: target.name, why: refusal.why })
  Course.passOver(plan, course, gatewayError(refusal.reason))
  return true
})

/** Where every circuit is open: the one that would be probed next, unless one of them was probed early not long ago. */
const lastResort = Effect.fnUntraced(function*(plan: Course.Plan) {
  const nowMs = yield* monotonicMillis
  const seen = yield* Effect.forEach(
    plan.courses,
    (course) => Effect.map(course.target.guards.breaker.snapshot, (breaker) => ({ course, breaker }))
  )
  const open = seen.filter(({ breaker, course }) => breaker.state === "open" && isAvailable(course.target, nowMs))
  const isProbed = seen.some(({ breaker }) =>
    breaker.state === "half-open" || (breaker.state === "open" && breaker.lastResortAfterMs !== undefined)
  )
  const isBusy = plan.courses.some(({ failure }) => failure?.reason._tag === "QueueFull")
  if (isProbed || isBusy) return undefined
  return open.toSorted((a, b) => (a.breaker.retryAfterMs ?? 0) - (b.breaker.retryAfterMs ?? 0))[0]?.course
})

/**
 * After the word that a request is too long for a model: whether another could take it, which only one that is known to be larger
 * could. The others are not asked any more.
 */
const mayWiden = <A, R>(
  { abilities }: FailoverOptions<A, R>,
  plan: Course.Plan,
  course: Course.Course,
  { reason }: GatewayError
): boolean => {
  if (reason._tag !== "ContextLengthExceeded" || abilities === undefined) return false
  for (const other of plan.courses) other.spent ||= !isLarger(abilities, other.target, course.target)
  return Course.others(plan, course).length > 0
}

/** What follows the first attempt, which has failed, or could not be made. */
const goOn = <A, R>(
  options: FailoverOptions<A, R>,
  failure: GatewayError | undefined
): Effect.Effect<A, GatewayError, R> => {
  const { deadline, decision, retry, targets } = options
  // A refusal of the breaker or the bulkhead sent nothing, so it is no try.
  const plan = Course.make(targets, retry.attempts, decision.attempts)
  return Effect.gen(function*() {
    let pending = failure
    for (const round of [1, 2]) {
      for (const course of plan.courses) {
        const first = pending
        pending = undefined
        if (first !== undefined) Course.note(plan, course, first)
        if (first === undefined) {
          if (!Course.isOpen(plan, course) || (yield* isPassedOver(decision, plan, course))) continue
        }
        Course.keep(plan, course, yield* monotonicMillis)
        // A first attempt that was made already is one of the tries to come.
        const left = Math.min(retry.attempts, retry.attempts - course.tries + (first === undefined ? 0 : 1))
        const tries = round === 1 && Course.others(plan, course).length > 0
          ? Math.min(Retry.triesBeforeNext, left)
          : left
        const result = yield* Effect.result(visit(options, plan, course, tries, first))
        if (result._tag === "Success") return result.success
        // Nothing was sent: its pause is too long, or its budget is empty.
        if (result.failure === course.failure) continue
        const verdict = Classification.classify(result.failure.reason)
        if (!verdict.failover && !mayWiden(options, plan, course, result.failure)) {
          return yield* Effect.fail(result.failure)
        }
        Course.remember(plan, result.failure)
        course.failure = result.failure
        course.spent ||= verdict.retrySame === "no"
        const patience = { deadline, longestWaitMs: retry.maxMs }
        if (yield* Pause.heed(course.target, result.failure.reason, patience)) course.spent = true
        if ((yield* Deadline.remaining(deadline)) === 0) return yield* Effect.fail(Course.lastWord(plan))
      }
    }
    const last = decision.attempts.length === 0 ? yield* lastResort(plan) : undefined
    return yield* last === undefined
      ? Effect.fail(Course.lastWord(plan))
      : Effect.catch(
        once(options, plan, last, 0, true),
        (error) => Effect.fail(Course.isRefusal(error) ? Course.lastWord(plan) : error)
      )
  })
}

/** Whether a target after the first could answer; limits bite only while one could. */
const hasOther = (targets: ReadonlyArray<Target>, nowMs: number): boolean => {
  for (let at = 1; at < targets.length; at++) {
    const target = targets[at]
    if (target !== undefined && couldAnswer(target, nowMs)) return true
  }
  return false
}

/** Runs the attempts until one succeeds, a failure says that no other target could do better, or nothing is left to try. */
export const run = <A, R>(options: FailoverOptions<A, R>): Effect.Effect<A, GatewayError, R> => {
  const { deadline, retry, targets, timeouts, verdictMs } = options
  const [target] = targets
  if (target === undefined) {
    return Effect.fail(gatewayError(new InternalFailure({ message: "No target could be asked." })))
  }
  return Effect.withFiber((fiber) => {
    const nowMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock))
    const left = Math.max(0, deadline.atMs - nowMs)
    if (left === 0 || !isAvailable(target, nowMs)) return goOn(options, undefined)
    const limitMs = hasOther(targets, nowMs) ? Math.min(verdictMs, left * share) : left
    const clock: AttemptClock = {
      limitMs,
      slowAfterMs: verdictMs,
      idleMs: timeouts.idleMs,
      deadline,
      longestWaitMs: retry.maxMs
    }
    return Effect.catch(options.attempt(target, clock, 0), (failure) => goOn(options, failure))
  })
}
