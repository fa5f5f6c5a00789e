/**
 * From the text of a body to a checked chat request: JSON, nesting and size, duplicate and routing members, schema, rules — in this
 * order, each with an answer that says how to mend it. Plain functions, because this is the hot path.
 */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ChatRequest } from "../domain/Chat.ts"
import { InvalidRequest, type Reason } from "../domain/GatewayError.ts"
import { judgeImages } from "../validation/ImageUrl.ts"
import { isScanProblem, type JsonText, scan } from "../validation/JsonText.ts"
import { flawOfShape } from "../validation/Limits.ts"
import { flawOfRouting } from "../validation/Routing.ts"
import { defaultRuleSettings, flawOfRequest, type RuleSettings } from "../validation/Rules.ts"
import { parseJson, schemaReason } from "./RequestBody.ts"
import type { ServerSettings } from "./ServerSettings.ts"

/** What comes before: the bytes, and what they claim to be. */
export { judgeMediaType, readText } from "./RequestBody.ts"

const decode = Schema.decodeUnknownExit(ChatRequest)

/** A chat request that may go on, with the text it was written in. */
export interface CheckedRequest {
  readonly source: JsonText
  readonly request: ChatRequest
}

/**
 * Everything that can be said about a body without asking anyone.
 * @param imageHosts as in `ServerSettings`
 * @param rules all but the limits; default strict
 */
export const checkChat = (
  text: string,
  limits: ServerSettings["limits"],
  imageHosts?: ServerSettings["imageHosts"],
  rules: RuleSettings = defaultRuleSettings
): CheckedRequest | Reason => {
  const parsed = parseJson(text)
  if ("_tag" in parsed) return parsed
  const { value } = parsed
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return new InvalidRequest({ message: "The request body must be a JSON object with model and messages." })
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
  const request = value as ChatRequest
  const flaw = flawOfRequest(request, limits, rules) ?? judgeImages(request, imageHosts)
  return flaw === undefined ? { source, request } : new InvalidRequest(flaw)
}
