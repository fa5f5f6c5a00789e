/** From the `model` a caller names to the ordered targets that may answer it. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface ModelListing {
  readonly id: string
  readonly ownedBy: string
}

export class Routes extends Context.Service<Routes, {
  /** Aliases first, then `provider/model` names; what `GET /v1/models` shows. */
  readonly models: Effect.Effect<ReadonlyArray<ModelListing>>
}>()("breakwater/gateway/Route/Routes") {}
