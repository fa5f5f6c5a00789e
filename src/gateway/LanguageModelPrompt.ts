/**
 * A prompt of Effect AI as OpenAI's messages. What would be left unsaid is named, so that the caller of `messagesOf` can refuse it.
 * Thoughts are left out unless they are wanted: what most upstreams need of them comes back in the ids of their tool calls.
 */
import type * as Prompt from "effect/ai/Prompt"
import type { ChatMessage, ContentPart } from "../domain/Chat.ts"
import { imageTypeOf } from "./ImagePart.ts"

/** What could not be said, in words for the program's author. */
type Refuse = (what: string) => void

const isUrl = (data: string): boolean => /^(?:https?|data|gs|s3):/i.test(data)

/** The first bytes of an image; base64 has four letters for three of them. */
const headOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === "string" ? Buffer.from(data.slice(0, 16), "base64") : data

const base64Of = (data: string | Uint8Array): string =>
  typeof data === "string"
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")

/**
 * Where the file's content is: an address as it was given, or its bytes as a data URI. What `image/*` is, is read from the bytes;
 * where they do not tell, it is a JPEG.
 */
const urlOf = ({ data, mediaType }: Prompt.FilePart): string => {
  if (data instanceof URL) return data.href
  if (typeof data === "string" && isUrl(data)) return data
  const type = mediaType.endsWith("/*") ? imageTypeOf(headOf(data)) ?? "image/jpeg" : mediaType
  return `data:${type};base64,${base64Of(data)}`
}

/** Names of OpenAI for what has several media types. */
const audioFormats: ReadonlyMap<string, string> = new Map([
  ["mpeg", "mp3"],
  ["x-wav", "wav"],
  ["wave", "wav"],
  ["vnd.wave", "wav"]
])

const audioPart = ({ data, mediaType }: Prompt.FilePart, refuse: Refuse): ContentPart | undefined => {
  if (data instanceof URL || (typeof data === "string" && isUrl(data))) {
    refuse("Audio is sent as its bytes, not as an address.")
    return undefined
  }
  const subtype = mediaType.slice("audio/".length)
  return { type: "input_audio", input_audio: { data: base64Of(data), format: audioFormats.get(subtype) ?? subtype } }
}

type Optioned = Pick<Prompt.FilePart, "options">

/** What is said under our name, or under that of the package for Effect which has a word for it. */
const optionOf = ({ options }: Optioned, of: "openai" | "anthropic", name: string): unknown => {
  const own = options["breakwater"] ?? options[of]
  return typeof own === "object" && own !== null && name in own
    ? Object.entries(own).find(([key]) => key === name)?.[1]
    : undefined
}

const details = ["auto", "low", "high"] as const

/** `imageDetail` as OpenAI's own package for Effect takes it. */
const detailOf = (part: Prompt.FilePart) => {
  const said = optionOf(part, "openai", "imageDetail")
  return details.find((detail) => detail === said)
}

/** `cacheControl` as Anthropic's takes it, for the member that its and Bedrock's dialects read; others name it as left out. */
const marked = (holder: Optioned): { readonly cache_control?: unknown } => {
  const cache_control = optionOf(holder, "anthropic", "cacheControl")
  return typeof cache_control === "object" && cache_control !== null ? { cache_control } : {}
}

/** The content with what its whole message says to be cached, which stands on the last part. */
const markedContent = (
  content: string | readonly [ContentPart, ...Array<ContentPart>],
  message: Optioned
): string | readonly [ContentPart, ...Array<ContentPart>] => {
  const mark = marked(message)
  if (mark.cache_control === undefined || content === "") return content
  if (typeof content === "string") return [{ type: "text", text: content, ...mark }]
  const [first, ...rest] = content
  const last = rest.pop()
  return last === undefined ? [{ ...first, ...mark }] : [first, ...rest, { ...last, ...mark }]
}

const filePart = (part: Prompt.FilePart, refuse: Refuse): ContentPart | undefined => {
  const { fileName, mediaType } = part
  if (mediaType.startsWith("image/")) {
    const detail = detailOf(part)
    const image = { url: urlOf(part), ...(detail === undefined ? {} : { detail }) }
    return { type: "image_url", image_url: image, ...marked(part) }
  }
  if (mediaType.startsWith("audio/")) return audioPart(part, refuse)
  const file = { file_data: urlOf(part), ...(fileName === undefined ? {} : { filename: fileName }) }
  return { type: "file", file, ...marked(part) }
}

