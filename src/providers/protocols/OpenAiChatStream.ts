/**
 * One streamed answer in OpenAI's chat dialect as a state machine: an upstream's event in, the caller's frames out. A frame that
 * meets every output rule keeps the upstream's bytes; only rule-breakers are rewritten. `[DONE]` is the door's to write.
 */
import type { ChatChunk } from "../../domain/ChatAnswer.ts"
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, StreamInterrupted, UpstreamFailed } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { StreamMachine, StreamOptions } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import { toReason } from "../ProviderError.ts"
import type { SseEvent } from "../Sse.ts"
import { Repeats } from "./OpenAiChatRepeat.ts"
import type { Identity, Json, JsonObject } from "./OpenAiChatShape.ts"
import {
  identityOf,
  isFailedFinish,
  isObject,
  isText,
  mendLogprobs,
  mendTexts,
  mendTop,
  parse,
  parseKeepingDigits,
  readFinish
} from "./OpenAiChatShape.ts"
import { ToolCalls } from "./OpenAiChatTools.ts"
import { mendUsage, servedIn, tierOf } from "./OpenAiUsage.ts"

export interface ChatStreamOptions extends StreamOptions {
  /** What recognises an event that repeats another. Default: a new one. */
  readonly repeats?: Repeats
}

/** Events that are no JSON and are passed over before the answer is given up. */
const toleratedEvents = 2

interface ChoiceState {
  hasRole: boolean
  isFinished: boolean
  readonly calls: ToolCalls
}

const isSet = (value: Json | undefined): boolean => value !== undefined && value !== null

/** An event of the stream. */
export const encode = (payload: string): Uint8Array => Buffer.from(`data: ${payload}\n\n`)

const isAnyText = (delta: JsonObject): boolean =>
  isText(delta["content"]) || isText(delta["reasoning_content"]) || isText(delta["refusal"])

const hasContent = (delta: JsonObject): boolean =>
  isAnyText(delta) || isObject(delta["function_call"]) || isObject(delta["audio"]) ||
  (Array.isArray(delta["tool_calls"]) && delta["tool_calls"].length > 0)

export class ChatStream implements StreamMachine {
  /** The answer ended well: nothing follows. */
  isDone = false
  /** Why the answer is broken; nothing follows. */
  failure: Reason | undefined
  /** Events that were no JSON. */
  skippedEvents = 0

  private readonly options: ChatStreamOptions
  private identity: Identity | undefined
  private readonly choices = new Map<number, ChoiceState>()
  private usage: { readonly wire: JsonObject; readonly usage: Usage; readonly changed: boolean } | undefined
  private hasSentUsage = false
  /** A usage event without choices came. */
  private hasTotals = false
  private readonly repeated: Repeats

  constructor(options: ChatStreamOptions) {
    this.options = options
    this.repeated = options.repeats ?? new Repeats()
  }

  /** Every choice has its finish_reason; one that has not begun may still come until the totals do. */
  get isComplete(): boolean {
    return this.isFinished && (this.hasTotals || this.choices.size >= (this.options.choices ?? 1))
  }

  /** Every choice that was seen has its finish_reason. */
  private get isFinished(): boolean {
    if (this.choices.size === 0) return false
    for (const choice of this.choices.values()) if (!choice.isFinished) return false
    return true
  }

  /** Reads the events that repeat the last one, and says where in the bytes the first other one begins. */
  repeats(bytes: Uint8Array, out: Array<Frame>): number {
    return this.isDone || this.failure !== undefined ? 0 : this.repeated.read(bytes, out)
  }

  /** Reads one event and appends the frames that it came to. */
  next(event: SseEvent, out: Array<Frame>): void {
    if (this.isDone || this.failure !== undefined) return
    if (event.bytes !== undefined && this.repeated.read(event.bytes, out) > 0) return
    this.repeated.forget()
    const text = event.data.trim()
    if (text === "") return
    if (text === "[DONE]") return this.end(out, true)
    const value = parse(text)
    const isError = event.event === "error" || event.event === "response.failed"
    if (isError || (isObject(value) && (isSet(value["error"]) || value["type"] === "error"))) {
      const body = isObject(value) ? value : { error: text }
      this.failure = toReason("openai", { body, nowMs: this.options.fallback.nowMs })
    } else if (!isObject(value)) {
      this.skippedEvents++
      if (this.skippedEvents > toleratedEvents) {
        this.failure = new MalformedAnswer({ message: "The upstream's stream has events that are not JSON." })
      }
    } else {
      this.readChunk(value, event, out)
    }
  }

