/**
 * OpenAI's dialect for hosts that answer 400 or 422 to members of messages and tools that OpenAI does not document. A conversation
 * brings them from other models: their thoughts, and marks of what to cache.
 */
import type { Dialect } from "../Dialect.ts"
import { rewritten } from "./OpenAiChatDialect.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

export type Foreign = "reasoning_content" | "cache_control"

const objectsIn = (list: Json | undefined): ReadonlyArray<JsonObject> =>
  Array.isArray(list) ? list.filter(isObject) : []

/** Whatever of a request may have such a member. */
const holdersIn = (body: JsonObject): ReadonlyArray<JsonObject> => [
  body,
  ...objectsIn(body["messages"]).flatMap((message) => [message, ...objectsIn(message["content"])]),
  ...objectsIn(body["tools"]).flatMap((tool) => [tool, ...objectsIn([tool["function"] ?? null])])
]

/** This dialect without those members. Marks are named as left out; thoughts of another model are of no use to this one. */
export const without = (dialect: Dialect, members: ReadonlyArray<Foreign>): Dialect => ({
  ...dialect,
  lower: (call, stream) => {
    const lowered = dialect.lower(call, stream)
    if ("_tag" in lowered) return lowered
    const found = members.filter((name) => lowered.body.includes(`"${name}"`))
    if (found.length === 0) return lowered
    let isMarked = false
    const mended = rewritten(lowered, (body) => {
      for (const holder of holdersIn(body)) {
        for (const name of found) {
          if (name === "cache_control" && holder[name] !== undefined) isMarked = true
          delete holder[name]
        }
      }
    })
    return isMarked ? { ...mended, dropped: ["cache_control"] } : mended
  }
})
