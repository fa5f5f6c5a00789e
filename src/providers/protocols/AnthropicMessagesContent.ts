/**
 * The messages of a request as Anthropic takes them: instructions apart, turns that alternate, the results of tools first. Traps:
 * an empty text, a result without its call and a call without its result are each answered with a 400.
 */
import type { ChatMessage, ContentPart } from "../../domain/ChatMessage.ts"
import { InvalidRequest, type Reason, unsupported } from "../../domain/GatewayError.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"

/** A content block, or another object of the request. */
export type Block = Readonly<Record<string, unknown>>

/** What comes up while a request is put into words. */
export class Lowering {
  /** Why it cannot be said at all: the first thing that was found. */
  refusal: Reason | undefined
  /** Parameters that are left out. */
  readonly dropped = new Set<string>()
  /** Beta features that the request needs. */
  readonly betas = new Set<string>()
  /** Who gets its thoughts back; undefined = nobody. */
  readonly thinker: string | undefined

  constructor(thinker: string | undefined) {
    this.thinker = thinker
  }

  /** Another dialect may have words for it. */
  refuse(param: string, message: string): undefined {
    this.refusal ??= unsupported(param, message)
    return undefined
  }

  /** It makes sense in no dialect. */
  reject(param: string, message: string): undefined {
    this.refusal ??= new InvalidRequest({ message, param })
    return undefined
  }
}

interface Turn {
  readonly role: "user" | "assistant"
  readonly content: ReadonlyArray<Block>
}

/** A turn that is being put together. */
class OpenTurn {
  readonly role: Turn["role"]
  readonly results: Array<Block> = []
  readonly blocks: Array<Block> = []

  constructor(role: Turn["role"]) {
    this.role = role
  }
}

/** `cache_control` as LangChain, LiteLLM and OpenRouter put it on OpenAI's parts, or OpenAI's own breakpoint. */
export const cacheOf = (holder: Block): Block => {
  if (typeof holder["cache_control"] === "object" && holder["cache_control"] !== null) {
    return { cache_control: holder["cache_control"] }
  }
  return holder["prompt_cache_breakpoint"] === undefined ? {} : { cache_control: { type: "ephemeral" } }
}

/** Blank text is refused, so it is left out. */
export const textBlock = (text: string, holder: Block = {}): ReadonlyArray<Block> =>
  text.trim() === "" ? [] : [{ type: "text", text, ...cacheOf(holder) }]

const dataUri = /^data:([^;,]*)(?:;[^,]*)?,/i

const imageTypes: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"])

const base64 = (type: string, mediaType: string, data: string): Block => ({
  type,
  source: { type: "base64", media_type: mediaType, data }
})

const byUrl = (type: string, url: string): Block => ({ type, source: { type: "url", url } })

const imageBlock = (url: string, at: string, lowering: Lowering): Block | undefined => {
  if (/^https?:/i.test(url)) return byUrl("image", url)
  const [head = "", written = ""] = dataUri.exec(url.slice(0, 200)) ?? []
  const mediaType = written.toLowerCase() === "image/jpg" ? "image/jpeg" : written.toLowerCase()
  if (imageTypes.has(mediaType) && /;base64,$/i.test(head)) return base64("image", mediaType, url.slice(head.length))
  return lowering.refuse(
    at,
    "Anthropic's models take images as http(s) URLs, or as base64 of a PNG, JPEG, GIF or WebP."
  )
}

const titled = (block: Block, name: string | null | undefined): Block => name ? { ...block, title: name } : block

type FilePart = Extract<ContentPart, { readonly type: "file" }>

/** The media type of a file that comes as bare base64; empty where its name says that it is none of those that are taken. */
const namedType = (filename: string): string =>
  /\.(?:txt|md|csv)$/i.test(filename)
    ? "text/plain"
    : /\.(?!pdf$)[a-z\d]{1,5}$/i.test(filename)
    ? ""
    : "application/pdf"

/** A data URI without base64 has the text itself, as an address writes it; undefined where it is not written so. */
const writtenText = (isBase64: boolean, rest: string): string | undefined => {
  if (isBase64) return Buffer.from(rest, "base64").toString()
  try {
    return decodeURIComponent(rest)
  } catch {
    return undefined
  }
}