  /**
   * The body ended, `[DONE]` said or not: well if every choice is finished, else as an interruption. Totals and `[DONE]` come only
   * after a whole answer, so behind both a missing finish_reason is supplied.
   */
  end(out: Array<Frame>, saidDone = false): void {
    if (this.isDone || this.failure !== undefined) return
    if (!this.isComplete && saidDone && this.hasTotals) this.sendFinish(out)
    if (saidDone ? !this.isFinished : !this.isComplete) {
      this.failure = new StreamInterrupted({ message: "The upstream's stream ended before its answer was finished." })
      return
    }
    this.isDone = true
    this.sendUsage(out)
  }

  private readChunk(chunk: JsonObject, event: SseEvent, out: Array<Frame>): void {
    const brought = this.takeUsage(chunk)
    const { choices } = chunk
    if (!Array.isArray(choices) || choices.length === 0) {
      if (brought) this.hasTotals = true
      if (brought && this.isComplete) this.passUsage(chunk, event, out)
      return
    }
    this.identity ??= identityOf(chunk, this.options.fallback)
    let changed = mendTop(chunk, "chat.completion.chunk", this.identity) || brought
    const before: Array<JsonObject> = []
    const kept = choices.filter((choice) => {
      const mended = isObject(choice) ? this.mendChoice(choice, before) : undefined
      if (mended !== false) changed = true
      return mended !== undefined
    })
    if (this.failure !== undefined || kept.length === 0) return
    if (kept.length !== choices.length) chunk["choices"] = kept
    if (before.length > 0) this.sendChoices(before, out)
    const payload = changed ? this.rewritten(chunk, event) : this.withUsageRule(chunk, event)
    // What it says so far counts if nothing more comes.
    out.push(this.frame(chunk, payload, kept, brought && !this.isComplete ? this.usage?.usage : undefined))
    if (!changed && kept.length === 1 && before.length === 0) this.repeated.keep(kept[0], event, payload)
    if (brought && this.isComplete) this.sendUsage(out)
  }

  /** Keeps the chunk's usage for the end and takes it out; true where there was any. */
  private takeUsage(chunk: JsonObject): boolean {
    const extra = chunk["x_groq"]
    const groq = isObject(extra) && isObject(extra["usage"]) ? extra["usage"] : undefined
    const own = isObject(chunk["usage"]) ? chunk["usage"] : undefined
    const wire = own ?? groq
    if (wire === undefined) return false
    const mended = mendUsage(wire, tierOf(chunk), servedIn(chunk, this.options.fallback))
    if (mended !== undefined) this.usage = { wire, usage: mended.usage, changed: mended.changed || groq !== undefined }
    if (groq !== undefined && isObject(extra)) delete extra["usage"]
    if (own !== undefined) delete chunk["usage"]
    return true
  }

  /** Undefined drops the choice, true says that it was changed. `before` gets what must be said first. */
  private mendChoice(choice: JsonObject, before: Array<JsonObject>): boolean | undefined {
    let changed = false
    if (!Number.isInteger(choice["index"])) {
      choice["index"] = 0
      changed = true
    }
    const index = Number(choice["index"])
    const state = this.stateOf(index)
    if (state.isFinished) return undefined
    if (isFailedFinish(choice["finish_reason"])) {
      this.failure = new UpstreamFailed({ message: "The upstream broke its answer off." })
      return undefined
    }
    const written = choice["delta"]
    const delta: JsonObject = isObject(written) ? written : {}
    if (delta !== written) {
      choice["delta"] = delta
      changed = true
    }
    if (this.mendDelta(delta, state)) changed = true
    if (mendLogprobs(choice["logprobs"])) changed = true
    return this.mendFinish(choice, delta, state, before) || changed
  }

  private mendDelta(delta: JsonObject, state: ChoiceState): boolean {
    let changed = mendTexts(delta)
    if (Array.isArray(delta["tool_calls"])) {
      const calls = state.calls.mend(delta["tool_calls"])
      if (calls !== undefined) {
        if (calls.length === 0) delete delta["tool_calls"]
        else delta["tool_calls"] = calls
        changed = true
      }
    }
    if (state.hasRole) {
      if (delta["role"] === undefined) return changed
      delete delta["role"]
      return true
    }
    state.hasRole = true
    if (delta["role"] !== "assistant") {
      delta["role"] = "assistant"
      changed = true
    }
    const isSilent = delta["tool_calls"] !== undefined || delta["function_call"] !== undefined
    if (delta["content"] === undefined || (delta["content"] === null && !isSilent)) {
      delta["content"] = isSilent ? null : ""
      changed = true
    }
    return changed
  }

  private mendFinish(
    choice: JsonObject,
    delta: JsonObject,
    state: ChoiceState,
    before: Array<JsonObject>
  ): boolean {
    const said = choice["finish_reason"]
    const finish = isText(said) ? readFinish(said, state.calls.hasCalls) : null
    choice["finish_reason"] = finish
    if (finish === null) return said !== null
    state.isFinished = true
    const here = Array.isArray(delta["tool_calls"]) ? delta["tool_calls"].filter(isObject) : []
    const unsaid: Array<Json> = []
    for (const closing of state.calls.close()) {
      const same = here.find((call) => call["index"] === closing["index"])
      if (same === undefined || !isObject(same["function"])) unsaid.push(closing)
      else same["function"] = { ...same["function"], arguments: "{}" }
    }
    if (unsaid.length > 0) {
      before.push({ index: choice["index"], delta: { tool_calls: unsaid }, finish_reason: null })
    }
    return finish !== said || here.length > 0
  }

