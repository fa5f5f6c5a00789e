/** The `defaults` section: what holds wherever the file says nothing nearer. */
import * as Schema from "effect/Schema"
import * as CircuitBreaker from "../resilience/CircuitBreaker.ts"
import * as Deadline from "../resilience/Deadline.ts"
import * as Retry from "../resilience/Retry.ts"
import { type GuardSettings, GuardSettingsInput } from "../validation/Guard.ts"

export const DefaultsSectionInput = Schema.Struct({
  timeouts: Schema.optionalKey(Deadline.TimeoutSettingsInput),
  retry: Schema.optionalKey(Retry.RetrySettingsInput),
  breaker: Schema.optionalKey(CircuitBreaker.BreakerSettingsInput),
  guards: Schema.optionalKey(GuardSettingsInput)
})

export interface DefaultsSection {
  readonly timeouts: Deadline.TimeoutSettings
  readonly retry: Retry.RetrySettings
  readonly breaker: CircuitBreaker.BreakerSettings
  /** Of aliases that say nothing of their own, and of `provider/model` names. Default none. */
  readonly guards: GuardSettings | undefined
}

/** The section over the built-in defaults. */
export const defaultsOf = (input: typeof DefaultsSectionInput.Type = {}): DefaultsSection => ({
  timeouts: Deadline.fromInput(input.timeouts ?? {}),
  retry: Retry.fromInput(input.retry ?? {}),
  breaker: CircuitBreaker.fromInput(input.breaker ?? {}),
  guards: input.guards
})
