/** The whole flow as one Layer: routes, guards, completion, health and the library's door over a set of providers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Providers } from "../providers/Providers.ts"
import { type BreakerSettings, defaultBreakerSettings } from "../resilience/CircuitBreaker.ts"
import { defaultTimeoutSettings, type TimeoutSettings } from "../resilience/Deadline.ts"
import { defaultRetrySettings, type RetrySettings } from "../resilience/Retry.ts"
import { Ai } from "./Ai.ts"
import * as Completion from "./Completion.ts"
import * as DecisionSpan from "./DecisionSpan.ts"
import * as FlowMetrics from "./FlowMetrics.ts"
import * as Health from "./Health.ts"
import * as Pricing from "./Pricing.ts"
import * as Route from "./Route.ts"
import * as RouteText from "./RouteText.ts"
import * as Target from "./Target.ts"

/** Everything the flow can be told; each part has a default. */
export interface GatewaySettings extends Pricing.PriceSettings {
  /** What callers put in `model`; default none, then targets are asked for as `provider/model`. */
  readonly aliases?: Route.RouteSettings["aliases"] | undefined
  /** What watches over models that callers name themselves, and over aliases that say nothing of it; default nothing. */
  readonly guards?: Route.RouteSettings["guards"]
  readonly timeouts?: Partial<TimeoutSettings> | undefined
  readonly retry?: Partial<RetrySettings> | undefined
  readonly breaker?: Partial<BreakerSettings> | undefined
  readonly perProvider?: Target.GuardSettings["perProvider"] | undefined
}

export type Gateway = Ai | Completion.Completion | Health.Health | Pricing.Pricing | Route.Routes | Target.Targets

const toldTo =
  (count: (target: string, change: Target.GuardChange) => void): Target.ChangeListener => (target, change) => {
    const { machine, ...rest } = change
    count(target, change)
    return Effect.logWarning(`${machine} of ${target}: ${change.from} to ${change.to}`).pipe(
      Effect.annotateLogs({ "event.name": DecisionSpan.eventNames[machine], "breakwater.target": target, ...rest }),
      Effect.andThen(DecisionSpan.noteChange(target, change))
    )
  }

/** The flow over the providers it finds. */
export const layer = (settings: GatewaySettings = {}): Layer.Layer<Gateway, never, Providers> => {
  const retry = { ...defaultRetrySettings, ...settings.retry }
  const targets = Layer.unwrap(Effect.map(FlowMetrics.changes, (count) =>
    Target.layer({
      breaker: { ...defaultBreakerSettings, ...settings.breaker },
      retryBudget: retry.budget,
      perProvider: settings.perProvider ?? {}
    }, toldTo(count))))
  const routes = Route.layer({
    aliases: settings.aliases ?? {},
    guards: settings.guards,
    timeouts: { ...defaultTimeoutSettings, ...settings.timeouts }
  })
  const completion = Layer.unwrap(Effect.gen(function*() {
    const { current } = yield* Pricing.Pricing
    return Completion.layer({ retry, prices: current, meter: yield* FlowMetrics.make })
  }))
  return Layer.mergeAll(Ai.layer, Layer.effectDiscard(FlowMetrics.watch), RouteText.layer).pipe(
    Layer.provideMerge(completion),
    Layer.provideMerge(routes),
    Layer.provideMerge(Pricing.layer(settings)),
    Layer.provideMerge(Health.layer),
    Layer.provideMerge(targets)
  )
}
