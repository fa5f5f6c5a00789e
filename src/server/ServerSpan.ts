/**
 * The server span of an exchange: a child of the caller's `traceparent`, ended with the last byte. Opened only when tracing is on and
 * the request is drawn; whoever is not drawn costs nothing more, and nothing below it is made either.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Tracer from "effect/Tracer"
import { knownMethod, names } from "../observability/Conventions.ts"
import { ServerSpans } from "../observability/Tracing.ts"
import type { ClientAddress } from "../validation/ClientAddress.ts"
import type { Exchange } from "./Exchange.ts"
import { isProbe } from "./RouteTable.ts"

const noAnnotations = Context.empty()
const cancelled = Exit.interrupt()

/** What a caller wrote is cut to this many characters. */
const longest = 256

interface Host {
  readonly address: string
  readonly port: number
}

/** `name:port` of the Host header, which may be an IPv6 address in brackets. */
const hostIn = (header: string): Host | undefined => {
  const [, address = "", port = "80"] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(header) ?? []
  return address === "" ? undefined : { address: address.replace(/^\[|\]$/g, "").slice(0, longest), port: Number(port) }
}

/** The last one, for most callers write the same. */
let known: { readonly header: string; readonly host: Host | undefined } = { header: "", host: undefined }

const describeHost = (span: Tracer.Span, header: string | undefined): void => {
  if (header === undefined) return
  if (header !== known.header) known = { header, host: hostIn(header) }
  if (known.host === undefined) return
  span.attribute(names.serverAddress, known.host.address)
  span.attribute(names.serverPort, known.host.port)
}

/** Over Node's server the socket says so. */
const isSecure = (source: object): boolean =>
  "socket" in source && typeof source.socket === "object" && source.socket !== null && "encrypted" in source.socket

const describe = (
  span: Tracer.Span,
  request: HttpServerRequest,
  exchange: Exchange,
  method: string,
  callers: ClientAddress
): void => {
  const { headers, source, url } = request
  const query = url.indexOf("?")
  span.attribute(names.method, method)
  if (method !== exchange.method) span.attribute(names.originalMethod, exchange.method.slice(0, longest))
  span.attribute(names.urlPath, query < 0 ? url : url.slice(0, query))
  span.attribute(names.urlScheme, isSecure(source) ? "https" : "http")
  span.attribute(names.protocolVersion, "httpVersion" in source ? String(source.httpVersion) : "1.1")
  const client = Option.getOrUndefined(request.remoteAddress)
  if (client !== undefined) span.attribute(names.clientAddress, callers.of(client, headers["x-forwarded-for"]))
  describeHost(span, headers["host"])
  const agent = headers["user-agent"]
  if (agent !== undefined) span.attribute(names.userAgent, agent.slice(0, longest))
  span.attribute("breakwater.request.id", exchange.requestId)
}

/**
 * Opens the span, named by method and route template; undefined when tracing is off and for probes, unless their caller traces them; and what the caller sent when he does not
 * sample, which is followed.
 */
export const open = (
  request: HttpServerRequest,
  exchange: Exchange,
  fiber: Fiber.Fiber<unknown, unknown>,
  callers: ClientAddress
): Tracer.AnySpan | undefined => {
  const spans = fiber.getRef(ServerSpans)
  if (spans === undefined) return undefined
  const parent = HttpTraceContext.fromHeaders(request.headers)
  if (Option.isNone(parent)) {
    if (isProbe(exchange.route)) return undefined
    if (spans.sample < 1 && fiber.getRef(Random.Random).nextDoubleUnsafe() >= spans.sample) return undefined
  } else if (!parent.value.sampled) return parent.value
  const method = knownMethod(exchange.method)
  const verb = method === "_OTHER" ? "HTTP" : method
  const span = fiber.getRef(Tracer.Tracer).span({
    name: exchange.route === "_other" ? verb : `${verb} ${exchange.route}`,
    kind: "server",
    // From the same clock as all spans below: it is not the one of milliseconds.
    startTime: fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(),
    parent,
    annotations: noAnnotations,
    links: [],
    root: Option.isNone(parent),
    sampled: true
  })
  describe(span, request, exchange, method, callers)
  return span
}

/** Ends the span: an error for 5xx, neither for a caller who left, which is nobody's fault. */
export const close = (span: Tracer.Span, exchange: Exchange, nowNs: bigint, isCancelled: boolean): void => {
  const { decision, route, status } = exchange
  // Now, for the router has written its own pattern, which is not the one of the name.
  if (route !== "_other") span.attribute(names.route, route)
  if (status !== 0) span.attribute(names.status, status)
  const isBroken = status === 200 && decision.error !== undefined
  if (isCancelled) {
    span.attribute("breakwater.cancelled", true)
    span.end(nowNs, cancelled)
  } else if (status >= 500 || isBroken) {
    const errorType = isBroken ? decision.error : String(status)
    span.attribute(names.errorType, errorType)
    span.end(nowNs, Exit.fail(errorType))
  } else span.end(nowNs, Exit.void)
}
