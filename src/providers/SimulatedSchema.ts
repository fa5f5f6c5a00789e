/**
 * The smallest value that satisfies a JSON Schema, for simulated tool calls and structured answers. Covers what function
 * parameters and structured outputs use; of `pattern` and `not` it knows nothing, and a schema beyond it yields `undefined`.
 */
import { isRecord, type JsonRecord, listOf, recordOf } from "./SimulatedRequest.ts"

interface Walk {
  readonly root: unknown
  /** References being expanded: the smallest value never needs one inside itself. */
  readonly open: ReadonlyArray<string>
  /** Schemas that may still be visited, so that a hostile one ends. */
  readonly budget: { left: number }
  /** Which of several distinct values is wanted, for `uniqueItems`. */
  readonly variant: number
}

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T00:00:00Z",
  date: "2026-01-01",
  time: "00:00:00Z",
  duration: "P1D",
  email: "a@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com",
  "uri-reference": "https://example.com",
  uuid: "00000000-0000-4000-8000-000000000000"
}

const numberOr = (value: unknown, otherwise: number): number => (typeof value === "number" ? value : otherwise)

const stringFor = (schema: JsonRecord, variant: number): string => {
  const known = formats[String(schema["format"])]
  if (known !== undefined) return known
  const seed = variant === 0 ? "" : String.fromCodePoint(96 + variant)
  return seed.padEnd(numberOr(schema["minLength"], 0), "a")
}

const numberFor = (schema: JsonRecord, variant: number): number => {
  const step = numberOr(schema["multipleOf"], 1)
  const minimum = numberOr(schema["minimum"], Number.NEGATIVE_INFINITY)
  const maximum = numberOr(schema["maximum"], Number.POSITIVE_INFINITY)
  const above = numberOr(schema["exclusiveMinimum"], Number.NEGATIVE_INFINITY)
  const below = numberOr(schema["exclusiveMaximum"], Number.POSITIVE_INFINITY)
  const low = Math.max(minimum, above)
  const high = Math.min(maximum, below)
  const first = Number.isFinite(low) ? Math.ceil(low / step) * step : Math.floor(high / step) * step
  const start = Number.isFinite(first) ? first : 0
  const direction = Number.isFinite(low) || !Number.isFinite(high) ? step : -step
  const onGrid = Array.from({ length: variant + 3 }, (_, index) => start + direction * index)
  const allowed = [...new Set([0, ...onGrid, (low + high) / 2])].filter((value) =>
    value >= minimum && value <= maximum && value > above && value < below
  )
  return allowed[variant] ?? allowed[0] ?? 0
}

const objectFor = (schema: JsonRecord, walk: Walk): JsonRecord | undefined => {
  const properties = recordOf(schema["properties"])
  const names = new Set(listOf(schema["required"]).map(String))
  for (const name of Object.keys(properties)) if (names.size < numberOr(schema["minProperties"], 0)) names.add(name)
  const entries: Array<readonly [string, unknown]> = []
  for (const name of names) {
    const value = instance(properties[name] ?? true, { ...walk, variant: 0 })
    if (value === undefined) return undefined
    entries.push([name, value])
  }
  return Object.fromEntries(entries)
}

const arrayFor = (schema: JsonRecord, walk: Walk): ReadonlyArray<unknown> | undefined => {
  const fixed = listOf(schema["prefixItems"])
  const items: Array<unknown> = []
  const length = Math.min(numberOr(schema["minItems"], 0), 1000)
  for (let index = 0; index < length; index++) {
    const variant = schema["uniqueItems"] === true ? index : 0
    const value = instance(fixed[index] ?? schema["items"] ?? true, { ...walk, variant })
    if (value === undefined) return undefined
    items.push(value)
  }
  return items
}

const shortest = (options: ReadonlyArray<unknown>, walk: Walk): unknown => {
  let best: unknown
  let bestLength = Number.POSITIVE_INFINITY
  for (const option of options) {
    const value = instance(option, walk)
    const length = value === undefined ? Number.POSITIVE_INFINITY : JSON.stringify(value).length
    if (length >= bestLength) continue
    best = value
    bestLength = length
  }
  return best
}

const resolve = (reference: string, root: unknown): unknown => {
  if (!reference.startsWith("#")) return undefined
  const names = reference.slice(1).split("/").slice(1).map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))
  return names.reduce((at: unknown, name) => (Array.isArray(at) ? at[Number(name)] : recordOf(at)[name]), root)
}

const merge = (schema: JsonRecord, parts: ReadonlyArray<unknown>, root: unknown): JsonRecord => {
  const { allOf: _, ...own } = schema
  const all = [
    own,
    ...parts.map((part) => {
      const reference = recordOf(part)["$ref"]
      return recordOf(typeof reference === "string" ? resolve(reference, root) : part)
    })
  ]
  return {
    ...Object.assign({}, ...all),
    properties: Object.assign({}, ...all.map((part) => recordOf(part["properties"]))),
    required: all.flatMap((part) => listOf(part["required"]))
  }
}

const typeOf = (schema: JsonRecord): unknown => {
  const type = schema["type"]
  if (Array.isArray(type)) return type[0]
  if (type !== undefined) return type
  if (Object.keys(recordOf(schema["properties"])).length > 0 || listOf(schema["required"]).length > 0) return "object"
  if ("items" in schema || "prefixItems" in schema) return "array"
  if ("minLength" in schema || "format" in schema || "pattern" in schema) return "string"
  return "minimum" in schema || "maximum" in schema || "multipleOf" in schema ? "number" : undefined
}

const typed = (schema: JsonRecord, walk: Walk): unknown => {
  switch (typeOf(schema)) {
    case "object":
      return objectFor(schema, walk)
    case "array":
      return arrayFor(schema, walk)
    case "string":
      return stringFor(schema, walk.variant)
    case "number":
    case "integer":
      return numberFor(schema, walk.variant)
    case "boolean":
      return walk.variant === 1
    default:
      return null
  }
}

const instance = (schema: unknown, walk: Walk): unknown => {
  if (schema === false || walk.budget.left-- <= 0) return undefined
  if (!isRecord(schema)) return null
  const reference = schema["$ref"]
  if (typeof reference === "string") {
    if (walk.open.includes(reference)) return undefined
    const target = resolve(reference, walk.root)
    return target === undefined ? undefined : instance(target, { ...walk, open: [...walk.open, reference] })
  }
  if ("const" in schema) return schema["const"]
  if (Array.isArray(schema["enum"])) return schema["enum"][walk.variant] ?? schema["enum"][0]
  if (Array.isArray(schema["allOf"])) return instance(merge(schema, schema["allOf"], walk.root), walk)
  for (const key of ["anyOf", "oneOf"]) {
    const { [key]: options, ...own } = schema
    if (!Array.isArray(options)) continue
    // A reference stays one, so that a schema which contains itself is noticed.
    return shortest(
      options.map((option) => "$ref" in recordOf(option) ? option : merge(own, [option], walk.root)),
      walk
    )
  }
  return typed(schema, walk)
}

/** `undefined` when the schema refuses every value or is out of reach. */
export const smallestInstance = (schema: unknown): unknown =>
  instance(schema, { root: schema, open: [], budget: { left: 2000 }, variant: 0 })