const partsOf = (parts: ReadonlyArray<Prompt.UserMessagePart>, refuse: Refuse): ReadonlyArray<ContentPart> =>
  parts.flatMap((part) => {
    const said: ContentPart | undefined = part.type === "text"
      ? { type: "text", text: part.text, ...marked(part) }
      : filePart(part, refuse)
    return said === undefined ? [] : [said]
  })

/** One text is a string, as every upstream takes it. */
const contentOf = (
  parts: ReadonlyArray<Prompt.UserMessagePart>,
  refuse: Refuse
): string | readonly [ContentPart, ...Array<ContentPart>] => {
  const [only] = parts
  if (parts.length === 1 && only?.type === "text") return markedContent(only.text, only)
  const [first, ...rest] = partsOf(parts, refuse)
  return first === undefined ? "" : [first, ...rest]
}

/** What the tool said to the model, or its result as JSON; a result that is a text stands for itself. */
const resultOf = ({ modelOutput, result }: Prompt.ToolResultPart, refuse: Refuse) =>
  modelOutput !== undefined && modelOutput.length > 0
    ? contentOf(modelOutput, refuse)
    : typeof result === "string"
    ? result
    : JSON.stringify(result) ?? "null"

const isRefusal = ({ options }: Prompt.TextPart): boolean => {
  const own = options["breakwater"]
  return typeof own === "object" && own !== null && "refusal" in own && own["refusal"] === true
}

/** Undefined for a turn in which nothing was said that the other side has to hear of. */
const assistantOf = (
  message: Prompt.AssistantMessage,
  hasThoughts: boolean,
  refuse: Refuse
): ChatMessage | undefined => {
  const { content } = message
  const thoughts = hasThoughts ? content.map((part) => part.type === "reasoning" ? part.text : "").join("") : ""
  let text = ""
  let refusal = ""
  const images: Array<ContentPart> = []
  const calls: Array<{ id: string; type: "function"; function: { name: string; arguments: string } }> = []
  for (const part of content) {
    if (part.type === "text" && isRefusal(part)) refusal += part.text
    else if (part.type === "text") text += part.text
    else if (part.type === "tool-call" && !part.providerExecuted) {
      const { id, name, params } = part
      calls.push({ id, type: "function", function: { name, arguments: JSON.stringify(params) ?? "{}" } })
    } else if (part.type === "file" && part.mediaType.startsWith("image/")) {
      images.push({ type: "image_url", image_url: { url: urlOf(part) } })
    } else if (part.type === "file") refuse("Of the files that a model made only images can be shown to it again.")
  }
  if (text === "" && refusal === "" && calls.length === 0 && images.length === 0) return undefined
  return {
    role: "assistant",
    content: text === "" && (refusal !== "" || calls.length > 0) ? null : text,
    ...(refusal === "" ? {} : { refusal }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    // Where answers put them, too; OpenAI has no members for these.
    ...(thoughts === "" ? {} : { reasoning_content: thoughts }),
    ...(images.length === 0 ? {} : { images }),
    ...content.map(marked).findLast(({ cache_control: mark }) => mark !== undefined) ?? marked(message)
  }
}

const resultsOf = ({ content }: Prompt.ToolMessage, refuse: Refuse): ReadonlyArray<ChatMessage> =>
  content.flatMap((part): ReadonlyArray<ChatMessage> =>
    part.type !== "tool-result" || part.providerExecuted
      ? []
      : [{ role: "tool", tool_call_id: part.id, content: resultOf(part, refuse), ...marked(part) }]
  )

const turnOf = (message: Prompt.Message, hasThoughts: boolean, refuse: Refuse): ReadonlyArray<ChatMessage> => {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: markedContent(message.content, message) }]
    case "user":
      return [{ role: "user", content: markedContent(contentOf(message.content, refuse), message) }]
    case "assistant": {
      const turn = assistantOf(message, hasThoughts, refuse)
      return turn === undefined ? [] : [turn]
    }
    case "tool":
      return resultsOf(message, refuse)
  }
}

/**
 * The messages, and what of the prompt they do not say; none = they say all that an upstream can be told. `hasThoughts`: with those
 * of earlier turns, default false.
 */
export const messagesOf = (
  prompt: Prompt.Prompt,
  hasThoughts = false
): { readonly messages: ReadonlyArray<ChatMessage>; readonly refused: ReadonlyArray<string> } => {
  const refused: Array<string> = []
  const refuse = (what: string): void => {
    refused.push(what)
  }
  return { messages: prompt.content.flatMap((message) => turnOf(message, hasThoughts, refuse)), refused }
}
