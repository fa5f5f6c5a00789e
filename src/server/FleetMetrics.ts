/** `GET /metrics` over every process of the fleet: whichever worker is asked, the numbers are those of all. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Prometheus from "../observability/Prometheus.ts"
import { Fleet } from "../storage/Fleet.ts"
import { Gathering } from "./Metrics.ts"

const topic = "metrics"

/** Puts the fleet behind the page. A worker that does not answer in time is missing from it until the next scrape. */
export const layer: Layer.Layer<never, never, Fleet> = Layer.effect(
  Gathering,
  Effect.map(Fleet, (fleet) => (own: Effect.Effect<string>) =>
    Effect.as(
      fleet.handle(topic, () => own),
      Effect.flatMap(fleet.gather({ topic, body: null }), (replies) => {
        const texts = replies.flatMap(({ body }) => typeof body === "string" ? [body] : [])
        return texts.length === 0 ? own : Effect.succeed(Prometheus.merge(texts))
      })
    ))
)