const fileBlock = (file: FilePart["file"], at: string, lowering: Lowering): Block | undefined => {
  const { file_data: data, file_id: id, filename } = file
  if (id) {
    lowering.betas.add("files-api-2025-04-14")
    return titled({ type: "document", source: { type: "file", file_id: id } }, filename)
  }
  if (!data) return lowering.reject(at, "The file has neither file_data nor file_id.")
  if (/^https?:/i.test(data)) return titled(byUrl("document", data), filename)
  const [head = "", written] = dataUri.exec(data.slice(0, 200)) ?? []
  const mediaType = (written ?? namedType(filename ?? "")).toLowerCase()
  if (mediaType.startsWith("image/")) return imageBlock(data, at, lowering)
  const rest = data.slice(head.length)
  const isBase64 = head === "" || /;base64,$/i.test(head)
  if (mediaType === "application/pdf" && isBase64) return titled(base64("document", mediaType, rest), filename)
  const text = mediaType.startsWith("text/") ? writtenText(isBase64, rest) : undefined
  if (text === undefined) {
    return lowering.refuse(at, "Anthropic's models take files of the types application/pdf and text/plain.")
  }
  return titled({ type: "document", source: { type: "text", media_type: "text/plain", data: text } }, filename)
}

/** Anthropic's own blocks, which pass as they are. */
const ownTypes: ReadonlySet<string> = new Set(["image", "document", "search_result", "container_upload"])

const partBlocks = (part: ContentPart, at: string, lowering: Lowering): ReadonlyArray<Block> => {
  // The schema has told the members; those of others are looked for below.
  if (part.type === "text" && "text" in part) return textBlock(part.text, part)
  if (part.type === "refusal" && "refusal" in part) return textBlock(part.refusal)
  const block = part.type === "image_url" && "image_url" in part
    ? imageBlock(part.image_url.url, at, lowering)
    : part.type === "file" && "file" in part
    ? fileBlock(part.file, at, lowering)
    : ownTypes.has(part.type)
    ? { ...part }
    : lowering.refuse(at, `Anthropic's models cannot be given a content part of the type ${part.type.slice(0, 64)}.`)
  return block === undefined ? [] : [{ ...block, ...cacheOf(part) }]
}

const contentBlocks = (
  content: string | ReadonlyArray<ContentPart> | null | undefined,
  at: string,
  lowering: Lowering
): ReadonlyArray<Block> =>
  typeof content === "string"
    ? textBlock(content)
    : (content ?? []).flatMap((part, index) => partBlocks(part, `${at}.content[${index}]`, lowering))

/** What a whole message asks to be cached goes on its last block. */
const cached = (blocks: ReadonlyArray<Block>, message: ChatMessage): ReadonlyArray<Block> => {
  const cache = cacheOf(message)
  const last = blocks.at(-1)
  return last === undefined || cache["cache_control"] === undefined
    ? blocks
    : [...blocks.slice(0, -1), { ...last, ...cache }]
}

/** Ids of other providers may have characters that Anthropic refuses. */
const toolId = (carried: string): string => OpaqueState.idOf(carried).replaceAll(/[^\w-]/g, "_")

const inputOf = (written: string): unknown => {
  if (written.trim() === "") return {}
  const parsed = parse(written)
  // A model may have written what is no JSON; what it wrote is told all the same.
  return isObject(parsed) ? parseKeepingDigits(written, parsed) : { arguments: written }
}

type AssistantMessage = Extract<ChatMessage, { readonly role: "assistant" }>
type ToolCall = NonNullable<AssistantMessage["tool_calls"]>[number]

/** Signed thoughts as they came; anything else is no state of ours. */
const thoughtsIn = (state: unknown): ReadonlyArray<Block> =>
  Array.isArray(state)
    ? state.filter((block) =>
      isObject(block) && (block["type"] === "thinking" || block["type"] === "redacted_thinking")
    )
    : []

const thoughtsOf = (carried: string, { thinker }: Lowering): ReadonlyArray<Block> => {
  const state = thinker === undefined ? undefined : OpaqueState.stateOf(carried, "a", thinker)
  return state === undefined ? [] : thoughtsIn(parse(state))
}

const callBlock = (call: ToolCall): Block => ({
  type: "tool_use",
  id: toolId(call.id),
  name: call.type === "function" ? call.function.name : call.custom.name,
  input: call.type === "function" ? inputOf(call.function.arguments) : { input: call.custom.input },
  ...cacheOf(call)
})

