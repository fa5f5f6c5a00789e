/**
 * What Node's parser lets pass of a request's head and no route should see: no Host, two, or one that is none, a target that is no
 * path, and more headers than anybody needs. Judged before everything else, for who passes decides nothing here.
 */
import * as Cause from "effect/Cause"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { type GatewayError, gatewayError, InvalidRequest } from "../domain/GatewayError.ts"

type Refusal = Cause.Cause<GatewayError>

const refusal = (fields: { readonly message: string; readonly code: string }): Refusal =>
  Cause.fail(gatewayError(new InvalidRequest(fields)))

const missingHost = refusal({
  message: "The request has no Host header, which HTTP/1.1 requires.",
  code: "missing_host"
})
const invalidHost = refusal({
  message: "The Host header has to be one name or address, with a port at most. Send exactly one.",
  code: "invalid_host"
})
const invalidTarget = refusal({
  message: "The request's target has to be a path, which begins with a slash: this server is no proxy.",
  code: "invalid_target"
})

/** Pairs of name and value; well beyond what browsers and balancers add. */
const mostHeaders = 100
const tooManyHeaders = refusal({
  message: `The request has more than ${mostHeaders} headers.`,
  code: "too_many_headers"
})

/** RFC 9112 §3.2: a registered name, an IPv4 address or an IPv6 one in brackets, and a port. Empty where there is no authority. */
const host = /^(?:[\w.~!$&'()*+,;=%-]*|\[[\da-f:.]+\])(?::\d{0,5})?$/i

/** The part of Node's request that is read. */
interface NodeHead {
  readonly httpVersion: string
  readonly rawHeaders: ReadonlyArray<string>
  readonly url: string
}

const isNodeHead = (source: object): source is NodeHead => "rawHeaders" in source && "httpVersion" in source

const hostsIn = (rawHeaders: ReadonlyArray<string>): number => {
  let found = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name !== undefined && name.length === 4 && name.toLowerCase() === "host") found++
  }
  return found
}

/** Why a request is refused for its head; HTTP/1.0 may come without a Host, as simple health probes do. */
export const flawOfHead = ({ headers, source }: HttpServerRequest): Refusal | undefined => {
  if (!isNodeHead(source)) return undefined
  const { httpVersion, rawHeaders, url } = source
  const named = headers["host"]
  if (named === undefined) {
    if (httpVersion === "1.1") return missingHost
  } else if (!host.test(named) || hostsIn(rawHeaders) > 1) return invalidHost
  if (rawHeaders.length > 2 * mostHeaders) return tooManyHeaders
  return url.startsWith("/") || url === "*" ? undefined : invalidTarget
}
