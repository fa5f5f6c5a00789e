/** `breakwater breakers`: the circuit breakers of a running server, shown and controlled over its own admin routes. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Monitoring } from "../api/Health.ts"
import { type Flags, load } from "../config/Source.ts"
import { Health } from "../gateway/Health.ts"
import { type RouteText, routeTexts } from "../gateway/RouteText.ts"
import { urlOf } from "./Banner.ts"
import { refusal } from "./Check.ts"
import { fail, unreached } from "./Unanswered.ts"

// For those who ask through this file.
export { fail }

/** Which server, and the key for its admin routes (not needed on loopback unless the server has one). */
export interface Server {
  readonly url: string
  readonly adminKey: Redacted.Redacted | undefined
}

/** Longest wait for the server, in milliseconds. */
const limitMs = 10_000

const { routes: Routes, targets: Targets } = Monitoring.fields

const Shown = Schema.Struct({ targets: Targets, routes: Routes })

const Changed = Schema.Struct({
  targets: Schema.Array(Schema.Struct({ target: Schema.String, from: Schema.String, to: Schema.String }))
})

const Refused = Schema.Struct({ error: Schema.Struct({ message: Schema.String }) })

/** Columns of the width of their widest cell. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

const reasonOf = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.map(
    Effect.option(Effect.flatMap(response.json, Schema.decodeUnknownEffect(Refused))),
    (body) => body._tag === "Some" ? body.value.error.message : "no reason given"
  )

/**
 * The server that is meant: by its `url`, else where one listens that is started here with the same flags; its admin key
 * likewise. A configuration that cannot be read is refused, for then nobody knows.
 */
export const locate = Effect.fnUntraced(function*(asked: {
  readonly url: string | undefined
  readonly adminKey: Redacted.Redacted | undefined
  readonly flags: Flags
}) {
  if (asked.url !== undefined) return { url: asked.url, adminKey: asked.adminKey }
  const { settings } = yield* load({ ...asked.flags, unused: ["keys"] }, Effect.succeed(false)).pipe(
    Effect.catchTag("ConfigurationRefused", (error) => fail(`${refusal(error)}\nor say where the server is with --url`))
  )
  const { adminKey, port } = settings.server
  if (port === 0) return yield* fail("the port is 0, any free one: say where the server is with --url")
  const server: Server = { url: urlOf(settings.server, port), adminKey: asked.adminKey ?? adminKey }
  return server
})

/** One answer of the server's own routes; anything else ends the command with a line that says why. */
export const ask = <A>(server: Server, request: HttpClientRequest.HttpClientRequest, schema: Schema.Decoder<A>) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const { adminKey } = server
    const response = yield* client.execute(
      adminKey === undefined ? request : HttpClientRequest.bearerToken(request, adminKey)
    )
    if (response.status !== 200) {
      const howTo = response.status === 401 ? " Give it with --admin-key or BREAKWATER_ADMIN_KEY." : ""
      return yield* fail(`${server.url} answered ${response.status}: ${yield* reasonOf(response)}${howTo}`)
    }
    return yield* Effect.flatMap(response.json, Schema.decodeUnknownEffect(schema))
  }).pipe(
    Effect.timeout(limitMs),
    Effect.catchTags({
      HttpClientError: ({ reason }) => fail(unreached(server.url, reason.cause)),
      TimeoutError: () => fail(`${server.url} gave no answer within ${limitMs / 1000} s`),
      SchemaError: () => fail(`${server.url} answered with something that is not this server's`)
    }),
    Effect.provide(NodeHttpClient.layerNodeHttp)
  )

const path = (server: Server, tail: string): string => `${server.url.replace(/\/+$/, "")}/api/v1/health/${tail}`

/** The targets of the server as they are now, and its routes. */
const states = (server: Server) => ask(server, HttpClientRequest.get(path(server, "monitoring")), Shown)

const namesOf = (states: ReadonlyArray<{ readonly target: string }>): ReadonlySet<string> =>
  // What callers name themselves stands in no file.
  new Set(states.map(({ target }) => target).filter((name) => !name.endsWith("/*")))

const several = (names: ReadonlySet<string>): string => {
  const list = Array.from(names)
  return `${list.slice(0, 3).join(", ")}${list.length > 3 ? ` and ${list.length - 3} more` : ""}`
}

/** In words, the first alias that leads elsewhere, and how many more do. */
const differentRoutes = (
  own: ReadonlyArray<RouteText>,
  theirs: ReadonlyArray<RouteText>,
  source: string
): ReadonlyArray<string> => {
  const there = new Map(theirs.map(({ alias, route }) => [alias, route]))
  const here = new Map(own.map(({ alias, route }) => [alias, route]))
  const [first, ...rest] = [...new Set([...here.keys(), ...there.keys()])].filter((alias) =>
    here.get(alias) !== there.get(alias)
  )
  if (first === undefined) return []
  const more = rest.length === 0 ? "" : `, and ${rest.length} more of its aliases are other ones`
  return [
    `its ${first} is "${there.get(first) ?? "unknown"}", that of ${source} "${here.get(first) ?? "unknown"}"${more}`
  ]
}

