/** Anyone who speaks OpenAI's chat dialect, straight over the Transport. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Credential from "../resilience/Credential.ts"
import { dialectOf } from "./protocols/CompatibleDialects.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import type { TokenFile } from "./TokenFile.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

export interface OpenAiCompatibleOptions {
  readonly name: string
  /** Its dialect's or preset's name; default `openai-compatible`. */
  readonly kind?: string
  /** Up to and with `/v1`; must be a URL, or making it is a defect. */
  readonly baseUrl: string
  /** Empty or absent: the upstream asks for none. */
  readonly apiKeys?: ReadonlyArray<Redacted.Redacted> | undefined
  /** In place of keys. */
  readonly tokenFile?: TokenFile | undefined
  /** Sent with every request, over our own. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

export const make = (options: OpenAiCompatibleOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.suspend(() => {
    const url = new URL(options.baseUrl)
    const endpointOf = (key: Redacted.Redacted | undefined): Effect.Effect<Endpoint> =>
      Effect.succeed({
        origin: url.origin,
        path: `${url.pathname.replace(/\/+$/, "")}/chat/completions${url.search}`,
        headers: {
          ...commonHeaders,
          ...(key === undefined ? {} : { authorization: `Bearer ${Redacted.value(key)}` }),
          ...lowerCased(options.headers)
        }
      })
    const [first, ...rest] = options.apiKeys ?? []
    const { tokenFile } = options
    return makeWire({
      dialect: dialectOf(options.kind),
      name: options.name,
      kind: options.kind ?? "openai-compatible",
      models: options.models,
      baseUrl: options.baseUrl,
      ...(tokenFile === undefined
        ? {
          credentials: first === undefined ? undefined : Credential.make({ count: 1 + rest.length }),
          endpoints: [endpointOf(first), ...rest.map(endpointOf)]
        }
        : { credentials: tokenFile.credentials, endpoints: [tokenFile.endpoint(endpointOf)] })
    })
  })

/** A `Providers` of this one. */
export const layer = (options: OpenAiCompatibleOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
