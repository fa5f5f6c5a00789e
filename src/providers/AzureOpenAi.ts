/**
 * OpenAI's models at Azure, as `OpenAi.ts` does it: the openai package's Azure client says where a request goes and as whom, our
 * Transport sends the caller's text. With an API version the model's deployment is part of the path; without one it is Azure's v1
 * address, where the body names it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { AzureOpenAI } from "openai"
import { CredentialRejected, type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import * as Credential from "../resilience/Credential.ts"
import type { Dialect } from "./Dialect.ts"
import * as OpenAiEmbeddings from "./protocols/OpenAiEmbeddings.ts"
import { azureChatOf } from "./protocols/OpenAiReasoning.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import type { TokenFile } from "./TokenFile.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

export interface AzureOpenAiOptions {
  readonly name: string
  /** The resource, such as `https://mine.openai.azure.com`, or an address below it; must be a URL. */
  readonly baseUrl: string
  /** Keys of the resource, used one after the other as it refuses them; or a token of Entra, renewed where it stands in a file. */
  readonly auth:
    | { readonly apiKeys: readonly [Redacted.Redacted, ...Array<Redacted.Redacted>] }
    | { readonly entraToken: Redacted.Redacted }
    | { readonly tokenFile: TokenFile }
  /** Such as `2024-10-21`: deployments in the path. Absent: the v1 address, which has no versions. */
  readonly apiVersion?: string | undefined
  /** Sent with every request, over our own and the package's. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
  /** Models by the names of their deployments, where these are others. */
  readonly deployments?: Readonly<Record<string, string>> | undefined
}

const chatPath = "/chat/completions"

interface Address {
  /** Up to what the dialect says. */
  readonly baseUrl: string
  /** The model's deployment is not in the address yet. */
  readonly needsDeployment: boolean
}

/** The resource alone is completed; an address that goes further is taken as it is. */
const addressOf = ({ apiVersion, baseUrl }: AzureOpenAiOptions): Address => {
  const { origin, pathname } = new URL(baseUrl)
  const path = pathname.replace(/\/+$/, "")
  const isBare = path === "" || path === "/openai"
  const isV1 = path.endsWith("/v1") || (isBare && apiVersion === undefined)
  const whole = isBare ? isV1 ? "/openai/v1" : "/openai" : path
  return { baseUrl: origin + whole, needsDeployment: !isV1 && whole.endsWith("/openai") }
}

/** A deployment's name need not be that of its model, so usage says what the answer does. */
const tellsModel = true

const dialectOf = ({ needsDeployment }: Address, options: AzureOpenAiOptions): Dialect => {
  const { apiVersion } = options
  const azureChat = azureChatOf(options)
  const query = apiVersion === undefined ? "" : `?api-version=${encodeURIComponent(apiVersion)}`
  const pathOf = (model: string, rest: string): string =>
    (needsDeployment ? `/deployments/${encodeURIComponent(model.toWellFormed())}` : "") + rest + query
  const { embeddings } = azureChat
  return {
    ...azureChat,
    openStream: (options) => azureChat.openStream({ ...options, fallback: { ...options.fallback, tellsModel } }),
    readAnswer: (text, fallback) => azureChat.readAnswer(text, { ...fallback, tellsModel }),
    usedIn: (text, fallback) => azureChat.usedIn?.(text, { ...fallback, tellsModel }),
    lower: (call, stream) => {
      const lowered = azureChat.lower(call, stream)
      return "_tag" in lowered ? lowered : { ...lowered, path: pathOf(call.model, chatPath) }
    },
    embeddings: embeddings && {
      ...embeddings,
      lower: (call) => {
        const lowered = embeddings.lower(call)
        if ("_tag" in lowered) return lowered
        const [{ body }] = lowered.parts
        return { parts: [{ body, path: pathOf(call.model, "/embeddings") }] }
      },
      readAnswer: ([{ text }], call, nowMs) => OpenAiEmbeddings.readAnswer(text, { ...call, tellsModel }, nowMs)
    }
  }
}

const clientOf = (baseURL: string, key: Redacted.Redacted | undefined, token: Redacted.Redacted | undefined) =>
  // Everything that the package would else read from the environment is said here.
  new AzureOpenAI({
    apiKey: key === undefined ? "" : Redacted.value(key),
    ...(token === undefined ? {} : { azureADTokenProvider: () => Promise.resolve(Redacted.value(token)) }),
    baseURL,
    apiVersion: "v1",
    adminAPIKey: null,
    webhookSecret: null,
    organization: null,
    project: null,
    maxRetries: 0,
    logLevel: "off"
  })

const { "user-agent": _, ...wireHeaders } = commonHeaders

const endpointOf = (
  options: AzureOpenAiOptions,
  { baseUrl }: Address,
  key: Redacted.Redacted | undefined,
  token: Redacted.Redacted | undefined
): Effect.Effect<Endpoint, GatewayError> =>
  Effect.tryPromise({
    try: () => clientOf(baseUrl, key, token).buildRequest({ method: "post", path: chatPath }),
    catch: () =>
      gatewayError(
        new CredentialRejected({
          message: `The provider ${options.name} cannot be asked: its key or its address is not valid in HTTP.`
        })
      )
  }).pipe(Effect.map(({ req, url }) => {
    const { origin, pathname } = new URL(url)
    const built = Object.fromEntries(new Headers(req.headers).entries())
    return {
      origin,
      // Version and deployment come from the dialect, for the model is not known yet.
      path: pathname.slice(0, -chatPath.length),
      headers: { ...built, ...wireHeaders, ...lowerCased(options.headers) }
    }
  }))

/** The endpoint for a token: built once, and the same until the token is another. */
const ofToken = (options: AzureOpenAiOptions, address: Address) => (token: Redacted.Redacted) =>
  Effect.runSync(Effect.cached(endpointOf(options, address, undefined, token)))

export const make = (options: AzureOpenAiOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.gen(function*() {
    const { auth } = options
    const address = addressOf(options)
    const [first, ...rest] = "apiKeys" in auth ? auth.apiKeys : [undefined]
    const token = "entraToken" in auth ? auth.entraToken : undefined
    const endpoint = (key: Redacted.Redacted | undefined) => Effect.cached(endpointOf(options, address, key, token))
    return yield* makeWire({
      dialect: dialectOf(address, options),
      name: options.name,
      kind: "azure-openai",
      models: options.models,
      deployments: options.deployments,
      baseUrl: options.baseUrl,
      ...("tokenFile" in auth
        ? { credentials: auth.tokenFile.credentials, endpoints: [auth.tokenFile.endpoint(ofToken(options, address))] }
        : {
          credentials: Credential.make({ count: 1 + rest.length }),
          endpoints: [yield* endpoint(first), ...(yield* Effect.forEach(rest, endpoint))]
        })
    })
  })

/** A `Providers` of this one. */
export const layer = (options: AzureOpenAiOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
