/** What the HTTP door counts, and `GET /metrics`. Labels come from closed sets only: route templates, statuses, priorities. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Shedding } from "../admission/Shedding.ts"
import type { Priority } from "../domain/Priority.ts"
import * as Catalogue from "../observability/Catalogue.ts"
import { knownMethod } from "../observability/Conventions.ts"
import { type Counter, CurrentInstruments, type Histogram, type Instruments } from "../observability/Instruments.ts"
import * as Prometheus from "../observability/Prometheus.ts"
import { requireAdmin } from "./Authorization.ts"
import type { Exchange } from "./Exchange.ts"
import { ServerOptions } from "./ServerSettings.ts"

/** What one kind of exchange adds to. */
interface Bound {
  readonly requests: Counter
  readonly attempts: Counter
  readonly durations: Histogram
  readonly http: Histogram
}

/** What is bound by what tells exchanges apart, and for the last one, for most are of its kind and a text to look it up costs more. */
interface Known {
  readonly all: Map<string, Bound>
  last: { method: string; route: string; status: number; error: string | undefined; bound: Bound } | undefined
}

const knownOf = new WeakMap<Instruments, Known>()

/** Of doors that speak TLS. */
const secure = new WeakSet<Instruments>()

/** `2xx` … `5xx`; `cancelled` when the caller left. */
const statusClass = (status: number, isCancelled: boolean): string =>
  isCancelled || status === 0 ? "cancelled" : `${Math.floor(status / 100)}xx`

const bind = (
  instruments: Instruments,
  { method, route, status }: Exchange,
  isCancelled: boolean,
  error?: string
): Bound => {
  const byRoute = [route, statusClass(status, isCancelled)]
  return {
    requests: instruments.counter(Catalogue.requests).of(...byRoute),
    attempts: instruments.counter(Catalogue.requestAttempts).of(...byRoute),
    durations: instruments.histogram(Catalogue.requestDuration).of(...byRoute),
    http: instruments.histogram(Catalogue.httpServerDuration).of(
      knownMethod(method),
      route === "_other" ? undefined : route,
      status === 0 ? undefined : String(status),
      secure.has(instruments) ? "https" : "http",
      error
    )
  }
}

const find = (exchange: Exchange, isCancelled: boolean, error: string | undefined, instruments: Instruments): Bound => {
  let known = knownOf.get(instruments)
  if (known === undefined) knownOf.set(instruments, known = { all: new Map(), last: undefined })
  const { method, route, status } = exchange
  const { all, last } = known
  const isLast = last?.status === status && last.route === route && last.method === method && last.error === error
  if (isLast && !isCancelled) return last.bound
  const key = `${method} ${route} ${status} ${isCancelled} ${error}`
  let bound = all.get(key)
  if (bound === undefined) {
    bound = bind(instruments, exchange, isCancelled, error)
    // A method is the caller's word, so what is kept of one that nobody knows would be without end.
    if (knownMethod(method) === method) all.set(key, bound)
  }
  if (!isCancelled) known.last = { method, route, status, error, bound }
  return bound
}

/** Counts one ended exchange. */
export const record = (
  exchange: Exchange,
  durationMs: number,
  isCancelled: boolean,
  instruments: Instruments
): void => {
  const { decision, status } = exchange
  const failure = decision.error ?? (status >= 500 ? String(status) : undefined)
  const bound = find(exchange, isCancelled, isCancelled ? undefined : failure, instruments)
  bound.requests.add(1)
  bound.durations.observe(durationMs / 1000)
  bound.http.observe(durationMs / 1000)
  const tries = decision.attempts.length
  if (tries > 0) bound.attempts.add(tries)
}

/** Counts one request that was turned away. */
export const recordShed = (priority: Priority, instruments: Instruments): void =>
  instruments.counter(Catalogue.shed).of(priority).add(1)

/** Makes the page of all processes from this one's own, which it may be asked for until the scope closes. */
export const Gathering = Context.Reference<
  (own: Effect.Effect<string>) => Effect.Effect<Effect.Effect<string>, never, Scope.Scope>
>("breakwater/server/Metrics/Gathering", { defaultValue: () => Effect.succeed })

/** Routes and statuses that stand on the page from the first: without a failure their share is 0 and not unknown, and the first counts. */
const asked = ["/v1/chat/completions", "/v1/embeddings"].flatMap((route) =>
  ["2xx", "4xx", "5xx"].map((status) => [route, status] as const)
)

/** `GET /metrics`, behind the admin rule unless `publicMetrics`. */
export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const settings = yield* ServerOptions
  const gather = yield* Gathering
  const shedding = yield* Shedding
  const instruments = yield* CurrentInstruments
  if (settings.tls !== undefined) secure.add(instruments)
  for (const labels of asked) {
    instruments.counter(Catalogue.requests).of(...labels)
    instruments.counter(Catalogue.requestAttempts).of(...labels)
  }
  const inFlight = instruments.gauge(Catalogue.inFlight).of()
  const limit = instruments.gauge(Catalogue.inFlightLimit).of()
  const lag = instruments.gauge(Catalogue.loopLag).of()
  yield* instruments.observe(() => {
    const seen = shedding.seen()
    inFlight.set(seen.inFlight)
    limit.set(seen.limit)
    lag.set(seen.lagMs / 1000)
  })
  const page = Effect.map(
    yield* gather(Effect.sync(() => Prometheus.render(instruments))),
    (text) => HttpServerResponse.text(text, { contentType: Prometheus.contentType })
  )
  yield* router.add("GET", "/metrics", settings.publicMetrics ? page : requireAdmin(settings, page))
}))
