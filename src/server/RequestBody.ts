/**
 * From an HTTP body to a checked request: media type, size, JSON, duplicate members, nesting, schema — in this order, each
 * with an answer that says how to mend it. Plain functions, because this is the hot path.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { requestProblem } from "../api/RequestProblem.ts"
import { ChatRequest } from "../domain/Chat.ts"
import { EmbeddingRequest } from "../domain/Embedding.ts"
import {
  DeadlineExceeded,
  type GatewayError,
  gatewayError,
  InvalidRequest,
  PayloadTooLarge,
  type Reason,
  UnsupportedMediaType
} from "../domain/GatewayError.ts"
import { judgeImages } from "../validation/ImageUrl.ts"
import { isScanProblem, type JsonText, scan } from "../validation/JsonText.ts"
import { type BodyFault, readBytes } from "./BodyBytes.ts"
import { findFault } from "./JsonFault.ts"
import type { ServerSettings } from "./ServerSettings.ts"

const charsetOf = /;\s*charset\s*=\s*"?([^";\s]*)/i

/** UTF-8 and its subset; `utf8` is a common slip. */
const plainCharset = /^(?:utf-?8|us-ascii)$/i

/** Fatal, so that no byte is replaced in silence; a byte order mark is dropped. */
const utf8 = new TextDecoder("utf-8", { fatal: true })

const jsonType = /^\s*application\/(?:json|[a-z0-9!#$&^_.-]+\+json)\s*(?:;|$)/i

const megabytes = (bytes: number): string =>
  bytes >= 1024 ** 2 ? `${Math.round(bytes / 1024 ** 2 * 10) / 10} MB` : `${bytes} bytes`

const tooLarge = (limit: number): Reason =>
  new PayloadTooLarge({
    message: `The request body is larger than ${megabytes(limit)}. Send less, or raise server.limits.body.`
  })

const readFailure = (fault: BodyFault, limit: number): GatewayError =>
  gatewayError(
    fault === "too large"
      ? tooLarge(limit)
      : new InvalidRequest({ message: "The request body could not be read to its end.", code: "invalid_body" })
  )

const decodeText = (bytes: Uint8Array): Effect.Effect<string, GatewayError> => {
  try {
    return Effect.succeed(utf8.decode(bytes))
  } catch {
    return Effect.fail(gatewayError(
      new InvalidRequest({ message: "The request body is not valid UTF-8.", code: "invalid_utf8" })
    ))
  }
}

/** Foreign words are told back short. */
const quoted = (word: string): string => `'${word.trim().slice(0, 40)}'`

const tooSlow = Effect.fail(gatewayError(
  new DeadlineExceeded({ message: "The deadline of the request passed before its body had come." })
))

/**
 * Reads the body up to `limit` bytes and for `timeoutMs`; without that, how long it may take is the socket's to say. A declared
 * length above the limit is refused before anything is read, as is a coding: bodies are taken as they are.
 */
export const readText = (
  request: HttpServerRequest,
  limit: number,
  timeoutMs?: number
): Effect.Effect<string, GatewayError> => {
  const { headers } = request
  const coding = headers["content-encoding"]
  if (coding !== undefined && !/^\s*(?:identity)?\s*$/i.test(coding)) {
    return Effect.fail(gatewayError(
      new UnsupportedMediaType({
        message: `The content-encoding ${quoted(coding)} is not taken. Send the body without one.`
      })
    ))
  }
  const declared = headers["content-length"]
  if (declared !== undefined && Number(declared) > limit) return Effect.fail(gatewayError(tooLarge(limit)))
  const read = Effect.matchEffect(readBytes(request, limit), {
    onSuccess: decodeText,
    onFailure: (fault) => Effect.fail(readFailure(fault, limit))
  })
  return timeoutMs === undefined
    ? read
    : Effect.timeoutOrElse(read, { duration: timeoutMs, orElse: () => tooSlow })
}

/** The reason to refuse a media type: one that is named and is not JSON in UTF-8. */
export const judgeMediaType = (contentType: string | undefined): Reason | undefined => {
  if (contentType === undefined || contentType === "" || contentType === "application/json") return undefined
  if (!jsonType.test(contentType)) {
    return new UnsupportedMediaType({
      message: "The request body must be JSON. Send it with 'content-type: application/json'."
    })
  }
  const charset = charsetOf.exec(contentType)?.[1]
  return charset === undefined || plainCharset.test(charset) ? undefined : new UnsupportedMediaType({
    message: `The charset ${quoted(charset)} is not taken. Send JSON in UTF-8.`
  })
}

const place = (text: string): string => {
  const at = findFault(text)
  if (at === undefined) return "It is too long to say where"
  if (at >= text.trimEnd().length) return "The text ends too early"
  const before = text.slice(0, at).split("\n")
  return `Line ${before.length}, column ${
    (before.at(-1)?.length ?? 0) + 1
  } (position ${at}) is where it stops making sense`
}

/** The parsed text, or the reason why it is no JSON; `wanted`: the members that it must have, in words. */
export const parseJson = (text: string, wanted = "model and messages"): { readonly value: unknown } | Reason => {
  if (text.trim() === "") {
    return new InvalidRequest({
      message: `The request body is empty. Send a JSON object with ${wanted}.`,
      code: "empty_body"
    })
  }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return new InvalidRequest({
      message: `The request body is not valid JSON. ${place(text)}.`,
      code: "invalid_json"
    })
  }
}

const isDeeper = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (levels === 0) return true
  for (const member of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof member === "object" && isDeeper(member, levels - 1)) return true
  }
  return false
}

