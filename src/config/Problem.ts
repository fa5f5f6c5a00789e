/** One thing that is wrong with a configuration, said so that its reader can mend it; secrets never reach the text. */
import * as Data from "effect/Data"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { nearest } from "../domain/Suggestion.ts"

export type Path = ReadonlyArray<string | number>

export interface Problem {
  /** Where, such as `models.fast.targets[0].provider`; empty when the whole file is meant. */
  readonly path: string
  /** What stands there, as text; absent when nothing does or it might be a secret, `<redacted>` when it is one. */
  readonly value?: string | undefined
  readonly message: string
  readonly suggestion?: string | undefined
}

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigurationRefused extends Data.TaggedError("ConfigurationRefused")<{
  /** File or place the configuration came from. */
  readonly source: string
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return [`${this.source}: ${this.problems.length} problem(s)`, ...this.problems.map(render)].join("\n")
  }
}

const secretKeys: ReadonlySet<string> = new Set([
  "key",
  "keys",
  "apiKey",
  "apiKeys",
  "adminKey",
  "headers",
  "redis",
  "sql",
  "tracesHeaders"
])
/** Sounds like one, and is a duration. */
const plainKey = /^first[-_]?tokens?$/i
const secretLooking = /api[-_]?key|secret|token|passw|credential|authorization/i

/** What stands beside a client key, and all below it. */
const besideKey: ReadonlySet<unknown> = new Set(["budget", "expires", "limits", "models", "name", "tags"])

/** True when the value at this path may be a secret (by its key's name, or because an ancestor is one). */
const isSecret = (path: Path): boolean =>
  path.some((key, at) =>
    typeof key === "string" && (secretKeys.has(key) || (secretLooking.test(key) && !plainKey.test(key))) &&
    !(key === "keys" && typeof path[at + 1] === "number" && besideKey.has(path[at + 2]))
  )

export const renderPath = (path: Path): string =>
  path.reduce<string>((text, key) =>
    typeof key === "number"
      ? `${text}[${key}]`
      : /^[\w$/-]+$/.test(key)
      ? text === "" ? key : `${text}.${key}`
      : `${text}[${JSON.stringify(key)}]`, "")

/** What stands at a path, as text fit for a terminal: at most 80 characters, secrets replaced. */
const renderValue = (value: unknown, path: Path): string | undefined => {
  if (value === undefined) return undefined
  if (isSecret(path) && (typeof value !== "object" || value === null)) return "<redacted>"
  const text = JSON.stringify(
    value,
    (key, member: unknown) =>
      key !== "" && isSecret([...path, key]) && (typeof member !== "object" || member === null) ? "<redacted>" : member
  )
  // Who may come in stands before the host of an address.
  const told = text?.replace(/:\/\/[^/?#@"\s]*@/g, "://<redacted>@")
  return told === undefined ? undefined : told.length > 80 ? `${told.slice(0, 79)}…` : told
}

export const problem = (
  path: Path,
  value: unknown,
  message: string,
  suggestion?: string
): Problem => ({ path: renderPath(path), value: renderValue(value, path), message, suggestion })

/** One problem as lines of text: path and value, then the message, then the suggestion. */
export const render = (item: Problem): string => {
  const value = item.value === undefined ? "" : `: ${item.value}`
  const head = item.path === "" ? item.message : `${item.path}${value}\n    ${item.message}`
  return item.suggestion === undefined ? `  ${head}` : `  ${head}\n    did you mean ${item.suggestion}?`
}

export const valueAt = (document: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, key) =>
    typeof value === "object" && value !== null && Object.hasOwn(value, key)
      ? Reflect.get(value, key)
      : undefined, document)

/** The list at a path; none where there is something else. */
export const listAt = (document: unknown, path: Path): ReadonlyArray<unknown> => {
  const value = valueAt(document, path)
  return Array.isArray(value) ? value : []
}

/** A flaw as the schema found it: path, message, and the words that would have been right. */
export interface Flaw {
  readonly path: Path
  readonly message: string
  readonly known: ReadonlyArray<string>
  /** The key itself is unknown (the value may be fine). */
  readonly isUnknownKey: boolean
}

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map((property) => String(property.name)) : []

const literalsOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Literal" && typeof ast.literal === "string"
    ? [ast.literal]
    : ast._tag === "Union"
    ? ast.types.flatMap(literalsOf)
    : []

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const leaf = (issue: SchemaIssue.Issue, path: Path): Flaw => {
  if (issue._tag === "UnexpectedKey") {
    return { path, message: "this key is not known here", known: keysOf(issue.ast), isUnknownKey: true }
  }
  if (issue._tag === "MissingKey") return { path, message: "required, but missing", known: [], isUnknownKey: false }
  const said = format(issue).issues[0]?.message ?? "not a valid value"
  const message = said === "Expected string" ? "expected text (a duration or size carries its unit: 5s, 20mb)" : said
  const known = issue._tag === "AnyOf" || issue._tag === "InvalidType" ? literalsOf(issue.ast) : []
  return { path, message: message.charAt(0).toLowerCase() + message.slice(1), known, isUnknownKey: false }
}

/** Every flaw in a schema's issue tree, in document order. */
export const flaws = (issue: SchemaIssue.Issue, path: Path = []): ReadonlyArray<Flaw> => {
  switch (issue._tag) {
    case "Pointer":
      return flaws(issue.issue, [...path, ...issue.path.map((key) => typeof key === "number" ? key : String(key))])
    case "Composite":
      return issue.issues.flatMap((member) => flaws(member, path))
    case "AnyOf":
      return issue.issues.length > 0 ? issue.issues.flatMap((member) => flaws(member, path)) : [leaf(issue, path)]
    case "Encoding":
      return flaws(issue.issue, path)
    default:
      return [leaf(issue, path)]
  }
}

/** Whether a value is or holds any text. */
const hasText = (value: unknown): boolean =>
  typeof value === "string" || (typeof value === "object" && value !== null && Object.values(value).some(hasText))

/** A schema's flaw told to the reader of the file. A text at a key that nobody knows stays untold: it may be a misspelt secret's. */
export const fromFlaw = (flaw: Flaw, document: unknown): Problem => {
  const value = valueAt(document, flaw.path)
  const key = flaw.path.at(-1)
  const meant = flaw.isUnknownKey
    ? nearest(String(key), flaw.known)
    : typeof value === "string"
    ? nearest(value, flaw.known)
    : undefined
  const others = flaw.isUnknownKey && meant === undefined && flaw.known.length > 0
    ? `${flaw.message}; known: ${flaw.known.join(", ")}`
    : flaw.message
  return problem(flaw.path, flaw.isUnknownKey && hasText(value) ? undefined : value, others, meant)
}
