/** Which targets of a route can serve a request at all. Those that cannot are passed over before anybody is asked. */
import * as Effect from "effect/Effect"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"
import type { Decision } from "./Decision.ts"
import type { Route } from "./Route.ts"

/** The route with the targets that have embeddings; the others are noted. Fails with `InvalidRequest` where none has. */
export const embedding = (route: Route, decision: Decision): Effect.Effect<Route, GatewayError> => {
  const able = route.targets.filter(({ provider }) => provider.embed !== undefined)
  if (able.length === route.targets.length) return Effect.succeed(route)
  decision.candidates = route.names
  for (const target of route.targets) {
    if (target.provider.embed === undefined) decision.skipped.push({ target: target.name, why: "no embeddings" })
  }
  return able.length > 0
    ? Effect.succeed({ ...route, targets: able })
    : Effect.fail(gatewayError(
      new InvalidRequest({
        message: `No embeddings can be had from ${route.names.join(", ")}. Ask for an embedding model.`,
        param: "model",
        code: "embeddings_not_supported"
      })
    ))
}
