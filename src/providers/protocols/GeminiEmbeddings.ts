/**
 * Embeddings of Google's: `batchEmbedContents` at the Gemini API; at Vertex AI `predict`, or for the models after
 * gemini-embedding-001 `embedContent`. Trap: Vertex cuts texts that are too long unless it is told not to, and of a vector with
 * fewer dimensions than the model's own nobody makes the length 1 again.
 */
import type { EmbeddingRequest } from "../../domain/Embedding.ts"
import type { Embeddings, Lowered } from "../Dialect.ts"
import type { EmbeddingCall } from "../Provider.ts"
import { countIn, lowerTexts, objectOf, type ReadPart, wordOf, writeAnswer } from "./EmbeddingWriter.ts"
import { astray, fullName, isAstray, pathOf } from "./GeminiGenerateRequest.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** Texts that one request may have. */
const mostTexts = 100

/** Google's models for vectors have it in their names, and no others do; that for images beside texts has a form of its own. */
const embeds = (model: string): boolean => model.includes("embedding") && !model.includes("multimodalembedding")

const taskOf = (request: EmbeddingRequest): string | undefined => wordOf(request, "task_type")

const contentOf = (text: string): JsonObject => ({ parts: [{ text }] })

const sizeOf = ({ dimensions }: EmbeddingRequest): number | undefined => dimensions ?? undefined

const valuesIn = (entry: Json | undefined): Json | undefined => isObject(entry) ? entry["values"] : undefined

const listIn = (value: Json | undefined): ReadonlyArray<Json> | undefined => Array.isArray(value) ? value : undefined

/** Of the newer models alone. */
const tokensIn = ({ usageMetadata: usage }: JsonObject): number | undefined =>
  isObject(usage) ? countIn(usage["promptTokenCount"]) : undefined

const lowerBatch = ({ model, request }: EmbeddingCall, texts: ReadonlyArray<string>): Lowered => ({
  path: pathOf(model, "batchEmbedContents"),
  body: JSON.stringify({
    requests: texts.map((text) => ({
      model: fullName(model),
      content: contentOf(text),
      taskType: taskOf(request),
      outputDimensionality: sizeOf(request)
    }))
  })
})

const readBatch = (answer: JsonObject): ReadPart => ({
  vectors: listIn(answer["embeddings"])?.map(valuesIn),
  promptTokens: tokensIn(answer)
})

/** Of the Gemini API. */
export const geminiEmbeddings: Embeddings = {
  embeds,
  lower: (call) => isAstray(call.model) ? astray : lowerTexts(call, mostTexts, (texts) => lowerBatch(call, texts)),
  readAnswer: (parts, call) => writeAnswer(parts.map((part) => readBatch(objectOf(part))), mostTexts, call),
  tokensIn: (part) => tokensIn(objectOf(part))
}

/** The older models are asked by `predict`; of those gemini-embedding-001 takes one text at a time. */
const isPredicted = (model: string): boolean => !/gemini-embedding-(?!001|exp)/.test(model)

const batchAtVertex = (model: string): number => /gemini-embedding/.test(model) ? 1 : mostTexts

const lowerPrediction = ({ model, request }: EmbeddingCall, texts: ReadonlyArray<string>): Lowered => ({
  path: pathOf(model, "predict"),
  body: JSON.stringify({
    instances: texts.map((content) => ({ content, task_type: taskOf(request) })),
    parameters: { autoTruncate: false, outputDimensionality: sizeOf(request) }
  })
})

const lowerOne = ({ model, request }: EmbeddingCall, text: string): Lowered => ({
  path: pathOf(model, "embedContent"),
  body: JSON.stringify({
    content: contentOf(text),
    taskType: taskOf(request),
    outputDimensionality: sizeOf(request),
    autoTruncate: false
  })
})

const tokensOfPrediction = (embeddings: Json | undefined): number | undefined => {
  const statistics = isObject(embeddings) ? embeddings["statistics"] : undefined
  return isObject(statistics) ? countIn(statistics["token_count"]) : undefined
}

const readPrediction = (answer: JsonObject): ReadPart => {
  const all = listIn(answer["predictions"])?.map((one) => isObject(one) ? one["embeddings"] : undefined)
  const counts = all?.map(tokensOfPrediction)
  return {
    vectors: all?.map(valuesIn),
    promptTokens: counts?.reduce((sum, count) => sum === undefined || count === undefined ? undefined : sum + count, 0)
  }
}

const readOne = (answer: JsonObject): ReadPart => ({
  vectors: answer["embedding"] === undefined ? undefined : [valuesIn(answer["embedding"])],
  promptTokens: tokensIn(answer)
})

const readerOf = (model: string) => isPredicted(model) ? readPrediction : readOne

/** Of Vertex AI. */
export const vertexEmbeddings: Embeddings = {
  embeds,
  lower: (call) => {
    const { model } = call
    if (isAstray(model)) return astray
    return lowerTexts(
      call,
      batchAtVertex(model),
      (texts) => isPredicted(model) ? lowerPrediction(call, texts) : lowerOne(call, texts[0])
    )
  },
  readAnswer: (parts, call) => {
    const read = readerOf(call.model)
    return writeAnswer(parts.map((part) => read(objectOf(part))), batchAtVertex(call.model), call)
  },
  tokensIn: (part, model) => readerOf(model)(objectOf(part)).promptTokens
}
