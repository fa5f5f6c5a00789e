/**
 * When the same target is asked again: a `Schedule` around the attempt, inside the failover. It ends, and the next target
 * has its turn, as soon as the verdict, the pause asked for, the deadline or the target's retry budget says so.
 */
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { GatewayError } from "../domain/GatewayError.ts"
import { DurationText } from "../domain/Quantity.ts"
import * as Backoff from "./Backoff.ts"
import { classify } from "./Classification.ts"
import type { Deadline } from "./Deadline.ts"
import type { RetryBudget } from "./RetryBudget.ts"
import { retryCost } from "./RetryBudget.ts"

/** How often and how patiently a target is asked. Times are milliseconds. */
export interface RetrySettings {
  /** Tries on one target, the first included. Default 3. */
  readonly attempts: number
  /** Upper end of the first wait after a blip. Default 50. */
  readonly baseMs: number
  /** Upper end of the first wait after throttling. Default 1,000. */
  readonly throttleBaseMs: number
  /** Upper end of every wait; a longer pause asked for means another target. Default 5,000. */
  readonly maxMs: number
  /** Retries a target may get beyond its successes. Default 100. */
  readonly budget: number
}

export const defaultRetrySettings: RetrySettings = {
  attempts: 3,
  baseMs: 50,
  throttleBaseMs: 1000,
  maxMs: 5000,
  budget: 100
}

/** Attempts that a whole request may come to, on all its targets. */
export const attemptsInAll = (triesEach: number): number => triesEach * 2

/** Tries on one target in the first round, while another one could answer. */
export const triesBeforeNext = 2

/** `retry` of the configuration. */
export const RetrySettingsInput = Schema.Struct({
  attempts: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  base: Schema.optionalKey(DurationText),
  throttleBase: Schema.optionalKey(DurationText),
  max: Schema.optionalKey(DurationText),
  budget: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
})
export type RetrySettingsInput = typeof RetrySettingsInput.Type

/** What was written over what was there. */
export const fromInput = (input: RetrySettingsInput, base = defaultRetrySettings): RetrySettings => ({
  attempts: input.attempts ?? base.attempts,
  baseMs: input.base ?? base.baseMs,
  throttleBaseMs: input.throttleBase ?? base.throttleBaseMs,
  maxMs: input.max ?? base.maxMs,
  budget: input.budget ?? base.budget
})

export interface RetryOptions {
  readonly settings: RetrySettings
  readonly budget: RetryBudget
  /** Retries of this target now: 1 while another could answer, else `settings.attempts - 1`. */
  readonly retries: number
  readonly deadline?: Deadline | undefined
  /** Asked before each retry, for a cap that others draw on too; default yes. */
  readonly isAllowed?: (() => boolean) | undefined
}

/** The retries of one target, for `Effect.retry` around one attempt. Outputs the wait in milliseconds. */
export const schedule = (
  { budget, deadline, isAllowed = () => true, retries, settings }: RetryOptions
): Schedule.Schedule<
  number,
  GatewayError
> =>
  Backoff.schedule<GatewayError>({
    baseMs: ({ reason }) => classify(reason).retrySame === "throttle" ? settings.throttleBaseMs : settings.baseMs,
    maxMs: settings.maxMs,
    hintMs: ({ reason }) => reason.retryAfterMs,
    deadline
  }).pipe(
    Schedule.while(({ attempt, input }) =>
      attempt <= retries && isAllowed() && classify(input.reason).retrySame !== "no"
    ),
    // Last, so that only a retry that will be made is paid for.
    Schedule.while(() => budget.tryTake(retryCost))
  )
