import { describe, expect, it } from "@effect/vitest"
import type { JsonText } from "../../src/validation/JsonText.ts"
import { isScanProblem, replaceMembers, scan } from "../../src/validation/JsonText.ts"

const scanned = (text: string): JsonText => {
  const result = scan(text)
  if (isScanProblem(result)) throw new Error(result.message)
  return result
}

const valueOf = (source: JsonText, name: string): string | undefined => {
  const span = source.members.get(name)
  return span === undefined ? undefined : source.text.slice(span.start, span.end)
}

describe("scan", () => {
  it("finds the span of each top-level member, with any white space", () => {
    const source = scanned(" {\r\n\t\"a\" : [1, {\"b\": \"}]\"}] , \"b\":-1e5\n,\"c\":\"x\\\"y\\\\\"} ")
    expect(valueOf(source, "a")).toBe("[1, {\"b\": \"}]\"}]")
    expect(valueOf(source, "b")).toBe("-1e5")
    expect(valueOf(source, "c")).toBe("\"x\\\"y\\\\\"")
    expect([...source.members.keys()]).toEqual(["a", "b", "c"])
  })
  it("refuses a top level that is no object", () => {
    for (const text of ["[]", "1", "\"{}\"", "null", " true"]) expect(isScanProblem(scan(text))).toBe(true)
  })
  it("refuses a member named twice, also behind an escape", () => {
    expect(scan("{\"model\":1,\"m\\u006fdel\":2}")).toEqual({
      message: "The member \"model\" stands twice in the request. Send it once.",
      param: "model",
      code: "duplicate_member"
    })
    expect(scan("{\"a\":1,\"a\":2}")).toMatchObject({ param: "a", code: "duplicate_member" })
  })
  it("lets nested members repeat and __proto__ be a name", () => {
    expect(scanned("{\"a\":{\"x\":1,\"x\":2},\"__proto__\":3}").members.size).toBe(2)
  })
})

describe("replaceMembers", () => {
  it("puts an absent member first, also into an empty object", () => {
    expect(replaceMembers(scanned("{ }"), { a: "1" })).toBe("{\"a\":1 }")
    expect(replaceMembers(scanned("{\"b\":2}"), { a: "1", c: "3" })).toBe("{\"a\":1,\"c\":3,\"b\":2}")
  })
  it("leaves what it is not told to replace", () => {
    expect(replaceMembers(scanned("{\"b\":2}"), { b: undefined, c: undefined })).toBe("{\"b\":2}")
  })
  it("keeps integers beyond 2^53, order and white space", () => {
    const text = "{ \"seed\": 9007199254740993,\n \"model\" : \"a\", \"x\":1.0 }"
    expect(replaceMembers(scanned(text), { model: "\"b\"" })).toBe(text.replace("\"a\"", "\"b\""))
  })
})
