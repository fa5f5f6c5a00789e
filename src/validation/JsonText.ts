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
