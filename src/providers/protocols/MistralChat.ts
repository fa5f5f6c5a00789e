/**
 * Mistral's reading of OpenAI's dialect. It answers 422 to members that it does not know, `stream_options` among them; and an id of a
 * tool call has nine letters and digits there: ids that another provider gave become such, Mistral's own go up as they are.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect, Lowered } from "../Dialect.ts"
import { withFittedIds } from "./FittedIds.ts"
import { lowered, openAi, rewritten } from "./OpenAiChatDialect.ts"

const ids = { fits: /^[a-zA-Z0-9]{9}$/, length: 9 } as const

/** Its own names of what OpenAI calls otherwise. */
const renamed = [["max_completion_tokens", "max_tokens"], ["seed", "random_seed"]] as const

/** Parameters of OpenAI's that it refuses by name. */
const refused = [
  "audio",
  "logit_bias",
  "logprobs",
  "modalities",
  "moderation",
  "prompt_cache_options",
  "prompt_cache_retention",
  "safety_identifier",
  "service_tier",
  "store",
  "top_logprobs",
  "user",
  "verbosity",
  "web_search_options"
] as const

const isSaid = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/** A request that says what Mistral has another word for, or none. */
const inItsWords = (lowered: Lowered, request: ChatRequest): Lowered => {
  const misnamed = renamed.filter(([name]) => name in request)
  const unknown = refused.filter((name) => name in request)
  const hasOptions = "stream_options" in request
  if (misnamed.length === 0 && unknown.length === 0 && !hasOptions) return lowered
  const mended = rewritten(lowered, (body) => {
    for (const [name, its] of misnamed) body[its] ??= body[name]
    for (const name of [...misnamed.map(([name]) => name), ...unknown, "stream_options"]) delete body[name]
  })
  const [first, ...more] = unknown.filter((name) => isSaid(request[name]))
  return first === undefined ? mended : { ...mended, dropped: [first, ...more] }
}

export const mistralChat: Dialect = {
  ...openAi,
  lower: (call, stream) => inItsWords(withFittedIds(lowered(call, stream, true), call.request, ids), call.request)
}
