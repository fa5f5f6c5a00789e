/**
 * Providers that play scenarios instead of asking anybody, and remember every attempt with its time. They read only Effect's
 * Clock and Random, so that a test clock and a seed rule them.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as E from "../domain/GatewayError.ts"
import * as Credential from "../resilience/Credential.ts"
import type { Answer, AnswerStream, EmbeddingCall, Frame, ModerationCall, Provider, ProviderCall } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import { type Answering, healthy, type Play, resolve, type Scenario } from "./Scenario.ts"
import { embeddingsOf } from "./SimulatedEmbedding.ts"
import type { Reply } from "./SimulatedReply.ts"
import { completionOf, type Envelope, frameOf, planOf } from "./SimulatedWire.ts"

/** One attempt as the provider saw it. */
export interface FaultAttempt {
  /** `provider/model`. */
  readonly target: string
  /** Milliseconds since the providers were made. */
  readonly atMs: number
  readonly stream: boolean
  /** Tag of the reason it fails with, `silent` if nothing comes, or `answer`; an answer may still break off. */
  readonly plays: string
}

/** What a layer of fault providers has seen. */
export class FaultAttempts extends Context.Service<FaultAttempts, {
  /** Every attempt since the start, in the order of their arrival. */
  readonly all: () => ReadonlyArray<FaultAttempt>
}>()("breakwater/providers/FaultProvider/FaultAttempts") {}

/** By the provider's name; `name/model` says it for one model of it. */
export type Scenarios = Readonly<Record<string, Scenario>>

/** A provider of the configuration that is to be replaced; `models` is what it lists. */
export interface FaultProviderSettings {
  readonly name: string
  readonly models?: ReadonlyArray<string> | undefined
  /** How many it has; one is used until a scenario refuses it, then the next. Default 0: it asks for none. */
  readonly credentials?: number | undefined
}

/** The providers that scenarios name, each once. */
export const namesIn = (scenarios: Scenarios): ReadonlyArray<string> => [
  ...new Set(Object.keys(scenarios).map((key) => key.split("/", 1)[0] ?? key))
]

const vocabulary = ["the", "sea", "is", "held", "back", "by", "a", "breakwater"]

const replyOf = (count: number): Reply => ({
  hash: "00000000",
  choices: [{
    reasoning: [],
    content: Array.from({ length: count }, (_, at) => `${at === 0 ? "" : " "}${vocabulary[at % vocabulary.length]}`),
    toolCalls: [],
    finishReason: "stop"
  }],
  usage: { promptTokens: 8, completionTokens: count, totalTokens: 8 + count }
})

const envelopeOf = (call: ProviderCall): Envelope => ({
  id: `chatcmpl-${call.requestId}`,
  created: 0,
  model: call.model
})

const broken = {
  cut: new E.StreamInterrupted({ message: "The scenario cuts the answer off." }),
  malformed: new E.MalformedAnswer({ message: "The scenario sends what is not JSON." }),
  unfinished: new E.StreamInterrupted({ message: "The scenario ends the answer before it is finished." })
} as const

const sleep = (ms: number): Effect.Effect<void> => ms > 0 ? Effect.sleep(ms) : Effect.void

/** What is there at once and whole when its time has come, unless the scenario breaks it. */
const atOnce = <A>({ breaks, firstTokenMs }: Answering, answer: () => A): Effect.Effect<A, E.GatewayError> => {
  const wait = sleep(firstTokenMs)
  if (breaks?.as === "stall") return Effect.never
  return breaks === undefined
    ? Effect.map(wait, answer)
    : Effect.andThen(wait, Effect.fail(E.gatewayError(broken[breaks.as])))
}

const wholeAnswer = (answering: Answering, call: ProviderCall): Effect.Effect<Answer, E.GatewayError> =>
  atOnce(answering, () => {
    const reply = replyOf(answering.words)
    const completion = completionOf(envelopeOf(call), reply)
    return { text: JSON.stringify(completion), completion, usage: reply.usage, upstreamRequestId: undefined }
  })

const vectors = (answering: Answering, { model, request }: EmbeddingCall) =>
  atOnce(answering, () => embeddingsOf(request, model, 0))

/** Nothing is flagged. A judgement has no words, so neither their pace nor where they break matters to it. */
const nothingFlagged = ({ input }: ModerationCall) => Effect.succeed(input.map(() => undefined))

