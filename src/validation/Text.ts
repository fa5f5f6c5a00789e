/**
 * Characters that hide what a text says: control, bidirectional override, tag and the like. Judged in metadata and identifiers,
 * which end up in logs, labels and pages; never in a prompt, which goes upstream as it was written.
 */

/** How metadata is judged: `strict` refuses hidden characters, `lenient` carries them, inside JSON only. */
export type UnicodeMode = "strict" | "lenient"

/** Visible ASCII and the blank: what nearly every identifier is made of. */
const plain = /^[\x20-\x7e]*$/

/** Neither joiners (U+200C, U+200D) nor bidi marks (U+200E, U+200F): whole scripts need them. */
const hidden = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/u

/** In an identifier an invisible letter would make two out of what looks like one. */
const invisible = /[^\P{Default_Ignorable_Code_Point}\p{Variation_Selector}]/u

const kindOf = (code: number): string => {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return "the control character"
  if (code >= 0xd800 && code <= 0xdfff) return "the lone surrogate"
  if (code >= 0xe0000 && code <= 0xe007f) return "the tag character"
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return "the direction override"
  return code === 0x2028 || code === 0x2029 ? "the line separator" : "the invisible character"
}

const told = (found: RegExpExecArray | null): string | undefined => {
  const code = found?.[0].codePointAt(0)
  return code === undefined
    ? undefined
    : `${kindOf(code)} U+${code.toString(16).toUpperCase().padStart(4, "0")}`
}

/** The first hidden character of a text in words, such as `the control character U+0007`; undefined = there is none. */
export const hiddenIn = (text: string): string | undefined => plain.test(text) ? undefined : told(hidden.exec(text))

/** The same for an identifier, where what cannot be seen is refused too. */
export const hiddenInIdentifier = (text: string): string | undefined =>
  plain.test(text) ? undefined : told(hidden.exec(text)) ?? told(invisible.exec(text))
