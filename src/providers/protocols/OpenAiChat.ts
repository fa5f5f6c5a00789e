/**
 * OpenAI's chat dialect without streaming: the caller's own text goes up with the model replaced, and the upstream's own text
 * comes back unless it breaks one of OpenAI's output rules; then a repaired copy does.
 */
import { carriesNothing, type ChatCompletion } from "../../domain/ChatAnswer.ts"
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, UpstreamFailed } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { JsonText } from "../../validation/JsonText.ts"
import { isScanProblem, replaceMembers, scan } from "../../validation/JsonText.ts"
import type { Fallback, ReadAnswer } from "../Dialect.ts"
import { toReason } from "../ProviderError.ts"
import type { Json, JsonObject } from "./OpenAiChatShape.ts"
import {
  argumentsText,
  identityOf,
  isFailedFinish,
  isObject,
  isText,
  mendLogprobs,
  mendTexts,
  mendTop,
  parse,
  parseKeepingDigits,
  readFinish
} from "./OpenAiChatShape.ts"
import { mendUsage, servedIn, tierOf } from "./OpenAiUsage.ts"

const memberOf = (source: JsonText, name: string): string | undefined => {
  const span = source.members.get(name)
  return span === undefined ? undefined : source.text.slice(span.start, span.end)
}

/**
 * The caller's text for the upstream, `stream` as the flow wants it; a streamed request always asks for usage and keeps its
 * other stream options. `tellsUsage`: the host tells it unasked, and nothing is said of it.
 */
export const lower = (source: JsonText, model: string, stream: boolean, tellsUsage = false): string => {
  const streams = memberOf(source, "stream") === "true"
  const members = { model: JSON.stringify(model), stream: streams === stream ? undefined : String(stream) }
  if (!stream || tellsUsage) return replaceMembers(source, members)
  const options = scan(memberOf(source, "stream_options") ?? "{}")
  const asking = isScanProblem(options)
    ? "{\"include_usage\":true}"
    : replaceMembers(options, { include_usage: "true" })
  return replaceMembers(source, { ...members, stream_options: asking })
}

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

const mendCall = (call: Json, fallbackId: string): boolean => {
  if (!isObject(call)) return false
  let changed = false
  if (!isText(call["id"])) {
    call["id"] = fallbackId
    changed = true
  }
  if (isObject(call["custom"])) return changed
  if (call["type"] !== "function") {
    call["type"] = "function"
    changed = true
  }
  const called: JsonObject = isObject(call["function"]) ? call["function"] : {}
  const written = called["arguments"]
  const text = argumentsText(written)
  const whole = text.trim() === "" ? "{}" : text
  if (whole === written && typeof called["name"] === "string") return changed
  called["arguments"] = whole
  called["name"] ??= ""
  call["function"] = called
  return true
}

const mendCalls = (message: JsonObject, id: string, index: number): boolean => {
  const calls = message["tool_calls"]
  if (calls === undefined) return false
  if (!Array.isArray(calls) || calls.length === 0) {
    delete message["tool_calls"]
    return true
  }
  let changed = false
  for (const [at, call] of calls.entries()) {
    if (mendCall(call, `call_${id}_${index}_${at}`)) changed = true
  }
  return changed
}

const mendMessage = (message: JsonObject, id: string, index: number): boolean => {
  let changed = mendTexts(message)
  if (message["role"] !== "assistant") {
    message["role"] = "assistant"
    changed = true
  }
  for (const name of ["content", "refusal"]) {
    if (message[name] !== undefined) continue
    message[name] = null
    changed = true
  }
  return mendCalls(message, id, index) || changed
}

/** True or false as it was changed, or why the choice is no choice. */
const mendChoice = (choice: JsonObject, id: string, at: number): boolean | Reason => {
  const message = choice["message"]
  if (!isObject(message)) return malformed("The upstream's answer has a choice without a message.")
  if (isFailedFinish(choice["finish_reason"])) {
    return new UpstreamFailed({ message: "The upstream broke its answer off.", upstreamStatus: 200 })
  }
  let changed = mendMessage(message, id, at)
  const said = choice["finish_reason"]
  const finish = readFinish(typeof said === "string" ? said : "stop", Array.isArray(message["tool_calls"]))
  if (finish !== said) {
    choice["finish_reason"] = finish
    changed = true
  }
  if (!Number.isInteger(choice["index"])) {
    choice["index"] = at
    changed = true
  }
  if (choice["logprobs"] === undefined) {
    choice["logprobs"] = null
    changed = true
  }
  return mendLogprobs(choice["logprobs"]) || changed
}

const mendAnswerUsage = (
  answer: JsonObject,
  tier: string | undefined,
  served: string | undefined
): { readonly usage: Usage | undefined; readonly changed: boolean } => {
  const own = answer["usage"]
  if (own === undefined) return { usage: undefined, changed: false }
  const mended = isObject(own) ? mendUsage(own, tier, served) : undefined
  if (mended !== undefined) return mended
  delete answer["usage"]
  return { usage: undefined, changed: true }
}

interface Mended {
  readonly usage: Usage | undefined
  readonly changed: boolean
}

const mend = (answer: JsonObject, fallback: Fallback): Mended | Reason => {
  const choices = answer["choices"]
  if (!Array.isArray(choices) || choices.length === 0) return malformed("The upstream's answer has no choices.")
  const identity = identityOf(answer, fallback)
  const tier = tierOf(answer)
  const served = servedIn(answer, fallback)
  let changed = mendTop(answer, "chat.completion", identity)
  for (const [at, choice] of choices.entries()) {
    const mended = isObject(choice) ? mendChoice(choice, identity.id, at) : malformed("A choice is no object.")
    if (typeof mended !== "boolean") return mended
    if (mended) changed = true
  }
  const { changed: changedUsage, usage } = mendAnswerUsage(answer, tier, served)
  return { usage, changed: changed || changedUsage }
}

/** What an answer used that is none, such as one without a word. */
export const usedIn = (text: string, fallback: Fallback): Usage | undefined => {
  const value = parse(text)
  return isObject(value) ? mendAnswerUsage(value, tierOf(value), servedIn(value, fallback)).usage : undefined
}

const isReason = (result: Mended | Reason): result is Reason => "_tag" in result

/** Every choice stopped without a word, and no tokens were counted. An answer that was filtered or cut says so itself. */
const isNothing = ({ choices }: ChatCompletion, usage: Usage | undefined): boolean =>
  (usage?.completionTokens ?? 0) === 0 &&
  choices.every(({ finish_reason, message }) => finish_reason === "stop" && carriesNothing(message))

/** A body of status 200 to an answer, or to the reason it is none: no JSON, an error in disguise, no choices, or nothing in them. */
export const readAnswer = (text: string, fallback: Fallback): ReadAnswer | Reason => {
  const value = parse(text)
  if (!isObject(value)) return malformed("The upstream's answer is not a JSON object.")
  if ((value["error"] !== undefined && value["error"] !== null) || value["object"] === "error") {
    return toReason("openai", { body: value, nowMs: fallback.nowMs })
  }
  const mended = mend(value, fallback)
  if (isReason(mended)) return mended
  // Mended to the type just now.
  const completion = value as unknown as ChatCompletion
  if (isNothing(completion, mended.usage)) return malformed("The upstream's answer has nothing in it.")
  if (!mended.changed) return { text, completion, usage: mended.usage }
  const exact = parseKeepingDigits(text, value)
  if (exact !== value && isObject(exact)) mend(exact, fallback)
  return { text: JSON.stringify(exact), completion, usage: mended.usage }
}
