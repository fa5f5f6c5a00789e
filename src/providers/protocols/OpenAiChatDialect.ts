/** OpenAI's own words as a dialect, its embeddings too: the caller's own text goes up, and the upstream's own text comes back. */
import type { Dialect, Embeddings, Lowered } from "../Dialect.ts"
import type { ProviderCall } from "../Provider.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { lower, readAnswer, usedIn } from "./OpenAiChat.ts"
import { isObject, type JsonObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"
import { ChatStream } from "./OpenAiChatStream.ts"
import * as OpenAiEmbeddings from "./OpenAiEmbeddings.ts"
import { moderations } from "./OpenAiModerations.ts"

const embeddings: Embeddings = {
  lower: ({ model, source }) => ({ parts: [{ body: OpenAiEmbeddings.lower(source, model) }] }),
  readAnswer: ([{ text }], call, nowMs) => OpenAiEmbeddings.readAnswer(text, call, nowMs)
}

/** The caller's own text; see `OpenAiChat.ts`. */
export const lowered = ({ model, request, source }: ProviderCall, stream: boolean, tellsUsage?: true): Lowered => {
  const body = lower(source, model, stream, tellsUsage)
  return { body: OpaqueState.isCarried(request) ? OpaqueState.stripped(body) : body }
}

export const openAiChat: Dialect = {
  family: "openai",
  lower: (call, stream) => lowered(call, stream),
  readAnswer,
  usedIn,
  openStream: (options) => new ChatStream(options),
  embeddings
}

/** A request that is not the caller's own text to the letter: its body as `mend` leaves it, with every digit of its numbers. */
export const rewritten = (lowered: Lowered, mend: (body: JsonObject) => void): Lowered => {
  const parsed = parse(lowered.body)
  const body = parsed === undefined ? undefined : parseKeepingDigits(lowered.body, parsed)
  if (!isObject(body)) return lowered
  mend(body)
  return { ...lowered, body: JSON.stringify(body) }
}

/** The same with all that stands beside chat at OpenAI's own address and at those that imitate it. */
export const openAi: Dialect = { ...openAiChat, moderations }
