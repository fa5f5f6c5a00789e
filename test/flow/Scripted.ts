/** Providers that do what a list says, one entry per attempt, so that a flow can be told as a story. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../../src/domain/ChatAnswer.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import * as E from "../../src/domain/GatewayError.ts"
import * as Completion from "../../src/gateway/Completion.ts"
import * as Decision from "../../src/gateway/Decision.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { AnswerStream, EmbeddingCall, Frame, Provider, ProviderCall } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import type { Credentials } from "../../src/resilience/Credential.ts"
import * as JsonText from "../../src/validation/JsonText.ts"

/** What one attempt comes to. `silent` never answers; a list of words is a stream of them, with its ending last. */
export type Play =
  | "ok"
  | "silent"
  | E.Reason
  | E.GatewayError
  | { readonly afterMs: number; readonly play: Play }
  | Words

type Delta = ChatChunk["choices"][number]["delta"]

/** An event without content, after a silence. */
interface Empty {
  readonly afterMs: number
}

interface Words {
  readonly words: ReadonlyArray<string | Delta | Empty>
  readonly end: "clean" | "stall" | E.Reason
}

export interface Script {
  readonly name: string
  readonly plays: ReadonlyArray<Play>
  readonly calls: Array<ProviderCall>
  /** Calls for vectors; they are plays of the same list. */
  readonly embedded: Array<EmbeddingCall>
  interrupted: number
  readonly credentials?: Credentials | undefined
  /** Default `scripted`. */
  readonly kind?: string
  /** Default true. */
  readonly hasEmbeddings?: boolean
  /** Default: it has no moderation. */
  readonly moderate?: Provider["moderate"]
}

const completion = (name: string, model: string): ChatCompletion => ({
  id: `chatcmpl-${name}`,
  object: "chat.completion",
  created: 1,
  model,
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: `I am ${name}`, refusal: null }
  }]
})

const usage = { promptTokens: 3, completionTokens: 4, totalTokens: 7 }

const frame = (name: string, said: string | Delta | undefined, finish: string | null = null): Frame => {
  const delta = typeof said === "string" ? { content: said } : said ?? {}
  const chunk: ChatChunk = {
    id: `chatcmpl-${name}`,
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason: finish }]
  }
  const bytes = new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`)
  return {
    bytes,
    chunk,
    isContent: Object.entries(delta).some(([key, value]) => key !== "role" && value !== ""),
    isTerminal: finish !== null,
    usage: undefined
  }
}

const isEmpty = (word: string | Delta | Empty): word is Empty => typeof word === "object" && "afterMs" in word

const streamOf = (name: string, play: Words): AnswerStream => {
  let at = 0
  const frames = [
    frame(name, { role: "assistant", content: "" }),
    ...play.words.map((word) => isEmpty(word) ? frame(name, undefined) : frame(name, word)),
    ...(play.end === "clean" ? [frame(name, undefined, "stop")] : [])
  ]
  return {
    upstreamRequestId: undefined,
    pull: Effect.suspend((): AnswerStream["pull"] => {
      const next = frames[at++]
      const word = play.words[at - 2]
      const afterMs = word !== undefined && isEmpty(word) ? word.afterMs : 0
      if (next !== undefined) {
        return afterMs > 0
          ? Effect.delay(Effect.succeed([next]), afterMs)
          : Effect.succeed([next])
      }
      if (play.end === "clean") return Cause.done()
      return play.end === "stall" ? Effect.never : Effect.fail(E.gatewayError(play.end))
    })
  }
}

export const script = (name: string, ...plays: ReadonlyArray<Play>): Script => ({
  name,
  plays,
  calls: [],
  embedded: [],
  interrupted: 0
})

const providerOf = (script: Script): Provider => {
  const play = (): Play => script.plays[script.calls.length + script.embedded.length - 1] ?? script.plays.at(-1) ?? "ok"
  const next = (call: ProviderCall): Play => {
    script.calls.push(call)
    return play()
  }
  const outcome = <A>(play: Play, ok: (play: Play) => A): Effect.Effect<A, E.GatewayError> => {
    if (play === "silent") {
      return Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          script.interrupted += 1
        }))
    }
    if (play === "ok" || "words" in play) return Effect.succeed(ok(play))
    if ("afterMs" in play) return Effect.delay(Effect.suspend(() => outcome(play.play, ok)), play.afterMs)
    return Effect.fail(play._tag === "GatewayError" ? play : E.gatewayError(play))
  }
  return {
    name: script.name,
    kind: script.kind ?? "scripted",
    credentials: script.credentials,
    models: [],
    moderate: script.moderate,
    embed: script.hasEmbeddings === false ? undefined : (call) =>
      Effect.suspend(() => {
        script.embedded.push(call)
        return outcome(play(), () => ({
          text: `vectors of ${script.name}`,
          model: call.model,
          usage: { promptTokens: 3, completionTokens: 0, totalTokens: 3 },
          upstreamRequestId: undefined
        }))
      }),
    complete: (call) =>
      Effect.suspend(() =>
        outcome(next(call), () => {
          const whole = completion(script.name, call.model)
          return { text: JSON.stringify(whole), completion: whole, usage, upstreamRequestId: undefined }
        })
      ),
    stream: (call) =>
      Effect.suspend(() =>
        outcome(
          next(call),
          (play) =>
            streamOf(
              script.name,
              typeof play === "object" && "words" in play ? play : { words: ["I am ", script.name], end: "clean" }
            )
        )
      )
  }
}

/** The flow over these scripts, under the alias `fast` in their order. */
export const flow = (scripts: ReadonlyArray<Script>, settings: Partial<Gateway.GatewaySettings> = {}) =>
  Gateway.layer({
    aliases: {
      fast: {
        strategy: "ordered",
        targets: scripts.map(({ name }) => ({ provider: name, model: `${name}-model`, weight: 1 }))
      }
    },
    ...settings
  }).pipe(
    Layer.provide(
      Layer.succeed(Providers, Providers.of({ providers: new Map(scripts.map((one) => [one.name, providerOf(one)])) }))
    )
  )

/** A request for vectors of the alias `fast`, with the record it will fill. */
export const askVectors = (overrides: Partial<EmbeddingRequest> = {}) => {
  const request: EmbeddingRequest = { model: "fast", input: "hi", ...overrides }
  const source = JsonText.scan(JSON.stringify(request))
  if (JsonText.isScanProblem(source)) throw new Error(source.message)
  return { request, source, decision: Decision.make("req-1") } satisfies Completion.EmbeddingsRequest
}

/** A request for the alias `fast`, with the record it will fill. */
export const ask = (overrides: Partial<ChatRequest> = {}) => {
  const request: ChatRequest = { model: "fast", messages: [{ role: "user", content: "hi" }], ...overrides }
  const source = JsonText.scan(JSON.stringify(request))
  if (JsonText.isScanProblem(source)) throw new Error(source.message)
  return { request, source, decision: Decision.make("req-1") } satisfies Completion.CompletionRequest
}

/** The text of a stream, and how it ended: `clean` or the tag of its reason. */
export const drain = Effect.fnUntraced(function*(answer: AnswerStream) {
  let text = ""
  while (true) {
    const exit = yield* Effect.exit(answer.pull)
    if (Exit.isFailure(exit)) {
      const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
      return { text, end: failure === undefined || Cause.isDone(failure) ? "clean" : failure.reason._tag }
    }
    for (const frame of exit.value) text += frame.chunk.choices[0]?.delta.content ?? ""
  }
})
