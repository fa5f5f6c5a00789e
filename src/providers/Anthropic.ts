/** Anthropic, and whoever else speaks its Messages API, straight over the Transport. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Credential from "../resilience/Credential.ts"
import { anthropicBaseUrl } from "./Presets.ts"
import { anthropicMessages, usualVersion } from "./protocols/AnthropicMessages.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

export interface AnthropicOptions {
  readonly name: string
  /** Several are used one after the other as the upstream refuses them. Empty or absent: the upstream asks for none. */
  readonly apiKeys?: ReadonlyArray<Redacted.Redacted> | undefined
  /** Up to the part before `/v1/messages`; must be a URL, or making it is a defect. Default `https://api.anthropic.com`. */
  readonly baseUrl?: string | undefined
  /** Value of `anthropic-version`. Default `2023-06-01`, which every model takes. */
  readonly version?: string | undefined
  /** Sent with every request, over our own; `anthropic-beta` is kept where a request needs a feature more. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
  /** Most tokens of an answer of a model, where that is known: the limit of a request that has none. */
  readonly maxOutput?: ((model: string) => number | undefined) | undefined
}

export const make = (options: AnthropicOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.suspend(() => {
    const baseUrl = options.baseUrl ?? anthropicBaseUrl
    const url = new URL(baseUrl)
    const version = options.version ?? usualVersion
    const headers = lowerCased(options.headers)
    const endpointOf = (key: Redacted.Redacted | undefined): Effect.Effect<Endpoint> =>
      Effect.succeed({
        origin: url.origin,
        path: `${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}/v1/messages${url.search}`,
        headers: {
          ...commonHeaders,
          "anthropic-version": version,
          ...(key === undefined ? {} : { "x-api-key": Redacted.value(key) }),
          ...headers
        }
      })
    const [first, ...rest] = options.apiKeys ?? []
    return makeWire({
      dialect: anthropicMessages({ version, beta: headers["anthropic-beta"], maxOutput: options.maxOutput }),
      name: options.name,
      kind: "anthropic",
      models: options.models,
      baseUrl,
      credentials: first === undefined ? undefined : Credential.make({ count: 1 + rest.length }),
      endpoints: [endpointOf(first), ...rest.map(endpointOf)]
    })
  })

/** A `Providers` of this one. */
export const layer = (options: AnthropicOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
