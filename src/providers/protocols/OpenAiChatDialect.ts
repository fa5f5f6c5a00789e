/** OpenAI's own words as a dialect, its embeddings too: the caller's own text goes up, and the upstream's own text comes back. */
import type { Dialect, Embeddings } from "../Dialect.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { lower, readAnswer, usedIn } from "./OpenAiChat.ts"
import { ChatStream } from "./OpenAiChatStream.ts"
import * as OpenAiEmbeddings from "./OpenAiEmbeddings.ts"
import { moderations } from "./OpenAiModerations.ts"

const embeddings: Embeddings = {
  lower: ({ model, source }) => ({ parts: [{ body: OpenAiEmbeddings.lower(source, model) }] }),
  readAnswer: ([{ text }], call, nowMs) => OpenAiEmbeddings.readAnswer(text, call, nowMs)
}

export const openAiChat: Dialect = {
  family: "openai",
  lower: ({ model, request, source }, stream) => {
    const body = lower(source, model, stream)
    return { body: OpaqueState.isCarried(request) ? OpaqueState.stripped(body) : body }
  },
  readAnswer,
  usedIn,
  openStream: (options) => new ChatStream(options),
  embeddings
}

/** The same with all that stands beside chat at OpenAI's own address and at those that imitate it. */
export const openAi: Dialect = { ...openAiChat, moderations }
