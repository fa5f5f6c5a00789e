/**
 * Gemini on loopback, as strict as the real one where callers stumble: the key, the path, turns that fit together, the signature of
 * each step's first call. It knows one function, `get_tide`, calls it for two harbours at once and then tells what it heard.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { text } from "node:stream/consumers"

// Gemini's requests, read by hand.
type Loose = any

export interface Asked {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Loose
}

export interface FakeGemini {
  /** Without a path. */
  readonly origin: string
  readonly asked: ReadonlyArray<Asked>
  readonly close: () => Promise<void>
}

export const goodKey = "good-key"
export const signature = "c2lnbmVkLXRob3VnaHQ+/w=="

const usageMetadata = { promptTokenCount: 20, candidatesTokenCount: 8, thoughtsTokenCount: 4, totalTokenCount: 32 }

const responseOf = (parts: ReadonlyArray<Loose>, finishReason?: string) => ({
  candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }],
  usageMetadata,
  modelVersion: "gemini-3-fake-001",
  responseId: "fake-1"
})

const errorOf = (code: number, status: string, message: string, details: ReadonlyArray<Loose> = []) => ({
  error: { code, status, message, details }
})

const callsIn = (content: Loose): ReadonlyArray<Loose> =>
  content?.role === "model" ? content.parts.filter((part: Loose) => part.functionCall) : []

const resultsIn = (content: Loose): ReadonlyArray<Loose> =>
  content.parts.flatMap((part: Loose) => part.functionResponse ?? [])

/** Why a conversation is refused. */
const faultOf = ({ contents }: Loose): string | undefined => {
  if (!Array.isArray(contents) || contents.length === 0) return "contents is not specified"
  for (const [at, content] of contents.entries()) {
    if (content.parts.length === 0) return `contents[${at}].parts must not be empty`
    if (content.parts.some((part: Loose) => part.text === "")) return `contents[${at}].parts: empty text`
    const [first] = callsIn(content)
    if (first !== undefined && first.thoughtSignature === undefined) {
      return "Function call is missing a thought_signature"
    }
    if (first !== undefined && ![signature, "skip_thought_signature_validator"].includes(first.thoughtSignature)) {
      return "Thought signature is not valid"
    }
    const results = resultsIn(content)
    const calls = callsIn(contents[at - 1])
    const ids = (list: ReadonlyArray<Loose>) => JSON.stringify(list.map(({ id, name }) => [id, name]))
    if (results.length > 0 && ids(results) !== ids(calls.map((part) => part.functionCall))) {
      return "the function response parts do not equal the function call parts"
    }
  }
  return undefined
}

const call = (harbour: string, more = {}) => ({ functionCall: { name: "get_tide", args: { harbour } }, ...more })

/** The parts of the answer, event by event. */
const answerTo = ({ contents, tools }: Loose): ReadonlyArray<ReadonlyArray<Loose>> => {
  const results = resultsIn(contents.at(-1))
  if (results.length > 0) {
    return [[{ text: "The tides: " }], [{ text: results.map(({ response }) => JSON.stringify(response)).join(" ") }]]
  }
  return tools === undefined
    ? [[{ text: "Hm, depth…", thought: true }], [{ text: "Four " }], [{ text: "mètres 😀." }], [{
      text: "",
      thoughtSignature: signature
    }]]
    : [[call("Whitby", { thoughtSignature: signature }), call("Hull")], [{ text: "" }]]
}

const badKey = errorOf(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
  { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }
])

const busy = errorOf(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [
  { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [{ quotaId: "RequestsPerMinutePerProject" }] },
  { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "30s" }
])

const refuse = (response: ServerResponse, { error }: ReturnType<typeof errorOf>) =>
  response.writeHead(error.code, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify({ error }))

const answer = async (asked: Asked, response: ServerResponse): Promise<unknown> => {
  const [, model = "", method = ""] = /\/models\/([^:]+):(\w+)/.exec(asked.path) ?? []
  const isVertex = asked.path.includes("/publishers/google/")
  const isKnown = isVertex
    ? asked.headers.authorization === `Bearer ${goodKey}`
    : asked.headers["x-goog-api-key"] === goodKey && asked.headers.authorization === undefined
  if (!isKnown) return refuse(response, badKey)
  if (model === "gemini-busy") return refuse(response, busy)
  const fault = faultOf(asked.body)
  if (fault !== undefined) return refuse(response, errorOf(400, "INVALID_ARGUMENT", fault))
  const parts = answerTo(asked.body)
  if (method === "generateContent") {
    const whole = model === "gemini-blocked"
      ? { promptFeedback: { blockReason: "SAFETY" }, usageMetadata, responseId: "fake-1" }
      : responseOf(parts.flat(), "STOP")
    return response.writeHead(200, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify(whole))
  }
  if (!asked.path.endsWith(":streamGenerateContent?alt=sse")) {
    return refuse(response, errorOf(404, "NOT_FOUND", "method"))
  }
  const events: Array<Loose> = parts.map((some, at) => responseOf(some, at === parts.length - 1 ? "STOP" : undefined))
  if (model === "gemini-dies") events.splice(2, 9, errorOf(503, "UNAVAILABLE", "The model is overloaded."))
  response.writeHead(200, { "content-type": "text/event-stream" })
  const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(""))
  // In pieces that end anywhere, also within a character.
  for (let at = 0; at < bytes.length; at += 61) {
    await new Promise<unknown>((resolve) => response.write(bytes.subarray(at, at + 61), resolve))
  }
  return response.end()
}

/** Listens on a free port. */
export const start = async (): Promise<FakeGemini> => {
  const heard: Array<Asked> = []
  const server = createServer(async (request, response) => {
    const asked = { path: request.url ?? "", headers: request.headers, body: JSON.parse(await text(request)) }
    heard.push(asked)
    await answer(asked, response)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    origin: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    asked: heard,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
