/**
 * How large and how deep a request may be, beyond its bytes: judged before anything walks it recursively or allocates by its
 * numbers. Counts are those of the request as the caller wrote it.
 */
import { excessOf, type ScanProblem } from "./JsonText.ts"

export interface LimitSettings {
  /** Levels of nesting in a request body. Default 64. */
  readonly depth: number
  /** Members and elements of all objects and arrays together. Default 200000. */
  readonly members: number
  /** Messages in one request. Default 2048. */
  readonly messages: number
  /** Content parts of all messages together. Default 4096. */
  readonly parts: number
  /** Tools, or functions, in one request. Default 1024. */
  readonly tools: number
  /** Characters of an identifier such as `user` or a message's `name`. Default 1024. */
  readonly identifier: number
  /** Characters of each stop sequence. Default 4096. */
  readonly stop: number
}

export const defaultLimitSettings: LimitSettings = {
  depth: 64,
  members: 200_000,
  messages: 2048,
  parts: 4096,
  tools: 1024,
  identifier: 1024,
  stop: 4096
}

/** Members whose value is a JSON Schema somewhere below, where any name is data. */
const schemas: ReadonlySet<string> = new Set(["tools", "functions", "response_format"])

/** Where code copies members one by one, a member of this name changes the object itself. */
const isHazardous = (name: string): boolean =>
  (name.length === 9 || name.length === 11) &&
  (name === "__proto__" || name === "prototype" || name === "constructor")

interface Walk {
  readonly limits: Pick<LimitSettings, "depth" | "members">
  left: number
  /** Inside a JSON Schema. */
  isData: boolean
}

const hazardous = (name: string): ScanProblem => ({
  message: `A member may not be named '${name}' here. Rename it; inside a tool's parameters any name may stand.`,
  param: name,
  code: "hazardous_member"
})

const tooDeep = ({ depth }: Walk["limits"]): ScanProblem => ({
  message: `The request is nested deeper than ${depth} levels. Flatten it, or raise server.limits.depth.`,
  code: "too_deep"
})

const tooMany = ({ members }: Walk["limits"]): ScanProblem => ({
  message: `The request has more than ${members} members and elements. Send less, or raise server.limits.members.`,
  code: "too_many_members"
})

/** One array or object that JSON.parse made: it has no inherited members. The outermost has as many levels as are allowed. */
const walk = (value: object, levels: number, state: Walk): ScanProblem | undefined => {
  if (levels === 0) return tooDeep(state.limits)
  if (Array.isArray(value)) {
    if ((state.left -= value.length) < 0) return tooMany(state.limits)
    for (let index = 0; index < value.length; index++) {
      const element: unknown = value[index]
      if (typeof element !== "object" || element === null) continue
      const problem = walk(element, levels - 1, state)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  const isOutermost = levels === state.limits.depth
  for (const name in value) {
    if (--state.left < 0) return tooMany(state.limits)
    if (isHazardous(name) && (isOutermost || !state.isData)) return hazardous(name)
    // A record of unknown members by construction.
    const member = (value as Readonly<Record<string, unknown>>)[name]
    if (typeof member !== "object" || member === null) continue
    if (isOutermost) state.isData = schemas.has(name)
    const problem = walk(member, levels - 1, state)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Of shorter ones the parser is done before anybody could be kept waiting. */
const longText = 65_536

/** The same of a long text before it is parsed: 20 MB of brackets would hold the event loop for seconds and take half a gigabyte. */
export const flawOfText = (text: string, limits: Walk["limits"]): ScanProblem | undefined => {
  if (text.length < longText) return undefined
  const excess = excessOf(text, limits.depth, limits.members)
  return excess === undefined ? undefined : excess === "levels" ? tooDeep(limits) : tooMany(limits)
}

/** Depth, number and names of all that is in a request; its calls go no deeper than the limit. */
export const flawOfShape = (request: object, limits: Walk["limits"]): ScanProblem | undefined =>
  walk(request, limits.depth, { limits, left: limits.members, isData: false })

/** The sentence for a list that is too long; `what` names its elements. */
export const tooLong = (param: string, what: string, limit: number, found: number, setting: string): ScanProblem => ({
  message: `Invalid '${param}': expected at most ${limit} ${what}, got ${found}. Send fewer, or raise ${setting}.`,
  param,
  code: "too_many"
})

/** The sentence for a string that is too long. */
export const tooManyCharacters = (param: string, limit: number, found: number): ScanProblem => ({
  message: `Invalid '${param}': expected at most ${limit} characters, got ${found}. Shorten it.`,
  param,
  code: "too_long"
})
