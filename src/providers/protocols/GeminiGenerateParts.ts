/**
 * OpenAI's content parts in Gemini's words. What Gemini cannot be told is refused with its place in the request and never left
 * out, because a question without its image is another question.
 */
import { type Reason, unsupported } from "../../domain/GatewayError.ts"
import { isObject, isText, type Json, type JsonObject } from "./OpenAiChatShape.ts"

/** `Reason`s are tagged, and nothing of the request is. */
export const isReason = (value: object): value is Reason => "_tag" in value

const imageTypes: Readonly<Record<string, string>> = {
  avif: "image/avif",
  bmp: "image/bmp",
  gif: "image/gif",
  heic: "image/heic",
  heif: "image/heif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  png: "image/png",
  webp: "image/webp"
}

const fileTypes: Readonly<Record<string, string>> = {
  ...imageTypes,
  aac: "audio/aac",
  aiff: "audio/aiff",
  css: "text/css",
  csv: "text/csv",
  flac: "audio/flac",
  html: "text/html",
  json: "application/json",
  md: "text/markdown",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  ogg: "audio/ogg",
  pdf: "application/pdf",
  txt: "text/plain",
  wav: "audio/wav",
  webm: "video/webm",
  xml: "text/xml"
}

/** The media type of an extension that is known. */
const typeOf = (extension: string): string | undefined =>
  Object.hasOwn(fileTypes, extension) ? fileTypes[extension] : undefined

const extensionOf = (name: string): string => /\.([a-z\d]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ""

const typeOfAddress = (address: string): string | undefined => typeOf(extensionOf(URL.parse(address)?.pathname ?? ""))

const dataForm = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i

interface Data {
  readonly mimeType: string
  readonly data: string
}

/** `data:image/png;base64,…`; undefined for any other data URI. */
const dataOf = (uri: string, usual: string): Data | undefined => {
  const [head, type = ""] = dataForm.exec(uri) ?? []
  return head === undefined ? undefined : { mimeType: type === "" ? usual : type, data: uri.slice(head.length) }
}

/** Addresses that Google fetches by itself: its own files and buckets, and on newer models any public one. */
const isAddress = (uri: string): boolean => /^(?:https?|gs):/i.test(uri)

const fromUri = (uri: string, usual: string, param: string): JsonObject | Reason => {
  if (isAddress(uri)) return { fileData: { mimeType: typeOfAddress(uri), fileUri: uri } }
  const data = dataOf(uri, usual)
  return data === undefined
    ? unsupported(param, "Gemini takes an http(s) or gs address or a data URI with base64 content here.")
    : { inlineData: { ...data } }
}

const audioPart = (audio: JsonObject): JsonObject => {
  const format = String(audio["format"]).toLowerCase()
  return { inlineData: { mimeType: typeOf(format) ?? `audio/${format}`, data: audio["data"] } }
}

const filePart = (file: JsonObject, param: string): JsonObject | Reason => {
  const { file_data: data, file_id: id, filename } = file
  const usual = typeOf(extensionOf(isText(filename) ? filename : "")) ?? "application/pdf"
  if (isText(data)) {
    return isAddress(data) || data.startsWith("data:")
      ? fromUri(data, usual, `${param}.file_data`)
      : { inlineData: { mimeType: usual, data } }
  }
  if (isText(id) && isAddress(id)) return { fileData: { mimeType: typeOfAddress(id), fileUri: id } }
  return isText(id)
    ? unsupported(`${param}.file_id`, "Gemini does not know this file. Send its content as file_data.")
    : unsupported(`${param}.file_data`, "The file has no content. Send it as file_data.")
}

/** One part; undefined where it says nothing. `param` is its place in the request. */
const partOf = (part: Json, param: string): JsonObject | undefined | Reason => {
  if (!isObject(part)) return undefined
  const { type } = part
  const value = part[String(type)]
  if (type === "text" || type === "refusal") return isText(value) ? { text: value } : undefined
  if (isObject(value)) {
    if ((type === "image_url" || type === "video_url") && isText(value["url"])) {
      return fromUri(value["url"], type === "image_url" ? "image/jpeg" : "video/mp4", `${param}.${type}.url`)
    }
    if (type === "input_audio") return audioPart(value)
    if (type === "file") return filePart(value, `${param}.file`)
  }
  return unsupported(`${param}.type`, `Gemini cannot be sent a part of the type ${String(type)}.`)
}

/** A content, whatever its form. Gemini refuses empty texts, so those are left out. */
export const partsOf = (content: Json | undefined, param: string): Array<JsonObject> | Reason => {
  if (isText(content)) return [{ text: content }]
  if (!Array.isArray(content)) return []
  const parts: Array<JsonObject> = []
  for (const [at, said] of content.entries()) {
    const part = partOf(said, `${param}[${at}]`)
    if (part === undefined) continue
    if (isReason(part)) return part
    parts.push(part)
  }
  return parts
}
