/** Settings to Layers: each room gets its own part of the file, and the whole becomes one application. */
import * as Layer from "effect/Layer"
import * as Ledger from "../accounting/Ledger.ts"
import * as Admission from "../admission/Admission.ts"
import * as IssuedKeys from "../admission/IssuedKeys.ts"
import * as FleetHealth from "../gateway/FleetHealth.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as FleetMetrics from "../server/FleetMetrics.ts"
import { IsAlone } from "../server/LeanCompletions.ts"
import * as Server from "../server/Server.ts"
import * as Fleet from "../storage/Fleet.ts"
import * as Counting from "./Counting.ts"
import { gatewaySettings } from "./GatewaySettings.ts"
import { admissionSettings, type Settings } from "./Settings.ts"
import * as Telemetry from "./Telemetry.ts"
import * as Upstreams from "./Upstreams.ts"

/** The flow over the providers of the file. */
export const gateway = (settings: Settings) =>
  Gateway.layer(gatewaySettings(settings)).pipe(
    Layer.provide(Upstreams.layer(settings))
  )

/** Every route over the flow, on a router; gives the flow as well. Health is the fleet's wherever it is asked for. */
export const application = (settings: Settings) => {
  const ledger = Ledger.layer({ sql: settings.storage.sql }).pipe(Layer.provide(Fleet.layer))
  const desk = Counting.layer(settings)
  const admission = Admission.layer(admissionSettings(settings)).pipe(Layer.provide([desk, ledger]))
  const keys = IssuedKeys.layer({
    keys: settings.server.keys,
    secret: settings.server.keySecret,
    sql: settings.storage.sql
  }).pipe(Layer.provide(Fleet.layer))
  const flow = gateway(settings).pipe(Layer.provide(admission))
  const health = FleetHealth.layer.pipe(Layer.provide([flow, Fleet.layer]))
  return Server.layer(settings.server).pipe(
    Layer.provide(Layer.succeed(IsAlone, true)),
    Layer.provide(FleetMetrics.layer.pipe(Layer.provide(Fleet.layer))),
    // The desk for what it says of itself.
    Layer.provide([keys, admission, desk]),
    Layer.provideMerge(health),
    Layer.provideMerge(flow),
    Layer.provideMerge(ledger),
    Layer.provideMerge(Telemetry.layer(settings))
  )
}