const assistantBlocks = (message: AssistantMessage, at: string, lowering: Lowering): ReadonlyArray<Block> => {
  if (message.function_call) {
    lowering.refuse(`${at}.function_call`, "function_call is not supported here; use tool_calls.")
  }
  if (message.audio) lowering.refuse(`${at}.audio`, "Anthropic's models do not know the audio of earlier answers.")
  const calls = message.tool_calls ?? []
  const holder: Block = message
  // Explicit ones are those of a caller who keeps what he does not know.
  const kept = thoughtsIn(holder["thinking_blocks"])
  const [first] = calls
  const before = kept.length > 0 || first === undefined ? kept : thoughtsOf(first.id, lowering)
  return [
    ...before,
    ...textBlock(message.refusal ?? ""),
    ...contentBlocks(message.content, at, lowering),
    ...calls.flatMap((call, index) =>
      index === 0 || kept.length > 0 ? [callBlock(call)] : [...thoughtsOf(call.id, lowering), callBlock(call)]
    )
  ]
}

const resultBlock = (
  message: Extract<ChatMessage, { readonly role: "tool" }>,
  at: string,
  lowering: Lowering
): Block => {
  const { content, tool_call_id: id } = message
  const holder: Block = message
  const blocks = typeof content === "string" ? [] : contentBlocks(content, at, lowering)
  // Within a result a mark is refused; what it means is the result up to there.
  const mark = blocks.findLast((block) => block["cache_control"] !== undefined)
  return {
    type: "tool_result",
    tool_use_id: toolId(id),
    content: typeof content === "string" ? content : blocks.map(({ cache_control: _, ...block }) => block),
    ...(holder["is_error"] === true ? { is_error: true } : {}),
    ...cacheOf(mark ?? {}),
    ...cacheOf(message)
  }
}

/** What a request says, in Anthropic's two places for it. */
export interface Conversation {
  readonly system: ReadonlyArray<Block>
  readonly turns: ReadonlyArray<Turn>
}

class Conversing {
  readonly system: Array<Block> = []
  readonly turns: Array<OpenTurn> = []
  /** Calls that wait for their results. */
  private readonly pending = new Set<string>()
  private readonly lowering: Lowering

  constructor(lowering: Lowering) {
    this.lowering = lowering
  }

  add(message: ChatMessage, at: string): void {
    switch (message.role) {
      case "system":
      case "developer":
        this.system.push(...cached(contentBlocks(message.content, at, this.lowering), message))
        return
      case "user":
        this.turn("user").blocks.push(...cached(contentBlocks(message.content, at, this.lowering), message))
        return
      case "assistant":
        return this.answer(message, at)
      case "tool":
        return this.result(message, at)
      case "function":
        this.lowering.refuse(at, "Messages of the role function are not supported here; use tool.")
    }
  }

  /** Every call must have got its result. */
  settle(at: string): void {
    if (this.pending.size === 0) return
    this.lowering.reject(at, "A call of a tool has no message of the role tool that answers it.")
  }

  private turn(role: Turn["role"]): OpenTurn {
    const last = this.turns.at(-1)
    if (last?.role === role) return last
    const turn = new OpenTurn(role)
    this.turns.push(turn)
    return turn
  }

  private answer(message: AssistantMessage, at: string): void {
    this.settle(at)
    const blocks = cached(assistantBlocks(message, at, this.lowering), message)
    if (blocks.length === 0) return
    this.turn("assistant").blocks.push(...blocks)
    for (const { id } of message.tool_calls ?? []) this.pending.add(toolId(id))
  }

  private result(message: Extract<ChatMessage, { readonly role: "tool" }>, at: string): void {
    if (!this.pending.delete(toolId(message.tool_call_id))) {
      this.lowering.reject(`${at}.tool_call_id`, "No call of a tool before this message has this id.")
    }
    this.turn("user").results.push(resultBlock(message, at, this.lowering))
  }
}

/** White space at the end of an answer that is to be continued is refused. */
const trimmed = (turn: Turn): Turn => {
  const last = turn.content.at(-1)
  if (turn.role === "user" || last === undefined || typeof last["text"] !== "string") return turn
  return { ...turn, content: [...turn.content.slice(0, -1), { ...last, text: last["text"].trimEnd() }] }
}

/** Instructions without anything else are what is asked. */
export const lowerMessages = (messages: ReadonlyArray<ChatMessage>, lowering: Lowering): Conversation => {
  const conversing = new Conversing(lowering)
  for (const [index, message] of messages.entries()) conversing.add(message, `messages[${index}]`)
  conversing.settle(`messages[${messages.length - 1}]`)
  const turns = conversing.turns
    .map(({ blocks, results, role }): Turn => ({ role, content: [...results, ...blocks] }))
    .filter(({ content }) => content.length > 0)
  const last = turns.at(-1)
  if (last !== undefined) return { system: conversing.system, turns: [...turns.slice(0, -1), trimmed(last)] }
  if (conversing.system.length === 0) lowering.reject("messages", "No message has any content.")
  return { system: [], turns: [{ role: "user", content: conversing.system }] }
}
