/**
 * Mistral's reading of OpenAI's dialect: an id of a tool call has nine letters and digits there, and others are refused. Ids that
 * another provider gave, in a conversation that comes from it, become such; Mistral's own go up as they are.
 */
import { createHash } from "node:crypto"
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect } from "../Dialect.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { openAi } from "./OpenAiChatDialect.ts"

const fits = (id: string): boolean => /^[a-zA-Z0-9]{9}$/.test(id)

/** The same for the same id: a result finds its call, and the next request says the same again. */
const fitted = (id: string): string => createHash("sha256").update(id).digest("hex").slice(0, 9)

/** Ids as they go up, where they are not Mistral's. */
const misfits = ({ messages }: ChatRequest): ReadonlySet<string> =>
  new Set(
    messages.flatMap((message) =>
      message.role === "tool"
        ? [message.tool_call_id]
        : message.role === "assistant"
        ? (message.tool_calls ?? []).map(({ id }) => id)
        : []
    ).map(OpaqueState.idOf).filter((id) => !fits(id))
  )

/** Only members of these names: a text that is the same to the letter stays what it is. */
const replaced = (body: string, id: string): string =>
  body.replaceAll(
    new RegExp(`("(?:tool_call_)?id"\\s*:\\s*)${RegExp.escape(JSON.stringify(id))}`, "g"),
    (_, member: string) => `${member}"${fitted(id)}"`
  )

export const mistralChat: Dialect = {
  ...openAi,
  lower: (call, stream) => {
    const lowered = openAi.lower(call, stream)
    if ("_tag" in lowered) return lowered
    const ids = misfits(call.request)
    if (ids.size === 0) return lowered
    return { ...lowered, body: [...ids].reduce(replaced, lowered.body) }
  }
}
