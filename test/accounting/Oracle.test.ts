import { describe, expect, it } from "@effect/vitest"
import listed from "./disagreements.json" with { type: "json" }
import { comparisons } from "./Oracle.ts"

describe("our price list and that of @pydantic/genai-prices", () => {
  const all = comparisons()

  it("share thousands of prices, and differ only where the reason is listed", () => {
    const known = new Set(listed.flatMap(({ disagreements, model }) => disagreements.map((one) => `${model} ${one}`)))
    expect(all.length).toBeGreaterThan(6000)
    expect(all.filter(({ isEqual, name }) => !isEqual && !known.has(name))).toEqual([])
  })

  it("differ wherever they are said to, each with a reason", () => {
    const differing = new Set(all.filter(({ isEqual }) => !isEqual).map(({ name }) => name))
    for (const { disagreements, model, reason } of listed) {
      expect(reason.length).toBeGreaterThan(20)
      expect(disagreements.filter((one) => !differing.has(`${model} ${one}`))).toEqual([])
    }
  })
})