/** The failure of a decoder, told as a reason; `showsStrings` quotes a wrong text of the input. */
export const schemaReason = (cause: Cause.Cause<Schema.SchemaError>, input: unknown, showsStrings = false): Reason => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  return new InvalidRequest(
    error === undefined
      ? { message: "The request could not be checked." }
      : requestProblem(error.issue, input, showsStrings)
  )
}

/** A request that may go on, with the text it was written in. */
export interface CheckedRequest<Asked = ChatRequest> {
  readonly source: JsonText
  readonly request: Asked
}

/** What a body is checked against, and the members that it must have, in words. */
interface Shape<Asked> {
  readonly decode: (value: unknown) => Exit.Exit<Asked, Schema.SchemaError>
  readonly wanted: string
}

const chat: Shape<ChatRequest> = { decode: Schema.decodeUnknownExit(ChatRequest), wanted: "model and messages" }
const embeddings: Shape<EmbeddingRequest> = {
  decode: Schema.decodeUnknownExit(EmbeddingRequest),
  wanted: "model and input"
}

const check = <Asked>(
  text: string,
  limits: ServerSettings["limits"],
  { decode, wanted }: Shape<Asked>
): CheckedRequest<Asked> | Reason => {
  const parsed = parseJson(text, wanted)
  if ("_tag" in parsed) return parsed
  const { value } = parsed
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidRequest({ message: `The request body must be a JSON object with ${wanted}.` })
  }
  if (isDeeper(value, limits.depth)) {
    return new InvalidRequest({
      message: `The request is nested deeper than ${limits.depth} levels.`,
      code: "too_deep"
    })
  }
  const source = scan(text)
  if (isScanProblem(source)) return new InvalidRequest(source)
  const decoded = decode(value)
  if (Exit.isFailure(decoded)) return schemaReason(decoded.cause, value)
  // The schema only checks, so the checked value is the decoded one; it keeps the members that a dialect may still want to map.
  return { source, request: value as Asked }
}

/** Everything that can be said about a chat request without asking anyone; `imageHosts` as in `ServerSettings`. */
export const checkChat = (
  text: string,
  limits: ServerSettings["limits"],
  imageHosts?: ServerSettings["imageHosts"]
): CheckedRequest | Reason => {
  const checked = check(text, limits, chat)
  if ("_tag" in checked) return checked
  const { messages } = checked.request
  if (messages.length > limits.messages) {
    return new InvalidRequest({
      message: `Invalid 'messages': expected at most ${limits.messages} messages, got ${messages.length}.`,
      param: "messages"
    })
  }
  const image = judgeImages(checked.request, imageHosts)
  return image === undefined ? checked : new InvalidRequest(image)
}

/** The same about a request for embeddings. */
export const checkEmbedding = (
  text: string,
  limits: ServerSettings["limits"]
): CheckedRequest<EmbeddingRequest> | Reason => check(text, limits, embeddings)
