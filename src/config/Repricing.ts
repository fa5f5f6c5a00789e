/** Prices of other settings for an application that runs. */
import * as Context from "effect/Context"
import { Pricing } from "../gateway/Pricing.ts"
import { gatewaySettings } from "./GatewaySettings.ts"
import type { Settings } from "./Settings.ts"

/** Puts the prices of other settings in force in a running application, and says of what they are different. */
export const repricing = (context: Context.Context<Pricing>) => (settings: Settings): ReadonlyArray<string> =>
  Context.get(context, Pricing).replace(gatewaySettings(settings))
