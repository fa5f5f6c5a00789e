/** What the translated dialects share of embeddings: the texts of a request, in batches, and the answer in OpenAI's shape. */
import { countOf, type EmbeddingRequest } from "../../domain/Embedding.ts"
import { MalformedAnswer, type Reason, unsupported } from "../../domain/GatewayError.ts"
import type { Lowered, LoweredVectors, VectorsPart } from "../Dialect.ts"
import type { EmbeddingAnswer, EmbeddingCall } from "../Provider.ts"
import { isObject, type Json, type JsonObject, parse } from "./OpenAiChatShape.ts"
import { isNumbers, toBase64 } from "./OpenAiEmbeddings.ts"

const isTexts = (input: ReadonlyArray<unknown>): input is ReadonlyArray<string> => typeof input[0] === "string"

/** Tokens are numbers of one tokenizer, OpenAI's as a rule; no other model could read them. */
const textsOf = ({ input }: EmbeddingRequest): ReadonlyArray<string> | Reason => {
  if (typeof input === "string") return [input]
  return isTexts(input) ? input : unsupported("input", "The model that would answer takes texts, not tokens.")
}

const batchesOf = (texts: ReadonlyArray<string>, size: number): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: Math.ceil(texts.length / size) }, (_, at) => texts.slice(at * size, (at + 1) * size))

const isFilled = <A>(list: ReadonlyArray<A>): list is readonly [A, ...Array<A>] => list.length > 0

/** A request for each batch of texts. What only OpenAI needs to be told is left out, and named. */
export const lowerTexts = (
  { request }: EmbeddingCall,
  batch: number,
  lower: (texts: readonly [string, ...Array<string>]) => Lowered
): LoweredVectors | Reason => {
  const texts = textsOf(request)
  if ("_tag" in texts) return texts
  const parts = batchesOf(texts, batch).filter(isFilled).map(lower)
  if (!isFilled(parts)) return unsupported("input", "There is no text in it.")
  return typeof request.user === "string" ? { parts, dropped: ["user"] } : { parts }
}

/** A member that OpenAI does not document, where it is a text. */
export const wordOf = (request: EmbeddingRequest, name: string): string | undefined => {
  // A checked request is JSON, with the members that the schema does not know.
  const value = (request as unknown as JsonObject)[name]
  return typeof value === "string" ? value : undefined
}

/** What the upstream made of one part. */
export interface ReadPart {
  /** Undefined where the answer has none. */
  readonly vectors: ReadonlyArray<Json | undefined> | undefined
  /** Undefined where nobody counted. */
  readonly promptTokens: number | undefined
}

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

/** Tokens are told where those of each part are. */
const tokensOf = (parts: ReadonlyArray<ReadPart>): number | undefined =>
  parts.reduce<number | undefined>(
    (sum, { promptTokens }) => sum === undefined || promptTokens === undefined ? undefined : sum + promptTokens,
    0
  )

/** What is wrong with the vectors of one part, for this many texts. */
const problemOf = ({ vectors }: ReadPart, count: number): Reason | undefined =>
  vectors === undefined
    ? malformed("The upstream's answer has no embeddings.")
    : vectors.length === count
    ? undefined
    : malformed(`The upstream's answer has ${vectors.length} embeddings for an input of ${count}.`)

/** The answer of these parts of this many texts each, or why they are none: not a vector for each text. */
export const writeAnswer = (
  parts: ReadonlyArray<ReadPart>,
  batch: number,
  { model, request }: EmbeddingCall
): Omit<EmbeddingAnswer, "upstreamRequestId"> | Reason => {
  const count = countOf(request.input)
  for (const [at, part] of parts.entries()) {
    const problem = problemOf(part, Math.min(batch, count - at * batch))
    if (problem !== undefined) return problem
  }
  const vectors = parts.flatMap((part) => part.vectors ?? [])
  if (!vectors.every(isNumbers)) return malformed("The upstream's answer has an embedding that is no vector.")
  const data = vectors.map((vector, index) => ({
    object: "embedding",
    index,
    embedding: request.encoding_format === "base64" ? toBase64(vector) : vector
  }))
  const tokens = tokensOf(parts)
  const told = tokens === undefined ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }
  return {
    text: JSON.stringify({ object: "list", data, model, ...told }),
    model,
    usage: tokens === undefined ? undefined : { promptTokens: tokens, completionTokens: 0, totalTokens: tokens }
  }
}

/** A part's body as an object; empty where it is none, so that it has no embeddings. */
export const objectOf = ({ text }: VectorsPart): JsonObject => {
  const value = parse(text)
  return isObject(value) ? value : {}
}

/** How many of something were counted; undefined where it is no count. */
export const countIn = (value: Json | undefined): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined
