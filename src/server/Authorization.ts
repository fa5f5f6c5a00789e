/** Who may pass: client keys on `/v1/*`, the admin key or loopback on the operator's routes. Judged before a body is read. */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Keys } from "../admission/Keys.ts"
import { AdminAuthorization, ClientAuthorization } from "../api/Authorization.ts"
import { errorResponse } from "../api/ErrorBody.ts"
import { Forbidden, type Reason, Unauthorized } from "../domain/GatewayError.ts"
import type { Principal } from "../domain/Principal.ts"
import { isUnownedName } from "../validation/LocalName.ts"
import { CurrentExchange, type Exchange } from "./Exchange.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

const open = { caller: undefined }

type HeaderMap = Readonly<Record<string, string | undefined>>

/** Compares in a time that depends on the presented text only. */
const isSame = (presented: string, expected: string): boolean => {
  let difference = presented.length ^ expected.length
  for (let i = 0; i < presented.length; i++) {
    difference |= presented.charCodeAt(i) ^ expected.charCodeAt(expected.length === 0 ? 0 : i % expected.length)
  }
  return difference === 0
}

const credential = (headers: HeaderMap, scheme: "bearer" | "basic"): string | undefined => {
  const header = headers["authorization"]
  if (header === undefined) return undefined
  // As everybody writes it, else in whatever case.
  const isUsual = scheme === "bearer" && header.startsWith("Bearer ")
  if (!isUsual && header.slice(0, scheme.length + 1).toLowerCase() !== `${scheme} `) return undefined
  const text = header.slice(scheme.length + 1).trim()
  return text === "" ? undefined : text
}

const loopbackNames = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i
const forwarding = /^(?:x-forwarded-.*|x-real-ip|forwarded|via)$/

/** True for an address or name that only this machine reaches. */
const isLoopbackHost = (host: string): boolean => loopbackNames.test(host)

const hostName = (host: string | undefined): string => (host ?? "").replace(/:\d+$/, "")

/** A name that its owner can point anywhere, also at us, so that a page of his may read what is answered under it. */
const isForeignName = (name: string): boolean =>
  !isLoopbackHost(name) && !/^(?:[\d.]*|\[.*\])$/.test(name) && !isUnownedName(name.toLowerCase().replace(/\.$/, ""))

const foreignHost = new Forbidden({
  message:
    "Without client keys this server answers only to addresses and to local names such as localhost, for a page could "
    + "have any other name lead here. Call it by its address, or set server.keys.",
  code: "foreign_host"
})

/** What the lock of callers is made of. */
export interface Lock {
  readonly keys: Keys["Service"]
  readonly settings: ServerSettings
}

export const makeLock: Effect.Effect<Lock, never, Keys | ServerOptions> = Effect.all({
  keys: Keys,
  settings: ServerOptions
})

/** The reason to refuse a client, or whose key it showed (undefined = the door is open). */
export const judgeClient = (
  { keys, settings }: Lock,
  headers: HeaderMap,
  nowMs: number
): Unauthorized | Forbidden | { readonly caller: Principal | undefined } => {
  if (keys.isOpen()) {
    return isLoopbackHost(settings.host) && isForeignName(hostName(headers["host"])) ? foreignHost : open
  }
  const presented = credential(headers, "bearer")
  if (presented === undefined) {
    return new Unauthorized({
      message: "Missing API key. Send it as 'Authorization: Bearer KEY'.",
      code: "missing_api_key"
    })
  }
  const caller = keys.find(presented, nowMs)
  return caller === undefined ? new Unauthorized({ message: "Incorrect API key provided." }) : { caller }
}

/** Notes whose request it is, or says why it is refused. */
export const admit = (lock: Lock, headers: HeaderMap, exchange: Exchange): Unauthorized | Forbidden | undefined => {
  const judged = judgeClient(lock, headers, exchange.startedAtMs)
  if ("_tag" in judged) return judged
  if (judged.caller === undefined) return undefined
  exchange.keyName = judged.caller.name
  exchange.decision.caller = judged.caller
  return undefined
}

const adminPassword = (headers: HeaderMap): string | undefined => {
  const bearer = credential(headers, "bearer")
  if (bearer !== undefined) return bearer
  const basic = credential(headers, "basic")
  if (basic === undefined) return undefined
  const decoded = Result.getOrUndefined(Base64.decodeString(basic))
  const colon = decoded?.indexOf(":") ?? -1
  return decoded === undefined || colon === -1 ? undefined : decoded.slice(colon + 1)
}

const isForeign = (headers: HeaderMap): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") return true
  const origin = headers["origin"]
  return origin !== undefined &&
    origin.replace(/^https?:\/\//i, "").toLowerCase() !== (headers["host"] ?? "").toLowerCase()
}

/** The reason to refuse an operator, or undefined. */
export const judgeAdmin = (settings: ServerSettings, method: string, headers: HeaderMap): Reason | undefined => {
  if (method === "POST" && isForeign(headers)) {
    return new Forbidden({
      message: "A request from another origin may not change anything here.",
      code: "foreign_origin"
    })
  }
  if (settings.adminKey !== undefined) {
    const presented = adminPassword(headers)
    return presented !== undefined && isSame(presented, Redacted.value(settings.adminKey)) ?
      undefined :
      new Unauthorized({
        message: "This route needs the admin key, as Bearer token or as the password of Basic authentication."
      })
  }
  const isLocal = isLoopbackHost(settings.host) && isLoopbackHost(hostName(headers["host"])) &&
    !Object.keys(headers).some((name) => forwarding.test(name))
  return isLocal ? undefined : new Forbidden({
    message: "Without an admin key this route answers on loopback only. Set server.adminKey (BREAKWATER_ADMIN_KEY)."
  })
}

/** The answer to a refused operator; a browser is asked for the password. */
const refuseAdmin = (reason: Reason, requestId: string) =>
  errorResponse(reason, {
    "x-request-id": requestId,
    ...(reason._tag === "Unauthorized" ? { "www-authenticate": "Basic realm=\"breakwater\", charset=\"UTF-8\"" } : {})
  })

/** Requires the admin key (or loopback) before an effect of a route that is not in the contract. */
export const requireAdmin = <A, E, R>(settings: ServerSettings, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const refusal = judgeAdmin(settings, request.method, request.headers)
    return refusal === undefined ? yield* effect : refuseAdmin(refusal, (yield* CurrentExchange).requestId)
  })

/** Both locks of the contract. */
export const layer: Layer.Layer<ClientAuthorization | AdminAuthorization, never, ServerOptions | Keys> = Layer.merge(
  Layer.effect(
    ClientAuthorization,
    Effect.map(makeLock, (lock) => ({
      bearer: (effect) =>
        Effect.withFiber((fiber) => {
          const exchange = fiber.getRef(CurrentExchange)
          return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
            const refusal = admit(lock, request.headers, exchange)
            return refusal === undefined
              ? effect
              : Effect.succeed(errorResponse(refusal, { "x-request-id": exchange.requestId }))
          })
        })
    }))
  ),
  Layer.effect(
    AdminAuthorization,
    Effect.map(ServerOptions, (settings) => ({
      // The first scheme judges both, because a refusal is one answer and not one per scheme.
      bearer: (effect) => requireAdmin(settings, effect),
      basic: (effect) => requireAdmin(settings, effect)
    }))
  )
)
