/**
 * How an answer is joined to the part of another that its caller already has. Only plain text is ever joined, only where the
 * two agree to the letter, so that no character comes twice and none is missing.
 */
import type { Frame, ProviderCall } from "../providers/Provider.ts"
import * as JsonText from "../validation/JsonText.ts"

type JsonObject = Record<string, unknown>

/** What a delta may hold for its stream to be continued; anything else that says something may not be cut and joined. */
const plainKeys = new Set(["role", "content", "reasoning_content"])

const says = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0)

const isPlain = (delta: object): boolean =>
  Object.entries(delta).every(([key, value]) => plainKeys.has(key) || !says(value))

/** What a caller has been sent so far. */
export class Said {
  content = ""
  reasoning = ""
  /** Who began: id, created and model of every event that the caller gets. */
  identity: { readonly id: string; readonly created: number; readonly model: string } | undefined
  private isBroken = false
  private isFinished = false

  add(frame: Frame): void {
    const { choices, created, id, model } = frame.chunk
    if (frame.bytes === undefined || choices.length === 0) return
    this.identity ??= { id, created, model }
    for (const choice of choices) {
      const { content, reasoning_content: reasoning } = choice.delta
      if (choice.index !== 0 || !isPlain(choice.delta) || ("logprobs" in choice && says(choice.logprobs))) {
        this.isBroken = true
      }
      // An answer that thinks between its words is not put together from two.
      if (says(reasoning) && this.content !== "") this.isBroken = true
      this.reasoning += reasoning ?? ""
      this.content += content ?? ""
      if (says(choice.finish_reason)) this.isFinished = true
    }
  }

  /** False inside calls of tools and inside reasoning, with several choices, and after the end. */
  get canGoOn(): boolean {
    return !this.isBroken && !this.isFinished && this.content !== ""
  }
}

/** A model that is made to go on may not be given white space at the end, and then begins with it itself. */
export const prefillOf = (said: Said): string => said.content.trimEnd()

/** A model that keeps to a form keeps to it from the first letter of what it writes on, or refuses both at once. */
export const isContinuable = ({ request: { response_format: format } }: ProviderCall): boolean =>
  (format?.type ?? "text") === "text"

/** The call with the beginning of the answer as its last message, for a model that goes on from there. */
export const continued = (call: ProviderCall, beginning: string): ProviderCall => {
  const span = call.source.members.get("messages")
  const message = { role: "assistant" as const, content: beginning }
  if (span === undefined) return call
  const written = call.source.text.slice(span.start, span.end)
  const messages = `${written.slice(0, written.lastIndexOf("]"))},${JSON.stringify(message)}]`
  const source = JsonText.scan(JsonText.replaceMembers(call.source, { messages }))
  if (JsonText.isScanProblem(source)) return call
  return { ...call, source, request: { ...call.request, messages: [...call.request.messages, message] } }
}

/** Joins one answer to what was said; one that proves to be different ends it for good. */
export class Splice {
  /** The answer is not the one that was begun. */
  isMismatch = false
  private reasoning: string
  private content: string
  private readonly said: Said

  /** `continues`: the answer goes on after `prefillOf(said)`; else it starts anew. */
  constructor(said: Said, continues: boolean) {
    this.said = said
    this.reasoning = continues ? "" : said.reasoning
    this.content = continues ? said.content.slice(prefillOf(said).length) : said.content
  }

  /** All that was sent has been met again. */
  get isThrough(): boolean {
    return this.content === "" && this.reasoning === ""
  }

  /** The frame as the caller gets it; undefined for one that he has already. */
  next(frame: Frame): Frame | undefined {
    if (frame.bytes === undefined) return this.isThrough ? frame : undefined
    const chunk = JSON.parse(new TextDecoder().decode(frame.bytes).slice("data: ".length))
    const choices: ReadonlyArray<JsonObject> = chunk.choices
    const wasThrough = this.isThrough
    let saysMore = wasThrough && choices.length === 0
    for (const choice of choices) if (this.nextChoice(choice)) saysMore = true
    if (!this.isThrough && (choices.length === 0 || frame.isTerminal)) this.isMismatch = true
    if (this.isMismatch || !saysMore) return undefined
    const text = JSON.stringify({ ...chunk, ...this.said.identity })
    const bytes = new TextEncoder().encode(`data: ${text}\n\n`)
    return { ...frame, bytes, chunk: { ...frame.chunk, ...this.said.identity, choices: chunk.choices } }
  }

  /** Takes out what the caller has; true where something is left to say. */
  private nextChoice(choice: JsonObject): boolean {
    // Every frame of a provider has its deltas as objects.
    const delta = choice["delta"] as JsonObject
    delete delta["role"]
    if (!this.isThrough) {
      if (choice["index"] !== 0 || !isPlain(delta) || says(choice["logprobs"])) this.isMismatch = true
      this.reasoning = this.takeOut(delta, "reasoning_content", this.reasoning)
      if (says(delta["content"]) && this.reasoning !== "") this.isMismatch = true
      this.content = this.takeOut(delta, "content", this.content)
      // Thoughts after the ones that the caller has, in an answer whose words he has.
      if (says(delta["reasoning_content"])) this.isMismatch = true
    }
    return says(choice["finish_reason"]) || Object.values(delta).some(says)
  }

  /** What is still expected after this delta. */
  private takeOut(delta: JsonObject, key: string, expected: string): string {
    const text = delta[key]
    if (typeof text !== "string" || expected === "" || text === "") return expected
    if (expected.startsWith(text)) {
      delete delta[key]
      return expected.slice(text.length)
    }
    if (text.startsWith(expected)) delta[key] = text.slice(expected.length)
    else this.isMismatch = true
    return ""
  }
}
