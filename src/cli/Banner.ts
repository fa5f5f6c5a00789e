/** What the start-up says on stderr (stdout belongs to the logs): what is on, what is off and why, and a `curl` that works. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Doubt } from "../config/Doubts.ts"
import type { Settings } from "../config/Settings.ts"
import type { Loaded } from "../config/Source.ts"
import type { OtlpSettings } from "../observability/Tracing.ts"
import { doubts as doubtsOf } from "./Check.ts"
import { ExitWith } from "./Exit.ts"
import * as Guards from "./Guards.ts"
import { outlivesStop, place as ledger, placeOfKeys } from "./Ledger.ts"
import { place as limits } from "./Limits.ts"
import type { Certificate } from "./Tls.ts"

/** Without a password and without the query, which may hold a key. */
const placeOf = (url: string): string => url.replace(/\?.*$/, "").replace(/:\/\/[^/]*@/, "://")

const column = (name: string): string => name.padEnd(14)

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`  ${title}`, ...lines.map((line) => `    ${line}`), ""]

/** A key itself is never printed: the variable that holds one, or words in its place. */
const authorization = ({ keyName, settings }: Loaded): string =>
  settings.server.keys.length === 0
    ? ""
    : keyName === undefined
    ? " -H 'authorization: Bearer <one of server.keys>'"
    : ` -H "authorization: Bearer $${keyName}"`

const curl = (loaded: Loaded, url: string): string => {
  const [alias] = Object.keys(loaded.settings.models)
  // Inside the single quotes of a shell.
  const model = JSON.stringify(alias ?? "sim").replaceAll("'", "'\\''")
  const body = `{"model":${model},"messages":[{"role":"user","content":"Hello"}]}`
  // A shell may take the brackets of an IPv6 address for a pattern.
  const address = url.includes("[") ? `'${url}/v1/chat/completions'` : `${url}/v1/chat/completions`
  return `curl ${address}${authorization(loaded)} -H 'content-type: application/json' -d '${body}'`
}

/** Who may call without keys of the file: a file of issued keys may hold some, and one that was ever issued closes the door for good. */
const withoutKeys = (settings: Settings): string =>
  outlivesStop(settings)
    ? "only with an issued key, open where none was ever issued (no server.keys); only loopback is bound"
    : "open (no server.keys), so only loopback is bound"

const doors = (loaded: Loaded): ReadonlyArray<string> => {
  const { adminKey, keys, workers } = loaded.settings.server
  const count = keys.length === 1 ? "1 key" : `${keys.length} keys`
  return [
    `${column("callers")}${keys.length === 0 ? withoutKeys(loaded.settings) : count}`,
    `${column("admin")}${adminKey === undefined ? "loopback only (no server.adminKey)" : "by the admin key"}`,
    ...(workers > 1 ? [`${column("workers")}${workers}`] : [])
  ]
}

const storage = ({ settings }: Loaded): ReadonlyArray<string> => {
  const counted = limits(settings)
  return [
    `${column("ledger")}${ledger(settings)}`,
    `${column("issued keys")}${placeOfKeys(settings)}`,
    ...(counted === undefined ? [] : [`${column("limits")}${counted}`])
  ]
}

/** Where traces and metrics go. */
const exports = ({ endpoint, metrics, traces, tracesEndpoint }: OtlpSettings): ReadonlyArray<string> => {
  const written = tracesEndpoint ?? endpoint
  const receiver = written === undefined ? undefined : placeOf(written)
  return [
    `${column("traces")}${traces ? receiver ?? "off (no telemetry.otlp.endpoint)" : "off (told not to go there)"}`,
    ...(endpoint === undefined ? [] : [`${column("metrics")}${metrics ? endpoint : "at /metrics only"}`])
  ]
}

/** The banner. `url` is where the server listens, such as `http://127.0.0.1:8000`. */
export const banner = (loaded: Loaded, url: string, doubts: ReadonlyArray<Doubt> = []): string => {
  const { models, providers, telemetry } = loaded.settings
  return [
    "",
    `  Breakwater is listening on ${url}`,
    `  configured by ${loaded.source}`,
    "",
    ...section("who may come in", doors(loaded)),
    ...section(
      "providers on",
      providers.map((one) =>
        `${column(one.name)}${[one.kind, ...(one.baseUrl === undefined ? [] : [placeOf(one.baseUrl)])].join("  ")}`
      )
    ),
    ...section("providers off", loaded.off.map((one) => `${column(one.name)}${one.why}`)),
    ...section(
      "models",
      Object.entries(models).map(([alias, one]) =>
        `${column(alias)}${one.targets.map((target) => `${target.provider}/${target.model}`).join(", ")}`
      )
    ),
    ...section("guards", Guards.lines(loaded.settings).map(([name, words]) => `${column(name)}  ${words}`)),
    ...section("not active", loaded.inactive.map((key) => `${column(key.path)}  ${key.why}`)),
    ...section("warnings", doubts.map(({ path, why }) => `${column(path)}  ${why}`)),
    ...section("storage", storage(loaded)),
    ...section("telemetry", exports(telemetry.otlp)),
    "  Try it:",
    `    ${curl(loaded, url)}`,
    ""
  ].join("\n")
}

/** An address as a URL that this machine can open: a wildcard is shown as loopback. */
export const urlOf = ({ host, tls }: Pick<Settings["server"], "host" | "tls">, port: number): string => {
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host
  return `${tls === undefined ? "http" : "https"}://${
    name.includes(":") && !name.startsWith("[") ? `[${name}]` : name
  }:${port}`
}

/** Says it, once the port is known. */
export const sayReady = (loaded: Loaded, certificate?: Certificate) => (port: number) =>
  Effect.flatMap(
    doubtsOf(loaded, certificate),
    (doubts) => Console.error(banner(loaded, urlOf(loaded.settings.server, port), doubts))
  )

/** A failure to start, said in one line where it is one that an operator knows. */
export const sayFailure = (settings: Settings) => (failure: Error) => {
  const cause = failure.cause ?? failure
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  const { host, port } = settings.server
  const line = code === "EADDRINUSE"
    ? `port ${port} on ${host} is taken: stop what listens there, or choose another with --port`
    : code === "EACCES"
    ? `port ${port} on ${host} may not be bound by this user: choose one above 1023 with --port`
    : `cannot start: ${cause instanceof Error ? cause.message : String(cause)}`
  return Effect.andThen(Console.error(line), Effect.fail(new ExitWith({ code: 1 })))
}
