import { describe, expect, it } from "@effect/vitest"
import { maskKinds, maskStream, maskText } from "../../src/validation/Mask.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

const found: ReadonlyArray<readonly [text: string, masked: string]> = [
  ["write to zoe.m+x@mail.example.co.uk, please", "write to [email], please"],
  ["<zoe@example.com>", "<[email]>"],
  ["card 4111 1111 1111 1111.", "card [card]."],
  ["card 4111-1111-1111-1111", "card [card]"],
  ["card 378282246310005", "card [card]"],
  ["DE89 3704 0044 0532 0130 00", "[iban]"],
  ["GB82WEST12345698765432", "[iban]"],
  ["123-45-6789", "[ssn]"],
  ["call +33 6 12 34 56 78!", "call [phone]!"],
  ["call +1 (415) 555-0132", "call [phone]"],
  ["from 192.168.10.254:80", "from [ip]:80"],
  ["key sk-proj-abcdefghijklmnop0123", "key [key]"],
  ["AKIAIOSFODNN7EXAMPLE", "[key]"],
  ["ghp_0123456789abcdefghijklmnopqrstuvwxyz", "[key]"],
  ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "[key]"]
]

const left = [
  "4111 1111 1111 1112 is no card, its digits do not add up",
  "DE89 3704 0044 0532 0130 02 is no account",
  "version 1.2.3.4.5 and 999.1.1.1",
  "a@b, @handle, user@localhost",
  "2026-11-23T13:45:00Z, 12345, 3.14159265358979",
  "sk-short, skating, task-force-abcdefghij",
  "1 + 1 = 2, +1",
  "Zoë Müller, 12 Harbour Street"
]

describe("a mask", () => {
  it.each(found)("makes of %j %j", (text, masked) => {
    expect(maskText(text, maskKinds)).toBe(masked)
    expect(maskText(masked, maskKinds)).toBe(masked)
  })

  it.each(left)("leaves %j alone", (text) => {
    expect(maskText(text, maskKinds)).toBe(text)
  })

  it("takes only the kinds that it is told", () => {
    expect(maskText("zoe@example.com 192.168.1.1", ["ip"])).toBe("zoe@example.com [ip]")
  })

  it("is linear: a megabyte of what almost matches takes no time to speak of", () => {
    for (const piece of ["a.", "1 ", "+1", "a@", "a@b.", "eyJ", "sk-", "AB12 ", "1.", "%"]) {
      expect(maskText(piece.repeat(50_000), maskKinds).length).toBeGreaterThan(0)
    }
  })
})

describe("a mask on a stream", () => {
  const texts = [...found.map(([text]) => text), ...left]

  it("gives out what a mask on the whole text would, wherever the text is cut", () => {
    const random = makeRandom(20261123)
    for (let round = 0; round < 3000; round++) {
      const whole = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(random, texts))
        .join(pick(random, [" ", "\n", ", ", " and "]))
      const mask = maskStream(maskKinds)
      let out = ""
      for (let at = 0; at < whole.length;) {
        const next = at + 1 + Math.floor(random() * 6)
        out += mask.push(whole.slice(at, next))
        at = next
      }
      expect({ whole, out: out + mask.end() }).toEqual({ whole, out: maskText(whole, maskKinds) })
    }
  })

  it("gives out each word as soon as the next begins, but for what may be a group", () => {
    const mask = maskStream(maskKinds)
    expect([mask.push("The wall"), mask.push(" stands"), mask.push(" still. "), mask.end()])
      .toEqual(["The ", "wall ", "stands ", "still. "])
  })

  it("does not hold back a word without end", () => {
    const mask = maskStream(maskKinds)
    expect(mask.push("x".repeat(5000)).length).toBeGreaterThan(4000)
  })
})
