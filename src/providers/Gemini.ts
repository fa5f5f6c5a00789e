/**
 * Google's Gemini: the Gemini API with a key, or Vertex AI, which speaks the same and takes a bearer token. With several keys one is
 * used until it is refused or slowed down, then the next.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Credential from "../resilience/Credential.ts"
import { geminiBaseUrl } from "./Presets.ts"
import { vertexEmbeddings } from "./protocols/GeminiEmbeddings.ts"
import { geminiGenerate } from "./protocols/GeminiGenerate.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import type { TokenFile } from "./TokenFile.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

export interface GeminiOptions {
  readonly name: string
  /** Keys of the Gemini API; where `baseUrl` is one of Vertex AI, access tokens. Empty or absent: `headers` say who asks. */
  readonly apiKeys?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * Up to the part before `/models/…`; must be a URL, or making it is a defect. Default
   * `https://generativelanguage.googleapis.com/v1beta`. Of Vertex AI it ends in `/publishers/google`.
   */
  readonly baseUrl?: string | undefined
  /** In place of keys. */
  readonly tokenFile?: TokenFile | undefined
  /** Sent with every request, over our own. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

/** Vertex AI's addresses name the project that pays; keys are of the Gemini API alone. */
const isVertex = (url: URL): boolean => url.pathname.includes("/projects/")

const credentialHeader = (url: URL, key: Redacted.Redacted | undefined): Readonly<Record<string, string>> =>
  key === undefined
    ? {}
    : isVertex(url)
    ? { authorization: `Bearer ${Redacted.value(key)}` }
    : { "x-goog-api-key": Redacted.value(key) }

export const make = (options: GeminiOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.suspend(() => {
    const baseUrl = options.baseUrl ?? geminiBaseUrl
    const url = new URL(baseUrl)
    const endpointOf = (key: Redacted.Redacted | undefined): Effect.Effect<Endpoint> =>
      Effect.succeed({
        origin: url.origin,
        path: url.pathname.replace(/\/+$/, ""),
        headers: { ...commonHeaders, ...credentialHeader(url, key), ...lowerCased(options.headers) }
      })
    const [first, ...rest] = options.apiKeys ?? []
    const { tokenFile } = options
    return makeWire({
      dialect: isVertex(url) ? { ...geminiGenerate, embeddings: vertexEmbeddings } : geminiGenerate,
      name: options.name,
      kind: "gemini",
      models: options.models,
      baseUrl,
      ...(tokenFile === undefined
        ? {
          credentials: first === undefined ? undefined : Credential.make({ count: 1 + rest.length }),
          endpoints: [endpointOf(first), ...rest.map(endpointOf)]
        }
        : { credentials: tokenFile.credentials, endpoints: [tokenFile.endpoint(endpointOf)] })
    })
  })

/** A `Providers` of this one. */
export const layer = (options: GeminiOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
