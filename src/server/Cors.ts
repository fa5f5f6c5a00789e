/**
 * Which pages in a browser may read what the caller's routes answer: the origins of the file, each compared whole; none by default.
 * The operator's routes answer to no foreign page. Trap: `*` is refused by the schema, for keys travel in these requests.
 */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export interface CorsSettings {
  /** Such as `https://app.example.com`: scheme, host and port, as a browser writes them. */
  readonly origins: ReadonlyArray<string>
}

type Response = HttpServerResponse.HttpServerResponse

/** What callers of OpenAI's API send beyond what a browser allows by itself; asked for by name, never echoed. */
const allowed = [
  "authorization",
  "content-type",
  "idempotency-key",
  "openai-organization",
  "openai-project",
  "traceparent",
  "tracestate",
  "x-breakwater-priority",
  "x-request-id",
  "x-request-timeout-ms"
]

/** The official clients send one of these for each of their own facts. */
const stainless = /^x-stainless-[a-z-]{1,32}$/

const exposed =
  "x-request-id, x-should-retry, retry-after, retry-after-ms, x-breakwater-provider, x-breakwater-model, " +
  "x-breakwater-attempts, x-breakwater-cost-usd, x-breakwater-dropped-params, " +
  ["limit", "remaining", "reset"].map((what) => `x-ratelimit-${what}-requests, x-ratelimit-${what}-tokens`).join(", ")

/** Seconds that a browser may remember the answer to its question. */
const maxAge = "600"

const isOpen = (route: string): boolean => route.startsWith("/v1/")

const originOf = ({ headers }: HttpServerRequest, settings: CorsSettings): string | undefined => {
  const origin = headers["origin"]
  return origin !== undefined && settings.origins.includes(origin) ? origin : undefined
}

/** The answer to a browser's question whether it may ask; undefined = it is none, or the answer is no. */
export const preflight = (request: HttpServerRequest, route: string, settings: CorsSettings): Response | undefined => {
  if (request.method !== "OPTIONS" || !isOpen(route)) return undefined
  const method = request.headers["access-control-request-method"]
  if (method === undefined || originOf(request, settings) === undefined) return undefined
  const wanted = (request.headers["access-control-request-headers"] ?? "").toLowerCase().split(",")
    .map((name) => name.trim()).filter((name) => stainless.test(name))
  return HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": [...allowed, ...new Set(wanted)].join(", "),
      "access-control-max-age": maxAge
    }
  })
}

/** The answer as a page may read it; that it depends on the origin is said in any case, for caches. */
export const shared = (
  response: Response,
  request: HttpServerRequest,
  route: string,
  settings: CorsSettings
): Response => {
  if (!isOpen(route)) return response
  const origin = originOf(request, settings)
  return HttpServerResponse.setHeaders(
    response,
    origin === undefined
      ? { vary: "origin" }
      : { vary: "origin", "access-control-allow-origin": origin, "access-control-expose-headers": exposed }
  )
}
