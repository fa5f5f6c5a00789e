/** Keys of the contract whose part is not built yet: accepted, and named in the banner as not active. */
import { type Path, renderPath, valueAt } from "./Problem.ts"
import { isBuilt, kindNamed, notBuiltYet } from "./ProviderSection.ts"

export interface InactiveKey {
  readonly path: string
  readonly why: string
}

interface Rule {
  /** `*` stands for any one key or index. */
  readonly path: ReadonlyArray<string>
  readonly why: string
  /** Values that need nothing built; absent = every value needs it. */
  readonly active?: ReadonlyArray<unknown>
}

const rules: ReadonlyArray<Rule> = [
  { path: ["models", "*", "timeouts", "connect"], why: "defaults.timeouts.connect rules for every model" },
  { path: ["storage", "redis"], why: "state is not shared between processes" }
]

const matches = (value: unknown, rest: ReadonlyArray<string>, path: Path): ReadonlyArray<readonly [Path, unknown]> => {
  const [key, ...others] = rest
  if (key === undefined) return value === undefined ? [] : [[path, value]]
  if (typeof value !== "object" || value === null) return []
  const entries: ReadonlyArray<readonly [string | number, unknown]> = Array.isArray(value)
    ? Array.from(value.entries())
    : Object.entries(value)
  return entries.flatMap(([name, member]) =>
    key === "*" || key === name ? matches(member, others, [...path, name]) : []
  )
}

/** The kind of a provider of the document, if it is known but not built yet. */
const unbuiltKind = (document: unknown, provider: unknown): string | undefined => {
  if (typeof provider !== "string") return undefined
  const section = valueAt(document, ["providers", provider])
  const kind = valueAt(section, ["kind"]) ?? provider
  return section !== undefined && typeof kind === "string" && kindNamed(kind) !== undefined && !isBuilt(kind)
    ? kind
    : undefined
}

/** Providers whose kind is not built yet, and the targets on them: both stay, so that an alias goes on to its next target. */
const unbuilt = (document: unknown): ReadonlyArray<InactiveKey> => {
  const providers = matches(document, ["providers", "*"], []).flatMap(([path]) => {
    const kind = unbuiltKind(document, path.at(-1))
    return kind === undefined ? [] : [{ path: renderPath(path), why: `kind ${kind} is ${notBuiltYet}` }]
  })
  const targets = matches(document, ["models", "*", "targets", "*", "provider"], []).flatMap(([path, provider]) => {
    const kind = unbuiltKind(document, provider)
    return kind === undefined
      ? []
      : [{ path: renderPath(path.slice(0, -1)), why: `kind ${kind} is ${notBuiltYet}: this target fails at once` }]
  })
  return [...providers, ...targets]
}

/** Everything of the document that will do nothing: providers and targets first, then keys in the order of the rules. */
export const inactiveKeys = (document: unknown): ReadonlyArray<InactiveKey> => [
  ...unbuilt(document),
  ...rules.flatMap((rule) =>
    matches(document, rule.path, []).flatMap(([path, value]) =>
      rule.active?.includes(value) === true ? [] : [{ path: renderPath(path), why: rule.why }]
    )
  )
]
