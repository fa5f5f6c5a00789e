/**
 * A provider without a network, for a first run without keys, for tests and for drills: what it says, its ids and its timing
 * follow from the request and a seed alone. It waits on Effect's clock, so TestClock rules it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type GatewayError, gatewayError, InvalidRequest, UpstreamModelMissing } from "../domain/GatewayError.ts"
import type { Answer, AnswerStream, EmbeddingAnswer, EmbeddingCall, Frame, Provider, ProviderCall } from "./Provider.ts"
import { embeddingsOf } from "./SimulatedEmbedding.ts"
import { cutAnswer, cutStream, type Pace, type SimulatedModel, simulatedModels } from "./SimulatedModels.ts"
import { simulatedNames } from "./SimulatedNames.ts"
import { type Reply, replyTo } from "./SimulatedReply.ts"
import { readRequest, type SimulatedRequest } from "./SimulatedRequest.ts"
import { completionOf, type Envelope, frameOf, planOf, usageFrameOf } from "./SimulatedWire.ts"

export interface SimulatedSettings extends Pace {
  /** Another seed gives other texts and ids. */
  readonly seed: number
}

/** 120 ms to the first token, then 60 tokens a second. */
export const defaultSimulatedSettings: SimulatedSettings = { seed: 0, firstTokenMs: 120, tokensPerSecond: 60 }

/** Whole answers do not keep a first try waiting: what the tokens add to the first one's time ends here, in milliseconds. */
const maxWritingMs = 180
/** A whole answer is written so many times faster than a stream. */
const writingFactor = 8
/** Frames handed over in one pull at most, however late the caller comes. */
const maxBatch = 32

interface Attempt {
  readonly model: SimulatedModel
  readonly pace: Pace
  readonly request: SimulatedRequest
  readonly reply: Reply
  readonly envelope: Envelope
  readonly startedAtMs: number
}

const readCall = (call: ProviderCall): Effect.Effect<SimulatedRequest, GatewayError> =>
  Effect.try({
    try: () => readRequest(call),
    catch: () => gatewayError(new InvalidRequest({ message: "The request is not valid JSON.", upstreamStatus: 400 }))
  })

const millisOf = (attempt: Attempt, tokens: number): number =>
  attempt.pace.firstTokenMs + tokens * 1000 / attempt.pace.tokensPerSecond

/** Due frames come at once, the next one when its time has come; then the end that the model has. */
const pullOf = (attempt: Attempt): AnswerStream["pull"] => {
  const { envelope, model, reply, request } = attempt
  const plan = planOf(reply)
  const breaks = model.breaks
  const isBroken = breaks !== undefined
  const length = breaks === undefined
    ? plan.length
    : Math.min(plan.length, breaks.as === "stall" ? breaks.after + 1 : Math.ceil(plan.length / 2))
  let unfinished = reply.choices.length
  let next = 0
  let hasUsage = isBroken
  const end = Effect.suspend((): AnswerStream["pull"] => {
    if (breaks?.as === "stall") return Effect.never
    if (breaks?.as === "cut") return Effect.fail(gatewayError(cutStream))
    return Cause.done()
  })
  const frameAt = (index: number): Frame | undefined => {
    const event = plan[index]
    if (event === undefined || index >= length) return undefined
    if (event.finishReason !== null) unfinished -= 1
    return frameOf(envelope, event, request.includeUsage, unfinished === 0)
  }
  const take = (nowMs: number): AnswerStream["pull"] => {
    const first = frameAt(next)
    if (first === undefined) return end
    const frames: [Frame, ...Array<Frame>] = [first]
    next += 1
    while (next < length && frames.length < maxBatch && dueMs(next) <= nowMs) {
      const frame = frameAt(next)
      if (frame !== undefined) frames.push(frame)
      next += 1
    }
    if (next >= length && !hasUsage) {
      hasUsage = true
      frames.push(usageFrameOf(envelope, reply.usage, request.includeUsage))
    }
    return Effect.succeed(frames)
  }
  const dueMs = (index: number): number =>
    attempt.startedAtMs + Math.ceil(millisOf(attempt, plan[index]?.position ?? 0))
  return Effect.gen(function*() {
    if (next >= length) return yield* end
    let nowMs = yield* Clock.currentTimeMillis
    while (nowMs < dueMs(next)) {
      yield* Effect.sleep(dueMs(next) - nowMs)
      nowMs = yield* Clock.currentTimeMillis
    }
    return yield* take(nowMs)
  })
}

