import { describe, expect, it } from "@effect/vitest"
import { flawOf, safe } from "../../src/validation/Filename.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

/** A full run takes more names. */
const rounds = process.env["BREAKWATER_FULL"] === "1" ? 100_000 : 5000
const timeout = 600_000

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

const names = function*() {
  const random = makeRandom(20261123)
  for (let round = 0; round < rounds; round++) {
    const length = random() < 0.05 ? 300 : Math.floor(random() * 12)
    let name = ""
    for (let at = 0; at < length; at++) {
      name += random() < 0.9 ? pick(random, pieces) : String.fromCharCode(Math.floor(random() * 0x10000))
    }
    yield name
  }
}

const policies = [{}, { allow: new Set(["pdf", "txt"]) }, { deny: new Set(["pdf", "png"]) }]

describe("a safe name", () => {
  it(
    "is taken, short, in normal form, of one part, plain at its edges, and its own safe name, whatever it is made from",
    { timeout },
    () => {
      for (const name of names()) {
        for (const policy of policies) {
          const made = safe(name, policy)
          const flaws = {
            taken: flawOf(made, policy),
            again: safe(made, policy) === made,
            normal: made.normalize("NFC") === made,
            short: Buffer.byteLength(made) <= 255,
            plain: !/^$|[/\\\p{Cc}\p{Cs}\p{Bidi_Control}<>:"|?*]|^[.\-~\s]|[.\s]$|\.\./u.test(made)
          }
          expect({ name, made, ...flaws }).toEqual({
            name,
            made,
            taken: undefined,
            again: true,
            normal: true,
            short: true,
            plain: true
          })
        }
      }
    }
  )

  it("changes nothing about a name that is taken, but its normal form", { timeout }, () => {
    for (const name of names()) if (flawOf(name) === undefined) expect(safe(name)).toBe(name.normalize("NFC"))
  })
})
