/**
 * What a chat request means, whatever dialect says it. Each dialect beside this file is read to it without the code under test,
 * so that a request and its translation can be compared, and so that one simulated upstream understands all of them.
 */

/** Something that is said. `source`: a data URI or an address. `state`: what only its own provider can read, as it came. */
export type Part =
  | { readonly kind: "text"; readonly text: string; readonly cached?: true }
  | { readonly kind: "image" | "document" | "audio"; readonly source: string; readonly cached?: true }
  | { readonly kind: "thought"; readonly text: string; readonly state: string }
  | {
    readonly kind: "call"
    readonly id: string
    readonly name: string
    readonly input: unknown
    readonly state?: string
    readonly cached?: true
  }
  | { readonly kind: "result"; readonly id: string; readonly value: unknown; readonly cached?: true }

export interface Turn {
  readonly role: "user" | "assistant"
  readonly parts: ReadonlyArray<Part>
}

export interface Tool {
  readonly name: string
  readonly description: string | undefined
  readonly schema: unknown
}

/** Undefined = nothing is said of it. */
export interface Meaning {
  readonly system: ReadonlyArray<Part>
  readonly turns: ReadonlyArray<Turn>
  readonly tools: ReadonlyArray<Tool>
  /** Names of the tools that may be called now. */
  readonly callable: ReadonlyArray<string>
  /** One of them has to be called. */
  readonly mustCall: boolean
  /** At most one call at a time. */
  readonly isSerial: boolean
  /** `json`: anything of JSON; else a schema. */
  readonly form: unknown
  /** It is to think before it answers. */
  readonly thinks: boolean
  readonly maxTokens: number | undefined
  readonly temperature: number | undefined
  readonly topP: number | undefined
  readonly stop: ReadonlyArray<string>
  readonly seed: number | undefined
  readonly frequencyPenalty: number | undefined
  readonly presencePenalty: number | undefined
  readonly choices: number
  readonly user: string | undefined
}

/** Nothing but a conversation. */
export const plain: Omit<Meaning, "system" | "turns"> = {
  tools: [],
  callable: [],
  mustCall: false,
  isSerial: false,
  form: undefined,
  thinks: false,
  maxTokens: undefined,
  temperature: undefined,
  topP: undefined,
  stop: [],
  seed: undefined,
  frequencyPenalty: undefined,
  presencePenalty: undefined,
  choices: 1,
  user: undefined
}

export const emptySchema = { type: "object", properties: {} } as const

/** The object that a text is, else the text. */
export const valueOf = (text: string): unknown => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : text
  } catch {
    return text
  }
}

/** Neighbours of one role are one turn; results come first in theirs; what says nothing is no turn. */
export const joined = (turns: ReadonlyArray<Turn>): ReadonlyArray<Turn> => {
  const out: Array<{ role: Turn["role"]; parts: Array<Part> }> = []
  for (const { parts, role } of turns) {
    if (parts.length === 0) continue
    const last = out.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else out.push({ role, parts: [...parts] })
  }
  const isResult = ({ kind }: Part): boolean => kind === "result"
  return out.map(({ parts, role }) => ({
    role,
    parts: [...parts.filter(isResult), ...parts.filter((part) => !isResult(part))]
  }))
}

/** Why a provider would refuse the conversation: calls and results that do not fit together. */
export const faultOf = ({ turns }: Meaning): string | undefined => {
  for (const [at, { parts, role }] of turns.entries()) {
    if (parts.some((part) => part.kind === "text" && part.text.trim() === "")) return `turn ${at} has an empty text`
    const results = parts.flatMap((part) => part.kind === "result" ? [part.id] : [])
    const calls = turns[at - 1]?.parts.flatMap((part) => part.kind === "call" ? [part.id] : []) ?? []
    if (role === "user" && JSON.stringify(results) !== JSON.stringify(calls)) {
      return `turn ${at} answers the calls ${results.join()} where there were ${calls.join() || "none"}`
    }
  }
  const last = turns.at(-1)
  return last?.role === "user" ? undefined : "the last turn is not the user's"
}

/** What a simulated model says. */
export interface Saying {
  readonly thought?: { readonly text: string; readonly state: string }
  readonly text?: string
  readonly calls?: ReadonlyArray<{
    readonly id: string
    readonly name: string
    readonly input: unknown
    readonly state?: string
  }>
}

/** What it answers instead where it cannot: before anything, or in the middle of a stream. */
export interface Trouble {
  readonly status: number
  /** In the middle of the stream that says this. */
  readonly after?: Saying
  readonly message?: string
  /** How long it wants to be left alone. */
  readonly retryAfterMs?: number
}

/** The header with which all but Google say how long. */
export const waitOf = ({ retryAfterMs }: Trouble): Readonly<Record<string, string>> =>
  retryAfterMs === undefined ? {} : { "retry-after": String(retryAfterMs / 1000) }

/** What every simulated answer counts. */
export const counts = { prompt: 20, completion: 8 } as const

/** What OpenAI's and Anthropic's words call the mark of the cache. */
export const marked = (holder: { readonly cache_control?: unknown }): { readonly cached?: true } =>
  holder.cache_control ? { cached: true } : {}
