/**
 * OpenAI's messages as those of Bedrock Converse: neighbours of one role are one message, and what tools answered comes first in the
 * message behind their calls.
 */
import { InvalidRequest, type Reason, unsupported } from "../../domain/GatewayError.ts"
import { blocksOf, cachePointOf, isReason } from "./BedrockConverseParts.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, isText, type Json, type JsonObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"

export interface Conversation {
  readonly system: ReadonlyArray<JsonObject>
  readonly messages: ReadonlyArray<JsonObject>
  /** Tools that were called, by name. */
  readonly called: ReadonlySet<string>
  /** There are thoughts in it. */
  readonly hasThoughts: boolean
  /** Results of tools are given, or an answer to go on with, that have lost the thoughts before them. */
  readonly lacksThoughts: boolean
}

interface Turn {
  readonly role: "user" | "assistant"
  readonly content: Array<JsonObject>
}

/** Bedrock's ids are letters, digits, `_` and `-`, at most 64; what is not is made so, and the same everywhere. */
const toolUseId = (id: Json | undefined): string =>
  OpaqueState.idOf(String(id ?? "")).replaceAll(/[^\w-]/g, "_").slice(0, 64)

const inputOf = (written: Json | undefined): Json => {
  if (!isText(written) || written.trim() === "") return {}
  const value = parse(written)
  // A model may have written what is no JSON; what it wrote is told all the same.
  return isObject(value) ? parseKeepingDigits(written, value) : { arguments: written }
}

/** Name and input of a call; undefined for what is no call. */
const calledBy = (call: Json): { readonly name: Json | undefined; readonly input: Json } | undefined => {
  if (!isObject(call)) return undefined
  const { custom, function: called } = call
  if (isObject(called)) return { name: called["name"], input: inputOf(called["arguments"]) }
  return isObject(custom) ? { name: custom["name"], input: { input: custom["input"] ?? "" } } : undefined
}

/** The signed thoughts that a call's id brings back. */
const thoughtsOf = (id: Json | undefined, thinker: string | undefined): ReadonlyArray<JsonObject> => {
  const state = isText(id) && thinker !== undefined ? OpaqueState.stateOf(id, "b", thinker) : undefined
  const thoughts = state === undefined ? undefined : parse(state)
  if (!Array.isArray(thoughts)) return []
  // A caller may have written it, so nothing else of it is sent.
  return thoughts.flatMap((block) =>
    isObject(block) && isObject(block["reasoningContent"]) ? [{ reasoningContent: block["reasoningContent"] }] : []
  )
}

const callBlocks = (call: Json, thinker: string | undefined): ReadonlyArray<JsonObject> => {
  const called = calledBy(call)
  if (called === undefined || !isObject(call)) return []
  const use = { toolUse: { toolUseId: toolUseId(call["id"]), ...called } }
  return [...thoughtsOf(call["id"], thinker), use, ...cachePointOf(call)]
}

const assistantBlocks = (
  message: JsonObject,
  thinker: string | undefined,
  param: string
): ReadonlyArray<JsonObject> | Reason => {
  for (const name of ["function_call", "audio"]) {
    if (isObject(message[name])) return unsupported(`${param}.${name}`, `Bedrock has no ${name} in a message.`)
  }
  const content = blocksOf(message["content"], `${param}.content`)
  const refusal = blocksOf(message["refusal"], `${param}.refusal`)
  if (isReason(content)) return content
  if (isReason(refusal)) return refusal
  const said = [...content, ...refusal]
  const calls = message["tool_calls"]
  if (!Array.isArray(calls)) return said
  const uses = calls.flatMap((call) => callBlocks(call, thinker))
  // Thoughts come before everything that was said because of them.
  const isThought = (block: JsonObject): boolean => block["reasoningContent"] !== undefined
  const first = uses.findIndex((block) => !isThought(block))
  return [...uses.slice(0, Math.max(0, first)), ...said, ...uses.slice(Math.max(0, first))]
}

const toolBlocks = (message: JsonObject, param: string): ReadonlyArray<JsonObject> | Reason => {
  const content = blocksOf(message["content"], `${param}.content`)
  if (isReason(content)) return content
  // Points of the cache stand beside a result, not in it.
  const points = content.filter((block) => block["cachePoint"] !== undefined)
  const own = content.filter((block) => block["cachePoint"] === undefined)
  return [{ toolResult: { toolUseId: toolUseId(message["tool_call_id"]), content: own } }, ...points]
}

