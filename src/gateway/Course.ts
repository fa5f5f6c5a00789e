/** The book that `Failover` keeps of one request: how far each target has been tried, and what to tell the caller if none answers. */
import { DeadlineExceeded, type GatewayError, gatewayError, isUnsupported } from "../domain/GatewayError.ts"
import { attemptsInAll } from "../resilience/Retry.ts"
import { couldAnswer, type Target } from "./Target.ts"

/** What is known of a target within one request. */
export interface Course {
  readonly target: Target
  tries: number
  /** How often another credential was taken at once. */
  switches: number
  /** Nothing more to hope for from it in this request. */
  spent: boolean
  /** What its upstream last said. */
  said: GatewayError | undefined
  /** What it last came to. */
  failure: GatewayError | undefined
}

export interface Plan {
  readonly courses: ReadonlyArray<Course>
  /** Tries on one target, the first included. */
  readonly triesEach: number
  attemptsLeft: number
  /** Attempts of those that the target whose turn it is may not use up: see `keep`. */
  kept: number
  /** What an upstream said last. It beats what we decided ourselves. */
  told: GatewayError | undefined
  /** Of our own refusals the one that ends first. */
  refusal: GatewayError | undefined
}

/** `sent`: the attempts made so far, each booked on its own target; in all there are twice as many as one target may get. */
export const make = (
  targets: ReadonlyArray<Target>,
  triesEach: number,
  sent: ReadonlyArray<{ readonly target: string }>
): Plan => ({
  courses: targets.map((target) => ({
    target,
    tries: sent.filter((attempt) => attempt.target === target.name).length,
    switches: 0,
    spent: false,
    said: undefined,
    failure: undefined
  })),
  triesEach,
  attemptsLeft: attemptsInAll(triesEach) - sent.length,
  kept: 0,
  told: undefined,
  refusal: undefined
})

/** Whether it may be asked again. */
export const isOpen = (plan: Plan, course: Course): boolean =>
  !course.spent && course.tries < plan.triesEach && plan.attemptsLeft > 0

export const others = (plan: Plan, course: Course): ReadonlyArray<Course> =>
  plan.courses.filter((other) => other !== course && isOpen(plan, other))

/** Those that were not asked yet and could answer. */
const fresh = (plan: Plan, course: Course, nowMs: number): ReadonlyArray<Course> =>
  others(plan, course).filter((other) => other.failure === undefined && couldAnswer(other.target, nowMs))

/**
 * The last hope is given the rest of the request. A target that has failed already is no better hope, and one that would not be
 * asked at `nowMs` is none.
 */
export const isLastHope = (plan: Plan, course: Course, nowMs: number): boolean =>
  fresh(plan, course, nowMs).length === 0

/** Keeps one attempt for each of them, so that the retries and the keys of one target do not use up another's. */
export const keep = (plan: Plan, course: Course, nowMs: number): void => {
  plan.kept = fresh(plan, course, nowMs).length
}

/** Whether the target whose turn it is may have one more attempt. */
export const mayRepeat = (plan: Plan): boolean => plan.attemptsLeft > plan.kept

const waitOf = (error: GatewayError): number => error.reason.retryAfterMs ?? Number.POSITIVE_INFINITY

const sooner = (first: GatewayError | undefined, second: GatewayError): GatewayError =>
  first === undefined || waitOf(second) < waitOf(first) ? second : first

/** Nothing was sent: our own breaker or bulkhead would not have it, or the target cannot be told it. */
export const isRefusal = ({ reason }: GatewayError): boolean =>
  reason._tag === "CircuitOpen" || reason._tag === "QueueFull" || isUnsupported(reason)

/** Of two pauses the caller hears of the one that ends first; else the later failure is the better story. */
export const remember = (plan: Plan, error: GatewayError): void => {
  if (isRefusal(error)) plan.refusal = sooner(plan.refusal, error)
  else plan.told = error.reason.retryAfterMs === undefined ? error : sooner(plan.told, error)
}

/** An attempt failed. A refusal of ours does not hide what the upstream said before. */
export const note = (plan: Plan, course: Course, error: GatewayError): void => {
  if (!isRefusal(error)) course.said = error
  else if (course.said !== undefined) remember(plan, course.said)
}

/** The target is passed over, and this is why. */
export const passOver = (plan: Plan, course: Course, error: GatewayError): void => {
  course.spent = true
  plan.refusal = sooner(plan.refusal, error)
}

/** What the caller is told when nothing is left to try. */
export const lastWord = (plan: Plan): GatewayError =>
  plan.told ?? plan.refusal
    ?? gatewayError(new DeadlineExceeded({ message: "The deadline of the request passed before a target was asked." }))
