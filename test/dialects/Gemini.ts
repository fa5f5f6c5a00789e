/** Gemini's generateContent, read and spoken by hand. */
import type { Told } from "../exchanges/CloudUpstream.ts"
import {
  counts,
  emptySchema,
  joined,
  type Meaning,
  type Part,
  plain,
  type Saying,
  type Trouble,
  valueOf
} from "./Meaning.ts"

// JSON of a dialect, read by hand.
type Loose = any

const mediaOf = (type: string): "image" | "document" | "audio" =>
  type.startsWith("image/") ? "image" : type.startsWith("audio/") ? "audio" : "document"

/** A result that is no object stands in one. */
const resultOf = (response: Loose): unknown =>
  Object.keys(response).join() === "result" && typeof response.result === "string"
    ? valueOf(response.result)
    : response

const partOf = (part: Loose): Part => {
  const { fileData, functionCall, functionResponse, inlineData, text, thoughtSignature } = part
  if (functionCall) {
    const { args, id, name } = functionCall
    return {
      kind: "call",
      id,
      name,
      input: args,
      ...(thoughtSignature === undefined ? {} : { state: thoughtSignature })
    }
  }
  if (functionResponse) {
    return { kind: "result", id: functionResponse.id, value: resultOf(functionResponse.response) }
  }
  if (inlineData) {
    const { data, mimeType } = inlineData
    return { kind: mediaOf(mimeType), source: `data:${mimeType};base64,${data}` }
  }
  if (fileData) return { kind: mediaOf(fileData.mimeType ?? "image/*"), source: fileData.fileUri }
  if (typeof text === "string") return { kind: "text", text }
  throw new Error(`no part of Gemini's is ${JSON.stringify(part)}`)
}

/** A schema in JSON Schema's spelling; Gemini's older one shouts its types and knows no closed objects. */
export const spelled = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema ?? {}, (name, value: unknown) => {
    if (name === "additionalProperties") return undefined
    return name === "type" && typeof value === "string" ? value.toLowerCase() : value
  }))

const camelCased = (name: string): string => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** Members whose insides are the caller's own. */
const foreign = new Set(["args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema"])

/** A request that spells its members with underscores, or its schemas in the older way, as it is spelled now. */
export const respelled = (value: Loose): Loose => {
  if (Array.isArray(value)) return value.map(respelled)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([written, inside]) => {
      const name = camelCased(written)
      if (name === "parameters") return ["parametersJsonSchema", spelled(inside)]
      return [name, foreign.has(name) ? inside : respelled(inside)]
    })
  )
}

export const read = (body: Loose): Meaning => {
  const { contents, generationConfig: config = {}, systemInstruction, toolConfig, tools = [] } = body
  const declared = tools.flatMap((tool: Loose) => tool.functionDeclarations ?? [])
  const { allowedFunctionNames: allowed, mode } = toolConfig?.functionCallingConfig ?? {}
  const turns = contents.map(({ parts, role }: Loose) => ({
    role: role === "model" ? "assistant" : "user",
    parts: parts.map(partOf)
  }))
  return {
    ...plain,
    system: (systemInstruction?.parts ?? []).map(partOf),
    turns: joined(turns),
    tools: declared.map(({ description, name, parametersJsonSchema }: Loose) => ({
      name,
      description,
      schema: parametersJsonSchema ?? emptySchema
    })),
    callable: mode === "NONE" ? [] : allowed ?? declared.map(({ name }: Loose) => name),
    mustCall: mode === "ANY",
    form: config.responseMimeType === undefined ? undefined : config.responseJsonSchema ?? "json",
    thinks: config.thinkingConfig?.includeThoughts === true,
    maxTokens: config.maxOutputTokens,
    temperature: config.temperature,
    topP: config.topP,
    stop: config.stopSequences ?? [],
    seed: config.seed,
    frequencyPenalty: config.frequencyPenalty,
    presencePenalty: config.presencePenalty,
    choices: config.candidateCount ?? 1
  }
}

/** Of calls made at once only the first has the signature. */
const partsOf = ({ calls = [], text, thought }: Saying): ReadonlyArray<Loose> => [
  ...(thought === undefined ? [] : [{ text: thought.text, thought: true }]),
  ...(text ?? "").split(/(?<= )/).filter((some) => some !== "").map((some) => ({ text: some })),
  ...calls.map(({ input, name, state }) => ({ functionCall: { name, args: input }, thoughtSignature: state }))
]

/** Thoughts are counted beside the answer, whether they are shown or not. */
const thoughts = 4
const usageMetadata = {
  promptTokenCount: counts.prompt,
  candidatesTokenCount: counts.completion,
  thoughtsTokenCount: thoughts,
  totalTokenCount: counts.prompt + counts.completion + thoughts
}

const answerOf = (parts: ReadonlyArray<Loose>, model: string, finishReason?: string) => ({
  candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }],
  usageMetadata,
  modelVersion: `${model}-001`,
  responseId: "fake"
})

const eventOf = (value: unknown): string => `data: ${JSON.stringify(value)}\r\n\r\n`

const sse = { "content-type": "text/event-stream" } as const
const json = { "content-type": "application/json; charset=UTF-8" } as const

export const speak = (said: Saying, model: string, stream: boolean): Told => {
  const parts = partsOf(said)
  if (!stream) return { headers: json, pieces: [JSON.stringify(answerOf(parts, model, "STOP"))] }
  const events = parts.map((part) => eventOf(answerOf([part], model)))
  // Where nothing is called the signature comes with the end.
  const last = { text: "", thoughtSignature: said.calls === undefined ? said.thought?.state : undefined }
  return { headers: sse, pieces: [...events, eventOf(answerOf([last], model, "STOP"))] }
}

/** A whole answer of these members and the usual counts. */
export const speakRaw = (members: Loose): Told => ({
  headers: json,
  pieces: [JSON.stringify({ ...members, usageMetadata, responseId: "fake" })]
})

const infoOf = ({ retryAfterMs, status }: Trouble): ReadonlyArray<Loose> => [
  ...(status === 401 ? [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }] : []),
  ...(retryAfterMs === undefined
    ? []
    : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterMs / 1000}s` }])
]

const statuses: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED"
}

/** A bad key is a 400 here. */
export const fail = (trouble: Trouble, model: string): Told => {
  const { after, message = "It cannot." } = trouble
  const code = trouble.status === 401 ? 400 : trouble.status
  const error = { error: { code, message, status: statuses[code] ?? "UNKNOWN", details: infoOf(trouble) } }
  if (after === undefined) return { status: code, headers: json, pieces: [JSON.stringify(error)] }
  return {
    headers: sse,
    pieces: [...partsOf(after).map((part) => eventOf(answerOf([part], model))), eventOf(error)]
  }
}
