import { describe, expect, it } from "@effect/vitest"
import { hiddenIn, hiddenInIdentifier } from "../../src/validation/Text.ts"

const told: ReadonlyArray<readonly [string, string]> = [
  ["\u0000", "the control character U+0000"],
  ["\u0007", "the control character U+0007"],
  ["\n", "the control character U+000A"],
  ["\u001b[31m", "the control character U+001B"],
  ["\u007f", "the control character U+007F"],
  ["\u0085", "the control character U+0085"],
  ["\u202e", "the direction override U+202E"],
  ["\u202a", "the direction override U+202A"],
  ["\u2066", "the direction override U+2066"],
  ["\u2069", "the direction override U+2069"],
  ["\u{e0041}", "the tag character U+E0041"],
  ["\u{e007f}", "the tag character U+E007F"],
  ["\u2028", "the line separator U+2028"],
  ["\u2029", "the line separator U+2029"],
  ["\ud83d", "the lone surrogate U+D83D"],
  ["\udc00", "the lone surrogate U+DC00"],
  ["\ufff9", "the invisible character U+FFF9"]
]

describe("a text that hides something", () => {
  it.each(told)("%j is named with its code", (character, words) => {
    expect(hiddenIn(`ab${character}cd`)).toBe(words)
    expect(hiddenInIdentifier(`ab${character}cd`)).toBe(words)
  })

  it.each(["\u200b", "\u200d", "\u200e", "\u2060", "\ufeff", "\u00ad", "\u3164", "\u115f"])(
    "an invisible letter %j is refused in an identifier alone",
    (character) => {
      expect(hiddenIn(`ab${character}cd`)).toBeUndefined()
      expect(hiddenInIdentifier(`ab${character}cd`)).toMatch(/^the invisible character U\+/)
    }
  )

  it.each(["", "plain", "Zoë", "日本語", "עברית", "नमस्ते", "😀", "❤️", "100 % <b>&amp;</b> ' OR 1=1 --", "a/b:c@d.e"])(
    "%j hides nothing",
    (text) => {
      expect(hiddenIn(text)).toBeUndefined()
      expect(hiddenInIdentifier(text)).toBeUndefined()
    }
  )

  it("scripts that need joiners and marks of direction keep them in metadata", () => {
    expect(hiddenIn("می\u200cخواهم")).toBeUndefined()
    expect(hiddenIn("\u200fשלום")).toBeUndefined()
    expect(hiddenIn("👩\u200d🚀")).toBeUndefined()
  })
})
