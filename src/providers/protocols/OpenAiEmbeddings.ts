/**
 * OpenAI's embeddings: the caller's own text goes up with the model replaced, and the upstream's own text comes back unless it
 * breaks OpenAI's form. Trap: hosts that do not know `base64` answer with numbers, and OpenAI's own client would read those as
 * nonsense; vectors leave here as they were asked for.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import { countOf, type EmbeddingRequest } from "../../domain/Embedding.ts"
import { MalformedAnswer, type Reason } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import { type JsonText, replaceMembers } from "../../validation/JsonText.ts"
import type { Fallback } from "../Dialect.ts"
import type { EmbeddingAnswer, EmbeddingCall } from "../Provider.ts"
import { toReason } from "../ProviderError.ts"
import { isObject, isText, type Json, type JsonObject, parse } from "./OpenAiChatShape.ts"
import { mendUsage, servedIn } from "./OpenAiUsage.ts"

/** The caller's text for the upstream. */
export const lower = (source: JsonText, model: string): string =>
  replaceMembers(source, { model: JSON.stringify(model) })

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

/** A vector as 32-bit floats, little end first, in base64; what OpenAI means by `base64`. */
export const toBase64 = (vector: ReadonlyArray<number>): string => {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4))
  for (const [at, value] of vector.entries()) bytes.setFloat32(at * 4, value, true)
  return Base64.encode(new Uint8Array(bytes.buffer))
}

const fromBase64 = (text: string): Array<number> | undefined => {
  const read = Base64.decode(text)
  if (Result.isFailure(read) || read.success.length % 4 !== 0) return undefined
  const { buffer, byteOffset, length } = read.success
  const bytes = new DataView(buffer, byteOffset, length)
  return Array.from({ length: length / 4 }, (_, at) => bytes.getFloat32(at * 4, true))
}

type Encoding = "float" | "base64"

/** A vector that is not empty. */
export const isNumbers = (value: Json | undefined): value is Array<number> =>
  Array.isArray(value) && value.length > 0 && value.every((number) => typeof number === "number")

/** The vector as it was asked for; undefined where it is none. */
const encoded = (vector: Json | undefined, encoding: Encoding): Json | undefined => {
  if (isNumbers(vector)) return encoding === "base64" ? toBase64(vector) : vector
  if (!isText(vector)) return undefined
  return encoding === "float" ? fromBase64(vector) : vector
}

/** Numbers in a vector, in whichever encoding. */
const sizeOf = (vector: Json | undefined): number =>
  isNumbers(vector) ? vector.length : isText(vector) ? Buffer.byteLength(vector, "base64") / 4 : 0

/** A host that does not know `dimensions` passes over it. */
const unheeded = ([entry]: ReadonlyArray<Json>, { dimensions }: EmbeddingRequest): ReadonlyArray<string> | undefined =>
  typeof dimensions === "number" && isObject(entry) && sizeOf(entry["embedding"]) !== dimensions
    ? ["dimensions"]
    : undefined

/** True or false as it was changed; undefined where it is no vector. */
const mendEntry = (entry: Json, at: number, encoding: Encoding): boolean | undefined => {
  if (!isObject(entry)) return undefined
  const vector = encoded(entry["embedding"], encoding)
  if (vector === undefined) return undefined
  if (entry["embedding"] === vector && entry["object"] === "embedding" && Number.isInteger(entry["index"])) return false
  entry["embedding"] = vector
  entry["object"] = "embedding"
  if (!Number.isInteger(entry["index"])) entry["index"] = at
  return true
}

/** The members beside the vectors. */
const mendTop = (answer: JsonObject, model: string): boolean => {
  if (answer["object"] === "list" && isText(answer["model"])) return false
  answer["object"] = "list"
  if (!isText(answer["model"])) answer["model"] = model
  return true
}

/** What it used; a use that does not even count the prompt is dropped, one that is not told is not made up. */
const usageOf = (
  answer: JsonObject,
  served: string | undefined
): { readonly usage: Usage | undefined; readonly changed: boolean } => {
  const own = answer["usage"]
  if (own === undefined) return { usage: undefined, changed: false }
  const read = isObject(own) ? { ...own } : {}
  const usage = mendUsage(read, undefined, served)?.usage
  if (usage === undefined) {
    delete answer["usage"]
    return { usage, changed: true }
  }
  if (!isObject(own) || own["total_tokens"] === usage.totalTokens) return { usage, changed: false }
  own["total_tokens"] = usage.totalTokens
  return { usage, changed: true }
}

/** A body of status 200 to an answer, or to the reason it is none: no JSON, an error in disguise, or not a vector for each input. */
export const readAnswer = (
  text: string,
  { model, request, tellsModel }: Pick<EmbeddingCall, "model" | "request"> & Pick<Fallback, "tellsModel">,
  nowMs: number
): Omit<EmbeddingAnswer, "upstreamRequestId"> | Reason => {
  const value = parse(text)
  if (!isObject(value)) return malformed("The upstream's answer is not a JSON object.")
  if ((value["error"] !== undefined && value["error"] !== null) || value["object"] === "error") {
    return toReason("openai", { body: value, nowMs })
  }
  const data = value["data"]
  if (!Array.isArray(data)) return malformed("The upstream's answer has no embeddings.")
  const count = countOf(request.input)
  if (data.length !== count) {
    return malformed(`The upstream's answer has ${data.length} embeddings for an input of ${count}.`)
  }
  const served = servedIn(value, { tellsModel })
  let changed = mendTop(value, model)
  for (const [at, entry] of data.entries()) {
    const mended = mendEntry(entry, at, request.encoding_format ?? "float")
    if (mended === undefined) return malformed("The upstream's answer has an embedding that is no vector.")
    if (mended) changed = true
  }
  const { changed: changedUsage, usage } = usageOf(value, served)
  const said = value["model"]
  return {
    text: changed || changedUsage ? JSON.stringify(value) : text,
    model: isText(said) ? said : model,
    usage,
    dropped: unheeded(data, request)
  }
}
