/** Keys of the contract whose part is not built yet: accepted, and named in the banner as not active. */
import { type Path, renderPath } from "./Problem.ts"
import { kinds } from "./ProviderSection.ts"

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
  { path: ["server", "keys", "*", "models"], why: "every key may call every model" },
  { path: ["server", "keys", "*", "limits"], why: "limits are not enforced" },
  { path: ["server", "keys", "*", "budget"], why: "budgets are not enforced" },
  { path: ["server", "keys", "*", "tags"], why: "tags are not recorded" },
  { path: ["server", "keys", "*", "expires"], why: "keys do not expire" },
  {
    path: ["providers", "*", "kind"],
    why: "this kind is not built: its targets fail at once",
    active: kinds.flatMap(({ kind }) => kind === "bedrock" ? [] : [kind])
  },
  { path: ["providers", "*", "prices"], why: "costs are not computed" },
  { path: ["models", "*", "targets", "*", "capabilities"], why: "no stream is continued by prefill" },
  {
    path: ["models", "*", "stream", "onInterrupted"],
    why: "an interrupted stream ends in an error",
    active: ["error"]
  },
  { path: ["telemetry", "logs", "format"], why: "logs are written as json", active: ["auto", "json", "pretty"] },
  { path: ["telemetry", "otlp", "headers"], why: "traces are sent without them" },
  { path: ["telemetry", "otlp", "serviceName"], why: "traces say breakwater" },
  { path: ["telemetry", "capture"], why: "nothing is captured", active: ["none"] },
  { path: ["storage", "sql"], why: "state is kept in memory" },
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

/** Every key of the document that will do nothing, in the order of the rules. */
export const inactiveKeys = (document: unknown): ReadonlyArray<InactiveKey> =>
  rules.flatMap((rule) =>
    matches(document, rule.path, []).flatMap(([path, value]) =>
      rule.active?.includes(value) === true ? [] : [{ path: renderPath(path), why: rule.why }]
    )
  )
