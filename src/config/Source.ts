/**
 * Where a configuration comes from: flag over environment over file over default. Everything that the environment says is
 * written into the document as `${NAME}`, so that one rule replaces, redacts and reports it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { decode, type Decoded } from "./Config.ts"
import * as Document from "./Document.ts"
import { ConfigurationRefused, valueAt } from "./Problem.ts"
import { type Kind, kinds } from "./ProviderSection.ts"
import { variable } from "./Substitution.ts"
import { origins as telemetryOrigins, telemetry } from "./TelemetryVariables.ts"

/** What the command line said; absent = not said. */
export interface Flags {
  readonly config?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly workers?: number | undefined
  /** Secrets of the door that are not going to be used, so that the variables they name need not be set. Default none. */
  readonly unused?: ReadonlyArray<"keys" | "adminKey"> | undefined
}

/** A provider that is off, and what would turn it on. */
export interface ProviderOff {
  readonly name: string
  readonly why: string
}

export interface Loaded extends Decoded {
  /** The file, or what stands in its place. */
  readonly source: string
  readonly off: ReadonlyArray<ProviderOff>
  /** A variable that holds a client key; absent = no client key is written as `${NAME}` alone. */
  readonly keyName: string | undefined
}

/** The source of a configuration without a file. */
export const environmentAlone = "the environment"

/** Read when present and nothing else was named. */
const defaultFile = "./breakwater.yaml"

type Section = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The section to write into; undefined when what stands there is no section, so that the schema can say so. */
const sectionAt = (document: unknown, key: string): Section | undefined => {
  const value = valueAt(document, [key]) ?? {}
  return isRecord(value) ? value : undefined
}

const isSet = (name: string) => Effect.map(variable(name), (value) => value !== undefined && value !== "")

/** Why a file could not be read, in plain words. */
export const unreadable = ({ reason }: PlatformError): string => {
  switch (reason._tag) {
    case "NotFound":
      return "there is no such file"
    case "PermissionDenied":
      return "this user may not read it"
    default:
      return "it is no file that holds text"
  }
}

/** Reads the file named by the flag or BREAKWATER_CONFIG (which must exist), else ./breakwater.yaml if there is one. */
const readFile = Effect.fnUntraced(function*(flags: Flags) {
  const fromEnvironment = yield* variable("BREAKWATER_CONFIG")
  const named = flags.config ?? (fromEnvironment === "" ? undefined : fromEnvironment)
  const files = yield* FileSystem.FileSystem
  const file = named ?? defaultFile
  if (named === undefined && !(yield* Effect.orElseSucceed(files.exists(file), () => false))) return undefined
  const text = yield* Effect.mapError(
    files.readFileString(file),
    (error) =>
      new ConfigurationRefused({
        source: file,
        problems: [{ path: "", message: `cannot be read: ${unreadable(error)}` }]
      })
  )
  return { file, document: yield* Document.parse(file, text) }
})

/** The keys of a section that say who asks in a kind's other way; undefined where what they need is not set. */
const otherWay = Effect.fnUntraced(function*(names: NonNullable<Kind["otherNames"]>) {
  const written = Object.entries(names)
  for (const [, { mayBeEmpty, name }] of written) if (mayBeEmpty !== true && !(yield* isSet(name))) return undefined
  return written.length === 0
    ? undefined
    : Object.fromEntries(written.map(([key, { mayBeEmpty, name }]) => [key, `\${${name}${mayBeEmpty ? ":-" : ""}}`]))
})

/** Every provider whose key is in the environment; the simulated one is added when settings are made. */
const discover = Effect.fnUntraced(function*(ollama: boolean) {
  const on: Record<string, unknown> = {}
  const off: Array<ProviderOff> = []
  for (const { endpointKey = "baseUrl", endpointName, keyName, kind, otherNames = {} } of kinds) {
    if (keyName === undefined) continue
    const hasKey = yield* isSet(keyName)
    const other = hasKey ? undefined : yield* otherWay(otherNames)
    const hasEndpoint = endpointName === undefined || (yield* isSet(endpointName))
    if ((hasKey || other !== undefined) && hasEndpoint) {
      on[kind] = {
        kind,
        ...(other ?? { apiKey: `\${${keyName}}` }),
        ...(endpointName === undefined ? {} : { [endpointKey]: `\${${endpointName}}` })
      }
    } else {
      const missing = [...(hasKey ? [] : [keyName]), ...(hasEndpoint ? [] : [endpointName])]
      off.push({ name: kind, why: `${missing.join(" and ")} not set` })
    }
  }
  if (ollama) on["ollama"] = { kind: "ollama" }
  else off.push({ name: "ollama", why: "nothing answers on 127.0.0.1:11434" })
  return { on, off }
})

/** A client key, or the operator's, in which a variable that is not set stands for itself. */
const tolerant = (value: unknown): unknown =>
  typeof value === "string"
    ? value.replaceAll(/\$\{(\w+)\}/g, "${$1:-$1}")
    : isRecord(value)
    ? { ...value, ...("key" in value ? { key: tolerant(value["key"]) } : {}) }
    : value

/** What only judges keys is of no use where none are. */
const withoutSecret = ({ keySecret: _, ...rest }: Section & { readonly keySecret?: unknown }): Section => rest

