/** From a schema's issue to one sentence and the path of the member it is about. */
import * as SchemaIssue from "effect/SchemaIssue"
import { inWords } from "./Wording.ts"

/** What is wrong with a request: `param` is a path such as `messages[0].content`, absent when it is the body as a whole. */
export interface RequestProblem {
  readonly message: string
  readonly param: string | undefined
}

interface Finding {
  readonly path: ReadonlyArray<PropertyKey>
  readonly issue: SchemaIssue.Issue
  readonly expected: string | undefined
}

const filterText = (issue: SchemaIssue.Filter): string | undefined => {
  const message = issue.filter.annotations?.["message"]
  if (typeof message === "string") return message
  const expected = issue.filter.annotations?.expected
  return issue.issue._tag === "InvalidValue" && issue.issue.annotations?.message === undefined &&
      typeof expected === "string"
    ? `Expected ${expected}`
    : undefined
}

/** What a union's schema may say about the member that tells its branches apart. */
interface Discriminator {
  readonly key: string
  readonly expected: string
}

const discriminatorOf = (issue: SchemaIssue.AnyOf): Discriminator | undefined => {
  const found = issue.ast.annotations?.["discriminator"]
  return typeof found === "object" && found !== null && "key" in found && typeof found.key === "string" &&
      "expected" in found && typeof found.expected === "string"
    ? { key: found.key, expected: found.expected }
    : undefined
}

/** Of a union's failures the deepest is the one that was meant; of several at one depth the union's own words, else the first. */
const findInUnion = (issue: SchemaIssue.AnyOf, at: Place): Finding => {
  const own: Finding = { path: at.path, issue, expected: at.expected }
  if (issue.issues.length === 0) {
    const discriminator = discriminatorOf(issue)
    const value = lookUp(at.input, at.path)
    return discriminator === undefined || typeof value !== "object" || value === null || Array.isArray(value) ? own : {
      path: [...at.path, discriminator.key],
      issue,
      expected: `Expected ${discriminator.expected}`
    }
  }
  let best = typeof issue.ast.annotations?.["expected"] === "string" ? own : undefined
  for (const member of issue.issues) {
    const found = find(member, at)
    if (best === undefined || found.path.length > best.path.length) best = found
  }
  return best ?? own
}

interface Place {
  readonly path: ReadonlyArray<PropertyKey>
  readonly input: unknown
  readonly expected: string | undefined
}

const find = (issue: SchemaIssue.Issue, at: Place): Finding => {
  switch (issue._tag) {
    case "Filter":
      return find(issue.issue, { ...at, expected: at.expected ?? filterText(issue) })
    case "Encoding":
      return find(issue.issue, at)
    case "Pointer":
      return find(issue.issue, { ...at, path: [...at.path, ...issue.path] })
    case "Composite":
      return find(issue.issues[0], at)
    case "AnyOf":
      return findInUnion(issue, at)
    default:
      return { path: at.path, issue, expected: at.expected }
  }
}

/** `messages[0].content`; what OpenAI puts in `error.param`. */
const formatParam = (path: ReadonlyArray<PropertyKey>): string => {
  let text = ""
  for (const key of path) {
    text += typeof key === "number" ? `[${key}]` : text === "" ? String(key) : `.${String(key)}`
  }
  return text
}

/** Longest string that is told back, in characters. */
const shownLength = 40

const describe = (value: unknown, isShown: boolean): string => {
  if (value === null) return "null"
  if (isShown && typeof value === "string" && value !== "") {
    return JSON.stringify(value.length > shownLength ? `${value.slice(0, shownLength)}…` : value)
  }
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array"
  switch (typeof value) {
    case "string":
      return value === "" ? "an empty string" : "a string"
    case "object":
      return "an object"
    default:
      return String(value)
  }
}

const lookUp = (input: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  let value = input
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined
    value = Reflect.get(value, key)
  }
  return value
}

const expectation = (finding: Finding): string => {
  if (finding.expected !== undefined) return finding.expected
  const { issue } = finding
  const words = "ast" in issue ? inWords(issue.ast) : undefined
  return words ?? SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues[0]?.message ?? "a valid value"
}

const unknownMember = (issue: SchemaIssue.UnexpectedKey, param: string): RequestProblem => {
  const known = issue.ast._tag === "Objects" ? issue.ast.propertySignatures.map(({ name }) => String(name)) : []
  return { message: `Unknown member '${param.slice(0, shownLength)}'. Known are ${known.join(", ")}.`, param }
}

/**
 * One sentence about the first fault. Strings are named, never quoted, for they may be a prompt or a key; `showsStrings` is for
 * input that holds neither, such as an operator's.
 */
export const requestProblem = (issue: SchemaIssue.Issue, input: unknown, showsStrings = false): RequestProblem => {
  const finding = find(issue, { path: [], input, expected: undefined })
  if (finding.issue._tag === "UnexpectedKey") return unknownMember(finding.issue, formatParam(finding.path))
  const last = finding.path.at(-1)
  const isMissing = finding.issue._tag === "MissingKey" || lookUp(input, finding.path) === undefined
  // A missing first element is an empty array.
  const path = isMissing && typeof last === "number" ? finding.path.slice(0, -1) : finding.path
  const param = path.length === 0 ? undefined : formatParam(path)
  const wanted = expectation(finding).replace(/^expected /i, "")
  if (isMissing && typeof last === "number") {
    return { message: `Invalid '${param ?? ""}': expected a non-empty array, got an empty array.`, param }
  }
  if (isMissing && last !== undefined) {
    const hint = finding.issue._tag === "MissingKey" ? "Add it to the request" : `Expected ${wanted}`
    return { message: `Missing required member '${param ?? ""}'. ${hint}.`, param }
  }
  const subject = param === undefined ? "Invalid request body" : `Invalid '${param}'`
  return {
    message: `${subject}: expected ${wanted}, got ${describe(lookUp(input, path), showsStrings)}.`,
    param
  }
}
