/**
 * What a provider wants to have back with a call of a tool (thoughts, signed as a rule) and OpenAI's dialect has no place for: carried
 * at the end of the call's id, which every client gives back to the letter. It is the provider's own; for another one it is cut off.
 * Signed thoughts are their model's own as well: another one may refuse the whole conversation for them.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib"
import type { ChatRequest } from "../../domain/Chat.ts"

/** Between the provider's own id and the state; letters of an id, so that whoever checks ids lets it pass. */
const mark = "__bw1"

/** Whose state it is: one letter behind the mark. */
export type Owner = "a" | "b" | "d" | "g" | "o"

/** Bytes that a state may come to, and how many times its packed length: a caller may have written it; more is not ours. */
const maxBytes = 1024 * 1024
const maxRatio = 10

/** Before the state, where it is one model's alone: its name, without a region or a path before it. */
const headOf = (model: string | undefined): string =>
  model === undefined ? "" : `${/(?:claude|gemini).*/i.exec(model)?.[0] ?? model}\n`

/** The id as the caller gets it. `model`: the only one that may have the state back; absent = any of the owner's. */
export const carry = (id: string, owner: Owner, state: string, model?: string): string =>
  `${id}${mark}${owner}${deflateRawSync(headOf(model) + state).toString("base64url")}`

/** The provider's own id. */
export const idOf = (carried: string): string => {
  const at = carried.indexOf(mark)
  return at < 0 ? carried : carried.slice(0, at)
}

/** The state that came back; undefined where there is none, it is another's or another model's, or it is broken. */
export const stateOf = (carried: string, owner: Owner, model?: string): string | undefined => {
  const at = carried.indexOf(mark)
  if (at < 0 || carried[at + mark.length] !== owner) return undefined
  try {
    const packed = Buffer.from(carried.slice(at + mark.length + 1), "base64url")
    const text = inflateRawSync(packed, { maxOutputLength: Math.min(maxBytes, maxRatio * packed.length) }).toString()
    const head = headOf(model)
    return text.startsWith(head) ? text.slice(head.length) : undefined
  } catch {
    return undefined
  }
}

/** Whether any message has such an id. */
export const isCarried = ({ messages }: ChatRequest): boolean => {
  for (const message of messages) {
    if (message.role === "tool" && message.tool_call_id.includes(mark)) return true
    if (message.role !== "assistant" || !message.tool_calls) continue
    for (const { id } of message.tool_calls) if (id.includes(mark)) return true
  }
  return false
}

/** A request's text with the provider's own ids: for a provider that has no use for the state of another. */
export const stripped = (text: string): string => text.replaceAll(/__bw1[abdgo][\w-]*(?=")/g, "")
