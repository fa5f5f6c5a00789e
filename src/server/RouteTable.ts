/** Which paths exist with which methods: for the 405 answer, and for a route label that no caller can make up. */
import { Api } from "../api/Api.ts"

const own: ReadonlyArray<readonly [string, string]> = [
  ["/metrics", "GET"],
  ["/dashboard", "GET"],
  ["/docs", "GET"],
  ["/openapi.json", "GET"]
]

const methodsByPath = new Map<string, Array<string>>()
/** Every route of the server, with its methods. */
export const routes: ReadonlyMap<string, ReadonlyArray<string>> = methodsByPath
for (const group of Object.values(Api.groups)) {
  for (const endpoint of Object.values(group.endpoints)) {
    const path = endpoint.path.replace(/:(\w+)/g, "{$1}")
    methodsByPath.set(path, [...(methodsByPath.get(path) ?? []), endpoint.method])
  }
}
for (const [path, method] of own) methodsByPath.set(path, [method])

const probes: ReadonlySet<string> = new Set([
  "/metrics",
  "/api/v1/health",
  "/api/v1/health/live",
  "/api/v1/health/ready",
  "/api/v1/health/startup"
])

/** What machines ask every few seconds, and nobody wants to read of each time. */
export const isProbe = (route: string): boolean => probes.has(route)

const withId: ReadonlyArray<readonly [string, string]> = [
  ["/v1/models/", "/v1/models/{id}"],
  ["/api/v1/health/monitoring/requests/", "/api/v1/health/monitoring/requests/{id}"]
]

const pathOf = (url: string): string =>
  (url.split(/[?#;]/, 1)[0] ?? "").replace(/\/{2,}/g, "/").replace(/(.)\/$/, "$1").toLowerCase()

/** The route template of a URL as the caller wrote it, or `_other`. Takes the same liberties as the router. */
export const routeOf = (url: string): string => {
  const known = url.length < 64 && methodsByPath.has(url) ? url : undefined
  if (known !== undefined) return known
  const path = pathOf(url)
  if (methodsByPath.has(path)) return path
  for (const [prefix, route] of withId) if (path.startsWith(prefix)) return route
  return "_other"
}

/** The route of OpenAI's that is meant where a base URL has no `/v1` at its end, two of them, or another host's path; or undefined. */
export const meantBy = (url: string): string | undefined => {
  const path = pathOf(url)
  return [...methodsByPath.keys()].find((route) => route.startsWith("/v1/") && path.endsWith(route.slice("/v1".length)))
}

/** The methods of a route template; empty when there is no such route. GET answers HEAD too. */
export const methodsOf = (route: string): ReadonlyArray<string> => {
  const methods = methodsByPath.get(route) ?? []
  return methods.includes("GET") ? [...methods, "HEAD"] : methods
}
