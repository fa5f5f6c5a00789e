import { describe, expect, it } from "@effect/vitest"
import { noteUnsaidIn } from "../../../src/providers/protocols/Unsaid.ts"

const droppedOf = (role: string): ReadonlyArray<string> => {
  const dropped = new Set<string>()
  noteUnsaidIn([{ role, name: "tide", content: "4.2" }], dropped, { hasCache: true })
  return [...dropped]
}

describe("the name of a message", () => {
  it.each(["system", "user", "assistant"])("is told as left out where it says who speaks: %s", (role) => {
    expect(droppedOf(role)).toEqual(["name"])
  })

  it.each(["tool", "function"])("is not where the call that is answered says it: %s", (role) => {
    expect(droppedOf(role)).toEqual([])
  })
})
