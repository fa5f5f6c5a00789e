/** A provider that says what it is told to, whole or in deltas, and remembers what it was asked. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../../src/domain/ChatAnswer.ts"
import { gatewayError, type Reason } from "../../src/domain/GatewayError.ts"
import type { Usage } from "../../src/domain/Usage.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { Answer, AnswerStream, Frame, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"

type Message = ChatCompletion["choices"][number]["message"]
type Delta = ChatChunk["choices"][number]["delta"]

/** One answer: of a whole one `message` counts, of a stream `deltas`, which may break off. */
export interface Saying {
  readonly message?: Partial<Message>
  readonly deltas?: ReadonlyArray<Delta>
  /** How a stream ends instead of cleanly. */
  readonly broken?: Reason
  /** Default `stop`. */
  readonly finish?: string
  readonly usage?: Usage
  /** When a whole one was made; default in 2023. */
  readonly created?: number
}

const head = { id: "chatcmpl-told", created: 1_700_000_000, model: "told-2026" }

const answerOf = ({ created = head.created, finish = "stop", message, usage }: Saying): Answer => {
  const completion: ChatCompletion = {
    ...head,
    created,
    object: "chat.completion",
    choices: [{
      index: 0,
      finish_reason: finish,
      logprobs: null,
      message: { role: "assistant", content: null, refusal: null, ...message }
    }]
  }
  return { text: JSON.stringify(completion), completion, usage, upstreamRequestId: undefined }
}

const frameOf = (delta: Delta, finish: string | null, usage?: Usage): Frame => {
  const chunk: ChatChunk = {
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: finish }]
  }
  const bytes = new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`)
  return { bytes, chunk, isContent: finish === null && !("role" in delta), isTerminal: finish !== null, usage }
}

const streamOf = ({ broken, deltas = [], finish = "stop", usage }: Saying): AnswerStream => {
  const frames = [
    frameOf({ role: "assistant", content: "" }, null),
    ...deltas.map((delta) => frameOf(delta, null)),
    ...(broken === undefined ? [frameOf({}, finish, usage)] : [])
  ]
  const pull = Effect.suspend((): AnswerStream["pull"] => {
    const next = frames.shift()
    if (next !== undefined) return Effect.succeed([next])
    return broken === undefined ? Cause.done() : Effect.fail(gatewayError(broken))
  })
  return { pull, upstreamRequestId: undefined }
}

/** The flow over it under the model `told`, and the requests that came; the last saying is said again and again. */
export const told = (...sayings: readonly [Saying | Reason, ...Array<Saying | Reason>]) => {
  const asked: Array<ChatRequest> = []
  const say = <A>(request: ChatRequest, said: (saying: Saying) => A) =>
    Effect.suspend(() => {
      asked.push(request)
      const saying = sayings[asked.length - 1] ?? sayings.at(-1) ?? {}
      return "_tag" in saying ? Effect.fail(gatewayError(saying)) : Effect.succeed(said(saying))
    })
  const provider: Provider = {
    name: "told",
    kind: "told",
    models: ["told-1"],
    complete: ({ request }) => say(request, answerOf),
    stream: ({ request }) => say(request, streamOf)
  }
  const gateway = Gateway.layer({
    aliases: { told: { strategy: "ordered", targets: [{ provider: "told", model: "told-1", weight: 1 }] } },
    prices: { told: { "told-1": { usdPerMtok: { input: "1", output: "2" } } } },
    retry: { attempts: 1 }
  }).pipe(Layer.provide(Providers.layer([provider])))
  return { asked, gateway }
}
