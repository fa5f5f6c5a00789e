/**
 * A JSON object as the caller wrote it, with the place of each of its top-level members, so that the original text is
 * forwarded and only the spans of a few members are replaced: big integers, order and unknown members survive.
 */

/** Where a member stands in the text; `start` and `end` bound its value, `keyStart` its quoted name. */
export interface Span {
  readonly keyStart: number
  readonly start: number
  readonly end: number
}

export interface JsonText {
  readonly text: string
  readonly members: ReadonlyMap<string, Span>
}

/** Why a text that is JSON is still no request: told to the caller as it stands. */
export interface ScanProblem {
  readonly message: string
  /** The member that is at fault. */
  readonly param?: string
  /** What a program can branch on. */
  readonly code?: string
}

/** Tells the two answers of `scan` apart. */
export const isScanProblem = (result: JsonText | ScanProblem): result is ScanProblem => "message" in result

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const SPACE = 0x20

/** Everything up to the space is white space where JSON allows none of the others. */
const skipSpace = (text: string, from: number): number => {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= SPACE) at++
  return at
}

/** The place after the closing quote of the string that opens at `open`. `indexOf` makes long strings cheap. */
const skipString = (text: string, open: number): number => {
  let at = open
  for (;;) {
    at = text.indexOf("\"", at + 1)
    if (at < 0) return text.length
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((at - before) % 2 === 1) return at + 1
  }
}

/** The place after a mark, or after the string that it opens. */
const afterMark = (text: string, at: number, code: number): number => code === QUOTE ? skipString(text, at) : at + 1

const skipNested = (text: string, open: number): number => {
  let depth = 0
  let at = open
  while (at < text.length) {
    const code = text.charCodeAt(at)
    at = afterMark(text, at, code)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at
  }
  return at
}

/**
 * Which of the two a text has surely more of, were it parsed: levels of nesting, or members and elements. Of what is no JSON it says
 * something too.
 */
export const excessOf = (text: string, levels: number, members: number): "levels" | "members" | undefined => {
  let depth = 0
  let opened = 0
  let commas = 0
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    at = afterMark(text, at, code)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > levels) return "levels"
      // All but the outermost are one themselves.
      if (++opened > members + 1) return "members"
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    else if (code === COMMA && ++commas > members) return "members"
  }
  return undefined
}

const skipValue = (text: string, start: number): number => {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return skipString(text, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, start)
  let at = start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === COMMA || code === CLOSE_BRACE || code <= SPACE) return at
    at++
  }
  return at
}

const nameAt = (text: string, start: number, end: number): string => {
  const raw = text.slice(start + 1, end - 1)
  return raw.includes("\\") ? String(JSON.parse(text.slice(start, end))) : raw
}

/** Parsers differ in which of the two they take, so that nobody could tell which was meant. */
const twice = (name: string): ScanProblem => ({
  message: `The member ${JSON.stringify(name.slice(0, 64))} stands twice in the request. Send it once.`,
  param: name.slice(0, 64),
  code: "duplicate_member"
})

/**
 * Finds the top-level members of a text that JSON.parse has already accepted; it validates nothing but what JSON.parse lets
 * pass: a top level that is no object, and a member named twice (compared after unescaping).
 */
export const scan = (text: string): JsonText | ScanProblem => {
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_BRACE) {
    return { message: "The request must be a JSON object. Send one with model and messages." }
  }
  const members = new Map<string, Span>()
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const keyStart = at
    const keyEnd = skipString(text, at)
    const name = nameAt(text, keyStart, keyEnd)
    if (members.has(name)) return twice(name)
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = skipValue(text, start)
    members.set(name, { keyStart, start, end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return { text, members }
}

/**
 * The same text with the values of the named members replaced by JSON texts; a member that is absent is put first, and
 * `undefined` leaves a member as it is. All other text stays identical.
 */
export const replaceMembers = (
  source: JsonText,
  replacements: Readonly<Record<string, string | undefined>>
): string => {
  const edits: Array<{ readonly span: Span; readonly text: string }> = []
  let absent = ""
  for (const [name, value] of Object.entries(replacements)) {
    if (value === undefined) continue
    const span = source.members.get(name)
    if (span === undefined) absent += `${absent === "" ? "" : ","}${JSON.stringify(name)}:${value}`
    else edits.push({ span, text: value })
  }
  edits.sort((left, right) => left.span.start - right.span.start)
  let result = ""
  let done = 0
  if (absent !== "") {
    done = source.text.indexOf("{") + 1
    result = source.text.slice(0, done) + absent + (source.members.size === 0 ? "" : ",")
  }
  for (const { span, text } of edits) {
    result += source.text.slice(done, span.start) + text
    done = span.end
  }
  return result + source.text.slice(done)
}
