/**
 * OpenAI's content parts as blocks of Bedrock Converse. What Bedrock cannot be told is refused with its place in the request and
 * never left out, because a question without its image is another question.
 */
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** `Reason`s are tagged, and nothing of a request is. */
export const isReason = (value: object): value is Reason => "_tag" in value

const imageFormats: ReadonlyMap<string, string> = new Map([
  ["gif", "gif"],
  ["jpeg", "jpeg"],
  ["jpg", "jpeg"],
  ["png", "png"],
  ["webp", "webp"]
])

const documentFormats: ReadonlySet<string> = new Set(["csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"])

const documentTypes: ReadonlyMap<string, string> = new Map([
  ["application/msword", "doc"],
  ["application/pdf", "pdf"],
  ["application/vnd.ms-excel", "xls"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"],
  ["text/csv", "csv"],
  ["text/html", "html"],
  ["text/markdown", "md"],
  ["text/plain", "txt"]
])

const audioFormats: ReadonlySet<string> = new Set([
  "aac",
  "flac",
  "m4a",
  "mka",
  "mkv",
  "mp3",
  "mp4",
  "mpeg",
  "mpga",
  "ogg",
  "opus",
  "pcm",
  "wav",
  "webm",
  "x-aac"
])

const extensionOf = (name: string): string => /\.([a-z\d]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ""

interface Data {
  readonly type: string
  readonly bytes: string
}

/** `data:image/png;base64,…` */
const dataOf = (uri: string): Data | undefined => {
  const [head, type = ""] = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(uri) ?? []
  return head === undefined ? undefined : { type: type.toLowerCase(), bytes: uri.slice(head.length) }
}

const imageBlock = (image: JsonObject, param: string): JsonObject | Reason => {
  const url = String(image["url"])
  const isStored = /^s3:/i.test(url)
  const data = isStored ? undefined : dataOf(url)
  if (!isStored && data === undefined) {
    return unsupported(
      `${param}.image_url.url`,
      "Bedrock fetches no addresses: give the image as a data URI, or as s3://…."
    )
  }
  const name = data === undefined ? extensionOf(url) : data.type.replace(/^image\//, "")
  const format = imageFormats.get(name)
  if (format === undefined) {
    return unsupported(`${param}.image_url.url`, "Bedrock takes images as png, jpeg, gif or webp.")
  }
  return { image: { format, source: data === undefined ? { s3Location: { uri: url } } : { bytes: data.bytes } } }
}

/** Letters, digits, single spaces, hyphens and brackets are allowed; what a file is called says no more than that. */
const documentName = (filename: string): string =>
  filename.replace(/\.[a-z\d]+$/i, "").replaceAll(/[^a-z\d\s\-()[\]]/gi, " ").replaceAll(/\s+/g, " ").trim()
    .slice(0, 200) || "document"

const documentBlock = (file: JsonObject, param: string): JsonObject | Reason => {
  const { file_data: written, filename } = file
  if (!isText(written)) {
    return unsupported(`${param}.file`, "Bedrock has no files of its own: give the file's content as file_data.")
  }
  const data = dataOf(written) ?? { type: "", bytes: written }
  const name = isText(filename) ? filename : ""
  const format = documentTypes.get(data.type) ?? extensionOf(name)
  if (!documentFormats.has(format)) {
    return unsupported(`${param}.file`, `Bedrock takes files as ${[...documentFormats].join(", ")}.`)
  }
  return { document: { format, name: documentName(name), source: { bytes: data.bytes } } }
}

const audioBlock = (audio: JsonObject, param: string): JsonObject | Reason => {
  const format = String(audio["format"]).toLowerCase()
  return audioFormats.has(format)
    ? { audio: { format, source: { bytes: audio["data"] } } }
    : unsupported(`${param}.input_audio.format`, `Bedrock takes sound as ${[...audioFormats].join(", ")}.`)
}

/** Undefined for a text without a character that shows: Bedrock refuses those. */
const textBlock = (text: Json | undefined): JsonObject | undefined =>
  typeof text === "string" && text.trim() !== "" ? { text } : undefined

const blockOf = (part: JsonObject, param: string): JsonObject | Reason | undefined => {
  const { file, image_url: image, input_audio: audio, type } = part
  if (type === "text") return textBlock(part["text"])
  if (type === "refusal") return textBlock(part["refusal"])
  if (type === "image_url" && isObject(image)) return imageBlock(image, param)
  if (type === "file" && isObject(file)) return documentBlock(file, param)
  if (type === "input_audio" && isObject(audio)) return audioBlock(audio, param)
  return unsupported(`${param}.type`, `Bedrock has no part ${String(type)}.`)
}

/** The cache point that a part, a message or a tool asks for, in OpenAI's words or in those that Anthropic's callers use. */
export const cachePointOf = (holder: JsonObject): ReadonlyArray<JsonObject> => {
  const { cache_control: control, prompt_cache_breakpoint: breakpoint } = holder
  if (!isObject(control)) return isObject(breakpoint) ? [{ cachePoint: { type: "default" } }] : []
  const { ttl } = control
  return [{ cachePoint: { type: "default", ttl: ttl === "1h" || ttl === "5m" ? ttl : undefined } }]
}

/** The blocks of a content, string or parts; `param` is its place in the request. */
export const blocksOf = (content: Json | undefined, param: string): ReadonlyArray<JsonObject> | Reason => {
  if (!Array.isArray(content)) {
    const block = textBlock(content)
    return block === undefined ? [] : [block]
  }
  const blocks: Array<JsonObject> = []
  for (const [index, part] of content.entries()) {
    if (!isObject(part)) continue
    const block = blockOf(part, `${param}[${index}]`)
    if (block === undefined) continue
    if (isReason(block)) return block
    blocks.push(block, ...cachePointOf(part))
  }
  return blocks
}
