/**
 * Writes the chunks of a translated stream: one choice in OpenAI's form, the role said once, `usage: null` where the caller asked
 * for usage. The text of a plain chunk is put together from parts, because most of a stream is such chunks.
 */
import type { ChatChunk } from "../../domain/ChatAnswer.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { StreamOptions } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import type { JsonObject } from "./OpenAiChatShape.ts"
import { readFinish } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"
import { PlainFrame } from "./PlainFrame.ts"

export class ChunkWriter {
  /** The finish reason was said; what comes after it is left out, but for usage. */
  isFinished = false

  private readonly index: number
  private readonly includesUsage: boolean
  private identity: Pick<ChatChunk, "id" | "created" | "model">
  private head = ""
  private readonly tail: string
  private hasRole = false
  /** Of each call of a tool: whether it has got any arguments. */
  private readonly calls: Array<boolean> = []

  /** `index`: which choice it writes. */
  constructor({ fallback: { created, id, model }, includeUsage }: StreamOptions, index = 0) {
    this.index = index
    this.identity = { id, created, model }
    this.includesUsage = includeUsage
    this.tail = includeUsage ? "},\"finish_reason\":null}],\"usage\":null}\n\n" : "},\"finish_reason\":null}]}\n\n"
  }

  /** What the upstream calls its answer and its model; empty or absent = the fallback stays. Before the first chunk. */
  begin({ id, model }: { readonly id?: string | undefined; readonly model?: string | undefined }): void {
    this.identity = { ...this.identity, id: id || this.identity.id, model: model || this.identity.model }
  }

  /** How many calls of tools were begun. */
  get callCount(): number {
    return this.calls.length
  }

  text(text: string, out: Array<Frame>): void {
    this.plain("content", text, out)
  }

  reasoning(text: string, out: Array<Frame>): void {
    this.plain("reasoning_content", text, out)
  }

  refusal(text: string, out: Array<Frame>): void {
    if (text !== "") this.delta({ refusal: text }, out)
  }

  /** Begins a call and says its index. `id`: empty = one of our own. */
  toolStart(id: string, name: string, out: Array<Frame>): number {
    const index = this.calls.push(false) - 1
    const called = { name, arguments: "" }
    this.delta({
      tool_calls: [{ index, id: id || `call_${this.identity.id}_${index}`, type: "function", function: called }]
    }, out)
    return index
  }

  /** The next part of a call's arguments. */
  toolArguments(index: number, text: string, out: Array<Frame>): void {
    if (text === "") return
    this.calls[index] = true
    this.delta({ tool_calls: [{ index, function: { arguments: text } }] }, out)
  }

  /** Members of a delta that have no method here; `isContent`: it says something to the caller. */
  delta(delta: JsonObject, out: Array<Frame>, isContent = true): void {
    if (!this.isFinished) this.chunk(this.withRole(delta), null, out, isContent)
  }

  /**
   * The end of the choice: OpenAI's reason, or a host's word for it. Calls without arguments get `{}` first, and a usual end is
   * `tool_calls` wherever there are calls. Only the first one counts.
   */
  finish(reason: string, out: Array<Frame>): void {
    if (this.isFinished) return
    for (const [index, isSaid] of this.calls.entries()) if (!isSaid) this.toolArguments(index, "{}", out)
    this.isFinished = true
    this.chunk(this.withRole({}), readFinish(reason, this.calls.length > 0), out, false)
  }

  /**
   * Usage in OpenAI's members, see `OpenAiUsage.ts`; `tier`: the service tier where it is not the usual one. Before the finish reason
   * it is a reading for us alone; call it once more at the end.
   */
  usage(wire: JsonObject, out: Array<Frame>, tier?: string): void {
    const read = mendUsage(wire, tier)
    if (read === undefined) return
    const chunk: JsonObject = { ...this.base([]), usage: wire }
    const isShown = this.includesUsage && this.isFinished
    out.push(frameOf(chunk, isShown ? encode(chunk) : undefined, false, this.isFinished, read.usage))
  }

  private plain(name: "content" | "reasoning_content", text: string, out: Array<Frame>): void {
    if (text === "" || this.isFinished) return
    if (!this.hasRole) return this.delta({ [name]: text }, out)
    if (this.head === "") {
      const whole = JSON.stringify(this.base([]))
      this.head = `data: ${whole.slice(0, -"]}".length)}{"index":${this.index},"delta":{"`
    }
    const bytes = Buffer.from(`${this.head}${name}":${JSON.stringify(text)}${this.tail}`)
    out.push(new PlainFrame(bytes, Buffer.byteLength(text)))
  }

  private withRole(delta: JsonObject): JsonObject {
    if (this.hasRole) return delta
    this.hasRole = true
    const content = delta["tool_calls"] === undefined ? "" : null
    return { role: "assistant", content, ...delta }
  }

  private base(choices: Array<JsonObject>): JsonObject {
    const { created, id, model } = this.identity
    return { id, object: "chat.completion.chunk", created, model, choices }
  }

  private chunk(delta: JsonObject, finishReason: string | null, out: Array<Frame>, isContent: boolean): void {
    const chunk = this.base([{ index: this.index, delta, finish_reason: finishReason }])
    if (this.includesUsage) chunk["usage"] = null
    out.push(frameOf(chunk, encode(chunk), isContent, finishReason !== null, undefined))
  }
}

const encode = (chunk: JsonObject): Uint8Array => Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)

const frameOf = (
  chunk: JsonObject,
  bytes: Uint8Array | undefined,
  isContent: boolean,
  isTerminal: boolean,
  usage: Usage | undefined
): Frame => ({
  bytes,
  // Put together to the type just now.
  chunk: chunk as unknown as ChatChunk,
  isContent,
  isTerminal,
  usage
})
