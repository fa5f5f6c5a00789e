/**
 * One call to a provider as the conventions see it: a `gen_ai` span over all tries on a target that follow each other, and below it
 * a span for each request that went over the wire. A call ends with its answer; a break after the first content ends it for good,
 * so that no two answers share a span and tokens add up.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { ChatChunk } from "../domain/ChatAnswer.ts"
import type { Usage } from "../domain/Usage.ts"
import { names, redactedUrl } from "../observability/Conventions.ts"
import * as GenAiSpan from "../observability/GenAiSpan.ts"
import { idOf, modelName } from "../observability/Redaction.ts"
import type { Answer, EmbeddingAnswer, EmbeddingCall, Frame, Wire } from "../providers/Provider.ts"
import type { Decision } from "./Decision.ts"
import type { RequestTrace } from "./RequestTrace.ts"
import type { Target } from "./Target.ts"
import type { AnyAttempt } from "./Turn.ts"

const noAnnotations = Context.empty()
const cancelled = Exit.interrupt()

/** Opens a span below another. */
export const below = (
  tracer: Tracer.Tracer,
  parent: Tracer.AnySpan | undefined,
  name: string,
  kind: Tracer.SpanKind,
  startTime: bigint
): Tracer.Span =>
  tracer.span({
    name,
    kind,
    startTime,
    parent: parent === undefined ? Option.none() : Option.some(parent),
    annotations: noAnnotations,
    links: [],
    root: parent === undefined,
    sampled: true
  })

/** Ends a span: with an error that is named by a closed set, as nobody's fault, or well. */
export const close = (span: Tracer.Span, endTime: bigint, error: string | undefined, isCancelled: boolean): void => {
  if (error !== undefined) span.attribute(names.errorType, error)
  else if (isCancelled) span.attribute("breakwater.cancelled", true)
  span.end(endTime, error !== undefined ? Exit.fail(error) : isCancelled ? cancelled : Exit.void)
}

/** Where a request goes, as spans say it. */
interface Place {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly template: string
}

/** A port that is not written is the scheme's own. */
const placeOf = (origin: string, path: string): Place => {
  const url = URL.parse(origin)
  return {
    host: url?.hostname ?? origin,
    port: Number(url?.port) || (url?.protocol === "http:" ? 80 : 443),
    url: redactedUrl(origin + path),
    template: path.split("?", 1)[0] ?? path
  }
}

/** By origin, which are those of the file, and path, in which a caller's word may stand. */
const places = new Map<string, Map<string, Place>>()
const mostPaths = 256

const placeAt = (origin: string, path: string): Place => {
  const paths = places.get(origin) ?? new Map<string, Place>()
  const known = paths.get(path)
  if (known !== undefined) return known
  const made = placeOf(origin, path)
  if (paths.size < mostPaths) places.set(origin, paths.set(path, made))
  return made
}

/** A request on the wire, while it is there. */
interface Sent {
  readonly span: Tracer.Span
  readonly origin: string
  readonly path: string
  status: number
}

/** A request may have members of any name, so the record tells what it is. */
const isEmbedding = ({ operation }: Decision, call: AnyAttempt["call"]): call is EmbeddingCall =>
  operation === "embeddings" && "input" in call.request

/** Writes what is asked on the span; answers with how many choices that has. */
const asked = (span: Tracer.Span, { profile }: RequestTrace, { call, decision, target }: AnyAttempt): number => {
  const { kind } = target.provider
  const { model } = call
  if (isEmbedding(decision, call)) {
    GenAiSpan.askedToEmbed(span, profile, { kind, model, request: call.request })
    return 0
  }
  GenAiSpan.asked(span, profile, { kind, model, stream: decision.stream, request: call.request })
  return call.request.n ?? 1
}

export class CallSpan implements Wire {
  readonly target: Target
  readonly span: Tracer.Span
  /** What the last try failed with; it may be tried again. */
  error: string | undefined
  /** The answer was given out, in whole or in part. */
  isCommitted = false
  isOver = false
  /** What its last try used was not counted to the end, so that what it cost is not known. */
  isEstimated = false
  private readonly trace: RequestTrace
  private readonly startedAt: bigint
  private readonly asked: string
  private readonly choices: number
  private endedAt: bigint
  private sends = 0
  private sent: Sent | undefined
  private usage: Usage | undefined
  private id: string | undefined
  private model: string | undefined
  private finishReasons: Array<string | undefined> = []
  private firstChunkS: number | undefined

  constructor(trace: RequestTrace, options: AnyAttempt) {
    const { call, decision, target } = options
    this.trace = trace
    this.target = target
    this.asked = call.model
    this.startedAt = trace.now()
    this.endedAt = this.startedAt
    const name = `${decision.operation ?? "chat"} ${modelName(call.model)}`
    this.span = below(trace.tracer, trace.span, name, "client", this.startedAt)
    this.choices = asked(this.span, trace, options)
    this.span.attribute("breakwater.target", target.name)
  }

  /** The upstream has said that tokens were used. */
  get isUsed(): boolean {
    return this.usage !== undefined
  }

  /** Another try begins within this call: nothing of an earlier one is left. */
  begin(): void {
    this.error = undefined
    this.finishReasons = []
  }

