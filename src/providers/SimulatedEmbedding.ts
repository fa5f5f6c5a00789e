/**
 * Vectors of the simulated provider: a pure function of the text and a seed, of length 1. Each word pulls at the same few
 * dimensions wherever it stands, so texts that share words are near each other, as a first try of a search wants it.
 */
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import { toBase64 } from "./protocols/OpenAiEmbeddings.ts"
import type { EmbeddingAnswer } from "./Provider.ts"
import { hashOf } from "./SimulatedReply.ts"

/** Where nobody asks for another number. */
const usualDimensions = 256
/** More are not given, whatever is asked for. */
const mostDimensions = 4096
/** Dimensions that a word pulls at. */
const pulls = 16

const wordsOf = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text]

const vectorOf = (text: string, dimensions: number, seed: number): ReadonlyArray<number> => {
  const vector = new Array<number>(dimensions).fill(0)
  for (const word of wordsOf(text)) {
    for (let pull = 0; pull < pulls; pull++) {
      const hash = hashOf(`${seed}|${pull}|${word}`)
      const at = (hash >>> 1) % dimensions
      vector[at] = (vector[at] ?? 0) + (hash % 2 === 0 ? 1 : -1)
    }
  }
  const length = Math.hypot(...vector)
  // Pulls may cancel each other out; a vector of nothing has no direction.
  if (length === 0) vector[0] = 1
  return vector.map((value) => Math.fround(value / (length === 0 ? 1 : length)))
}

type Input = EmbeddingRequest["input"]

/** Each input as a text: tokens are written as their numbers. */
const textsOf = (input: Input): ReadonlyArray<string> => {
  if (typeof input === "string") return [input]
  if (typeof input[0] === "number") return [input.join(" ")]
  return input.map((item) => typeof item === "object" ? item.join(" ") : String(item))
}

/** As for chat, a token of a text is four characters; of what came as tokens each counts. */
const tokensOf = (input: Input): number => {
  if (typeof input === "string") return Math.ceil(input.length / 4)
  return input.reduce<number>(
    (sum, item) =>
      sum + (typeof item === "string" ? Math.ceil(item.length / 4) : typeof item === "number" ? 1 : item.length),
    0
  )
}

/** The answer to a request; the same request, model and seed always give the same one. */
export const embeddingsOf = (request: EmbeddingRequest, model: string, seed: number): EmbeddingAnswer => {
  const dimensions = Math.min(request.dimensions ?? usualDimensions, mostDimensions)
  const promptTokens = tokensOf(request.input)
  const data = textsOf(request.input).map((text, index) => {
    const vector = vectorOf(text, dimensions, seed)
    return {
      object: "embedding",
      index,
      embedding: request.encoding_format === "base64" ? toBase64(vector) : vector
    }
  })
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens }
  return {
    text: JSON.stringify({ object: "list", data, model, usage }),
    model,
    usage: { promptTokens, completionTokens: 0, totalTokens: promptTokens },
    upstreamRequestId: undefined
  }
}
