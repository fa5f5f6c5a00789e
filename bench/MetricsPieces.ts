/** What metrics cost: counting one answered request, and making the page of 500 histograms. */
import * as Effect from "effect/Effect"
import * as Decision from "../src/gateway/Decision.ts"
import * as FlowMetrics from "../src/gateway/FlowMetrics.ts"
import { httpServerDuration } from "../src/observability/Catalogue.ts"
import { CurrentInstruments, Instruments } from "../src/observability/Instruments.ts"
import * as Prometheus from "../src/observability/Prometheus.ts"
import { Providers } from "../src/providers/Providers.ts"
import * as Simulated from "../src/providers/Simulated.ts"
import * as Exchange from "../src/server/Exchange.ts"
import * as Metrics from "../src/server/Metrics.ts"

const full = new Instruments()
const family = full.histogram(httpServerDuration)
for (let series = 0; series < 500; series++) {
  const one = family.of("POST", `/route/${series}`, "200", "http", undefined)
  for (let value = 0; value < 100; value++) one.observe(value / 50)
}

const counted = new Instruments()
const meter = Effect.runSync(
  FlowMetrics.make.pipe(
    Effect.provide(Providers.layer([Simulated.make("p")])),
    Effect.provideService(CurrentInstruments, counted)
  )
)
const exchange = Exchange.make("r", "POST", "/v1/chat/completions", 0)
exchange.status = 200
const { decision } = exchange
decision.attempts.push({
  target: "p/sim",
  provider: "p",
  model: "sim",
  startedAtMs: 0,
  waitedMs: 0,
  outcome: "ok",
  tookMs: 20,
  settledAtMs: 20
})
Object.assign(decision, { provider: "p", model: "sim", endedAtMs: 21 } satisfies Partial<Decision.Decision>)
decision.usage = { promptTokens: 10, completionTokens: 20, totalTokens: 30 }

export const metricsPieces: Readonly<Record<string, () => unknown>> = {
  "count an answered request": () => {
    Metrics.record(exchange, 21, false, counted)
    meter.ended(decision, 0, 21)
  },
  "page of 500 histograms, 8,500 lines": () => Prometheus.render(full)
}
