import { describe, expect, it } from "@effect/vitest"
import { isWhole, makeId, makeText } from "../../src/admission/KeyText.ts"
import { scrub } from "../../src/observability/Redaction.ts"

describe("the text of a key", () => {
  it("names its id, is never the same twice and carries a checksum that finds one wrong letter", () => {
    const seen = new Set<string>()
    for (let at = 0; at < 1000; at++) {
      const id = makeId()
      const text = makeText(id)
      expect(text.startsWith(`bw_${id}_`)).toBe(true)
      expect(isWhole(text)).toBe(true)
      const place = 14 + at % 43
      const other = text[place] === "x" ? "y" : "x"
      expect(isWhole(text.slice(0, place) + other + text.slice(place + 1))).toBe(false)
      seen.add(text)
    }
    expect(seen.size).toBe(1000)
  })

  it("looks like a secret to the scrubber of every sink", () => {
    const text = makeText(makeId())
    expect(scrub(`a key: ${text}.`)).not.toContain(text.slice(14, 50))
  })
})
