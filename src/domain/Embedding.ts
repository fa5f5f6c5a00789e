/**
 * OpenAI's embeddings request as a schema, and the members of its answer that the flow reads. As with chat the schema is a check:
 * members that only some provider knows pass.
 */
import * as Schema from "effect/Schema"
import { nonEmpty, nullable } from "./ChatMessage.ts"

/** Texts or token arrays in one request. */
const mostInputs = 2048

const whole = (n: number, least: number): boolean => Number.isInteger(n) && n >= least

const token = Schema.Number.check(
  Schema.makeFilter((n: number) => whole(n, 0), {
    expected: "the number of a token",
    toJsonSchema: () => ({ type: "integer", minimum: 0 })
  })
)
const tokens = Schema.NonEmptyArray(token).annotate({ expected: "a non-empty array of token numbers" })
const item = Schema.Union([nonEmpty, token, tokens]).annotate({
  expected: "a non-empty string, the number of a token or a non-empty array of such numbers"
})

type Item = typeof item.Type

const kindOf = (value: Item): string => typeof value === "object" ? "tokens" : typeof value

const isOneKind = (items: ReadonlyArray<Item>): boolean => {
  const [first] = items
  const kind = first === undefined ? undefined : kindOf(first)
  return items.every((other) => kindOf(other) === kind)
}

const input = Schema.Union([
  nonEmpty,
  Schema.Array(item).check(
    Schema.isBetweenLength(1, mostInputs),
    Schema.makeFilter(isOneKind, { expected: "elements of one kind" })
  )
]).annotate({
  expected:
    `a non-empty string, or an array of 1 to ${mostInputs} elements that are all strings, all token numbers or all arrays of those`
})

/** Every documented parameter with its documented limits; `model` and `input` are required. */
export const EmbeddingRequest = Schema.Struct({
  // The name goes into records and metrics, so its length is bounded here.
  model: Schema.String.check(
    Schema.isNonEmpty({ expected: "the name of a model" }),
    Schema.isMaxLength(256, { expected: "the name of a model of at most 256 characters" })
  ),
  input,
  dimensions: nullable(
    Schema.Number.check(
      Schema.makeFilter((n: number) => whole(n, 1), {
        expected: "a whole number of dimensions, at least 1",
        toJsonSchema: () => ({ type: "integer", minimum: 1 })
      })
    )
  ),
  encoding_format: nullable(Schema.Literals(["float", "base64"])),
  user: nullable(Schema.String)
}).annotate({ identifier: "EmbeddingRequest", expected: "a JSON object with model and input" })
export type EmbeddingRequest = typeof EmbeddingRequest.Type

/** How many vectors the answer to this input has. */
export const countOf = (asked: EmbeddingRequest["input"]): number =>
  typeof asked === "string" || typeof asked[0] === "number" ? 1 : asked.length