const overridden = Effect.fnUntraced(function*(document: unknown, flags: Flags) {
  const { unused = [] } = flags
  const written = sectionAt(document, "server")
  const server = written !== undefined && unused.includes("keys") ? withoutSecret(written) : written
  if (server === undefined) return valueAt(document, ["server"])
  const pick = Effect.fnUntraced(function*(key: string, name: string, flag: unknown) {
    if (flag !== undefined) return { [key]: flag }
    return (yield* isSet(name)) ? { [key]: `\${${name}}` } : {}
  })
  const listed = Array.isArray(server["keys"]) ? server["keys"] : []
  const keys: ReadonlyArray<unknown> = unused.includes("keys") ? listed.map(tolerant) : listed
  const key = yield* variable("BREAKWATER_KEY")
  const isListed = listed.some((entry: unknown) => entry === key || entry === "${BREAKWATER_KEY}")
  return {
    ...server,
    ...(unused.includes("keys") && "keys" in server ? { keys } : {}),
    ...(unused.includes("adminKey") && "adminKey" in server ? { adminKey: tolerant(server["adminKey"]) } : {}),
    ...(yield* pick("host", "BREAKWATER_HOST", flags.host)),
    ...(yield* pick("port", "BREAKWATER_PORT", flags.port)),
    ...(yield* pick("workers", "BREAKWATER_WORKERS", flags.workers)),
    ...(yield* pick("adminKey", "BREAKWATER_ADMIN_KEY", undefined)),
    // The environment's key joins those of the file: taking their place would lock out every other caller.
    ...(key === undefined || key === "" || isListed ? {} : { keys: [...keys, "${BREAKWATER_KEY}"] })
  }
})

/** Where a value came from that stands in no file: path in the document → flag or variable. */
const originsOf = Effect.fnUntraced(function*(flags: Flags, written: unknown, document: unknown) {
  const origins = new Map<string, string>()
  for (const [key, flag] of [["host", flags.host], ["port", flags.port], ["workers", flags.workers]] as const) {
    const name = `BREAKWATER_${key.toUpperCase()}`
    if (flag !== undefined) origins.set(`server.${key}`, `--${key}`)
    else if (yield* isSet(name)) origins.set(`server.${key}`, name)
  }
  if (yield* isSet("BREAKWATER_ADMIN_KEY")) origins.set("server.adminKey", "BREAKWATER_ADMIN_KEY")
  for (const [key, name] of yield* telemetryOrigins) origins.set(`telemetry.otlp.${key}`, name)
  const keys = valueAt(document, ["server", "keys"])
  const own = valueAt(written, ["server", "keys"])
  const isAdded = Array.isArray(keys) && keys.length > (Array.isArray(own) ? own.length : 0)
  if (isAdded) origins.set(`server.keys[${keys.length - 1}]`, "BREAKWATER_KEY")
  return origins
})

/** A problem of a flag or a variable names that, not the file that it would have stood in. */
const blamed = (error: ConfigurationRefused, origins: ReadonlyMap<string, string>): ConfigurationRefused => {
  const problems = error.problems.map((one) => ({ ...one, path: origins.get(one.path) ?? one.path }))
  const isOfFile = error.problems.some(({ path }) => !origins.has(path))
  const isOfFlags = problems.every(({ path }) => path.startsWith("--"))
  const source = isOfFile ? error.source : isOfFlags ? "the command line" : environmentAlone
  return new ConfigurationRefused({ source, problems })
}

/** The first variable that is set and stands alone, as `${NAME}`, for a client key. */
const keyVariable = Effect.fnUntraced(function*(document: unknown) {
  const keys = valueAt(document, ["server", "keys"])
  for (const entry of Array.isArray(keys) ? keys : []) {
    const text: unknown = typeof entry === "string" ? entry : valueAt(entry, ["key"])
    const name = typeof text === "string" ? /^\$\{(\w+)\}$/.exec(text)?.[1] : undefined
    if (name !== undefined && (yield* isSet(name))) return name
  }
  return undefined
})

/** Whoever sets this trusts anybody who stands between him and his providers, and gives them his keys. */
const unverified = "NODE_TLS_REJECT_UNAUTHORIZED"

const refuseUnverified = Effect.fnUntraced(function*() {
  if ((yield* variable(unverified)) !== "0") return
  const message =
    "no certificate of any provider would be looked at, so anybody between could take the keys; unset it, and name "
    + "the authority that vouches for your own upstreams in NODE_EXTRA_CA_CERTS"
  return yield* new ConfigurationRefused({
    source: environmentAlone,
    problems: [{ path: unverified, value: "0", message }]
  })
})

/**
 * Reads, merges and decodes. `ollama` says whether a local Ollama answers (asked only when no providers are written).
 * Fails with every problem found.
 */
export const load = Effect.fnUntraced(function*(flags: Flags, ollama: Effect.Effect<boolean>) {
  yield* refuseUnverified()
  const read = yield* readFile(flags)
  const written = read?.document ?? {}
  const isBare = valueAt(written, ["providers"]) === undefined
  const found = isBare ? yield* discover(yield* ollama) : { on: undefined, off: [] }
  const document = isRecord(written)
    ? {
      ...written,
      server: yield* overridden(written, flags),
      telemetry: yield* telemetry(written),
      ...(found.on === undefined ? {} : { providers: found.on })
    }
    : written
  const source = read?.file ?? environmentAlone
  const origins = yield* originsOf(flags, written, document)
  const decoded = yield* Effect.mapError(decode(source, document), (error) => blamed(error, origins))
  const loaded: Loaded = { ...decoded, source, off: found.off, keyName: yield* keyVariable(document) }
  return loaded
})
