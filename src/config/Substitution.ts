/** Replaces `${NAME}` and `${NAME:-text}` in the string values of a parsed document and drops what is empty. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { nearest } from "../domain/Suggestion.ts"
import { type Path, type Problem, problem, renderPath } from "./Problem.ts"

const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

export interface Substituted {
  readonly document: unknown
  readonly problems: ReadonlyArray<Problem>
  /** Paths whose text came from the environment: there a number or a boolean may be written as text. */
  readonly fromEnvironment: ReadonlySet<string>
}

/** A variable of the environment: undefined when it is not set, possibly empty when it is. */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Config.option(Config.String(name)).pipe(
    Effect.map(Option.getOrUndefined),
    Effect.catch(() => Effect.undefined)
  )

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const referenced = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? Array.from(value.matchAll(reference), (match) => match[1] ?? "")
    : typeof value === "object" && value !== null
    ? Object.values(value).flatMap(referenced)
    : []

interface Walk {
  readonly variables: ReadonlyMap<string, string | undefined>
  readonly problems: Array<Problem>
  readonly fromEnvironment: Set<string>
}

const replaced = (text: string, path: Path, walk: Walk): string | undefined => {
  const result = text.replaceAll(reference, (whole, name: string, fallback: string | undefined) => {
    const value = walk.variables.get(name)
    if (fallback !== undefined) return value === undefined || value === "" ? fallback : value
    if (value !== undefined) return value
    const near = nearest(name, Array.from(walk.variables).flatMap(([key, set]) => set === undefined ? [] : [key]))
    walk.problems.push(
      problem(
        path,
        undefined,
        `\${${name}} is not set in the environment; set it or give a default: \${${name}:-text}`,
        near
      )
    )
    return whole // it stays, so that nothing is said to be missing beside
  })
  if (result !== text) walk.fromEnvironment.add(renderPath(path))
  return result === "" ? undefined : result
}

const visit = (value: unknown, path: Path, walk: Walk): unknown => {
  if (typeof value === "string") return replaced(value, path, walk)
  if (value === null) return undefined
  if (Array.isArray(value)) {
    const members: Array<unknown> = []
    for (const member of value) {
      const inner = visit(member, [...path, members.length], walk)
      if (inner !== undefined) members.push(inner)
    }
    return members
  }
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => {
      const inner = visit(member, [...path, key], walk)
      return inner === undefined ? [] : [[key, inner] as const]
    })
  )
}

/** Reads the named variables through Effect's Config and replaces them; every name that is not set is a problem. */
export const substitute = Effect.fnUntraced(function*(document: unknown) {
  const names = Array.from(new Set(referenced(document)))
  const values = yield* Effect.forEach(names, variable)
  const variables = new Map(names.map((name, index) => [name, values[index]] as const))
  const walk: Walk = { variables, problems: [], fromEnvironment: new Set() }
  const result: Substituted = {
    document: visit(document, [], walk) ?? {},
    problems: walk.problems,
    fromEnvironment: walk.fromEnvironment
  }
  return result
})
