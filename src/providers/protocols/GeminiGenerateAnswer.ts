/** A whole answer of Gemini's in OpenAI's shape. */
import { carriesNothing, type ChatCompletion } from "../../domain/ChatAnswer.ts"
import { MalformedAnswer, type Reason } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { Fallback, ReadAnswer } from "../Dialect.ts"
import { toReason } from "../ProviderError.ts"
import { isReason } from "./GeminiGenerateParts.ts"
import {
  callIdOf,
  finishOf,
  isBlocked,
  isSilent,
  logprobsOf,
  type Said,
  saidBy,
  tierOf,
  usageOf
} from "./GeminiGenerateSaid.ts"
import { isObject, isText, type Json, type JsonObject, parse, readFinish } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

const textOf = (said: ReadonlyArray<Said>, kind: "text" | "thinking"): string =>
  said.map((one) => one.kind === kind ? one.text : "").join("")

/** An image as several gateways give it, since OpenAI's chat has no place for one. */
export const imagePart = (url: string): JsonObject => ({ type: "image_url", image_url: { url } })

const messageOf = (said: ReadonlyArray<Said>, idPrefix: string, model: string): JsonObject => {
  const calls = said.flatMap((one) => one.kind === "call" ? [one] : [])
  const images = said.flatMap((one) => one.kind === "image" ? [imagePart(one.url)] : [])
  const content = textOf(said, "text")
  const thinking = textOf(said, "thinking")
  return {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    refusal: null,
    ...(thinking === "" ? {} : { reasoning_content: thinking }),
    ...(images.length === 0 ? {} : { images }),
    ...(calls.length === 0 ? {} : {
      tool_calls: calls.map((call, at) => ({
        id: callIdOf(call, `call_${idPrefix}_${at}`, model),
        type: "function",
        function: { name: call.name, arguments: call.arguments }
      }))
    })
  }
}

const choiceOf = (candidate: JsonObject, at: number, id: string, model: string): JsonObject | Reason => {
  const finish = finishOf(candidate, 200) ?? "stop"
  if (typeof finish !== "string") return finish
  const index = typeof candidate["index"] === "number" ? candidate["index"] : at
  const message = messageOf(saidBy(candidate), `${id}_${index}`, model)
  return {
    index,
    message,
    logprobs: logprobsOf(candidate),
    finish_reason: readFinish(finish, message["tool_calls"] !== undefined)
  }
}

/** The answer to a prompt that was refused: nothing, and why. */
const blocked: JsonObject = {
  index: 0,
  message: { role: "assistant", content: "", refusal: null },
  logprobs: null,
  finish_reason: "content_filter"
}

const choicesOf = (answer: JsonObject, id: string, model: string): Array<Json> | Reason => {
  const { candidates } = answer
  if (isBlocked(answer)) return [blocked]
  if (!Array.isArray(candidates) || candidates.length === 0) {
    return malformed("The upstream's answer has no candidates.")
  }
  const choices: Array<Json> = []
  for (const [at, candidate] of candidates.entries()) {
    const choice = isObject(candidate) ? choiceOf(candidate, at, id, model) : malformed("A candidate is no object.")
    if (isReason(choice)) return choice
    choices.push(choice)
  }
  return choices
}

const secondsOf = (time: Json | undefined): number | undefined => {
  const ms = isText(time) ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000)
}

/** Every candidate stopped without a word, however long it thought. */
const isNothing = (answer: JsonObject, { choices }: ChatCompletion): boolean =>
  isSilent(answer) &&
  choices.every(({ finish_reason, message }) => finish_reason === "stop" && carriesNothing(message))

const answerIn = (text: string): Json | undefined => {
  const value = parse(text)
  // Without `alt=sse` a stream is a list, and so are some errors.
  return Array.isArray(value) && value.length === 1 ? value[0] : value
}

/** What an answer used that is none, such as one without a word. */
export const usedIn = (text: string): Usage | undefined => {
  const answer = answerIn(text)
  const wire = isObject(answer) ? usageOf(answer) : undefined
  return wire === undefined || !isObject(answer) ? undefined : mendUsage(wire, tierOf(answer))?.usage
}

const read = (text: string, fallback: Fallback): ReadAnswer | Reason => {
  const answer = answerIn(text)
  if (!isObject(answer)) return malformed("The upstream's answer is not a JSON object.")
  if (isObject(answer["error"])) return toReason("gemini", { body: answer, nowMs: fallback.nowMs })
  const id = isText(answer["responseId"]) ? answer["responseId"] : fallback.id
  const choices = choicesOf(answer, id, fallback.model)
  if (isReason(choices)) return choices
  const tier = tierOf(answer)
  const wire = usageOf(answer)
  const usage = wire === undefined ? undefined : mendUsage(wire, tier)?.usage
  const written: JsonObject = {
    id,
    object: "chat.completion",
    created: secondsOf(answer["createTime"]) ?? fallback.created,
    model: isText(answer["modelVersion"]) ? answer["modelVersion"] : fallback.model,
    choices,
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...(wire === undefined ? {} : { usage: wire })
  }
  // Put together to the type just now.
  const completion = written as unknown as ChatCompletion
  if (isNothing(answer, completion)) return malformed("The upstream's answer has nothing in it.")
  return { text: JSON.stringify(written), completion, usage }
}

/** A body of status 200 to an answer, or to the reason it is none. */
export const readAnswer = (text: string, fallback: Fallback): ReadAnswer | Reason => {
  try {
    return read(text, fallback)
  } catch {
    // Arguments that are nested so deeply that they cannot be written again.
    return malformed("The upstream's answer cannot be read.")
  }
}
