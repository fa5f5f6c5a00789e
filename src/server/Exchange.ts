/** What is known about one HTTP exchange while it runs: filled on the way, read by the access log when the last byte has left. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import { InternalFailure } from "../domain/GatewayError.ts"
import * as Decision from "../gateway/Decision.ts"
import { requestId } from "../observability/Correlation.ts"
import { routeOf } from "./RouteTable.ts"

/** A plain mutable record: it is on the hot path. */
export interface Exchange {
  readonly requestId: string
  readonly method: string
  /** Route template such as `/v1/models/{id}`, or `_other`. */
  readonly route: string
  readonly startedAtMs: number
  readonly decision: Decision.Decision
  /** Status of the answer's head; 0 until there is one. */
  status: number
  /** Name of the client key that was accepted. */
  keyName: string | undefined
}

const make = (requestId: string, method: string, route: string, startedAtMs: number): Exchange => ({
  requestId,
  method,
  route,
  startedAtMs,
  decision: Decision.make(requestId),
  status: 0,
  keyName: undefined
})

/** The record of a request that has just come in. */
export const begin = (request: HttpServerRequest, fiber: Fiber.Fiber<unknown, unknown>): Exchange =>
  make(
    requestId(request.headers["x-request-id"], fiber),
    request.method,
    routeOf(request.url),
    fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
  )

/** The exchange of the request at hand; the door puts it there. */
export const CurrentExchange = Context.Reference<Exchange>("breakwater/server/Exchange/CurrentExchange", {
  defaultValue: () => make("unknown", "", "_other", 0)
})

/** All that a caller is told about a defect. */
export const internalFailure = new InternalFailure({
  message: "The gateway failed. The request id helps to find out why."
})
