/**
 * OpenAI's dialect for hosts that answer 400 or 422 to members of messages and tools that OpenAI does not document, OpenAI's own
 * newer models among them. A conversation brings such members from other models, and most clients send an answer back as it came.
 */
import type { ChatRequest } from "../../domain/Chat.ts"
import type { Dialect } from "../Dialect.ts"
import { rewritten } from "./OpenAiChatDialect.ts"
import { isObject, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** Of another model: its thoughts in three forms, marks of what to cache, images that it made, and the place of a call among others. */
export const foreign = [
  "reasoning_content",
  "reasoning_details",
  "thinking_blocks",
  "cache_control",
  "images",
  "index"
] as const

type Foreign = (typeof foreign)[number]

/** What would have been of use: it is named as left out. */
const named: ReadonlySet<Foreign> = new Set<Foreign>(["cache_control", "images"])

type Holder = Readonly<Record<string, unknown>>

/** Each by its name in the code, which costs a tenth of a loop over them. */
const hasAny = (holder: Holder): boolean =>
  holder["reasoning_content"] !== undefined || holder["reasoning_details"] !== undefined ||
  holder["thinking_blocks"] !== undefined || holder["cache_control"] !== undefined ||
  holder["images"] !== undefined || holder["index"] !== undefined

/** A look at every message and tool, for nearly every request has none. */
const brings = (request: ChatRequest): boolean => {
  if (hasAny(request)) return true
  for (const message of request.messages) {
    if (hasAny(message)) return true
    const { content } = message
    if (typeof content !== "string" && content) { for (const part of content) if (hasAny(part)) return true }
    if (message.role !== "assistant" || !message.tool_calls) continue
    for (const called of message.tool_calls) if (hasAny(called)) return true
  }
  if (!request.tools) return false
  for (const tool of request.tools) {
    if (hasAny(tool) || (tool.type === "function" && "function" in tool && hasAny(tool.function))) return true
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
    if ("_tag" in lowered || !brings(call.request)) return lowered
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
