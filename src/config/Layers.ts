/** Settings to Layers: each room gets its own part of the file, and the whole becomes one application. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ledger from "../accounting/Ledger.ts"
import * as Admission from "../admission/Admission.ts"
import type { Desk } from "../admission/Desk.ts"
import * as FleetDesk from "../admission/FleetDesk.ts"
import * as IssuedKeys from "../admission/IssuedKeys.ts"
import * as FleetHealth from "../gateway/FleetHealth.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as FleetMetrics from "../server/FleetMetrics.ts"
import * as Server from "../server/Server.ts"
import * as Fleet from "../storage/Fleet.ts"
import { gatewaySettings } from "./GatewaySettings.ts"
import { admissionSettings, type Settings } from "./Settings.ts"
import * as Telemetry from "./Telemetry.ts"
import * as Upstreams from "./Upstreams.ts"

/** The flow over the providers of the file. */
export const gateway = (settings: Settings) =>
  Gateway.layer(gatewaySettings(settings)).pipe(
    Layer.provide(Upstreams.layer(settings))
  )

/** Where limits and budgets are counted. The client of Redis is loaded only where one is set. */
const desk = ({ storage }: Settings): Layer.Layer<Desk> => {
  const { redis, redisPrefix, redisTimeoutMs } = storage
  if (redis === undefined) return FleetDesk.layer.pipe(Layer.provide(Fleet.layer))
  const settings = { url: redis, timeoutMs: redisTimeoutMs, prefix: redisPrefix }
  return Layer.unwrap(
    Effect.map(Effect.promise(() => import("../admission/RedisDesk.ts")), ({ layer }) => layer(settings))
  )
}

/** Every route over the flow, on a router; gives the flow as well. Health is the fleet's wherever it is asked for. */
export const application = (settings: Settings) => {
  const ledger = Ledger.layer({ sql: settings.storage.sql }).pipe(Layer.provide(Fleet.layer))
  const counting = desk(settings)
  const admission = Admission.layer(admissionSettings(settings)).pipe(Layer.provide([counting, ledger]))
  const keys = IssuedKeys.layer({
    keys: settings.server.keys,
    secret: settings.server.keySecret,
    sql: settings.storage.sql
  }).pipe(Layer.provide(Fleet.layer))
  const flow = gateway(settings).pipe(Layer.provide(admission))
  const health = FleetHealth.layer.pipe(Layer.provide([flow, Fleet.layer]))
  return Server.layer(settings.server).pipe(
    Layer.provide(FleetMetrics.layer.pipe(Layer.provide(Fleet.layer))),
    // The desk for what it says of itself.
    Layer.provide([keys, admission, counting]),
    Layer.provideMerge(health),
    Layer.provideMerge(flow),
    Layer.provideMerge(ledger),
    Layer.provideMerge(Telemetry.layer(settings))
  )
}
