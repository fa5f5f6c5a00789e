/**
 * What whole answers and chunks have in common: the small repairs that turn what compatible hosts send into OpenAI's form.
 * Each `mend…` changes the parsed value in place and says whether it had to, so that what is right passes as the original text.
 */
export type Json = string | number | boolean | null | Array<Json> | JsonObject
export interface JsonObject {
  [name: string]: Json | undefined
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isText = (value: Json | undefined): value is string => typeof value === "string" && value !== ""

const isCount = (value: Json | undefined): value is number => Number.isSafeInteger(value)

/** Parses, or answers undefined for what is no JSON. */
export const parse = (text: string): Json | undefined => {
  try {
    const value: Json = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}

interface ReviverContext {
  readonly source?: string
}

/** The two parts of "JSON.parse source text access" that the language's library does not declare yet. */
interface RawJson {
  readonly parse: (text: string, reviver: (key: string, value: unknown, context: ReviverContext) => unknown) => Json
  readonly rawJSON: (text: string) => unknown
}

/** Parses again so that integers beyond 2^53 are written as they were read, where the text has any such digits. */
export const parseKeepingDigits = (text: string, parsed: Json): Json => {
  if (!/\d{16}/.test(text)) return parsed
  const raw = JSON as unknown as RawJson // Node 24 has both; the library of es2025 declares neither
  return raw.parse(
    text,
    (_, value, { source }) =>
      typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && source !== undefined
        ? raw.rawJSON(source)
        : value
  )
}

export interface Identity {
  readonly id: string
  readonly created: number
  readonly model: string
}

const serviceTiers = new Set<Json | undefined>([
  undefined,
  null,
  "auto",
  "default",
  "flex",
  "scale",
  "priority",
  "fast"
])

/** The members beside choices and usage: those that the spec requires are set, those that it forbids are dropped. */
export const mendTop = (value: JsonObject, object: string, identity: Identity): boolean => {
  let changed = false
  if (value["object"] !== object) {
    value["object"] = object
    changed = true
  }
  if (value["id"] !== identity.id || value["created"] !== identity.created || !isText(value["model"])) {
    value["id"] = identity.id
    value["created"] = identity.created
    if (!isText(value["model"])) value["model"] = identity.model
    changed = true
  }
  if (!serviceTiers.has(value["service_tier"])) {
    delete value["service_tier"]
    changed = true
  }
  const fingerprint = value["system_fingerprint"]
  if (fingerprint !== undefined && fingerprint !== null && typeof fingerprint !== "string") {
    delete value["system_fingerprint"]
    changed = true
  }
  return changed
}

/** The value's own id, time and model, or else the fallback's. */
export const identityOf = (value: JsonObject, fallback: Identity): Identity => {
  const { id, created, model } = value
  return {
    id: isText(id) ? id : fallback.id,
    created: isCount(created) && created > 0 ? created : fallback.created,
    model: isText(model) ? model : fallback.model
  }
}

/** Text and thinking of a content that came as parts. */
const readParts = (parts: ReadonlyArray<Json>): { readonly text: string; readonly thinking: string } => {
  let text = ""
  let thinking = ""
  for (const part of parts) {
    if (typeof part === "string") text += part
    if (!isObject(part)) continue
    if (typeof part["text"] === "string") text += part["text"]
    if (typeof part["thinking"] === "string") thinking += part["thinking"]
    if (Array.isArray(part["thinking"])) thinking += readParts(part["thinking"]).text
  }
  return { text, thinking }
}

/** Content parts become a string, `reasoning` becomes `reasoning_content`, and null lists go; for messages and deltas. */
export const mendTexts = (holder: JsonObject): boolean => {
  let changed = false
  const { content, reasoning } = holder
  if (Array.isArray(content)) {
    const { text, thinking } = readParts(content)
    holder["content"] = text
    if (thinking !== "") holder["reasoning_content"] = thinking
    changed = true
  } else if (content !== undefined && content !== null && typeof content !== "string") {
    holder["content"] = JSON.stringify(content)
    changed = true
  }
  if (typeof reasoning === "string") {
    if (typeof holder["reasoning_content"] !== "string") holder["reasoning_content"] = reasoning
    delete holder["reasoning"]
    changed = true
  }
  for (const name of ["tool_calls", "function_call", "annotations"]) {
    if (holder[name] !== null) continue
    delete holder[name]
    changed = true
  }
  return changed
}

/** Arguments of a tool as text, where they came as an object or not at all. */
export const argumentsText = (written: Json | undefined): string =>
  typeof written === "string" ? written : written === undefined || written === null ? "" : JSON.stringify(written)

/** Both lists of a logprobs object are required. */
export const mendLogprobs = (logprobs: Json | undefined): boolean => {
  if (!isObject(logprobs) || ("content" in logprobs && "refusal" in logprobs)) return false
  logprobs["content"] ??= null
  logprobs["refusal"] ??= null
  return true
}

type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "function_call"

const finishReasons: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  content_filter: "content_filter",
  function_call: "function_call",
  max_tokens: "length",
  model_length: "length",
  tool_use: "tool_calls",
  tool_call: "tool_calls",
  content_filtered: "content_filter",
  safety: "content_filter",
  refusal: "content_filter"
}

/** Hosts' words for "this answer is broken". */
const failedReasons = new Set(["error", "insufficient_system_resource", "abort", "cancelled", "malformed_output"])

export const isFailedFinish = (reason: Json | undefined): boolean =>
  typeof reason === "string" && failedReasons.has(reason)

/** The nearest of OpenAI's reasons; `tool_calls` wherever calls were made and the end was a usual one. */
export const readFinish = (reason: string, hasCalls: boolean): FinishReason => {
  const known = finishReasons[reason.toLowerCase()] ?? "stop"
  return hasCalls && known === "stop" ? "tool_calls" : known
}
