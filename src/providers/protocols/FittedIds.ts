/**
 * Ids of calls of tools for hosts that refuse what others made them of, such as too many letters: a conversation brings them from
 * other models. Those that fit go up as they are.
 */
import { createHash } from "node:crypto"
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Lowered } from "../Dialect.ts"
import * as OpaqueState from "./OpaqueState.ts"

/** What a host takes. */
export interface FittingIds {
  readonly fits: RegExp
  /** Letters and digits of those that take the place of others. */
  readonly length: number
}

/** Ids as they go up, where they do not fit. */
const misfits = ({ messages }: ChatRequest, { fits }: FittingIds): ReadonlySet<string> => {
  const found = new Set<string>()
  const look = (carried: string): void => {
    const id = OpaqueState.idOf(carried)
    if (!fits.test(id)) found.add(id)
  }
  for (const message of messages) {
    if (message.role === "tool") look(message.tool_call_id)
    if (message.role === "assistant" && message.tool_calls) { for (const { id } of message.tool_calls) look(id) }
  }
  return found
}

/** The same for the same id: a result finds its call, and the next request says the same again. */
const fitted = (id: string, { length }: FittingIds): string =>
  createHash("sha256").update(id).digest("hex").slice(0, length)

/** Only members of these names: a text that is the same to the letter stays what it is. */
const replaced = (body: string, id: string, instead: string): string =>
  body.replaceAll(
    new RegExp(`("(?:tool_call_)?id"\\s*:\\s*)${RegExp.escape(JSON.stringify(id))}`, "g"),
    (_, member: string) => `${member}"${instead}"`
  )

/** The request with ids that fit. */
export const withFittedIds = (lowered: Lowered, request: ChatRequest, ids: FittingIds): Lowered => {
  let { body } = lowered
  for (const id of misfits(request, ids)) body = replaced(body, id, fitted(id, ids))
  return body === lowered.body ? lowered : { ...lowered, body }
}