const turnOf = (message: JsonObject, thinker: string | undefined, param: string): Turn | Reason => {
  const { role } = message
  if (role === "function") return unsupported(`${param}.role`, "Bedrock has no role function: use tools.")
  const blocks = role === "assistant"
    ? assistantBlocks(message, thinker, param)
    : role === "tool"
    ? toolBlocks(message, param)
    : blocksOf(message["content"], `${param}.content`)
  if (isReason(blocks)) return blocks
  return { role: role === "assistant" ? "assistant" : "user", content: [...blocks, ...cachePointOf(message)] }
}

const isResult = (block: JsonObject): boolean => block["toolResult"] !== undefined

const ordered = ({ content, role }: Turn): Turn =>
  role === "user" && content.some(isResult)
    ? { role, content: [...content.filter(isResult), ...content.filter((block) => !isResult(block))] }
    : { role, content }

/** White space at the end of an answer that is to be continued is refused. */
const trimmed = ({ content, role }: Turn): Turn => {
  const last = content.at(-1)
  if (role === "user" || typeof last?.["text"] !== "string") return { role, content }
  return { role, content: [...content.slice(0, -1), { text: last["text"].trimEnd() }] }
}

/** Names of documents must differ. */
const nameDocuments = (turns: ReadonlyArray<Turn>): void => {
  const seen = new Map<string, number>()
  for (const { document } of turns.flatMap(({ content }) => content)) {
    if (!isObject(document)) continue
    const name = String(document["name"])
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    if (count > 1) document["name"] = `${name} (${count})`
  }
}

/** A message with a document is refused without a text beside it; what the document is called is nothing new to the model. */
const introduceDocuments = (turns: ReadonlyArray<Turn>): void => {
  for (const { content } of turns) {
    const document = content.find((block) => block["document"] !== undefined)?.["document"]
    if (isObject(document) && !content.some(({ text }) => isText(text))) {
      content.push({ text: String(document["name"]) })
    }
  }
}

const calledIn = (turns: ReadonlyArray<Turn>): ReadonlySet<string> =>
  new Set(
    turns.flatMap(({ content }) =>
      content.flatMap(({ toolUse }) => isObject(toolUse) && isText(toolUse["name"]) ? [toolUse["name"]] : [])
    )
  )

/**
 * The answer that is to be gone on with, or the calls whose results are given, began without thoughts or have lost them; later calls
 * of the same turn need none.
 */
const lacksThoughts = (turns: ReadonlyArray<Turn>): boolean => {
  const isThought = (turn: Turn | undefined) => turn?.content[0]?.["reasoningContent"] !== undefined
  let at = turns.length - 1
  if (turns[at]?.role === "assistant") return !isThought(turns[at])
  while (turns[at]?.content.some(isResult) === true) at -= 2
  return at < turns.length - 1 && !isThought(turns[at + 1])
}

/** `thinker`: the model that wants its signed thoughts back; undefined = none does. */
export const lowerMessages = (
  written: ReadonlyArray<JsonObject>,
  thinker: string | undefined
): Conversation | Reason => {
  const system: Array<JsonObject> = []
  const turns: Array<Turn> = []
  for (const [index, message] of written.entries()) {
    const param = `messages[${index}]`
    const turn = turnOf(message, thinker, param)
    if (isReason(turn)) return turn
    if (message["role"] === "system" || message["role"] === "developer") {
      system.push(...turn.content)
      continue
    }
    const last = turns.at(-1)
    if (last?.role === turn.role) last.content.push(...turn.content)
    else if (turn.content.length > 0) turns.push(turn)
  }
  // Instructions without anything else are what is asked.
  if (turns.length === 0 && system.length > 0) turns.push({ role: "user", content: system.splice(0) })
  if (turns.length === 0) return new InvalidRequest({ message: "Nothing is said in the messages.", param: "messages" })
  nameDocuments(turns)
  introduceDocuments(turns)
  const messages = turns.map((turn, index) => ordered(index === turns.length - 1 ? trimmed(turn) : turn))
  return {
    system,
    messages: messages.map(({ content, role }) => ({ role, content })),
    called: calledIn(turns),
    hasThoughts: turns.some(({ content }) => content.some((block) => block["reasoningContent"] !== undefined)),
    lacksThoughts: lacksThoughts(turns)
  }
}