/** The targets of a running server. Routes of one file with the targets of another would describe a server that is nowhere. */
export const statesOf = Effect.fnUntraced(function*(server: Server, source: string) {
  const { routes, targets: seen } = yield* states(server)
  const [own, theirs] = [namesOf(yield* (yield* Health).targets), namesOf(seen)]
  const [absent, more] = [own.difference(theirs), theirs.difference(own)]
  const other = differentRoutes(yield* routeTexts, routes, source)
  if (absent.size === 0 && more.size === 0 && other.length === 0) return seen
  const differs = [
    ...(absent.size === 0 ? [] : [`it has no ${several(absent)}`]),
    ...(more.size === 0 ? [] : [`it has ${several(more)}, which ${source} does not`]),
    ...(absent.size + more.size === 0 ? other : [])
  ].join("; ")
  return yield* fail(
    `${server.url} was started with another configuration than ${source}: ${differs}. Name the server's own with --config`
  )
})

type Seen = typeof Shown.Type["targets"][number]
type Breaker = Seen["breaker"]

/** How long a state lasts that ends by itself; `-` for one that does not. */
const lasts = ({ forcedForMs, retryAfterMs, state }: Breaker): string => {
  if (state === "closed") return "-"
  if (state === "half-open") return "probed now"
  if (state === "open") return retryAfterMs === undefined ? "next try now" : `next try in ${seconds(retryAfterMs)}`
  return forcedForMs === undefined ? "until reset" : `for another ${seconds(forcedForMs)}`
}

const seconds = (ms: number): string => {
  const whole = Math.ceil(ms / 1000)
  return whole < 120 ? `${whole} s` : `${Math.ceil(whole / 60)} min`
}

/** A circuit that is open counts nothing. */
const counts = ({ callsInWindow, failureRate, state }: Breaker): ReadonlyArray<string> =>
  state === "open" || state === "half-open"
    ? ["-", "-"]
    : [String(callsInWindow), `${Math.round(failureRate * 100)} %`]

/** Why it was forced, and what keeps a target from being asked whose circuit lets it be. */
const reasons = ({ breaker, cooldownMs = 0, credentials = [] }: Seen): string => {
  const isRefused = credentials.length > 0 && credentials.every((one) => one.startsWith("dead"))
  return [
    ...(breaker.reason === undefined ? [] : [breaker.reason]),
    ...(cooldownMs > 0 ? [`pauses for ${seconds(cooldownMs)}`] : []),
    ...(isRefused ? ["no key is accepted"] : [])
  ].join(", ") || "-"
}

/** Every target with its breaker, as a table on stdout. */
export const list = (server: Server) =>
  Effect.flatMap(
    states(server),
    ({ targets: all }) =>
      Console.log(table([
        ["target", "state", "for", "lasts", "calls", "failed", "opened by", "last error", "reason"],
        ...all.map((seen) => [
          seen.target,
          seen.breaker.state,
          seen.breaker.forMs === undefined ? "-" : seconds(seen.breaker.forMs),
          lasts(seen.breaker),
          ...counts(seen.breaker),
          seen.breaker.openedBy ?? "-",
          seen.lastError ?? "-",
          reasons(seen)
        ])
      ]))
  )

/** What is to be done, as the admin routes take it; absent = all targets, no reason, until undone. */
export interface Order {
  readonly action: string
  readonly target?: string | undefined
  readonly reason?: string | undefined
  /** Such as `30s` or `10m`. */
  readonly ttl?: string | undefined
}

/**
 * Why an order is not sent: to force is said of one target, or of all in so many words. `reset`, which forces nothing, may mean all
 * without.
 */
export const misunderstood = (
  { action, all, target }: Pick<Order, "action" | "target"> & { readonly all: boolean }
): string | undefined => {
  if (all && target !== undefined) return `say either ${target} or --all, not both`
  if (all || target !== undefined || action === "list" || action === "reset") return undefined
  return `${action} which target? Name one (breakwater breakers lists them), or say --all for every one of them`
}

/** Changes one target's breaker, or all, and says from what to what. */
export const control = (server: Server, { action, ...body }: Order) =>
  Effect.flatMap(
    ask(
      server,
      HttpClientRequest.post(path(server, `circuit-breakers/${action}`)).pipe(
        HttpClientRequest.bodyJsonUnsafe(body)
      ),
      Changed
    ),
    ({ targets }) => Console.log(table(targets.map((entry) => [entry.target, entry.from, "->", entry.to])))
  )
