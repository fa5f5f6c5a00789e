/** Settings to Layers: each room gets its own part of the file, and the whole becomes one application. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Ledger from "../accounting/Ledger.ts"
import * as FleetHealth from "../gateway/FleetHealth.ts"
import * as Gateway from "../gateway/Gateway.ts"
import { Pricing } from "../gateway/Pricing.ts"
import * as FleetMetrics from "../server/FleetMetrics.ts"
import * as Server from "../server/Server.ts"
import * as Fleet from "../storage/Fleet.ts"
import { gatewaySettings } from "./GatewaySettings.ts"
import type { Settings } from "./Settings.ts"
import * as Telemetry from "./Telemetry.ts"
import * as Upstreams from "./Upstreams.ts"

/** The flow over the providers of the file. */
export const gateway = (settings: Settings) =>
  Gateway.layer(gatewaySettings(settings)).pipe(
    Layer.provide(Upstreams.layer(settings))
  )

/** Every route over the flow, on a router; gives the flow as well. Health is the fleet's wherever it is asked for. */
export const application = (settings: Settings) => {
  const flow = gateway(settings)
  const health = FleetHealth.layer.pipe(Layer.provide([flow, Fleet.layer]))
  const ledger = Ledger.layer({ sql: settings.storage.sql }).pipe(Layer.provide(Fleet.layer))
  return Server.layer(settings.server).pipe(
    Layer.provide(FleetMetrics.layer.pipe(Layer.provide(Fleet.layer))),
    Layer.provideMerge(health),
    Layer.provideMerge(flow),
    Layer.provideMerge(ledger),
    Layer.provideMerge(Telemetry.layer(settings))
  )
}

/** Puts the prices of other settings in force in a running application, and says of what they are different. */
export const repricing = (context: Context.Context<Pricing>) => (settings: Settings): ReadonlyArray<string> =>
  Context.get(context, Pricing).replace(gatewaySettings(settings))
