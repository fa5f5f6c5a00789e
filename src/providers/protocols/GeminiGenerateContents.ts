/**
 * A conversation in Gemini's words: `systemInstruction` and `contents`. Trap: a call's thought signature has to come back with it,
 * and plain clients of OpenAI keep nothing but its id, so that is where it travels (`OpaqueState.ts`).
 */
import type { ChatMessage } from "../../domain/Chat.ts"
import { InvalidRequest, type Reason, unsupported } from "../../domain/GatewayError.ts"
import { isReason, partsOf } from "./GeminiGenerateParts.ts"
import { foreignSignature, generationOf, signingGeneration } from "./GeminiModels.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, isText, type Json, type JsonObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"

export interface Conversation {
  readonly systemInstruction: JsonObject | undefined
  readonly contents: Array<Json>
}

interface Turn {
  readonly role: "user" | "model"
  readonly parts: Array<JsonObject>
  /** Results of tools stand by themselves: as many as there were calls. */
  readonly isResults: boolean
}

interface Writing {
  readonly system: Array<JsonObject>
  readonly turns: Array<Turn>
  /** Names of the functions that were called, by the ids of the calls. */
  readonly names: Map<string, string>
  /** What came with results of tools beside their texts; it follows when the last result of the turn is there. */
  readonly attached: Array<JsonObject>
  readonly model: string
}

const attachment = (attached: Array<JsonObject>): ReadonlyArray<Turn> =>
  attached.length === 0 ? [] : [{ role: "user", parts: attached.splice(0), isResults: false }]

const add = (writing: Writing, role: Turn["role"], parts: ReadonlyArray<JsonObject>, isResults = false): void => {
  const { attached, turns } = writing
  if (parts.length === 0) return
  if (!isResults) turns.push(...attachment(attached))
  const last = turns.at(-1)
  if (last?.role === role && last.isResults === isResults) last.parts.push(...parts)
  else turns.push({ role, parts: [...parts], isResults })
}

/** An object's text to the object, with big integers as they were written. */
const objectOf = (text: string): JsonObject | undefined => {
  const value = parse(text)
  const exact = value === undefined ? undefined : parseKeepingDigits(text, value)
  return isObject(exact) ? exact : undefined
}

/** Google's own compatible endpoint has it beside the call. */
const signatureBeside = (call: JsonObject): string | undefined => {
  const extra = call["extra_content"]
  const google = isObject(extra) ? extra["google"] : undefined
  const signature = isObject(google) ? google["thought_signature"] : undefined
  return isText(signature) ? signature : undefined
}

const callPart = (call: JsonObject, param: string, writing: Writing): JsonObject | Reason => {
  const called = call["function"]
  if (!isObject(called)) return unsupported(param, "Gemini has calls of functions only.")
  const text = isText(called["arguments"]) && called["arguments"].trim() !== "" ? called["arguments"] : "{}"
  const args = objectOf(text)
  if (args === undefined) return unsupported(`${param}.function.arguments`, "The arguments are not a JSON object.")
  const name = String(called["name"])
  if (!isText(call["id"])) return { functionCall: { name, args } }
  const id = OpaqueState.idOf(call["id"])
  writing.names.set(id, name)
  const thoughtSignature = OpaqueState.stateOf(call["id"], "g", writing.model) ?? signatureBeside(call)
  return { functionCall: { id, name, args }, thoughtSignature }
}

const addCalls = (calls: ReadonlyArray<Json>, param: string, parts: Array<JsonObject>, writing: Writing) => {
  for (const [at, call] of calls.entries()) {
    if (!isObject(call)) continue
    const part = callPart(call, `${param}[${at}]`, writing)
    if (isReason(part)) return part
    // Of calls made at once only the first has it.
    if (at === 0 && generationOf(writing.model) >= signingGeneration) part["thoughtSignature"] ??= foreignSignature
    parts.push(part)
  }
  return undefined
}

/** As OpenAI's clients called a function before there were tools: at most one, without an id. */
const oldCalls = (called: Json | undefined): ReadonlyArray<Json> => isObject(called) ? [{ function: called }] : []

const addAssistant = (message: JsonObject, param: string, writing: Writing): Reason | undefined => {
  if (isObject(message["audio"])) {
    return unsupported(`${param}.audio`, "Gemini does not know the audio of earlier answers.")
  }
  const said = partsOf(message["content"], `${param}.content`)
  if (isReason(said)) return said
  // Where earlier answers put their images, see `imagePart`.
  const images = partsOf(message["images"], `${param}.images`)
  if (isReason(images)) return images
  said.push(...images)
  if (isText(message["refusal"])) said.push({ text: message["refusal"] })
  const calls = message["tool_calls"]
  const failed = Array.isArray(calls)
    ? addCalls(calls, `${param}.tool_calls`, said, writing)
    : addCalls(oldCalls(message["function_call"]), `${param}.function_call`, said, writing)
  if (failed !== undefined) return failed
  add(writing, "model", said)
  return undefined
}

/** A result that is no object is wrapped, and so is one with references in it, because Gemini tries to resolve them. */
const responseOf = (text: string): JsonObject => {
  const value = text.includes("\"$ref\"") ? undefined : objectOf(text)
  return value ?? { result: text }
}

const addResult = (message: JsonObject, param: string, writing: Writing): Reason | undefined => {
  const id = isText(message["tool_call_id"]) ? OpaqueState.idOf(message["tool_call_id"]) : undefined
  const name = id === undefined ? String(message["name"]) : writing.names.get(id)
  if (name === undefined) {
    const message =
      "No call before this message has this id. Send the call, in an assistant message, before its result."
    return new InvalidRequest({ message, param: `${param}.tool_call_id` })
  }
  const parts = partsOf(message["content"], `${param}.content`)
  if (isReason(parts)) return parts
  const texts = parts.flatMap(({ text }) => isText(text) ? [text] : [])
  add(writing, "user", [{ functionResponse: { id, name, response: responseOf(texts.join("\n")) } }], true)
  writing.attached.push(...parts.filter(({ text }) => !isText(text)))
  return undefined
}

const addMessage = (message: JsonObject, param: string, writing: Writing): Reason | undefined => {
  const { role } = message
  if (role === "assistant") return addAssistant(message, param, writing)
  if (role === "tool" || role === "function") return addResult(message, param, writing)
  const parts = partsOf(message["content"], `${param}.content`)
  if (isReason(parts)) return parts
  if (role === "user") add(writing, "user", parts)
  else writing.system.push(...parts)
  return undefined
}

/** The conversation for this model, or why it cannot be said. */
export const lowerMessages = (messages: ReadonlyArray<ChatMessage>, model: string): Conversation | Reason => {
  const writing: Writing = { system: [], turns: [], names: new Map(), attached: [], model }
  // A checked request is JSON, and members that no type knows count here.
  for (const [at, message] of (messages as unknown as ReadonlyArray<JsonObject>).entries()) {
    const failed = addMessage(message, `messages[${at}]`, writing)
    if (failed !== undefined) return failed
  }
  const { attached, system, turns } = writing
  turns.push(...attachment(attached))
  // Instructions alone are no conversation to Gemini.
  if (turns.length === 0) turns.push({ role: "user", parts: system.splice(0), isResults: false })
  if (turns[0]?.parts.length === 0) return unsupported("messages", "No message says anything.")
  return {
    systemInstruction: system.length === 0 ? undefined : { parts: system },
    contents: turns.map(({ parts, role }) => ({ role, parts }))
  }
}
