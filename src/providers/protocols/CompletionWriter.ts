/** Writes the whole answer of a translated dialect in OpenAI's form: one choice, every required member set. */
import type { ChatCompletion } from "../../domain/ChatAnswer.ts"
import type { Fallback, ReadAnswer } from "../Dialect.ts"
import { type JsonObject, readFinish } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

/** One call of a tool; `arguments` is JSON text, empty = none. */
export interface WrittenCall {
  /** Empty = one of our own. */
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** What an answer said. Empty texts are left out. */
export interface Written {
  /** What the upstream calls the answer; empty or absent = the fallback's. */
  readonly id?: string | undefined
  readonly model?: string | undefined
  readonly text: string
  readonly reasoning: string
  readonly refusal?: string | undefined
  readonly calls: ReadonlyArray<WrittenCall>
  /** OpenAI's reason, or a host's word for it. */
  readonly finish: string
  /** In OpenAI's members, see `OpenAiUsage.ts`; absent = not told. */
  readonly usage?: JsonObject | undefined
  /** The service tier where it is not the upstream's usual one. */
  readonly tier?: string | undefined
  /** More members of the message. */
  readonly extra?: JsonObject | undefined
}

export const writeCompletion = (said: Written, fallback: Fallback): ReadAnswer => {
  const { calls, extra, reasoning, refusal, text } = said
  const id = said.id || fallback.id
  const message: JsonObject = {
    role: "assistant",
    content: text === "" && (calls.length > 0 || refusal) ? null : text,
    refusal: refusal || null,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...extra
  }
  if (calls.length > 0) {
    message["tool_calls"] = calls.map((call, index) => ({
      id: call.id || `call_${id}_${index}`,
      type: "function",
      function: { name: call.name, arguments: call.arguments.trim() === "" ? "{}" : call.arguments }
    }))
  }
  const used = said.usage === undefined ? undefined : mendUsage(said.usage, said.tier)
  const completion = {
    id,
    object: "chat.completion",
    created: fallback.created,
    model: said.model || fallback.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: readFinish(said.finish, calls.length > 0) }],
    ...(used === undefined ? {} : { usage: said.usage })
  }
  return {
    text: JSON.stringify(completion),
    // Put together to the type just now.
    completion: completion as unknown as ChatCompletion,
    usage: used?.usage
  }
}
