/**
 * Bedrock's errors in OpenAI's words, which the table of `ProviderError.ts` knows: Bedrock names the class in a header or in the
 * event stream and says only a message in the body, and its gateways write that as `Message`.
 */
import { headerOf } from "./RetryHint.ts"
import type { ResponseHeaders } from "./TransportExchange.ts"

/** By class, without its ending and in lower case. A class that is not here leaves the word to the status. */
const codes: ReadonlyMap<string, string> = new Map([
  ["throttling", "rate_limit_exceeded"],
  ["toomanyrequests", "rate_limit_exceeded"],
  ["servicequotaexceeded", "insufficient_quota"],
  ["accessdenied", "permission_denied"],
  ["unrecognizedclient", "invalid_api_key"],
  ["invalidsignature", "invalid_api_key"],
  ["incompletesignature", "invalid_api_key"],
  ["signaturedoesnotmatch", "invalid_api_key"],
  ["missingauthenticationtoken", "invalid_api_key"],
  ["expiredtoken", "invalid_api_key"],
  ["invalidclienttokenid", "invalid_api_key"],
  ["optinrequired", "permission_denied"],
  ["resourcenotfound", "model_not_found"],
  ["modeltimeout", "timeout_error"],
  ["modelnotready", "overloaded_error"],
  ["serviceunavailable", "overloaded_error"],
  ["internalserver", "server_error"],
  ["internalfailure", "server_error"],
  ["modelerror", "server_error"],
  ["modelstreamerror", "server_error"],
  ["conflict", "server_error"]
])

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = (value: unknown): string => typeof value === "string" ? value : ""

/** `com.amazon.x#ThrottlingException:http://internal…` and `throttlingException` to `throttling`. */
const classOf = (name: string): string =>
  (name.split(":")[0]?.split("#").at(-1) ?? "").toLowerCase().replace(/(?:exception|error)$/, "")

const tooLong =
  /too many (?:input )?tokens\b(?!.*\bper\b)|input tokens exceeded|input is too long|exceeds? (?:the )?maximum length/i
/** Of Bedrock's limits the one of a day is not waited for. */
const daily = /\bper day\b|\bdaily\b/i
/** A model that the account, the region or the way of asking does not have, as a fault of the request. */
const noModel =
  /model identifier is invalid|on-demand throughput isn.t supported|model version has reached the end of its life/i

const codeOf = (name: string, said: string): string => {
  const known = classOf(name)
  if (known === "throttling" && daily.test(said)) return "insufficient_quota"
  if (known === "validation" || known === "") {
    if (tooLong.test(said)) return "context_length_exceeded"
    if (noModel.test(said)) return "model_not_found"
    return known === "" ? "" : "invalid_request_error"
  }
  return codes.get(known) ?? ""
}

/** `{error: {message, code}}`; the class stands in the header `x-amzn-errortype`, where an exception of a stream puts its own. */
export const openAiErrorOf = (body: unknown, headers: ResponseHeaders = {}): unknown => {
  const said = isRecord(body) ? body : {}
  const message = textOf(said["message"]) || textOf(said["Message"]) || textOf(body)
  const code = codeOf(headerOf(headers, "x-amzn-errortype") || textOf(said["__type"]), message)
  return { error: code === "" ? { message } : { message, code } }
}
