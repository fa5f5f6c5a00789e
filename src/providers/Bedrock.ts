/**
 * Amazon Bedrock by its Converse API, whichever model is behind it, with AWS's signature over each request or with a Bedrock API
 * key as a bearer. What Bedrock offers in OpenAI's own dialect is another address, see `CloudKinds.ts`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Credential from "../resilience/Credential.ts"
import { bedrockConverse } from "./protocols/BedrockConverse.ts"
import type { Provider } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import { type AwsCredentials, makeSigner } from "./SigV4.ts"
import type { TokenFile } from "./TokenFile.ts"
import type { Transport } from "./Transport.ts"
import { makeWire } from "./Wire.ts"
import { commonHeaders, type Endpoint, lowerCased } from "./WireRequest.ts"

export interface BedrockOptions {
  readonly name: string
  /** Such as `us-east-1`; it is part of the signature. */
  readonly region: string
  /**
   * AWS's own keys, which sign; or Bedrock API keys, which are used one after the other as the upstream refuses them; or a file with
   * either, AWS's as JSON.
   */
  readonly auth:
    | AwsCredentials
    | readonly [Redacted.Redacted, ...Array<Redacted.Redacted>]
    | { readonly tokenFile: TokenFile }
  /** Default: the region's `bedrock-runtime`. Must be a URL, or making it is a defect. */
  readonly baseUrl?: string | undefined
  /** Sent with every request, over our own. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

/** The region's address of Converse. */
const runtimeUrl = (region: string): string => `https://bedrock-runtime.${region}.amazonaws.com`

const isKeys = (auth: BedrockOptions["auth"]): auth is readonly [Redacted.Redacted, ...Array<Redacted.Redacted>] =>
  Array.isArray(auth)

/** AWS's keys as its tools print them (`aws configure export-credentials`), or as the endpoint of a container's role says them. */
const awsKeys = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  AccessKeyId: Schema.NonEmptyString,
  SecretAccessKey: Schema.NonEmptyString,
  SessionToken: Schema.optionalKey(Schema.NonEmptyString),
  Token: Schema.optionalKey(Schema.NonEmptyString)
})))

const awsKeysIn = (secret: Redacted.Redacted): AwsCredentials | undefined => {
  const found = Option.getOrUndefined(awsKeys(Redacted.value(secret)))
  const token = found?.SessionToken ?? found?.Token
  return found && {
    accessKeyId: found.AccessKeyId,
    secretAccessKey: Redacted.make(found.SecretAccessKey),
    sessionToken: token === undefined ? undefined : Redacted.make(token)
  }
}

/** Headers of AWS's own are part of what is signed, wherever they come from. */
const signedOf = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === "content-type" || name.startsWith("x-amz-"))
  )

const signedEndpoint = (endpoint: Endpoint, host: string, region: string, credentials: AwsCredentials) => {
  const sign = makeSigner({ credentials, region, service: "bedrock" })
  const headers = signedOf(endpoint.headers)
  return Effect.map(Clock.currentTimeMillis, (nowMs): Endpoint => ({
    ...endpoint,
    sign: (path, body) => sign({ method: "POST", host, path, headers, body }, nowMs)
  }))
}

export const make = (options: BedrockOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.suspend(() => {
    const { auth, models, name, region } = options
    const baseUrl = options.baseUrl ?? runtimeUrl(region)
    const { host, origin, pathname } = new URL(baseUrl)
    const endpoint: Endpoint = {
      origin,
      path: pathname.replace(/\/+$/, ""),
      headers: { ...commonHeaders, ...lowerCased(options.headers) }
    }
    const withKey = (key: Redacted.Redacted): Effect.Effect<Endpoint> =>
      Effect.succeed({
        ...endpoint,
        headers: { authorization: `Bearer ${Redacted.value(key)}`, ...endpoint.headers }
      })
    const shared = { dialect: bedrockConverse, name, kind: "bedrock", models, baseUrl }
    if ("tokenFile" in auth) {
      const { credentials, endpoint: ofFile } = auth.tokenFile
      const made = ofFile((secret) => {
        const keys = awsKeysIn(secret)
        return keys === undefined ? withKey(secret) : signedEndpoint(endpoint, host, region, keys)
      })
      return makeWire({ ...shared, credentials, endpoints: [made] })
    }
    if (!isKeys(auth)) {
      const endpoints = [signedEndpoint(endpoint, host, region, auth)] as const
      return makeWire({ ...shared, credentials: Credential.make({ count: 1 }), endpoints })
    }
    const [first, ...rest] = auth
    return makeWire({
      ...shared,
      credentials: Credential.make({ count: auth.length }),
      endpoints: [withKey(first), ...rest.map(withKey)]
    })
  })

/** A `Providers` of this one. */
export const layer = (options: BedrockOptions): Layer.Layer<Providers, never, Transport> =>
  Layer.unwrap(Effect.map(make(options), (provider) => Providers.layer([provider])))
