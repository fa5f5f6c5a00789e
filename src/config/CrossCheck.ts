/**
 * What no schema of one value can see: names that must exist, keys that must not meet, an open door on a public address.
 * Works on the document before decoding, so that its findings stand beside the schema's.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DurationText } from "../domain/Quantity.ts"
import { nearest } from "../domain/Suggestion.ts"
import { cloudProblems, isAwsRegion, wrongRegion } from "../providers/CloudSettings.ts"
import { requiredKey } from "../providers/Presets.ts"
import { simulatedNames } from "../providers/SimulatedNames.ts"
import { defaultBreakerSettings } from "../resilience/CircuitBreaker.ts"
import { listAt, type Path, type Problem, problem, valueAt } from "./Problem.ts"
import { type Kind, kindNamed, kinds } from "./ProviderSection.ts"
import { checkSelfCall } from "./SelfCall.ts"
import { checkServer, flawOfHeaderValue } from "./ServerCheck.ts"

/** The provider that exists unless the file switches it off. */
export const simulatedName = "simulated"

const entriesAt = (document: unknown, path: Path): ReadonlyArray<readonly [string, unknown]> => {
  const value = valueAt(document, path)
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

const checkSent = (provider: string, section: unknown): ReadonlyArray<Problem> => {
  const path = ["providers", provider]
  const named = entriesAt(section, ["headers"]).flatMap(([name]) =>
    /^[\w!#$%&'*+.^`|~-]+$/.test(name)
      ? []
      : [problem([...path, "headers", name], undefined, "is no name that an HTTP header can have")]
  )
  const values: ReadonlyArray<readonly [Path, unknown]> = [
    ...["apiKey", "accessKeyId", "secretAccessKey", "sessionToken", "entraToken"].map((key) =>
      [[key], valueAt(section, [key])] as const
    ),
    ...listAt(section, ["apiKeys"]).map((key, index) => [["apiKeys", index], key] as const),
    ...entriesAt(section, ["headers"]).map(([name, value]) => [["headers", name], value] as const)
  ]
  return [
    ...named,
    ...values.flatMap(([tail, value]) => {
      const flaw = typeof value === "string" ? flawOfHeaderValue(value) : undefined
      return flaw === undefined ? [] : [problem([...path, ...tail], value, flaw)]
    })
  ]
}

/** A key that is needed and not there, or `none`, which says that there is none. */
const checkKey = (section: unknown, name: string, { kind }: Kind): ReadonlyArray<Problem> => {
  const key = valueAt(section, ["apiKey"])
  const baseUrl = valueAt(section, ["baseUrl"])
  const written = [...(key === undefined ? [] : [key]), ...listAt(section, ["apiKeys"])]
  const needed = requiredKey(kind, typeof baseUrl === "string" ? baseUrl : undefined)
  if (needed === undefined || written.some((key) => key !== "none")) return []
  const advice = `give one, such as \${${needed}}` +
    (baseUrl === undefined ? "" : ", or say kind: openai-compatible for an address that asks for none")
  const found = written.length === 0 ? "required, but missing" : "none"
  return [problem(
    ["providers", name, key === undefined && written.length > 0 ? "apiKeys" : "apiKey"],
    undefined,
    `${found}: ${kind} answers nobody without a key; ${advice}`
  )]
}

/** What the kinds of the clouds are told beside address and key. */
const checkCloud = (section: unknown, name: string, { kind, needsRegion }: Kind): ReadonlyArray<Problem> => {
  const keys = [valueAt(section, ["apiKey"]), ...listAt(section, ["apiKeys"])]
  const hasKey = keys.some((key) => key !== undefined && key !== "none")
  const region = valueAt(section, ["region"])
  if (needsRegion === true && typeof region === "string" && !isAwsRegion(region)) {
    return [problem(["providers", name, "region"], region, wrongRegion)]
  }
  return cloudProblems(kind, (key) => key === "apiKey" ? hasKey : valueAt(section, [key]) !== undefined)
    .map(({ key, problem: message }) => problem(["providers", name, key], undefined, message))
}

const checkKind = (document: unknown, name: string): ReadonlyArray<Problem> => {
  const path = ["providers", name]
  const written = valueAt(document, [...path, "kind"])
  const known = kinds.map((entry) => entry.kind)
  const kind = kindNamed(typeof written === "string" ? written : name)
  if (kind === undefined) {
    return written === undefined
      ? [problem([...path, "kind"], undefined, `required, but missing; known: ${known.join(", ")}`)]
      : [
        problem([...path, "kind"], written, `unknown kind; known: ${known.join(", ")}`, nearest(String(written), known))
      ]
  }
  const baseUrl = valueAt(document, [...path, "baseUrl"])
  const found: Array<Problem> = []
  if (kind.needsBaseUrl === true && baseUrl === undefined) {
    found.push(
      problem([...path, "baseUrl"], undefined, `required, but missing: kind ${kind.kind} has no address of its own`)
    )
  }
  const version = valueAt(document, [...path, "version"])
  if (version !== undefined && kind.kind !== "anthropic") {
    found.push(problem([...path, "version"], version, "only the kind anthropic has versions"))
  }
  const section = valueAt(document, path)
  return [...found, ...checkKey(section, name, kind), ...checkCloud(section, name, kind)]
}

const isOff = (document: unknown, provider: string): boolean =>
  valueAt(document, ["providers", provider, "enabled"]) === false

/** One that is switched off needs nothing. */
const checkProviders = (document: unknown): ReadonlyArray<Problem> =>
  entriesAt(document, ["providers"]).filter(([name]) => !isOff(document, name)).flatMap(([name, provider]) => {
    const found: Array<Problem> = []
    const path = ["providers", name]
    if (name === "" || name.includes("/")) {
      found.push(
        problem(path, undefined, "a provider's name must not be empty or contain a slash (callers say provider/model)")
      )
    }
    if (valueAt(provider, ["apiKey"]) !== undefined && valueAt(provider, ["apiKeys"]) !== undefined) {
      found.push(problem([...path, "apiKeys"], undefined, "give either apiKey or apiKeys, not both"))
    }
    return [...found, ...checkKind(document, name), ...checkSelfCall(document, name), ...checkSent(name, provider)]
  })

const simulatedModels: ReadonlySet<string> = new Set(simulatedNames)

/** The kind of a provider: what is written, else its name. */
const kindOf = (document: unknown, provider: string): unknown =>
  valueAt(document, ["providers", provider, "kind"]) ?? provider

/** What would make a provider of a kind. */
const addKind = ({ keyName, kind }: Kind): string => {
  const section = `add a section providers.${kind}`
  return keyName === undefined
    ? `; ${section}`
    : `; ${section} with apiKey: \${${keyName}}, or set ${keyName}, which is enough in a file without providers`
}

/** A name that is a kind's, or nearly, says what would make a provider of it. */
const unknownProvider = (path: Path, provider: string, providers: ReadonlySet<string>): Problem => {
  const own = kindNamed(provider)
  const near = own === undefined
    ? nearest(provider, providers) ?? nearest(provider, kinds.map(({ kind }) => kind))
    : undefined
  const kind = own ?? (near === undefined || providers.has(near) ? undefined : kindNamed(near))
  const message = `no provider of this name; known: ${Array.from(providers).join(", ")}${
    kind === undefined ? "" : addKind(kind)
  }`
  return problem(path, provider, message, near)
}

const checkTargets = (document: unknown, alias: string, providers: ReadonlySet<string>): ReadonlyArray<Problem> => {
  const path = ["models", alias, "targets"]
  const seen = new Set<string>()
  const targets = listAt(document, path)
  const found = targets.flatMap((target, index): ReadonlyArray<Problem> => {
    const provider = valueAt(target, ["provider"])
    const model = valueAt(target, ["model"])
    if (typeof provider !== "string") return []
    if (isOff(document, provider)) {
      return [problem([...path, index, "provider"], provider, "this provider is switched off (enabled: false)")]
    }
    if (!providers.has(provider)) return [unknownProvider([...path, index, "provider"], provider, providers)]
    if (kindOf(document, provider) === simulatedName && typeof model === "string" && !simulatedModels.has(model)) {
      const message = `the simulated provider has no such model; known: ${simulatedNames.join(", ")}`
      return [problem([...path, index, "model"], model, message, nearest(model, simulatedModels))]
    }
    const name = `${provider}/${String(model)}`
    if (seen.has(name)) return [problem([...path, index], name, "the same target stands in the list twice")]
    seen.add(name)
    return []
  })
  const isWeighted = valueAt(document, ["models", alias, "strategy"]) === "weighted"
  const weightless = targets.length > 0 && targets.every((target) => valueAt(target, ["weight"]) === 0)
  return isWeighted && weightless
    ? [...found, problem(path, undefined, "every weight is 0, so no target could ever be chosen")]
    : found
}

/** Kinds whose dialect has no moderation. */
const withoutModeration: ReadonlySet<unknown> = new Set([
  "azure-openai",
  "anthropic",
  "gemini",
  "bedrock"
])

/** Whom the guards at this place ask for an opinion. */
const checkGuards = (document: unknown, path: Path, providers: ReadonlySet<string>): ReadonlyArray<Problem> => {
  const at = [...path, "guards", "moderation", "provider"]
  const provider = valueAt(document, at)
  if (typeof provider !== "string") return []
  if (!providers.has(provider)) return [unknownProvider(at, provider, providers)]
  return withoutModeration.has(kindOf(document, provider))
    ? [
      problem(
        at,
        provider,
        "a provider of this kind has no moderation; name one of kind openai, openai-compatible or simulated"
      )
    ]
    : []
}

const checkModels = (document: unknown): ReadonlyArray<Problem> => {
  const written = [...entriesAt(document, ["providers"]).map(([name]) => name), simulatedName]
  const providers = new Set(written.filter((name) => !isOff(document, name)))
  const ofModels = entriesAt(document, ["models"]).flatMap(([alias]) => {
    const left = alias.split("/")[0] ?? ""
    const confusing = alias.includes("/") && providers.has(left)
      ? [problem(
        ["models", alias],
        undefined,
        `reads like model ${
          alias.slice(left.length + 1)
        } of provider ${left}; choose a name that does not begin with a provider's`
      )]
      : alias === ""
      ? [problem(["models"], undefined, "an alias must not be empty")]
      : []
    const guards = checkGuards(document, ["models", alias], providers)
    return [...confusing, ...checkTargets(document, alias, providers), ...guards]
  })
  return [...ofModels, ...checkGuards(document, ["defaults"], providers)]
}

const milliseconds = Schema.decodeUnknownOption(DurationText)

/** A circuit that is to stay open for longer than the longest it may. */
const checkSpans = (document: unknown, path: Path, outer: Path): ReadonlyArray<Problem> => {
  const spanAt = (key: string, otherwise: number): number =>
    Option.getOrElse(
      milliseconds(valueAt(document, [...path, key]) ?? valueAt(document, [...outer, key])),
      () => otherwise
    )
  const { openForMs, openMaxMs } = defaultBreakerSettings
  const written = ["openMax", "openFor"].find((key) => valueAt(document, [...path, key]) !== undefined)
  const openFor = spanAt("openFor", openForMs)
  const openMax = spanAt("openMax", openMaxMs)
  if (written === undefined || openMax >= openFor) return []
  const message = `openMax (${openMax / 1000}s) is below openFor (${openFor / 1000}s), with which it begins`
  return [problem([...path, written], valueAt(document, [...path, written]), message)]
}

const checkBreakers = (document: unknown): ReadonlyArray<Problem> => {
  const defaults = ["defaults", "breaker"]
  const own = entriesAt(document, ["providers"]).map(([name]) => ["providers", name, "breaker"])
  return [defaults, ...own].flatMap((path) => checkSpans(document, path, defaults))
}

export const crossCheck = (document: unknown): ReadonlyArray<Problem> => [
  ...checkServer(document),
  ...checkProviders(document),
  ...checkModels(document),
  ...checkBreakers(document)
]
