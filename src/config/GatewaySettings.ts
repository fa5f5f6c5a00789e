/** The part of the file that the flow is told. Apart from `Layers.ts`, which loads the server and the transport. */
import type * as Gateway from "../gateway/Gateway.ts"
import type { Settings } from "./Settings.ts"

/** The settings of `Gateway.layer` as the file has them. */
export const gatewaySettings = (settings: Settings): Gateway.GatewaySettings => ({
  ...settings.defaults,
  aliases: settings.models,
  regions: Object.fromEntries(
    settings.providers.flatMap(({ name, region }) => region === undefined ? [] : [[name, region]])
  ),
  prices: Object.fromEntries(settings.providers.map(({ name, prices }) => [name, prices])),
  perProvider: Object.fromEntries(
    settings.providers.map(({ breaker, maxConcurrency, name }) => [name, { breaker, maxConcurrency }])
  )
})
