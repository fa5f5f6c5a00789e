/** How hosts that speak OpenAI's dialect read it, each in a way of its own. */
import type { Dialect } from "../Dialect.ts"
import { deepSeekChat } from "./DeepSeekChat.ts"
import { mistralChat } from "./MistralChat.ts"
import { openAi } from "./OpenAiChatDialect.ts"
import { openRouterChat } from "./OpenRouterChat.ts"
import { foreign, without } from "./StrictChat.ts"

/** By kind. */
const dialects: Readonly<Record<string, Dialect>> = {
  cerebras: without(openAi, foreign),
  deepseek: deepSeekChat,
  // Its own models want their thoughts back.
  fireworks: without(openAi, ["cache_control", "reasoning_details"]),
  groq: without(openAi, foreign),
  mistral: without(mistralChat, foreign),
  openrouter: openRouterChat
}

/** Of a preset, or of a host that has no dialect of its own. */
export const dialectOf = (kind: string | undefined): Dialect => dialects[kind ?? ""] ?? openAi
