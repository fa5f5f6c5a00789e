/**
 * How many tokens a text may have been where nobody counted them: a guess from its length, good for a sum of many and poor for one,
 * so nothing is charged by it. The interface is what a tokenizer would take the place of.
 */
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import type { ChatMessage } from "../domain/ChatMessage.ts"

/** Whoever guesses. Called only for an answer whose upstream did not say what it used. */
export interface Estimator {
  /** Tokens of a request. */
  readonly input: (request: ChatRequest) => number
  /** Tokens of a text of so many bytes of UTF-8 that came in so many events; a whole answer is one. */
  readonly output: (bytes: number, events: number) => number
}

/** Bytes of UTF-8 for a token: 4.2 over the recorded answers that say what they used; about 4 in English and Chinese alike. */
const bytesEach = 4
/** What a message is wrapped in. */
const perMessage = 4
/** One that is a megapixel or so, and one that was asked for with little detail. */
const perImage = 765
const perSmallImage = 85

const sizeOf = (text: unknown): number => typeof text === "string" ? Buffer.byteLength(text) : 0

/** Of text by its bytes, of images by their number; audio, files and parts that nobody documents are not guessed at. */
const ofContent = (content: ChatMessage["content"]): number => {
  if (content === null || content === undefined) return 0
  if (typeof content === "string") return sizeOf(content) / bytesEach
  let sum = 0
  for (const part of content) {
    if ("text" in part) sum += sizeOf(part.text) / bytesEach
    if ("image_url" in part) sum += part.image_url.detail === "low" ? perSmallImage : perImage
  }
  return sum
}

const ofMessage = (message: ChatMessage): number => {
  const calls = message.role === "assistant" ? message.tool_calls ?? [] : []
  return perMessage + ofContent(message.content) + (calls.length === 0 ? 0 : sizeOf(JSON.stringify(calls)) / bytesEach)
}

const input = ({ functions, messages, tools }: ChatRequest): number => {
  const offered = tools ?? functions ?? undefined
  const ofTools = offered === undefined ? 0 : sizeOf(JSON.stringify(offered)) / bytesEach
  return Math.ceil(messages.reduce((sum, message) => sum + ofMessage(message), ofTools))
}

/** By length. An event with content has at least one token. */
export const byLength: Estimator = {
  input,
  output: (bytes, events) => Math.max(events, Math.ceil(bytes / bytesEach))
}

type Said = ChatChunk["choices"][number]["delta"] | ChatCompletion["choices"][number]["message"]

/** Bytes of all that a message or a delta says: text, thinking, refusal, and calls of tools. */
export const saidBytes = ({ content, reasoning_content: reasoning, refusal, tool_calls: calls }: Said): number => {
  let bytes = sizeOf(content) + sizeOf(reasoning) + sizeOf(refusal)
  for (const { function: called } of calls ?? []) bytes += sizeOf(called?.name) + sizeOf(called?.arguments)
  return bytes
}