  private stateOf(index: number): ChoiceState {
    const known = this.choices.get(index)
    if (known !== undefined) return known
    const id = this.identity?.id ?? this.options.fallback.id
    const state = { hasRole: false, isFinished: false, calls: new ToolCalls(`${id}_${index}`) }
    this.choices.set(index, state)
    return state
  }

  private base(choices: Array<Json>): JsonObject {
    const { created, id, model } = this.identity ?? this.options.fallback
    return { id, object: "chat.completion.chunk", created, model, choices }
  }

  /** Choices in an event of our own, such as the empty arguments of calls before the event that finishes. */
  private sendChoices(choices: Array<Json>, out: Array<Frame>): void {
    const chunk = this.base(choices)
    if (this.options.includeUsage) chunk["usage"] = null
    out.push(this.frame(chunk, encode(JSON.stringify(chunk)), choices, undefined))
  }

  private sendFinish(out: Array<Frame>): void {
    for (const [index, state] of this.choices) {
      if (state.isFinished) continue
      const choice: JsonObject = { index, delta: {}, finish_reason: "stop" }
      const before: Array<JsonObject> = []
      this.mendFinish(choice, {}, state, before)
      if (before.length > 0) this.sendChoices(before, out)
      this.sendChoices([choice], out)
    }
  }

  /** The upstream's own usage event, as it is where it is right. */
  private passUsage(chunk: JsonObject, event: SseEvent, out: Array<Frame>): void {
    if (
      this.usage === undefined || this.hasSentUsage || this.identity === undefined || chunk["choices"] === undefined
    ) {
      return this.sendUsage(out)
    }
    this.hasSentUsage = true
    const changed = mendTop(chunk, "chat.completion.chunk", this.identity) || this.usage.changed
    chunk["usage"] = this.usage.wire
    const payload = changed || event.bytes === undefined ? encode(JSON.stringify(chunk)) : event.bytes
    out.push(this.frame(chunk, this.options.includeUsage ? payload : undefined, [], this.usage.usage))
  }

  /** The one usage event; for us alone where the caller did not ask. */
  private sendUsage(out: Array<Frame>): void {
    if (this.usage === undefined || this.hasSentUsage) return
    this.hasSentUsage = true
    const chunk: JsonObject = { ...this.base([]), usage: this.usage.wire }
    const payload = this.options.includeUsage ? encode(JSON.stringify(chunk)) : undefined
    out.push(this.frame(chunk, payload, [], this.usage.usage))
  }

  private rewritten(chunk: JsonObject, event: SseEvent): Uint8Array {
    const exact = /\d{16}/.test(event.data) ? this.exact(chunk, event.data) : chunk
    if (this.options.includeUsage) exact["usage"] = null
    else delete exact["usage"]
    return encode(JSON.stringify(exact))
  }

  /** The mended chunk, its top-level members with big integers as they were written. */
  private exact(chunk: JsonObject, text: string): JsonObject {
    const raw = parseKeepingDigits(text, chunk)
    return isObject(raw) ? { ...raw, ...this.base([]), model: chunk["model"], choices: chunk["choices"] } : chunk
  }

  /** `usage: null` where the caller asked for usage, no `usage` where not; by cutting the text, which is cheap. */
  private withUsageRule(chunk: JsonObject, event: SseEvent): Uint8Array {
    const wanted = this.options.includeUsage
    const has = chunk["usage"] !== undefined
    if (wanted === has) return event.bytes ?? this.rewritten(chunk, event)
    const { data } = event
    if (data.includes("\n")) return this.rewritten(chunk, event)
    if (wanted) return encode(`${data.slice(0, data.lastIndexOf("}"))},"usage":null}`)
    const at = data.indexOf(",\"usage\":null")
    if (at < 0 || at !== data.lastIndexOf(",\"usage\":null")) return this.rewritten(chunk, event)
    return encode(data.slice(0, at) + data.slice(at + ",\"usage\":null".length))
  }

  private frame(
    chunk: JsonObject,
    bytes: Uint8Array | undefined,
    choices: ReadonlyArray<Json>,
    usage: Usage | undefined
  ): Frame {
    return {
      bytes,
      // Mended to the type just now.
      chunk: chunk as unknown as ChatChunk,
      isContent: choices.some((choice) => isObject(choice) && isObject(choice["delta"]) && hasContent(choice["delta"])),
      isTerminal: this.isComplete,
      usage
    }
  }
}
