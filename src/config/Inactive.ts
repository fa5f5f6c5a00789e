/** Keys of the contract whose part is not built yet: accepted, and named in the banner as not active. */
import { type Path, renderPath } from "./Problem.ts"

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
  {
    path: ["storage", "redis"],
    why:
      "for cooldowns, which each process keeps for itself, and for a cache, for there is none; limits and budgets are in it"
  }
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

/** Everything of the document that will do nothing: in the order of the rules. */
export const inactiveKeys = (document: unknown): ReadonlyArray<InactiveKey> =>
  rules.flatMap((rule) =>
    matches(document, rule.path, []).flatMap(([path, value]) =>
      rule.active?.includes(value) === true ? [] : [{ path: renderPath(path), why: rule.why }]
    )
  )