/** The frames come one by one at the pace of the words, or all at once where there is none; then the end that it has. */
const streamOf = ({ breaks, firstTokenMs, wordMs, words }: Answering, call: ProviderCall): AnswerStream => {
  const envelope = envelopeOf(call)
  const plan = planOf(replyOf(words))
  // The first event is the role, the last the finish reason; between them one a word.
  const events = breaks === undefined ? plan : plan.slice(0, 1 + Math.min(words, breaks.afterWords))
  const frames = events.map((event): Frame => frameOf(envelope, event, false, event.finishReason !== null))
  let sent = 0
  const end = Effect.suspend((): AnswerStream["pull"] => {
    if (breaks === undefined) return Cause.done()
    return breaks.as === "stall" ? Effect.never : Effect.fail(E.gatewayError(broken[breaks.as]))
  })
  const pull = Effect.suspend((): AnswerStream["pull"] => {
    const waitMs = sent === 0 ? firstTokenMs : wordMs
    // The role comes with the first word.
    const next = frames.slice(sent, wordMs === 0 ? frames.length : sent + (sent === 0 ? 2 : 1))
    const [first, ...rest] = next
    if (first === undefined) return end
    sent += next.length
    return Effect.as(sleep(waitMs), [first, ...rest] as const)
  })
  return { pull, upstreamRequestId: undefined }
}

const saidOf = (outcome: Play["outcome"]): string =>
  outcome._tag === "Answer" ? "answer" : outcome._tag === "Silent" ? "silent" : outcome.reason._tag

/** What the providers of one layer share: their start and what they have seen. */
class Journal {
  readonly attempts: Array<FaultAttempt> = []
  private readonly startedAtMs: number

  constructor(clock: Clock.Clock) {
    this.startedAtMs = clock.currentTimeMillisUnsafe()
  }

  since(clock: Clock.Clock): number {
    return clock.currentTimeMillisUnsafe() - this.startedAtMs
  }
}

/** Plays the scenarios, healthy for what they do not name. */
const make = (settings: FaultProviderSettings, scenarios: Scenarios, journal: Journal): Provider => {
  const { credentials: held = 0, models = [], name } = settings
  const credentials = held > 0 ? Credential.make({ count: held }) : undefined
  const counts = new Map<Scenario, number>()
  const count = (scenario: Scenario): number => {
    const next = (counts.get(scenario) ?? 0) + 1
    counts.set(scenario, next)
    return next
  }
  const play = <A>(
    call: Pick<ProviderCall, "model">,
    stream: boolean,
    answer: (play: Answering) => Effect.Effect<A, E.GatewayError>,
    asked?: Credential.Asked
  ): Effect.Effect<A, E.GatewayError> =>
    Effect.withFiber((fiber) => {
      const random = fiber.getRef(Random.Random)
      const target = `${name}/${call.model}`
      const atMs = journal.since(fiber.getRef(Clock.Clock))
      const scenario = scenarios[target] ?? scenarios[name] ?? healthy
      const { delayMs, outcome } = resolve(scenario, { atMs, draw: () => random.nextDoubleUnsafe(), count })
      journal.attempts.push({ target, atMs, stream, plays: saidOf(outcome) })
      if (outcome._tag === "Silent") return Effect.never
      const clock = fiber.getRef(Clock.Clock)
      const mine = credentials?.pick(call.model, clock)
      const then = outcome._tag === "Fail" ? Effect.fail(E.gatewayError(outcome.reason)) : answer(outcome)
      const played = delayMs > 0 ? Effect.delay(then, delayMs) : then
      if (credentials === undefined || mine === undefined) return played
      return Effect.tapError(played, ({ reason }) =>
        Effect.sync(() => credentials.note(mine, call.model, reason, clock, asked)))
    })
  return {
    name,
    kind: "fault",
    credentials,
    models,
    complete: (call) => play(call, false, (answer) => wholeAnswer(answer, call)),
    stream: (call) => play(call, true, (answer) => Effect.succeed(streamOf(answer, call))),
    embed: (call) => play(call, false, (answer) => vectors(answer, call), "vectors"),
    moderate: (call) => play(call, false, () => nothingFlagged(call), "moderation")
  }
}

/**
 * Fault providers in place of real ones, and the record of what they were asked. Without `providers` there is one for each
 * name in the scenarios. Their time begins when the layer is built.
 */
export const layer = (
  scenarios: Scenarios,
  providers: ReadonlyArray<FaultProviderSettings> = namesIn(scenarios).map((name) => ({ name }))
): Layer.Layer<Providers | FaultAttempts> =>
  Layer.effectContext(Effect.clockWith((clock) =>
    Effect.sync(() => {
      const journal = new Journal(clock)
      const made = providers.map((settings) => make(settings, scenarios, journal))
      return Context.make(Providers, { providers: new Map(made.map((provider) => [provider.name, provider])) }).pipe(
        Context.add(FaultAttempts, { all: () => journal.attempts })
      )
    })
  ))
