/** Where limits and budgets are counted: in Redis where one is set, else in the primary, else in this process. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Desk } from "../admission/Desk.ts"
import * as FleetDesk from "../admission/FleetDesk.ts"
import * as Fleet from "../storage/Fleet.ts"
import type { Settings } from "./Settings.ts"

/** The desk of these settings. The client of Redis is loaded only where it is used. */
export const layer = ({ storage }: Settings): Layer.Layer<Desk> => {
  const { redis, redisPrefix, redisTimeoutMs } = storage
  if (redis === undefined) return FleetDesk.layer.pipe(Layer.provide(Fleet.layer))
  const settings = { url: redis, timeoutMs: redisTimeoutMs, prefix: redisPrefix }
  return Layer.unwrap(
    Effect.map(Effect.promise(() => import("../admission/RedisDesk.ts")), (module) => module.layer(settings))
  )
}
