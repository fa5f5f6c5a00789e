/**
 * `GET /metrics` over every process of the fleet: whichever worker is asked, the numbers are those of all, of those too that are
 * gone, for a counter never falls.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Prometheus from "../observability/Prometheus.ts"
import { Fleet } from "../storage/Fleet.ts"
import { Gathering } from "./Metrics.ts"
import { topic } from "./MetricsEstate.ts"

/** Puts the fleet behind the page. A worker that does not answer in time is missing from it until the next scrape. */
export const layer: Layer.Layer<never, never, Fleet> = Layer.effect(
  Gathering,
  Effect.map(Fleet, (fleet) => (own: Effect.Effect<string>) =>
    Effect.as(
      Effect.andThen(
        fleet.handle(topic, () => own),
        Effect.addFinalizer(() => Effect.flatMap(own, (page) => fleet.bequeath(topic, page)))
      ),
      Effect.flatMap(fleet.gather({ topic, body: null }), (replies) => {
        const texts = replies.flatMap(({ body }) => typeof body === "string" ? [body] : [])
        return texts.length === 0 ? own : Effect.succeed(Prometheus.merge(texts))
      })
    ))
)
