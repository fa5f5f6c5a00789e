/**
 * One streamed answer of Bedrock Converse as a state machine: an event of AWS's stream in, the caller's frames out. Usage comes after
 * the end of the message, so the answer is complete before it is done.
 */
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, StreamInterrupted, UpstreamFailed } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { StreamMachine, StreamOptions } from "../Dialect.ts"
import { corruptFrame, exceptionFrame } from "../EventStream.ts"
import type { Frame } from "../Provider.ts"
import { toReason } from "../ProviderError.ts"
import type { SseEvent } from "../Sse.ts"
import { finishOf, isBrokenEnd, isOwnTool, isSealed, tierOf, usageOf } from "./BedrockConverseAnswer.ts"
import { ChunkWriter } from "./ChunkWriter.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, type Json, type JsonObject, parse } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

/** Events that are no JSON and are passed over before the answer is given up. */
const toleratedEvents = 2

/** A block of thoughts while it comes. */
interface Thoughts {
  text: string
  signature: string
  redacted: string
}

const textOf = (value: Json | undefined): string => typeof value === "string" ? value : ""

const blockOf = ({ redacted, signature, text }: Thoughts): JsonObject => ({
  reasoningContent: redacted === ""
    ? { reasoningText: { text, ...(signature === "" ? {} : { signature }) } }
    : { redactedContent: redacted }
})

export class ConverseStream implements StreamMachine {
  isDone = false
  failure: Reason | undefined
  used: Usage | undefined
  skippedEvents = 0

  private readonly options: StreamOptions
  private readonly writer: ChunkWriter
  /** Why the answer cannot be used; what it used comes after it. */
  private broken: Reason | undefined
  /** Index of the call by that of its block. */
  private readonly calls = new Map<Json | undefined, number>()
  /** Thoughts since the last call, by the index of their block. */
  private readonly thoughts = new Map<Json | undefined, Thoughts>()

  constructor(options: StreamOptions) {
    this.options = options
    this.writer = new ChunkWriter(options)
  }

  get isComplete(): boolean {
    return this.writer.isFinished
  }

  next({ data, event }: SseEvent, out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    if (event === corruptFrame) {
      this.failure = new MalformedAnswer({ message: `The upstream's stream is broken: ${data}.` })
      return
    }
    const value = parse(data)
    if (event.startsWith(exceptionFrame)) return this.fail(event.slice(exceptionFrame.length), value ?? data)
    if (isObject(value)) return this.read(event, value, out)
    this.skippedEvents++
    if (this.skippedEvents > toleratedEvents) {
      this.failure = new MalformedAnswer({ message: "The upstream's stream has events that are not JSON." })
    }
  }

  end(): void {
    if (this.isDone || this.failure !== undefined) return
    if (this.isComplete) this.isDone = true
    else if (this.broken !== undefined) this.failure = this.broken
    else {
      this.failure = new StreamInterrupted({ message: "The upstream's stream ended before its answer was finished." })
    }
  }

  private fail(name: string, body: Json): void {
    const { nowMs } = this.options.fallback
    this.failure = toReason("bedrock", { headers: { "x-amzn-errortype": name }, body, nowMs })
  }

  private read(event: string, value: JsonObject, out: Array<Frame>): void {
    const { contentBlockIndex: index, delta, start } = value
    if (event === "contentBlockDelta" && isObject(delta)) this.readDelta(index, delta, out)
    else if (event === "contentBlockStart" && isObject(start)) this.readStart(index, start, out)
    else if (event === "messageStop") this.readStop(value["stopReason"], out)
    else if (event === "metadata") this.readMetadata(value, out)
  }

  private readDelta(index: Json | undefined, delta: JsonObject, out: Array<Frame>): void {
    const { reasoningContent: reasoning, text, toolUse } = delta
    if (typeof text === "string") return this.writer.text(text, out)
    if (isObject(reasoning)) return this.readThoughts(index, reasoning, out)
    const call = this.calls.get(index)
    if (isObject(toolUse) && call !== undefined) this.writer.toolArguments(call, textOf(toolUse["input"]), out)
  }

  private readThoughts(index: Json | undefined, delta: JsonObject, out: Array<Frame>): void {
    const text = textOf(delta["text"])
    const thoughts = this.thoughts.get(index) ?? { text: "", signature: "", redacted: "" }
    thoughts.text += text
    thoughts.signature += textOf(delta["signature"])
    thoughts.redacted += textOf(delta["redactedContent"])
    this.thoughts.set(index, thoughts)
    this.writer.reasoning(text, out)
  }

  private readStart(index: Json | undefined, { toolUse }: JsonObject, out: Array<Frame>): void {
    if (!isObject(toolUse) || isOwnTool(toolUse)) return
    const sealed = [...this.thoughts.values()].map(blockOf).filter(isSealed)
    this.thoughts.clear()
    const id = textOf(toolUse["toolUseId"])
    const carried = sealed.length === 0
      ? id
      : OpaqueState.carry(id, "b", JSON.stringify(sealed), this.options.fallback.model)
    this.calls.set(index, this.writer.toolStart(carried, textOf(toolUse["name"]), out))
  }

  private readStop(reason: Json | undefined, out: Array<Frame>): void {
    if (isBrokenEnd(reason)) {
      this.broken = new UpstreamFailed({
        message: "The model's output could not be read by the upstream.",
        upstreamStatus: 200
      })
    } else {
      this.writer.finish(finishOf(reason), out)
    }
  }

  /** The last event of an answer. */
  private readMetadata({ serviceTier, usage }: JsonObject, out: Array<Frame>): void {
    const used = usageOf(usage)
    if (used !== undefined) this.writer.usage(used, out, tierOf(serviceTier))
    this.failure = this.broken
    if (this.broken !== undefined && used !== undefined) this.used = mendUsage(used, tierOf(serviceTier))?.usage
    if (this.isComplete) this.isDone = true
  }
}
