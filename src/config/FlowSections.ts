/** The pieces that `defaults` and each alias share: timeouts, retry and breaker. */
import * as Schema from "effect/Schema"
import { DurationText } from "../domain/Quantity.ts"

/** All in milliseconds. */
export interface TimeoutSettings {
  /** To an open connection. Default 5 000. */
  readonly connect: number
  /** To the first content event of a stream. Default 10 000. */
  readonly firstToken: number
  /** To a whole answer that is not streamed. Default 60 000. */
  readonly answer: number
  /** Between two events of a stream. Default 20 000. */
  readonly idle: number
  /** The whole request with every retry and failover. Default 600 000. */
  readonly total: number
}

export const defaultTimeoutSettings: TimeoutSettings = {
  connect: 5000,
  firstToken: 10_000,
  answer: 60_000,
  idle: 20_000,
  total: 600_000
}

export const TimeoutSettingsInput = Schema.Struct({
  connect: Schema.optionalKey(DurationText),
  firstToken: Schema.optionalKey(DurationText),
  answer: Schema.optionalKey(DurationText),
  idle: Schema.optionalKey(DurationText),
  total: Schema.optionalKey(DurationText)
})

export interface RetrySettings {
  /** Tries on one target, the first included. Default 3. */
  readonly attempts: number
  /** First pause, in milliseconds. Default 50. */
  readonly base: number
  /** First pause after a throttled answer, in milliseconds. Default 1 000. */
  readonly throttleBase: number
  /** Longest pause, in milliseconds. Default 5 000. */
  readonly max: number
  /** Capacity of the retry budget, in tokens. Default 100. */
  readonly budget: number
}

export const defaultRetrySettings: RetrySettings = { attempts: 3, base: 50, throttleBase: 1000, max: 5000, budget: 100 }

export const RetrySettingsInput = Schema.Struct({
  attempts: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))),
  base: Schema.optionalKey(DurationText),
  throttleBase: Schema.optionalKey(DurationText),
  max: Schema.optionalKey(DurationText),
  budget: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
})

export interface BreakerSettings {
  /** Length of the sliding window, in milliseconds. Default 30 000. */
  readonly window: number
  /** Calls in the window before rates are judged. Default 20. */
  readonly minimumCalls: number
  /** Share of failures that opens, 0 to 1. Default 0.5. */
  readonly failureRate: number
  /** Share of slow calls that opens, 0 to 1. Default 0.8. */
  readonly slowRate: number
  /** Failures in a row, with no success in the window, that open. Default 5. */
  readonly consecutiveFailures: number
  /** First time open, in milliseconds. Default 2 000. */
  readonly openFor: number
  /** Longest time open, in milliseconds. Default 15 000. */
  readonly openMax: number
}

export const defaultBreakerSettings: BreakerSettings = {
  window: 30_000,
  minimumCalls: 20,
  failureRate: 0.5,
  slowRate: 0.8,
  consecutiveFailures: 5,
  openFor: 2000,
  openMax: 15_000
}

const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const Positive = Schema.Int.check(Schema.isGreaterThan(0))

export const BreakerSettingsInput = Schema.Struct({
  window: Schema.optionalKey(DurationText),
  minimumCalls: Schema.optionalKey(Positive),
  failureRate: Schema.optionalKey(Share),
  slowRate: Schema.optionalKey(Share),
  consecutiveFailures: Schema.optionalKey(Positive),
  openFor: Schema.optionalKey(DurationText),
  openMax: Schema.optionalKey(DurationText)
})
