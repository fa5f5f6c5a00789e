import { describe, expect, it } from "@effect/vitest"
import { moderations } from "../../src/providers/protocols/OpenAiModerations.ts"

const call = { model: "m", input: ["a", "b"] } as const
const read = (body: unknown) => moderations.readAnswer(typeof body === "string" ? body : JSON.stringify(body), call, 0)
const clean = { flagged: false, categories: { violence: false } }

describe("a moderation", () => {
  it("is asked of all texts at once", () => {
    expect(JSON.parse(moderations.lower(call).body)).toEqual({ model: "m", input: ["a", "b"] })
  })

  it("says for each text what it was flagged for, and tells no name that is none", () => {
    const flagged = {
      flagged: true,
      categories: { violence: true, "hate/threatening": true, "<b>": true, harassment: false }
    }
    expect(read({ results: [clean, flagged] })).toEqual([undefined, ["violence", "hate/threatening"]])
    expect(read({ results: [{ flagged: true }, clean] })).toEqual([[], undefined])
  })

  it.each([["no JSON", "{"], ["no list", {}], ["one result for two texts", { results: [clean] }], [
    "a result without a verdict",
    { results: [clean, {}] }
  ]])("is malformed where it is %s", (_, body) => {
    expect(read(body)).toMatchObject({ _tag: "MalformedAnswer" })
  })
})
