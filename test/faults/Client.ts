/**
 * A plain client for tests: it repairs nothing, follows nothing, and says how an answer ended. Its event reader follows the
 * WHATWG rules and knows nothing of the gateway's, so that the two can disagree.
 */
import type { IncomingHttpHeaders } from "node:http"
import { Agent, request } from "node:http"

export interface Call {
  readonly model: string
  readonly stream?: boolean
  readonly includeUsage?: boolean
  readonly messages?: ReadonlyArray<{ readonly role: string; readonly content: string }>
  readonly headers?: Record<string, string>
  /** Default: a fresh connection that is closed afterwards. */
  readonly agent?: Agent
  /** Leaves (destroys the socket) when it is aborted. */
  readonly signal?: AbortSignal
  /** Sees each piece as it comes. */
  readonly onPiece?: (piece: Buffer) => void
}

export interface Seen {
  /** 0 when no response head came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  /** How many pieces the body came in. */
  readonly pieces: number
  /** Whether the body ended as HTTP says it must. */
  readonly clean: boolean
  /** The code of the error that ended it, else empty. */
  readonly error: string
}

const bodyOf = (asked: Call): string =>
  JSON.stringify({
    model: asked.model,
    messages: asked.messages ?? [{ role: "user", content: "Tell me about the wall." }],
    ...(asked.stream === true ? { stream: true } : {}),
    ...(asked.includeUsage === true ? { stream_options: { include_usage: true } } : {})
  })

/** Asks for one completion; never rejects. `url` is a base URL ending in `/v1`. */
export const call = (url: string, asked: Call): Promise<Seen> =>
  new Promise((resolve) => {
    const pieces: Array<Buffer> = []
    let head: { readonly status: number; readonly headers: IncomingHttpHeaders } = { status: 0, headers: {} }
    const end = (clean: boolean, error = "") => {
      const bytes = Buffer.concat(pieces)
      resolve({ ...head, bytes, text: bytes.toString("utf8"), pieces: pieces.length, clean, error })
    }
    const codeOf = (error: Error): string => "code" in error ? String(error.code) : error.message
    const body = bodyOf(asked)
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...asked.headers }
    const sent = request(`${url}/chat/completions`, {
      method: "POST",
      headers,
      agent: asked.agent ?? new Agent({ keepAlive: false }),
      ...(asked.signal === undefined ? {} : { signal: asked.signal })
    }, (response) => {
      head = { status: response.statusCode ?? 0, headers: response.headers }
      response.on("data", (piece: Buffer) => {
        pieces.push(piece)
        asked.onPiece?.(piece)
      })
      response.on("end", () => end(response.complete, response.complete ? "" : "incomplete"))
      response.on("error", (error) => end(false, codeOf(error)))
    })
    sent.on("error", (error) => end(false, codeOf(error)))
    sent.end(body)
  })

export interface SseEvent {
  readonly event: string
  readonly data: string
  readonly id: string
}

/** The events of a whole event stream by the WHATWG rules: each kind of line end, one BOM, comments dropped, the tail discarded. */
export const readEvents = (text: string): ReadonlyArray<SseEvent> => {
  const events: Array<SseEvent> = []
  let data: Array<string> = []
  let event = "message"
  let id = ""
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)
  for (const line of lines.slice(0, -1)) {
    if (line === "") {
      if (data.length > 0) events.push({ event, data: data.join("\n"), id })
      data = []
      event = "message"
      continue
    }
    const colon = line.indexOf(":")
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "")
    if (field === "data") data.push(value)
    if (field === "event") event = value
    if (field === "id") id = value
  }
  return events
}

/** What an answer amounts to, streamed or plain. */
export interface Read {
  readonly content: string
  readonly toolArguments: string
  readonly finishReasons: ReadonlyArray<string>
  readonly usages: ReadonlyArray<unknown>
  /** Each model that it names, once. */
  readonly models: ReadonlyArray<string>
  readonly errors: ReadonlyArray<unknown>
  readonly dones: number
  /** Data that is not JSON. */
  readonly malformed: number
}

const nothing = {
  content: "",
  toolArguments: "",
  finishReasons: [],
  usages: [],
  models: [],
  errors: [],
  dones: 0,
  malformed: 0
}

// The readers below take foreign JSON apart without a schema: `Object(x)` makes any value safe to look into.
const fieldsOf = (value: unknown): Record<string, unknown> => Object(value) as Record<string, unknown>
const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []
const textOf = (value: unknown): string => typeof value === "string" ? value : ""

const readValue = (read: Read, data: string): Read => {
  if (data === "[DONE]") return { ...read, dones: read.dones + 1 }
  let value: Record<string, unknown>
  try {
    value = fieldsOf(JSON.parse(data))
  } catch {
    return { ...read, malformed: read.malformed + 1 }
  }
  const choice = fieldsOf(listOf(value["choices"])[0])
  const said = fieldsOf(choice["delta"] ?? choice["message"])
  const calls = listOf(said["tool_calls"]).map((each) => textOf(fieldsOf(fieldsOf(each)["function"])["arguments"]))
  const finish = textOf(choice["finish_reason"])
  const model = textOf(value["model"])
  return {
    content: read.content + textOf(said["content"]),
    toolArguments: read.toolArguments + calls.join(""),
    finishReasons: finish === "" ? read.finishReasons : [...read.finishReasons, finish],
    usages: value["usage"] === undefined || value["usage"] === null ? read.usages : [...read.usages, value["usage"]],
    models: model === "" || read.models.includes(model) ? read.models : [...read.models, model],
    errors: value["error"] === undefined ? read.errors : [...read.errors, value["error"]],
    dones: read.dones,
    malformed: read.malformed
  }
}

/** Reads an answer by its content type: an event stream, else one JSON body. */
export const readAnswer = (seen: Seen): Read => {
  const isStream = seen.headers["content-type"]?.includes("text/event-stream") === true
  const values = isStream ? readEvents(seen.text).map((event) => event.data) : [seen.text]
  return values.reduce(readValue, nothing)
}
