/**
 * Embeddings of Bedrock's by `InvokeModel`: Titan, Cohere and Nova each in words of their own, so a model whose name says none of
 * them makes no vectors here. Trap: all but Cohere take one text at a time.
 */
import type { EmbeddingRequest } from "../../domain/Embedding.ts"
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import type { Embeddings, VectorsPart } from "../Dialect.ts"
import { headerOf } from "../RetryHint.ts"
import { countIn, lowerTexts, objectOf, wordOf, writeAnswer } from "./EmbeddingWriter.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

interface Family {
  /** Anywhere in the name: regions stand before it, versions behind, and an inference profile's ARN around it. */
  readonly name: RegExp
  /** Texts of one request. */
  readonly batch: number
  /** What its vectors have where that cannot be chosen; absent = it can. */
  readonly size?: number
  readonly write: (texts: readonly [string, ...Array<string>], request: EmbeddingRequest) => JsonObject
  /** Undefined where the answer has none. */
  readonly read: (answer: JsonObject) => ReadonlyArray<Json | undefined> | undefined
}

const said = (members: Readonly<Record<string, Json | null | undefined>>): JsonObject =>
  Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => value === null || value === undefined ? [] : [[name, value]])
  )

const readOne = ({ embedding }: JsonObject): ReadonlyArray<Json> | undefined =>
  embedding === undefined ? undefined : [embedding]

/** Whether a text is searched for or searched in; vectors of the one are made to be compared with those of the other. */
const purposeOf = (request: EmbeddingRequest): string => wordOf(request, "input_type") ?? "search_document"

const cohere = {
  batch: 96,
  write: (texts: ReadonlyArray<string>, request: EmbeddingRequest): JsonObject => ({
    texts: [...texts],
    input_type: purposeOf(request),
    truncate: "NONE"
  }),
  /** By type where the model knows several. */
  read: ({ embeddings: all }: JsonObject): ReadonlyArray<Json> | undefined => {
    const vectors = isObject(all) ? all["float"] : all
    return Array.isArray(vectors) ? vectors : undefined
  }
}

const families: ReadonlyArray<Family> = [
  {
    name: /amazon\.titan-embed-text-v2/,
    batch: 1,
    write: ([inputText], { dimensions }) => said({ inputText, dimensions }),
    read: readOne
  },
  {
    name: /amazon\.titan-embed-(?:g1-)?text/,
    batch: 1,
    size: 1536,
    write: ([inputText]) => ({ inputText }),
    read: readOne
  },
  {
    name: /amazon\.titan-embed-image/,
    batch: 1,
    write: ([inputText], { dimensions }) =>
      said({
        inputText,
        embeddingConfig: typeof dimensions === "number" ? { outputEmbeddingLength: dimensions } : undefined
      }),
    read: readOne
  },
  {
    name: /amazon\.nova-[\w-]*embeddings/,
    batch: 1,
    write: ([value], request) => ({
      taskType: "SINGLE_EMBEDDING",
      singleEmbeddingParams: said({
        embeddingPurpose: purposeOf(request) === "search_query" ? "GENERIC_RETRIEVAL" : "GENERIC_INDEX",
        embeddingDimension: request.dimensions,
        text: { truncationMode: "NONE", value }
      })
    }),
    read: ({ embeddings: all }) =>
      Array.isArray(all) ? all.map((one) => isObject(one) ? one["embedding"] : undefined) : undefined
  },
  { ...cohere, name: /cohere\.embed-[a-z]+-v3/, size: 1024 },
  {
    ...cohere,
    name: /cohere\.embed-/,
    write: (texts, request) => ({ ...cohere.write(texts, request), ...said({ output_dimension: request.dimensions }) })
  }
]

const familyOf = (model: string): Family | undefined => families.find(({ name }) => name.test(model))

/** In a header; Titan's text models say it in the answer too. */
const tokensOf = ({ headers }: VectorsPart, answer: JsonObject): number | undefined => {
  const told = headerOf(headers, "x-amzn-bedrock-input-token-count")
  return countIn(told === undefined ? answer["inputTextTokenCount"] : Number(told))
}

const unknown: Reason = unsupported("model", "This is no name of a model of Bedrock's that makes embeddings.")

export const bedrockEmbeddings: Embeddings = {
  embeds: (model) => familyOf(model) !== undefined,
  lower: (call) => {
    const { model, request } = call
    const family = familyOf(model)
    if (family === undefined) return unknown
    const { batch, size = request.dimensions, write } = family
    if ((request.dimensions ?? size) !== size) {
      return unsupported("dimensions", `The model that would answer makes vectors of ${size} dimensions.`)
    }
    const path = `/model/${encodeURIComponent(model.toWellFormed())}/invoke`
    return lowerTexts(call, batch, (texts) => ({ path, body: JSON.stringify(write(texts, request)) }))
  },
  readAnswer: (parts, call) => {
    const family = familyOf(call.model)
    if (family === undefined) return unknown
    const read = parts.map((part) => {
      const answer = objectOf(part)
      return { vectors: family.read(answer), promptTokens: tokensOf(part, answer) }
    })
    return writeAnswer(read, family.batch, call)
  },
  tokensIn: (part) => tokensOf(part, objectOf(part))
}
