import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { flawOf, safe } from "../../src/validation/Filename.ts"
import { runs } from "../providers/Seeded.ts"

const pieces = [
  ..."abcABC019 .-_~/\\:*?\"<>|%$&#@!'`()[]{};=+,\0\n\r\t\u007f",
  "..",
  "../",
  "..\\",
  "%2e",
  "%2f",
  "%00",
  "&#47;",
  "CON",
  "nul",
  "com1",
  "LPT\u00b9",
  "conin$",
  ".exe",
  ".ехе",
  ".php",
  ".txt",
  ".pdf",
  ".tar.gz",
  ".html",
  ".js",
  ".ｅｘｅ",
  ".png",
  ..."\u200b\u200c\u200d\u200e\u202e\u2066\u2028\ufeff\u00ad\ufe0f\u3164\u2800\u115f",
  ..."\uff0e\uff0f\uff3c\u2024\u2025\u2026\u2044\u2215\u2216\u3002\u29f5\u00a0\u3000",
  "\u{e0041}",
  "\u{e0100}",
  "\ud800",
  "\udc00",
  "e\u0301",
  "\u0301",
  "é",
  "ß",
  "ﬁ",
  "㎏",
  "℀",
  "😀",
  "日",
  "ノ",
  "א",
  "\ue000",
  "\uffff"
]

const unit = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...pieces) },
  { weight: 1, arbitrary: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }
)
const names = fc.oneof(
  { weight: 19, arbitrary: fc.string({ unit, maxLength: 12, size: "max" }) },
  { weight: 1, arbitrary: fc.string({ unit, minLength: 300, maxLength: 300, size: "max" }) }
)
const options = runs(5000, 100_000)
const timeout = 600_000

const policies = [{}, { allow: new Set(["pdf", "txt"]) }, { deny: new Set(["pdf", "png"]) }]

describe("a safe name", () => {
  it(
    "is taken, short, in normal form, of one part, plain at its edges, and its own safe name, whatever it is made from",
    { timeout },
    () => {
      fc.assert(
        fc.property(names, fc.constantFrom(...policies), (name, policy) => {
          const made = safe(name, policy)
          const flaws = {
            taken: flawOf(made, policy),
            again: safe(made, policy) === made,
            normal: made.normalize("NFC") === made,
            short: Buffer.byteLength(made) <= 255,
            plain: !/^$|[/\\\p{Cc}\p{Cs}\p{Bidi_Control}<>:"|?*]|^[.\-~\s]|[.\s]$|\.\./u.test(made)
          }
          expect(flaws).toEqual({ taken: undefined, again: true, normal: true, short: true, plain: true })
        }),
        { ...options, numRuns: policies.length * options.numRuns }
      )
    }
  )

  it("changes nothing about a name that is taken, but its normal form", { timeout }, () => {
    let taken = 0
    fc.assert(
      fc.property(names, (name) => {
        if (flawOf(name) !== undefined) return
        taken++
        expect(safe(name)).toBe(name.normalize("NFC"))
      }),
      options
    )
    expect(taken).toBeGreaterThan(options.numRuns / 50)
  })
})
