/**
 * From the text of a body to a checked request for an answer: nesting and size, JSON, duplicate and routing members, schema, rules — in this
 * order, each with an answer that says how to mend it. Plain functions, because this is the hot path.
 */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ChatRequest } from "../domain/Chat.ts"
import { EmbeddingRequest } from "../domain/Embedding.ts"
import { InvalidRequest, type Reason } from "../domain/GatewayError.ts"
import { judgeImages } from "../validation/ImageUrl.ts"
import { isScanProblem, type JsonText, scan } from "../validation/JsonText.ts"
import { flawOfShape, flawOfText } from "../validation/Limits.ts"
import { flawOfRouting } from "../validation/Routing.ts"
import { defaultRuleSettings, flawOfModel, flawOfRequest, type RuleSettings } from "../validation/Rules.ts"
import { parseJson, schemaReason } from "./RequestBody.ts"
import type { ServerSettings } from "./ServerSettings.ts"

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
  const excess = flawOfText(text, limits)
  if (excess !== undefined) return new InvalidRequest(excess)
  const parsed = parseJson(text, wanted)
  if ("_tag" in parsed) return parsed
  const { value } = parsed
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidRequest({ message: `The request body must be a JSON object with ${wanted}.` })
  }
  const shape = flawOfShape(value, limits)
  if (shape !== undefined) return new InvalidRequest(shape)
  const source = scan(text)
  if (isScanProblem(source)) return new InvalidRequest(source)
  const routing = flawOfRouting(source.members.keys())
  if (routing !== undefined) return new InvalidRequest(routing)
  const decoded = decode(value)
  if (Exit.isFailure(decoded)) return schemaReason(decoded.cause, value)
  // The schema only checks, so the checked value is the decoded one; it keeps the members that a dialect may still want to map.
  return { source, request: value as Asked }
}

/**
 * Everything that can be said about a chat request without asking anyone.
 * @param imageHosts as in `ServerSettings`
 * @param rules all but the limits; default strict
 */
export const checkChat = (
  text: string,
  limits: ServerSettings["limits"],
  imageHosts?: ServerSettings["imageHosts"],
  rules: RuleSettings = defaultRuleSettings
): CheckedRequest | Reason => {
  const checked = check(text, limits, chat)
  if ("_tag" in checked) return checked
  const flaw = flawOfRequest(checked.request, limits, rules) ?? judgeImages(checked.request, imageHosts)
  return flaw === undefined ? checked : new InvalidRequest(flaw)
}

/** Some upstreams read a conversation in the place of `input`, pictures and all. */
const messagesIn = (request: object): ReadonlyArray<unknown> => {
  const found: unknown = Object.getOwnPropertyDescriptor(request, "messages")?.value
  return Array.isArray(found) ? found : []
}

/** The same about a request for embeddings. */
export const checkEmbedding = (
  text: string,
  limits: ServerSettings["limits"],
  imageHosts?: ServerSettings["imageHosts"]
): CheckedRequest<EmbeddingRequest> | Reason => {
  const checked = check(text, limits, embeddings)
  if ("_tag" in checked) return checked
  const flaw = flawOfModel(checked.request.model, limits)
    ?? judgeImages({ messages: messagesIn(checked.request) }, imageHosts)
  return flaw === undefined ? checked : new InvalidRequest(flaw)
}
