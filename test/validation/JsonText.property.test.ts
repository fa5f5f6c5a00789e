import { describe, expect, it } from "@effect/vitest"
import { excessOf, isScanProblem, replaceMembers, scan } from "../../src/validation/JsonText.ts"
import { flawOfShape } from "../../src/validation/Limits.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

const strings = ["", "a", "\\", "\"", "\\\"", "a\\", "{", "}", "[,]", "é", "😀", "\n", "\u0000", "model", "x\":1"]

const makeText = (random: () => number): string => {
  const space = () => pick(random, ["", "", " ", "\n\t", "\r\n  "])
  const word = (): string => {
    const text = JSON.stringify(Array.from({ length: Math.floor(random() * 3) }, () => pick(random, strings)).join(""))
    return random() < 0.2 ? text.replace("a", "\\u0061") : text
  }
  const value = (depth: number): string => {
    const kind = random()
    if (kind < 0.3 || depth > 3) return pick(random, ["1", "-0.5e+7", "true", "null", "false", "9007199254740993"])
    if (kind < 0.6) return word()
    const items = Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1))
    if (kind < 0.8) return `[${items.map((item) => space() + item + space()).join(",")}${space()}]`
    return object(depth, items)
  }
  const object = (depth: number, items: ReadonlyArray<string>): string => {
    const names = new Set<string>()
    // No backslash in names: after a name that ends in one, JSON.parse of V8 13.6 misreads escapes in the next text's names.
    const members = items.flatMap((item) => {
      const name = word().replaceAll("\\\\", "/")
      if (depth === 0 && names.has(JSON.parse(name))) return []
      names.add(JSON.parse(name))
      return [`${space()}${name}${space()}:${space()}${item}${space()}`]
    })
    return `{${space()}${members.join(",")}${space()}}`
  }
  return space() + object(0, Array.from({ length: Math.floor(random() * 7) }, () => value(1))) + space()
}

describe("replaceMembers", () => {
  it("changes exactly the members it is told, for any JSON object", () => {
    const random = makeRandom(7)
    for (let round = 0; round < 3000; round++) {
      const text = makeText(random)
      const source = scan(text)
      if (isScanProblem(source)) throw new Error(`${source.message}: ${text}`)
      const before: Record<string, unknown> = JSON.parse(text)
      expect([...source.members.keys()].sort()).toEqual(Object.keys(before).sort())
      const name = random() < 0.7 && source.members.size > 0 ? pick(random, [...source.members.keys()]) : "model"
      const after: unknown = JSON.parse(replaceMembers(source, { [name]: "{\"new\":[1]}" }))
      expect(after).toEqual({ ...before, [name]: { new: [1] } })
      const span = source.members.get(name)
      if (span !== undefined) {
        expect(replaceMembers(source, { [name]: text.slice(span.start, span.end) })).toBe(text)
      }
    }
  })
})

describe("excessOf", () => {
  it("finds every text that is nested too deep, and one with too many members only where there are", () => {
    const random = makeRandom(11)
    const seen = new Set<string>()
    for (let round = 0; round < 3000; round++) {
      const value = JSON.parse(makeText(random))
      const text = JSON.stringify(value)
      const depth = 1 + Math.floor(random() * 5)
      const members = Math.floor(random() * 30)
      const isDeep = flawOfShape(value, { depth, members: Infinity })?.code === "too_deep"
      expect([text, excessOf(text, depth, Infinity)]).toEqual([text, isDeep ? "levels" : undefined])
      const excess = excessOf(text, Infinity, members)
      const flaw = flawOfShape(value, { depth: 100, members })?.code
      if (excess !== undefined) expect([text, flaw]).toEqual([text, "too_many_members"])
      seen.add(`${isDeep} ${excess}`)
    }
    expect(seen.size).toBe(4)
  })
})
