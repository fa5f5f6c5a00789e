/**
 * How many tokens a request may come to, before anybody has counted them: about, for a rate, and at most, for a budget. No
 * tokenizer is asked, for each model has its own.
 */
import type { ChatRequest } from "../domain/Chat.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"

/** Characters of usual text for a token. */
const usualCharacters = 4

/** Tokens of a picture or recording that is given by address or as data, whose text says nothing about them. */
const mediaTokens = 2000

/** Tokens of an answer where the request does not bound it. */
const usualAnswer = 4096

export interface Estimate {
  /** About how many tokens it asks with. */
  readonly about: number
  /** At most so many tokens of input: one for each byte of the text, for a letter may be several, and no token is less than a byte. */
  readonly input: number
  /** At most so many tokens of output, all choices together. */
  readonly output: number
}

type Content = ChatRequest["messages"][number]["content"]

/** How many media there are, and the characters of their data. */
const mediaOf = (content: Content): { readonly count: number; readonly characters: number } => {
  let count = 0
  let characters = 0
  if (!Array.isArray(content)) return { count, characters }
  for (const part of content) {
    // By its type: a part that OpenAI does not document may have members of the same names.
    if (part.type === "image_url" && "image_url" in part) characters += part.image_url.url.length
    else if (part.type === "input_audio" && "input_audio" in part) characters += part.input_audio.data.length
    else if (part.type === "file" && "file" in part) characters += part.file.file_data?.length ?? 0
    else continue
    count++
  }
  return { count, characters }
}

/** Of a request as it was written. */
export const estimate = (request: ChatRequest | EmbeddingRequest, written: string): Estimate => {
  const bytes = Buffer.byteLength(written)
  // Vectors have no tokens.
  if (!("messages" in request)) {
    return { about: Math.ceil(written.length / usualCharacters), input: bytes, output: 0 }
  }
  let data = 0
  let media = 0
  for (const { content } of request.messages) {
    const found = mediaOf(content)
    data += found.characters
    media += found.count
  }
  const ofMedia = media * mediaTokens
  return {
    about: Math.ceil((written.length - data) / usualCharacters) + ofMedia,
    input: Math.max(0, bytes - data) + ofMedia,
    // A caller may write a number beyond all that can be multiplied and added up exactly.
    output: Math.min(
      Number.MAX_SAFE_INTEGER,
      (request.max_completion_tokens ?? request.max_tokens ?? usualAnswer) * (request.n ?? 1)
    )
  }
}