const answerOf = (attempt: Attempt): Effect.Effect<Answer, GatewayError> => {
  const { envelope, model, pace, reply } = attempt
  const longest = Math.max(...reply.choices.map((choice) => choice.reasoning.length + choice.content.length))
  const writingMs = longest * 1000 / pace.tokensPerSecond / writingFactor
  const waitMs = Math.round(pace.firstTokenMs + Math.min(writingMs, maxWritingMs))
  const wait = waitMs > 0 ? Effect.sleep(waitMs) : Effect.void
  if (model.breaks?.as === "stall") return Effect.never
  if (model.breaks?.as === "cut") return Effect.andThen(wait, Effect.fail(gatewayError(cutAnswer)))
  return Effect.map(wait, () => {
    const completion = completionOf(envelope, reply)
    return {
      text: JSON.stringify(completion),
      completion,
      usage: reply.usage,
      upstreamRequestId: `req-sim-${reply.hash}`
    }
  })
}

/** Vectors come at once when the first token would; a model whose answers break has none of these either. */
const vectorsOf = (
  { breaks, pace }: SimulatedModel,
  call: EmbeddingCall,
  seed: number,
  usualMs: number
): Effect.Effect<EmbeddingAnswer, GatewayError> => {
  if (breaks?.as === "stall") return Effect.never
  const waitMs = pace?.firstTokenMs ?? usualMs
  const wait = waitMs > 0 ? Effect.sleep(waitMs) : Effect.void
  return breaks?.as === "cut"
    ? Effect.andThen(wait, Effect.fail(gatewayError(cutAnswer)))
    : Effect.map(wait, () => embeddingsOf(call.request, call.model, seed))
}

/** A judgement: this is all that is ever flagged. */
const judge = (text: string): ReadonlyArray<string> | undefined =>
  text.includes("[flag me]") ? ["simulated"] : undefined

/**
 * A simulated provider; `models` lists what it can play. Which attempt fails (`sim-flaky`, `sim-rate-limited`) follows from the
 * number of calls to this very provider. Fails with `UpstreamModelMissing` for a model that it does not have; a moderation may
 * be called as it likes, and one that is called like a model fails like it.
 */
export const make = (name: string, settings: Partial<SimulatedSettings> = {}): Provider => {
  const { seed, ...pace } = { ...defaultSimulatedSettings, ...settings }
  const attempts = new Map<string, number>()

  /** The model, unless it fails this time or never answers. */
  const enter = Effect.fnUntraced(function*(name: string) {
    const model = simulatedModels.get(name)
    if (model === undefined) {
      const message = `The simulated provider has no model ${JSON.stringify(name)}; its models are ${
        simulatedNames.join(", ")
      }.`
      return yield* Effect.fail(gatewayError(new UpstreamModelMissing({ message, upstreamStatus: 404 })))
    }
    const attempt = (attempts.get(name) ?? 0) + 1
    attempts.set(name, attempt)
    if (model.isSilent === true) return yield* Effect.never
    const trouble = model.trouble?.(attempt)
    return trouble === undefined ? model : yield* Effect.fail(gatewayError(trouble))
  })

  const begin = Effect.fnUntraced(function*(call: ProviderCall) {
    const model = yield* enter(call.model)
    const request = yield* readCall(call)
    const reply = replyTo(request, call.model, seed, model.speaker)
    const startedAtMs = yield* Clock.currentTimeMillis
    const envelope = {
      id: `chatcmpl-sim-${reply.hash}`,
      created: Math.floor(startedAtMs / 1000),
      model: call.model
    }
    return { model, pace: { ...pace, ...model.pace }, request, reply, envelope, startedAtMs } satisfies Attempt
  })

  return {
    name,
    kind: "simulated",
    models: simulatedNames,
    hasOnlyListed: true,
    complete: (call) => Effect.flatMap(begin(call), answerOf),
    stream: (call) =>
      Effect.map(begin(call), (attempt) => ({
        pull: pullOf(attempt),
        upstreamRequestId: `req-sim-${attempt.reply.hash}`
      })),
    embed: (call) => Effect.flatMap(enter(call.model), (model) => vectorsOf(model, call, seed, pace.firstTokenMs)),
    moderate: ({ input, model }) => Effect.as(simulatedModels.has(model) ? enter(model) : Effect.void, input.map(judge))
  }
}
