/** What the HTTP door counts, and `GET /metrics`. Labels come from closed sets only: route templates, status classes, targets. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { Shedding } from "../admission/Shedding.ts"
import type { Priority } from "../domain/Priority.ts"
import * as Decision from "../gateway/Decision.ts"
import { Health, type TargetHealth } from "../gateway/Health.ts"
import * as Prometheus from "../observability/Prometheus.ts"
import { requireAdmin } from "./Authorization.ts"
import type { Exchange } from "./Exchange.ts"
import { ServerOptions } from "./ServerSettings.ts"

/** Upper bounds in seconds, as the HTTP convention advises, widened to ten minutes for long answers. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

const requests = Metric.counter("breakwater.requests", { description: "Requests that have ended.", incremental: true })
const attempts = Metric.counter("breakwater.request.attempts", {
  description: "Attempts on upstreams, by route.",
  incremental: true
})
const durations = Metric.histogram("breakwater.request.duration", {
  description: "Seconds from receipt to the last byte.",
  boundaries: bounds
})
const breakerState = Metric.gauge("breakwater.breaker.state", {
  description: "0 closed, 1 half-open, 2 open, 3 forced."
})

const cost = Metric.counter("breakwater.cost.usd", {
  description: "USD that answers cost, by target; a double, the request's own line has the exact decimal.",
  incremental: true
})
const unpriced = Metric.counter("breakwater.unpriced", {
  description: "Answers whose cost is not known, by target.",
  incremental: true
})

const shed = Metric.counter("breakwater.shed", {
  description: "Requests that this gateway turned away because it was full itself.",
  incremental: true
})
const inFlight = Metric.gauge("breakwater.in_flight", {
  description: "Requests in flight, streams to their last byte."
})
const inFlightLimit = Metric.gauge("breakwater.in_flight.limit", {
  description: "Requests that may be in flight at this moment."
})
const lag = Metric.gauge("breakwater.event_loop.lag", {
  description: "Lateness of the event loop in the last second, 99th percentile, in milliseconds."
})

interface Bound {
  readonly requests: Metric.Metric<number, unknown>
  readonly attempts: Metric.Metric<number, unknown>
  readonly durations: Metric.Metric<number, unknown>
}

// Attributes are bound once for each of the few label sets: building them anew costs 2 µs an update.
const boundByLabels = new Map<string, Bound>()

const bind = (route: string, status: string): Bound => {
  const key = `${route} ${status}`
  let found = boundByLabels.get(key)
  if (found === undefined) {
    found = {
      requests: Metric.withAttributes(requests, { route, status }),
      attempts: Metric.withAttributes(attempts, { route, status }),
      durations: Metric.withAttributes(durations, { route, status })
    }
    boundByLabels.set(key, found)
  }
  return found
}

interface BoundCost {
  readonly cost: Metric.Metric<number, unknown>
  readonly unpriced: Metric.Metric<number, unknown>
}

const boundByTarget = new Map<string, BoundCost>()

/** Counts what an answer cost, or that this is not known. A target outside the file counts as its provider's. */
const recordCost = (decision: Decision.Decision, context: Context.Context<never>): void => {
  const found = Decision.costOf(decision)
  const target = decision.attempts.at(-1)?.target
  if (found === undefined || target === undefined) return
  let bound = boundByTarget.get(target)
  if (bound === undefined) {
    bound = {
      cost: Metric.withAttributes(cost, { target }),
      unpriced: Metric.withAttributes(unpriced, { target })
    }
    boundByTarget.set(target, bound)
  }
  if ("absent" in found) bound.unpriced.updateUnsafe(1, context)
  else bound.cost.updateUnsafe(Number(found.picoUsd) / 1e12, context)
}

/** `2xx` … `5xx`; `cancelled` when the caller left. */
const statusClass = (status: number, isCancelled: boolean): string =>
  isCancelled || status === 0 ? "cancelled" : `${Math.floor(status / 100)}xx`

/** Counts one ended exchange. */
export const record = (
  exchange: Exchange,
  durationMs: number,
  isCancelled: boolean,
  context: Context.Context<never>
): void => {
  const bound = bind(exchange.route, statusClass(exchange.status, isCancelled))
  bound.requests.updateUnsafe(1, context)
  bound.durations.updateUnsafe(durationMs / 1000, context)
  const tries = exchange.decision.attempts.length
  if (tries > 0) bound.attempts.updateUnsafe(tries, context)
  recordCost(exchange.decision, context)
}

/** Counts one request that was turned away. */
export const recordShed = (priority: Priority, context: Context.Context<never>): void =>
  Metric.withAttributes(shed, { priority }).updateUnsafe(1, context)

const stateNumber: Readonly<Record<TargetHealth["breaker"]["state"], number>> = {
  closed: 0,
  "metrics-only": 0,
  "half-open": 1,
  open: 2,
  "forced-open": 3,
  "forced-closed": 3
}

/** Makes the page of all processes from this one's own, which it may be asked for until the scope closes. */
export const Gathering = Context.Reference<
  (own: Effect.Effect<string>) => Effect.Effect<Effect.Effect<string>, never, Scope.Scope>
>("breakwater/server/Metrics/Gathering", { defaultValue: () => Effect.succeed })

/** `GET /metrics`, behind the admin rule unless `publicMetrics`. */
export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const health = yield* Health
  const settings = yield* ServerOptions
  const gather = yield* Gathering
  const shedding = yield* Shedding
  const own = Effect.gen(function*() {
    for (const { breaker, target } of yield* health.targets) {
      yield* Metric.update(Metric.withAttributes(breakerState, { target }), stateNumber[breaker.state])
    }
    const seen = shedding.seen()
    yield* Metric.update(inFlight, seen.inFlight)
    yield* Metric.update(inFlightLimit, seen.limit)
    yield* Metric.update(lag, seen.lagMs)
    return yield* Prometheus.render
  })
  const page = Effect.map(
    yield* gather(own),
    (text) => HttpServerResponse.text(text, { contentType: Prometheus.contentType })
  )
  yield* router.add("GET", "/metrics", settings.publicMetrics ? page : requireAdmin(settings, page))
}))
