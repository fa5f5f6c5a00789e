/** The whole flow as one Layer: routes, guards, completion, health and the library's door over a set of providers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Providers } from "../providers/Providers.ts"
import { type BreakerSettings, defaultBreakerSettings } from "../resilience/CircuitBreaker.ts"
import { defaultTimeoutSettings, type TimeoutSettings } from "../resilience/Deadline.ts"
import { defaultRetrySettings, type RetrySettings } from "../resilience/Retry.ts"
import { Ai } from "./Ai.ts"
import * as Completion from "./Completion.ts"
import * as Health from "./Health.ts"
import * as Route from "./Route.ts"
import * as Target from "./Target.ts"

/** Everything the flow can be told; each part has a default. */
export interface GatewaySettings {
  /** What callers put in `model`; default none, then targets are asked for as `provider/model`. */
  readonly aliases?: Readonly<Record<string, Route.AliasSettings>> | undefined
  readonly timeouts?: Partial<TimeoutSettings> | undefined
  readonly retry?: Partial<RetrySettings> | undefined
  readonly breaker?: Partial<BreakerSettings> | undefined
  readonly perProvider?: Target.GuardSettings["perProvider"] | undefined
}

export type Gateway = Ai | Completion.Completion | Health.Health | Route.Routes | Target.Targets

const eventNames = {
  circuit: "breakwater.breaker.transition",
  cooldown: "breakwater.cooldown.transition",
  credential: "breakwater.credential.transition"
} as const

const logChange: Target.ChangeListener = (target, { machine, ...change }) =>
  Effect.logWarning(`${machine} of ${target}: ${change.from} to ${change.to}`).pipe(
    Effect.annotateLogs({ "event.name": eventNames[machine], "breakwater.target": target, ...change })
  )

/** The flow over the providers it finds. */
export const layer = (settings: GatewaySettings = {}): Layer.Layer<Gateway, never, Providers> => {
  const retry = { ...defaultRetrySettings, ...settings.retry }
  const targets = Target.layer({
    breaker: { ...defaultBreakerSettings, ...settings.breaker },
    retryBudget: retry.budget,
    perProvider: settings.perProvider ?? {}
  }, logChange)
  const routes = Route.layer({
    aliases: settings.aliases ?? {},
    timeouts: { ...defaultTimeoutSettings, ...settings.timeouts }
  })
  return Ai.layer.pipe(
    Layer.provideMerge(Completion.layer({ retry })),
    Layer.provideMerge(routes),
    Layer.provideMerge(Health.layer),
    Layer.provideMerge(targets)
  )
}
