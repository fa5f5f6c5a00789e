/** What is known about one HTTP exchange while it runs: filled on the way, read by the access log when the last byte has left. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { Standings } from "../admission/RateLimit.ts"
import { InternalFailure } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import * as Decision from "../gateway/Decision.ts"
import { requestId } from "../observability/Correlation.ts"
import { modelName } from "../observability/Redaction.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import type { Member } from "../resilience/Roster.ts"
import { routeOf } from "./RouteTable.ts"
import { securityHeaders } from "./SecurityHeaders.ts"

/** A plain mutable record: it is on the hot path. */
export interface Exchange extends Member {
  readonly requestId: string
  readonly method: string
  /** Route template such as `/v1/models/{id}`, or `_other`. */
  readonly route: string
  readonly startedAtMs: number
  /** The same moment on the monotonic clock: what deadlines count from. */
  readonly receivedAtMs: number
  readonly decision: Decision.Decision
  /** Status of the answer's head; 0 until there is one. */
  status: number
  /** Counts as in flight until its last byte has left. */
  isAdmitted: boolean
  /** Why it was ended from here: the drain was over before there was an answer, or nobody read the answer in time. */
  ended: "drained" | "unread" | undefined
  /** Name of the client key that was accepted. */
  keyName: string | undefined
  /** Who works on its answer, while there is none. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** A record with nothing in it yet. */
export const make = (
  requestId: string,
  method: string,
  route: string,
  startedAtMs: number,
  receivedAtMs = 0
): Exchange => ({
  requestId,
  method,
  route,
  startedAtMs,
  receivedAtMs,
  decision: Decision.make(requestId, startedAtMs),
  status: 0,
  isAdmitted: false,
  ended: undefined,
  keyName: undefined,
  fiber: undefined,
  place: undefined
})

/** The record of a request that has just come in. */
export const begin = (request: HttpServerRequest, fiber: Fiber.Fiber<unknown, unknown>): Exchange => {
  const clock = fiber.getRef(Clock.Clock)
  return make(
    requestId(request.headers["x-request-id"], fiber),
    request.method,
    routeOf(request.url),
    clock.currentTimeMillisUnsafe(),
    monotonicMillisUnsafe(clock)
  )
}

/** The exchange of the request at hand; the door puts it there. */
export const CurrentExchange = Context.Reference<Exchange>("breakwater/server/Exchange/CurrentExchange", {
  defaultValue: () => make("unknown", "", "_other", 0)
})

/** A name of the file may be in whatever script, and a header takes visible ASCII only: what is more is told percent-encoded. */
const headerText = (name: string): string => /^[\x20-\x7e]*$/.test(name) ? name : encodeURI(name.toWellFormed())

/** A span as OpenAI writes it: `12ms`, `1.5s`, `6m0s`. */
const spanText = (ms: number): string => {
  if (ms < 1000) return `${Math.ceil(ms)}ms`
  const tenths = Math.ceil(ms / 100)
  if (tenths < 600) return `${tenths / 10}s`
  const seconds = Math.ceil(ms / 1000)
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`
}

/** What is left of the caller's rates, as OpenAI tells it. */
const addStandings = (headers: Record<string, string>, { requests, tokens }: Standings): void => {
  if (requests !== undefined) {
    headers["x-ratelimit-limit-requests"] = String(requests.limit)
    headers["x-ratelimit-remaining-requests"] = String(requests.remaining)
    headers["x-ratelimit-reset-requests"] = spanText(requests.resetMs)
  }
  if (tokens !== undefined) {
    headers["x-ratelimit-limit-tokens"] = String(tokens.limit)
    headers["x-ratelimit-remaining-tokens"] = String(tokens.remaining)
    headers["x-ratelimit-reset-tokens"] = spanText(tokens.resetMs)
  }
}

/**
 * What an answer says about how it came to be: the provider and model that answered or, when none did, those that were tried
 * last. `headers`: a record of the answer's own to write it into.
 */
export const answerHeaders = (
  { decision, requestId }: Exchange,
  headers: Record<string, string> = {}
): Record<string, string> => {
  const { attempts, model, provider } = decision
  Object.assign(headers, securityHeaders)
  headers["x-request-id"] = requestId
  headers["x-breakwater-attempts"] = String(attempts.length)
  if (decision.standings !== undefined) addStandings(headers, decision.standings)
  const tried = provider === undefined ? attempts.at(-1)?.target : undefined
  if (tried !== undefined) {
    // `provider/model`, where the model may have slashes of its own.
    const slash = tried.indexOf("/")
    headers["x-breakwater-provider"] = headerText(tried.slice(0, slash))
    headers["x-breakwater-model"] = headerText(tried.slice(slash + 1))
    return headers
  }
  if (provider !== undefined) headers["x-breakwater-provider"] = headerText(provider)
  if (model !== undefined) headers["x-breakwater-model"] = modelName(model)
  if (decision.dropped !== undefined) headers["x-breakwater-dropped-params"] = decision.dropped.join(", ")
  // What a stream costs is known only at its end.
  const cost = decision.stream ? undefined : Decision.costOf(decision)
  if (cost !== undefined && "picoUsd" in cost) headers["x-breakwater-cost-usd"] = toUsd(cost.picoUsd)
  return headers
}

/** All that a caller is told about a defect. */
export const internalFailure = new InternalFailure({
  message: "The gateway failed. The request id helps to find out why."
})
