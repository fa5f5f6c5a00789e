/**
 * OpenAI itself: the openai package says where a request goes and with which headers, our Transport sends the caller's text.
 * The package's own fetch, retries and timeouts never run; what it builds is constant for a key, so it is built once.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { OpenAI } from "openai"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import { CredentialRejected, type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import * as Credential from "../resilience/Credential.ts"
import { openAiBaseUrl } from "./Presets.ts"
import { openAiItself } from "./protocols/OpenAiReasoning.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

/** Their type, which must be one of ours. */
type Agreed<Ours, Theirs extends Ours> = Theirs

/** What the package says, checked against our own words: where the two part, this does not compile. */
export interface OpenAiWords {
  readonly completion: Agreed<ChatCompletion, OpenAI.ChatCompletion>
  readonly chunk: Agreed<ChatChunk, OpenAI.ChatCompletionChunk>
  readonly parameter: Agreed<keyof ChatRequest, keyof OpenAI.ChatCompletionCreateParams>
}

export interface OpenAiOptions {
  readonly name: string
  /** Several are used one after the other as the upstream refuses them. */
  readonly apiKeys: readonly [Redacted.Redacted, ...Array<Redacted.Redacted>]
  /** Default `https://api.openai.com/v1`. */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Sent with every request, over our own and the package's. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

const clientOf = (options: OpenAiOptions, key: Redacted.Redacted): OpenAI =>
  // Everything that the package would else read from the environment is said here.
  new OpenAI({
    apiKey: Redacted.value(key),
    adminAPIKey: null,
    webhookSecret: null,
    baseURL: options.baseUrl ?? openAiBaseUrl,
    organization: options.organization ?? null,
    project: options.project ?? null,
    maxRetries: 0,
    logLevel: "off"
  })

const endpointOf = (options: OpenAiOptions, key: Redacted.Redacted): Effect.Effect<Endpoint, GatewayError> =>
  Effect.tryPromise({
    try: () => clientOf(options, key).buildRequest({ method: "post", path: "/chat/completions" }),
    catch: () =>
      gatewayError(
        new CredentialRejected({
          message: `The provider ${options.name} cannot be asked: its key or its address is not valid in HTTP.`
        })
      )
  }).pipe(Effect.map(({ req, url }) => {
    const { origin, pathname, search } = new URL(url)
    const built = Object.fromEntries(new Headers(req.headers).entries())
    return { origin, path: pathname + search, headers: { ...built, ...wireHeaders, ...lowerCased(options.headers) } }
  }))

const { "user-agent": _, ...wireHeaders } = commonHeaders

export const make = (options: OpenAiOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.gen(function*() {
    const [first, ...rest] = options.apiKeys
    return yield* makeWire({
      dialect: openAiItself,
      name: options.name,
      kind: "openai",
      models: options.models,
      baseUrl: options.baseUrl ?? openAiBaseUrl,
      credentials: Credential.make({ count: options.apiKeys.length }),
      endpoints: [
        yield* Effect.cached(endpointOf(options, first)),
        ...(yield* Effect.forEach(rest, (key) => Effect.cached(endpointOf(options, key))))
      ]
    })
  })

/** A `Providers` of this one. */
export const layer = (options: OpenAiOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