  send(origin: string, path: string, method: string): void {
    const now = this.trace.now()
    if (this.sent !== undefined) this.endSent(now, "ConnectionReset", false)
    const { host, port, template, url } = placeAt(origin, path)
    if (this.sends === 0) {
      this.span.attribute(names.serverAddress, host)
      this.span.attribute(names.serverPort, port)
    }
    const span = below(this.trace.tracer, this.span, method, "client", now)
    span.attribute(names.method, method)
    span.attribute(names.serverAddress, host)
    span.attribute(names.serverPort, port)
    span.attribute(names.urlFull, url)
    span.attribute(names.urlTemplate, template)
    if (this.sends > 0) span.attribute(names.resendCount, this.sends)
    this.sends += 1
    this.sent = { span, origin, path, status: 0 }
  }

  resend(): void {
    if (this.sent !== undefined) this.send(this.sent.origin, this.sent.path, "POST")
  }

  head(status: number): void {
    if (this.sent === undefined) return
    this.sent.status = status
    this.sent.span.attribute(names.status, status)
    this.sent.span.attribute(names.protocolVersion, "1.1")
  }

  private endSent(now: bigint, error: string | undefined, isCancelled: boolean): void {
    if (this.sent === undefined) return
    const { span, status } = this.sent
    this.sent = undefined
    close(span, now, status >= 400 ? String(status) : error, isCancelled)
  }

  /** The first content of a stream is here. */
  commit(upstreamRequestId: string | undefined): void {
    this.named(upstreamRequestId)
    this.isCommitted = true
    const now = this.trace.now()
    this.firstChunkS = Number(now - this.startedAt) / 1e9
    this.trace.span.event("breakwater.stream.first_chunk", now, { "breakwater.target": this.target.name })
  }

  /** What an event of a stream said. */
  saw(frame: Frame): void {
    if (frame.isPlain === true && this.model !== undefined) return
    const { chunk, usage } = frame
    if (usage !== undefined) this.usage = usage
    this.describe(chunk)
    for (const { finish_reason: finish, index } of chunk.choices) {
      if (finish !== null && finish !== undefined) this.finishReasons[index] = finish
    }
  }

  /** What a whole answer said. */
  took({ completion, upstreamRequestId, usage }: Answer): void {
    this.named(upstreamRequestId)
    this.isCommitted = true
    this.usage = usage
    this.describe(completion)
    this.finishReasons = completion.choices.map((choice) => choice.finish_reason)
  }

  /** What was said with vectors. */
  embedded({ model, upstreamRequestId, usage }: EmbeddingAnswer): void {
    this.named(upstreamRequestId)
    this.isCommitted = true
    this.usage = usage
    this.model = model
  }

  /** What was used by a part of it that was answered, where the whole failed. */
  used(usage: Usage, isUntold: boolean): void {
    this.usage = usage
    if (isUntold) this.isEstimated = true
  }

  private named(upstreamRequestId: string | undefined): void {
    const id = idOf(upstreamRequestId)
    if (id !== undefined) this.span.attribute("breakwater.upstream.request.id", id)
  }

  private describe({ id, model }: Pick<ChatChunk, "id" | "model">): void {
    this.id ??= id
    this.model ??= model
  }

  /** The try is over. The call is too, unless it failed where it can be tried again. */
  leave(exit: Exit.Exit<unknown, unknown>): void {
    const now = this.trace.now()
    this.endedAt = now
    const isUntold = this.error === undefined && Exit.isFailure(exit)
    const isCancelled = isUntold && Cause.hasInterrupts(exit.cause)
    if (isUntold && !isCancelled) this.error = "InternalFailure"
    this.endSent(now, this.error, isCancelled)
    if (this.isCommitted || isUntold) this.end(isCancelled)
  }

  /** Ends the call as its last try did, at the time of that. */
  end(isCancelled = false): void {
    if (this.isOver) return
    this.isOver = true
    const { decision, profile } = this.trace
    this.endSent(this.endedAt, this.error, isCancelled)
    GenAiSpan.answered(this.span, profile, this.target.provider.kind, {
      id: this.id,
      model: this.model,
      usage: this.usage,
      isVectors: decision.operation === "embeddings",
      firstChunkS: this.firstChunkS,
      finishReasons: this.reasons(),
      cost: this.cost(decision),
      content: decision.captured?.content(this.isCommitted)
    })
    close(this.span, this.endedAt, this.error, isCancelled)
  }

  /** By choice. The newer conventions have `error` where a choice never came to its end. */
  private reasons(): ReadonlyArray<string> {
    const { error, finishReasons } = this
    if (this.trace.profile.more === undefined || error === undefined || !this.isCommitted) {
      return finishReasons.filter((reason) => reason !== undefined)
    }
    return Array.from({ length: Math.max(this.choices, finishReasons.length) }, (_, at) => finishReasons[at] ?? "error")
  }

  private cost({ prices, startedAtMs }: Decision): GenAiSpan.CostFacts | undefined {
    if (this.usage === undefined || this.isEstimated || prices === undefined) return undefined
    const cost = prices.costOf(this.target.provider.name, this.asked, this.usage, startedAtMs)
    return "absent" in cost ? undefined : { usd: Number(cost.picoUsd) / 1e12, source: cost.source }
  }
}
