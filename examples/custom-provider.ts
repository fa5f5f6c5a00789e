/**
 * A provider of your own: a value with two functions, each of which makes one attempt. The gateway adds breaker, retry and
 * failover around them. This one counts words; its first attempt fails, so that the retry can be seen.
 */
import {
  Ai,
  type AiRequest,
  type ChatChunk,
  type ChatCompletion,
  type Frame,
  Gateway,
  GatewayError,
  type Provider,
  type ProviderCall,
  Providers,
  Simulated
} from "breakwater"
import { Cause, Console, Effect, Layer, Stream } from "effect"

const created = 1_700_000_000
const encoder = new TextEncoder()

/** What the model says: `call.request` is decoded, `call.source` is the caller's own text for those who forward it. */
const answerTo = (call: ProviderCall): string => {
  const last = call.request.messages.at(-1)?.content
  return typeof last === "string" ? `${last.split(/\s+/).length} words` : "no text"
}

/** OpenAI's shape is the shape of the flow, whatever the upstream speaks. */
const completionOf = (model: string, content: string): ChatCompletion => ({
  id: "chatcmpl-words",
  object: "chat.completion",
  created,
  model,
  choices: [{ index: 0, finish_reason: "stop", logprobs: null, message: { role: "assistant", content, refusal: null } }]
})

/** One event: `bytes` go to an HTTP caller, `chunk` to an Effect program. `isContent` commits the stream to this provider. */
const frameOf = (model: string, content: string | undefined): Frame => {
  const chunk: ChatChunk = {
    id: "chatcmpl-words",
    object: "chat.completion.chunk",
    created,
    model,
    choices: [
      content === undefined
        ? { index: 0, delta: {}, finish_reason: "stop" }
        : { index: 0, delta: { content }, finish_reason: null }
    ]
  }
  return {
    bytes: encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`),
    chunk,
    isContent: content !== undefined,
    isTerminal: content === undefined,
    usage: undefined
  }
}

const makeWords = (name: string): Provider => {
  let attempts = 0
  // The reason decides what follows: ConnectionReset is retried, fails over, and is a failure to the breaker (docs/ERRORS.md).
  const attempt = Effect.suspend(() =>
    ++attempts === 1
      ? Effect.fail(GatewayError.gatewayError(new GatewayError.ConnectionReset({ message: "The first call is lost." })))
      : Effect.void
  )
  return {
    name,
    kind: "words",
    models: ["counter"],
    complete: (call) =>
      Effect.map(attempt, () => {
        const completion = completionOf(call.model, answerTo(call))
        return { text: JSON.stringify(completion), completion, usage: undefined, upstreamRequestId: undefined }
      }),
    stream: (call) =>
      Effect.map(attempt, () => {
        const frames = [
          ...answerTo(call).split(/(?= )/).map((word) => frameOf(call.model, word)),
          frameOf(call.model, undefined)
        ]
        // A pull hands over what is there; `Cause.done()` is a clean end and belongs only there.
        const pull = Effect.suspend(() => {
          const next = frames.shift()
          return next === undefined ? Cause.done() : Effect.succeed([next] as const)
        })
        return { pull, upstreamRequestId: undefined }
      })
  }
}

const program = Effect.gen(function*() {
  const ai = yield* Ai
  const messages: AiRequest["messages"] = [{ role: "user", content: "how many words are these" }]

  const answer = yield* ai.complete({ model: "words", messages })
  const outcomes = answer.decision.attempts.map((attempt) => attempt.outcome).join(", ")
  yield* Console.log(`${answer.provider}/${answer.model}: ${answer.text} (${outcomes})`)

  yield* ai.stream({ model: "words", messages }).pipe(
    Stream.runForEach((event) =>
      event._tag === "Delta"
        ? Console.log(`delta ${JSON.stringify(event.text)}`)
        : Console.log(`streamed by ${event.summary.provider}`)
    )
  )
})

const gateway = Gateway.layer({
  aliases: {
    words: {
      strategy: "ordered",
      targets: [
        { provider: "mine", model: "counter", weight: 1 },
        { provider: "backup", model: "sim-fast", weight: 1 }
      ]
    }
  }
}).pipe(Layer.provide(Providers.layer([makeWords("mine"), Simulated.make("backup")])))

await Effect.runPromise(Effect.provide(program, gateway))
