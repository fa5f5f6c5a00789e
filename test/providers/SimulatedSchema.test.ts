import { describe, expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { smallestInstance } from "../../src/providers/SimulatedSchema.ts"

const node = {
  type: "object",
  properties: { value: { type: "integer" }, next: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }] } },
  required: ["value", "next"]
}

const schemas: Readonly<Record<string, object>> = {
  "an empty schema": {},
  "a constant": { const: 42 },
  "an enumeration": { enum: ["b", "a"] },
  "a list of types": { type: ["integer", "null"] },
  "a shortest length": { type: "string", minLength: 4 },
  "a lower bound": { type: "integer", minimum: 3 },
  "an upper bound below zero": { type: "integer", maximum: -3 },
  "an open interval": { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
  "a multiple in a range": { type: "number", minimum: 10, maximum: 15, multipleOf: 7 },
  "an integer above a fraction": { type: "integer", exclusiveMinimum: 0.5 },
  "a least number of items": { type: "array", items: { type: "boolean" }, minItems: 2 },
  "distinct numbers": { type: "array", items: { type: "integer", minimum: 2 }, minItems: 4, uniqueItems: true },
  "distinct words": { type: "array", items: { enum: ["x", "y", "z"] }, minItems: 3, uniqueItems: true },
  "distinct texts": { type: "array", items: { type: "string" }, minItems: 3, uniqueItems: true },
  "fixed items": {
    type: "array",
    prefixItems: [{ type: "string" }, { type: "number" }],
    items: false,
    minItems: 2
  },
  "a least number of properties": {
    type: "object",
    properties: { a: { type: "string" }, b: { type: "string" } },
    minProperties: 1
  },
  "a choice": { anyOf: [{ type: "string", minLength: 9 }, { type: "boolean" }] },
  "a choice with a type beside it": { type: "object", oneOf: [{ required: ["a"] }, { required: ["a", "b"] }] },
  "a sum": {
    allOf: [
      { $ref: "#/$defs/Named" },
      { type: "object", properties: { age: { type: "integer", minimum: 1 } }, required: ["age"] }
    ],
    $defs: { Named: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } }
  },
  "a schema that contains itself": { $ref: "#/$defs/Node", $defs: { Node: node } },
  "a root that contains itself": {
    type: "object",
    properties: { children: { type: "array", items: { $ref: "#" } } },
    required: ["children"],
    additionalProperties: false
  }
}

describe("the smallest instance", () => {
  const ajv = new Ajv2020({ strict: false })

  it.each(Object.entries(schemas))("satisfies %s", (_, schema) => {
    const value = smallestInstance(schema)
    expect([value, ajv.validate(schema, value)]).toEqual([value, true])
  })

  it("ends a list that contains itself as soon as it may", () => {
    expect(smallestInstance({ $ref: "#/$defs/Node", $defs: { Node: node } })).toEqual({ value: 0, next: null })
  })

  it("takes the shortest of a choice", () => {
    expect(smallestInstance({ anyOf: [{ type: "string", minLength: 9 }, { type: "integer" }] })).toBe(0)
  })

  it("gives nothing for a schema that no value satisfies", () => {
    expect(smallestInstance(false)).toBeUndefined()
    expect(smallestInstance({ $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/A" } } })).toBeUndefined()
    expect(smallestInstance({ $ref: "https://example.com/schema" })).toBeUndefined()
  })

  it("ends on a schema that is built to never end", () => {
    const choice = { anyOf: Array.from({ length: 50 }, () => ({ allOf: [{ $ref: "#/$defs/A" }] })) }
    const schema = { $ref: "#/$defs/A", $defs: { A: { type: "object", properties: { a: choice }, required: ["a"] } } }
    expect(smallestInstance(schema)).toBeUndefined()
    expect(smallestInstance({ type: "array", items: true, minItems: 1e9 })).toHaveLength(1000)
  })
})
