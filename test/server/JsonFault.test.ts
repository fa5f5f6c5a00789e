import { describe, expect, it } from "@effect/vitest"
import { findFault } from "../../src/server/JsonFault.ts"

describe("where a text stops being JSON", () => {
  it.each([
    ["{\"a\":}", 5],
    ["{\"a\" 1}", 5],
    ["{\"a\":1,}", 7],
    ["[1,]", 3],
    ["{'a':1}", 1],
    ["[1 2]", 3],
    ["{\"a\":tru}", 5],
    ["[01]", 1],
    ["{\"a\":1}}", 7],
    ["[1}", 2],
    ["1 2", 2],
    ["{\"a\":\"x\ny\"}", 5],
    ["{\"a\":[1,{\"b\":nul}]}", 13]
  ])("%j: at %d", (text, at) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
    expect(findFault(text)).toBe(at)
  })

  it("a text that only ends too early has no fault", () => {
    for (const text of ["{\"a\":1", "[1,", "{\"a\""]) expect(findFault(text)).toBe(text.length)
  })

  it("a very long text is not searched", () => {
    expect(findFault("[".repeat(1_000_000))).toBeUndefined()
  })
})
