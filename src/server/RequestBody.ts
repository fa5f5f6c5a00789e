/**
 * From an HTTP body to JSON: media type, size, encoding, syntax — in this order, each with an answer that says how to mend it. What
 * a chat request has to be beyond that is in `ChatBody.ts`. Plain functions, because this is the hot path.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { requestProblem } from "../api/RequestProblem.ts"
import {
  DeadlineExceeded,
  type GatewayError,
  gatewayError,
  InvalidRequest,
  PayloadTooLarge,
  type Reason,
  UnsupportedMediaType
} from "../domain/GatewayError.ts"
import { type BodyFault, readBytes } from "./BodyBytes.ts"
import { findFault } from "./JsonFault.ts"

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

/** The reason to refuse a media type: one that is not JSON in UTF-8, or that a page left out, which it may send without asking. */
export const judgeMediaType = (headers: HttpServerRequest["headers"]): Reason | undefined => {
  const contentType = headers["content-type"] ?? ""
  if (contentType === "application/json" || (contentType === "" && headers["origin"] === undefined)) return undefined
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

/** The failure of a decoder, told as a reason; `showsStrings` quotes a wrong text of the input. */
export const schemaReason = (cause: Cause.Cause<Schema.SchemaError>, input: unknown, showsStrings = false): Reason => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  return new InvalidRequest(
    error === undefined
      ? { message: "The request could not be checked." }
      : requestProblem(error.issue, input, showsStrings)
  )
}
