/**
 * One streamed answer of the Messages API as a state machine: its events in, OpenAI's chunks out. Traps: a block's index is no
 * tool's index, usage is cumulative and told in parts, and events that nobody knows yet may come at any time.
 */
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, StreamInterrupted } from "../../domain/GatewayError.ts"
import type { StreamMachine, StreamOptions } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import { toReason } from "../ProviderError.ts"
import type { SseEvent } from "../Sse.ts"
import { callId, explanationOf, finishOf, isSigned, tierOf, usageOf } from "./AnthropicMessagesAnswer.ts"
import { ChunkWriter } from "./ChunkWriter.ts"
import { isObject, isText, type Json, type JsonObject, parse } from "./OpenAiChatShape.ts"

/** Events that are no JSON and are passed over before the answer is given up. */
const toleratedEvents = 2

const textOf = (value: Json | undefined): string => typeof value === "string" ? value : ""

export class MessagesStream implements StreamMachine {
  isDone = false
  failure: Reason | undefined
  skippedEvents = 0

  private readonly options: StreamOptions
  private readonly writer: ChunkWriter
  /** As told so far; later events say more, and repeat what they say again. */
  private usage: JsonObject = {}
  /** The calls by the index of their block. */
  private readonly calls = new Map<Json | undefined, number>()
  /** The thought that is being told. */
  private thought: { text: string; signature: string } | undefined
  /** Signed thoughts since the last call. */
  private thoughts: Array<JsonObject> = []

  constructor(options: StreamOptions) {
    this.options = options
    this.writer = new ChunkWriter(options)
  }

  get isComplete(): boolean {
    return this.writer.isFinished
  }

  next(event: SseEvent, out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    if (event.data.trim() === "") return
    const value = parse(event.data)
    if (isObject(value)) return this.read(value, event.event, out)
    if (event.event === "error") {
      this.fail({ error: event.data })
      return
    }
    this.skippedEvents++
    if (this.skippedEvents > toleratedEvents) {
      this.failure = new MalformedAnswer({ message: "The upstream's stream has events that are not JSON." })
    }
  }

  end(out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    if (this.isComplete) return this.done(out)
    this.failure = new StreamInterrupted({ message: "The upstream's stream ended before its answer was finished." })
  }

  private read(value: JsonObject, event: string, out: Array<Frame>): void {
    switch (value["type"]) {
      case "content_block_delta":
        return this.delta(value, out)
      case "content_block_start":
        return this.begin(value, out)
      case "content_block_stop":
        return this.close()
      case "message_start":
        return this.start(value["message"], out)
      case "message_delta":
        return this.finish(value, out)
      case "message_stop":
        return this.end(out)
    }
    if (value["type"] === "error" || event === "error" || isObject(value["error"])) this.fail(value)
  }

  private fail(body: JsonObject): void {
    this.failure = toReason("anthropic", { body, nowMs: this.options.fallback.nowMs })
  }

  private done(out: Array<Frame>): void {
    this.isDone = true
    this.tellUsage(out)
  }

  private start(message: Json | undefined, out: Array<Frame>): void {
    if (!isObject(message)) return
    this.writer.begin({ id: textOf(message["id"]), model: textOf(message["model"]) })
    this.noteUsage(message["usage"])
    // So that what a broken answer used is known.
    this.tellUsage(out)
  }

  private begin({ content_block: block, index }: JsonObject, out: Array<Frame>): void {
    if (!isObject(block)) return
    switch (block["type"]) {
      case "text":
        return this.writer.text(textOf(block["text"]), out)
      case "thinking":
        this.thought = { text: textOf(block["thinking"]), signature: textOf(block["signature"]) }
        return this.writer.reasoning(this.thought.text, out)
      case "redacted_thinking":
        this.thoughts.push(block)
        return
      case "tool_use": {
        const id = callId(textOf(block["id"]), this.thoughts, this.options.fallback.model)
        this.thoughts = []
        const call = this.writer.toolStart(id, textOf(block["name"]), out)
        this.calls.set(index, call)
        // Usually the input follows in deltas, and stands here as an empty object.
        const { input } = block
        if (isObject(input) && Object.keys(input).length > 0) {
          this.writer.toolArguments(call, JSON.stringify(input), out)
        }
      }
    }
  }

  private delta({ delta, index }: JsonObject, out: Array<Frame>): void {
    if (!isObject(delta)) return
    switch (delta["type"]) {
      case "text_delta":
        return this.writer.text(textOf(delta["text"]), out)
      case "thinking_delta":
        if (this.thought !== undefined) this.thought.text += textOf(delta["thinking"])
        return this.writer.reasoning(textOf(delta["thinking"]), out)
      case "signature_delta":
        if (this.thought !== undefined) this.thought.signature += textOf(delta["signature"])
        return
      case "input_json_delta": {
        const call = this.calls.get(index)
        // Tools that run at the upstream are none of the caller's.
        if (call !== undefined) this.writer.toolArguments(call, textOf(delta["partial_json"]), out)
      }
    }
  }

  private close(): void {
    if (this.thought === undefined) return
    const block = { type: "thinking", thinking: this.thought.text, signature: this.thought.signature }
    this.thought = undefined
    if (isSigned(block)) this.thoughts.push(block)
  }

  private finish({ delta, usage }: JsonObject, out: Array<Frame>): void {
    this.noteUsage(usage)
    const reason = isObject(delta) ? delta["stop_reason"] : undefined
    if (!isObject(delta) || !isText(reason)) return
    this.writer.refusal(explanationOf(delta["stop_details"]), out)
    this.writer.finish(finishOf(reason), out)
  }

  private noteUsage(usage: Json | undefined): void {
    if (!isObject(usage)) return
    for (const [name, value] of Object.entries(usage)) if (value !== null) this.usage[name] = value
  }

  private tellUsage(out: Array<Frame>): void {
    if (this.usage["input_tokens"] === undefined) return
    this.writer.usage(usageOf(this.usage), out, tierOf(this.usage))
  }
}
