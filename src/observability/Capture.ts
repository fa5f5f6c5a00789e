/**
 * The one switch for what of a request's content any sink may keep: nothing, its shape, or its words. Off by default; then nothing
 * of it is even looked at. Words are kept in OpenTelemetry's form of messages, up to a bound.
 */
import * as Context from "effect/Context"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatChunk, ChatCompletion, ToolCall } from "../domain/ChatAnswer.ts"
import type { ChatMessage } from "../domain/ChatMessage.ts"
import { scrubKeys, word } from "./Redaction.ts"

/** `none`; `metadata` = parameters, roles and counts; `content` = these and the words of request and answer. */
export type CaptureLevel = "none" | "metadata" | "content"

/** What every sink of this process may keep. Default `none`. */
export const Capture = Context.Reference<CaptureLevel>("breakwater/observability/Capture", {
  defaultValue: () => "none"
})

/** Characters of a request, and of an answer, that are kept; what comes beyond is cut off. */
const mostCharacters = 65_536

type Part = Readonly<Record<string, unknown>> & { readonly type: string }

const contentParts = (content: unknown): ReadonlyArray<Part> => {
  if (typeof content === "string") return [{ type: "text", content }]
  if (!Array.isArray(content)) return []
  return content.map(
    (part: { readonly type: string; readonly text?: unknown; readonly image_url?: { readonly url: string } }) => {
      if (part.type === "text") return { type: "text", content: part.text }
      if (part.type === "image_url") return { type: "uri", modality: "image", uri: part.image_url?.url }
      return { type: part.type }
    }
  )
}

/** A call of a function, or of a tool of the caller's own kind. */
type Call = Pick<ToolCall, "id" | "function"> | {
  readonly id: string
  readonly custom: { readonly name: string; readonly input: string }
}

const callPart = (call: Call): Part =>
  "custom" in call
    ? { type: "tool_call", id: call.id, name: call.custom.name, arguments: call.custom.input }
    : { type: "tool_call", id: call.id, name: call.function?.name, arguments: call.function?.arguments }

const messageOf = (message: ChatMessage) => {
  if (message.role === "tool") {
    return {
      role: message.role,
      parts: [{ type: "tool_call_response", id: message.tool_call_id, response: message.content }]
    }
  }
  const calls = message.role === "assistant" ? message.tool_calls ?? [] : []
  return {
    role: message.role,
    parts: [...contentParts(message.content), ...calls.map(callPart)]
  }
}

const bounded = (value: unknown): string => {
  const text = scrubKeys(JSON.stringify(value))
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text
}

const present = <A>(value: A | null | undefined): A | undefined => value ?? undefined

/** What is kept of one request. Fed only where capture is on. */
export class Captured {
  readonly #level: CaptureLevel
  #request: ChatRequest
  /** Guards have yet to pass the request. */
  #isHeld = false
  /** Guards may change the answer, so what its provider says is not what is kept. */
  #isRewritten = false
  #text = ""
  /** Characters kept of a stream. */
  #length = 0
  #calls = new Map<number, { id: string; name: string; arguments: string }>()
  #answers: ReadonlyArray<unknown> | undefined

  constructor(level: CaptureLevel, request: ChatRequest) {
    this.#level = level
    this.#request = request
  }

  /** Guards stand before it: until they have passed the request none of its words are kept. */
  guard(): void {
    this.#isHeld = true
  }

  /** Guards have passed the request, as it is now. `isRewritten`: they may change the answer. */
  passed(request: ChatRequest, isRewritten: boolean): void {
    this.#request = request
    this.#isHeld = false
    this.#isRewritten = isRewritten
  }

  /** A whole answer of a provider. */
  took(answer: ChatCompletion): void {
    if (!this.#isRewritten) this.gave(answer)
  }

  /** A whole answer as it is given out. */
  gave({ choices }: ChatCompletion): void {
    if (this.#level !== "content") return
    this.#answers = choices.map(({ finish_reason, message }) => ({
      role: message.role,
      parts: [...contentParts(message.content ?? undefined), ...(message.tool_calls ?? []).map(callPart)],
      finish_reason: word(finish_reason)
    }))
  }

  /** A chunk of a provider's stream; the first choice is kept. */
  saw(chunk: ChatChunk): void {
    if (!this.#isRewritten) this.gaveChunk(chunk)
  }

  /** The same of a chunk as it is given out. */
  gaveChunk({ choices }: ChatChunk): void {
    const delta = choices[0]?.delta
    if (this.#level !== "content" || delta === undefined || this.#length > mostCharacters) return
    this.#text += delta.content ?? ""
    this.#length += delta.content?.length ?? 0
    for (const { function: called, id, index } of delta.tool_calls ?? []) {
      const call = this.#calls.get(index) ?? { id: "", name: "", arguments: "" }
      if (id !== undefined) call.id = id
      call.name += called?.name ?? ""
      call.arguments += called?.arguments ?? ""
      this.#length += called?.arguments?.length ?? 0
      this.#calls.set(index, call)
    }
  }

  /** Attributes for a line or a span, by the convention's names. */
  attributes(): Readonly<Record<string, unknown>> {
    const request = this.#request
    const shape = {
      "gen_ai.request.max_tokens": present(request.max_completion_tokens ?? request.max_tokens),
      "gen_ai.request.temperature": present(request.temperature),
      "gen_ai.request.top_p": present(request.top_p),
      "gen_ai.request.choice.count": present(request.n),
      "gen_ai.request.seed": present(request.seed),
      "breakwater.request.roles": request.messages.map(({ role }) => role),
      "breakwater.request.tools": request.tools?.length
    }
    return { ...shape, ...this.#words(true) }
  }

  /** The words of the request and, if they were given out as the provider said them, of the answer; undefined unless they may be kept. */
  content(isAnswered: boolean): Readonly<Record<string, unknown>> | undefined {
    return this.#words(isAnswered && !this.#isRewritten)
  }

  #words(isAnswered: boolean): Readonly<Record<string, unknown>> | undefined {
    if (this.#level !== "content" || this.#isHeld) return undefined
    const request = this.#request
    const streamed = this.#text === "" && this.#calls.size === 0 ? undefined : [{
      role: "assistant",
      parts: [
        ...contentParts(this.#text === "" ? undefined : this.#text),
        ...Array.from(this.#calls.values(), (call) => ({ type: "tool_call", ...call }))
      ]
    }]
    const answers = isAnswered ? this.#answers ?? streamed : undefined
    return {
      "gen_ai.input.messages": bounded(request.messages.map(messageOf)),
      "gen_ai.tool.definitions": request.tools === undefined ? undefined : bounded(request.tools),
      "gen_ai.output.messages": answers === undefined ? undefined : bounded(answers)
    }
  }
}
