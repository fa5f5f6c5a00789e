/**
 * OpenAI's dialect for hosts that answer 400 or 422 to members of messages and tools that OpenAI does not document, OpenAI's own
 * newer models among them. A conversation brings such members from other models, and most clients send an answer back as it came.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect } from "../Dialect.ts"
import { rewritten } from "./OpenAiChatDialect.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** Of another model: its thoughts in two forms, marks of what to cache, images that it made, and the place of a call among others. */
export const foreign = ["reasoning_content", "thinking_blocks", "cache_control", "images", "index"] as const

type Foreign = (typeof foreign)[number]

/** What would have been of use: it is named as left out. */
const named: ReadonlySet<Foreign> = new Set<Foreign>(["cache_control", "images"])

const hasAny = (holder: object, members: ReadonlyArray<Foreign>): boolean => {
  for (const name of members) if (name in holder) return true
  return false
}

/** A look at every message and tool, for nearly every request has none. */
const brings = (request: ChatRequest, members: ReadonlyArray<Foreign>): boolean => {
  const { messages, tools } = request
  if (hasAny(request, members)) return true
  for (const message of messages) {
    if (hasAny(message, members)) return true
    if (message.role === "assistant") {
      for (const called of message.tool_calls ?? []) if (hasAny(called, members)) return true
    }
    if (!Array.isArray(message.content)) continue
    for (const part of message.content) if (hasAny(part, members)) return true
  }
  for (const tool of tools ?? []) {
    if (hasAny(tool, members) || ("function" in tool && hasAny(tool.function, members))) return true
  }
  return false
}

const objectsIn = (list: Json | undefined): ReadonlyArray<JsonObject> =>
  Array.isArray(list) ? list.filter(isObject) : []

const holdersIn = (body: JsonObject): ReadonlyArray<JsonObject> => [
  body,
  ...objectsIn(body["messages"]).flatMap((message) => [
    message,
    ...objectsIn(message["content"]),
    ...objectsIn(message["tool_calls"])
  ]),
  ...objectsIn(body["tools"]).flatMap((tool) => [tool, ...objectsIn([tool["function"] ?? null])])
]

/** This dialect without these members. */
export const without = (dialect: Dialect, members: ReadonlyArray<Foreign>): Dialect => ({
  ...dialect,
  lower: (call, stream) => {
    const lowered = dialect.lower(call, stream)
    if ("_tag" in lowered || !brings(call.request, members)) return lowered
    const dropped = new Set<string>(lowered.dropped)
    const mended = rewritten(lowered, (body) => {
      for (const holder of holdersIn(body)) {
        for (const name of members) {
          if (holder[name] !== undefined && named.has(name)) dropped.add(name)
          delete holder[name]
        }
      }
    })
    const [first, ...more] = dropped
    return first === undefined ? mended : { ...mended, dropped: [first, ...more] }
  }
})
