/**
 * Chunks of an answer as the parts of an Effect AI stream. A text, the thoughts and the parameters of a call are each opened,
 * continued and closed in turn. The calls themselves are handed over with the end of the answer: their handlers have effects, and
 * an answer that breaks off before its end must have none.
 */
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import type { ChatChunk } from "../domain/ChatAnswer.ts"
import type { AiEvent, AiSummary } from "./AiAnswer.ts"
import { extrasOf } from "./LanguageModelExtras.ts"
import { finishOf, metadataOf } from "./LanguageModelReply.ts"
import { callOf } from "./LanguageModelTools.ts"

type Part = Response.StreamPartEncoded
type Delta = ChatChunk["choices"][number]["delta"]
type CallDelta = NonNullable<Delta["tool_calls"]>[number]

interface Call {
  id: string
  name: string
  arguments: string
}

/** One answer, from its first chunk to its summary. */
export class PartWriter {
  private readonly options: LanguageModel.ProviderOptions
  private readonly calls = new Map<number, Call>()
  private open: { readonly kind: "text" | "reasoning" | "refusal" | "call"; readonly id: string } | undefined
  private opened = 0
  private isBegun = false
  private isRefused = false
  private finish: string | undefined

  constructor(options: LanguageModel.ProviderOptions) {
    this.options = options
  }

  /** The parts that an event stands for. */
  read(event: AiEvent): Effect.Effect<ReadonlyArray<Part>, AiError.AiErrorReason> {
    return event._tag === "Delta" ? Effect.succeed(this.chunk(event.chunk)) : this.end(event.summary)
  }

  private chunk(chunk: ChatChunk): ReadonlyArray<Part> {
    const out: Array<Part> = []
    if (!this.isBegun) {
      this.isBegun = true
      out.push(metadataOf(chunk))
    }
    for (const { delta, finish_reason: finish, index } of chunk.choices) {
      if (index !== 0) continue
      if (delta.reasoning_content) this.text("reasoning", delta.reasoning_content, out)
      if (delta.content) this.text("text", delta.content, out)
      if (delta.refusal) this.text("refusal", delta.refusal, out)
      out.push(...extrasOf(delta))
      for (const call of delta.tool_calls ?? []) this.call(call, out)
      if (finish) this.finish = finish
    }
    return out
  }

  private close(out: Array<Part>): void {
    if (this.open === undefined) return
    const { id, kind } = this.open
    this.open = undefined
    out.push({ type: kind === "call" ? "tool-params-end" : kind === "reasoning" ? "reasoning-end" : "text-end", id })
  }

  private text(kind: "text" | "reasoning" | "refusal", delta: string, out: Array<Part>): void {
    const of = kind === "reasoning" ? kind : "text"
    if (this.open?.kind !== kind) {
      this.close(out)
      const id = String(this.opened++)
      this.open = { kind, id }
      if (kind === "refusal") {
        this.isRefused = true
        out.push({ type: "text-start", id, metadata: { breakwater: { refusal: true } } })
      } else out.push({ type: `${of}-start`, id })
    }
    out.push({ type: `${of}-delta`, id: this.open.id, delta })
  }

  private call({ function: said, id, index }: CallDelta, out: Array<Part>): void {
    let call = this.calls.get(index)
    if (call === undefined) {
      call = { id: id ?? `call_${index}`, name: said?.name ?? "", arguments: "" }
      this.calls.set(index, call)
      this.close(out)
      this.open = { kind: "call", id: call.id }
      out.push({ type: "tool-params-start", id: call.id, name: call.name })
    }
    if (!said?.arguments) return
    call.arguments += said.arguments
    out.push({ type: "tool-params-delta", id: call.id, delta: said.arguments })
  }

  private end(summary: AiSummary): Effect.Effect<ReadonlyArray<Part>, AiError.AiErrorReason> {
    const out: Array<Part> = []
    this.close(out)
    return Effect.map(
      Effect.forEach(this.calls.values(), (call) => callOf(call, this.options)),
      (calls) => [...out, ...calls, finishOf(this.finish, this.isRefused, summary)]
    )
  }
}
