/** A gateway without upstreams: what the server's tests ask instead of the flow. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import type { ChatChunk } from "../../src/domain/ChatAnswer.ts"
import type { DecisionRecord } from "../../src/domain/DecisionRecord.ts"
import { type GatewayError, gatewayError, type Reason, RouteNotFound } from "../../src/domain/GatewayError.ts"
import { Completion, type CompletionRequest, type EmbeddingsRequest } from "../../src/gateway/Completion.ts"
import { type ComponentHealth, type Control, Health, type Vitals } from "../../src/gateway/Health.ts"
import { Routes } from "../../src/gateway/Route.ts"
import type { AnswerStream, Frame } from "../../src/providers/Provider.ts"
import { monotonicMillisUnsafe } from "../../src/resilience/MonotonicTime.ts"
import { IsAlone } from "../../src/server/LeanCompletions.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings, type ServerSettings } from "../../src/server/ServerSettings.ts"

const encoder = new TextEncoder()

export const frame = (content: string, hidden = false): Frame => {
  const chunk: ChatChunk = {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "upstream-model",
    choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason: null }]
  }
  return {
    bytes: hidden ? undefined : encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`),
    chunk,
    isContent: content !== "",
    isTerminal: false,
    usage: undefined
  }
}

export const completionText = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "upstream-model",
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: "Hello", refusal: null }
  }]
})

export const vectorsText = JSON.stringify({
  object: "list",
  data: [{ object: "embedding", index: 0, embedding: [0.6, 0.8] }],
  model: "upstream-model",
  usage: { prompt_tokens: 2, total_tokens: 2 }
})

/** What the fake does and what was asked of it. */
export interface Fake {
  /** The answer to every request, unless `fail` says otherwise. */
  fail: Reason | undefined
  defect: unknown
  /** A whole answer as it is sent. */
  text: string
  /** The request has this long, in milliseconds. */
  totalMs: number
  frames: ReadonlyArray<readonly [Frame, ...Array<Frame>]>
  /** How the stream ends after its frames. */
  ending: "clean" | "hang" | Reason
  readonly asked: Array<CompletionRequest>
  readonly embedded: Array<EmbeddingsRequest>
  readonly controls: Array<Control>
  /** Scopes of streams that were closed. */
  closed: number
  phase: "starting" | "ready" | "draining"
  components: ReadonlyArray<ComponentHealth>
  /** What the server told of itself. */
  readonly vitals: Array<Vitals>
  records: ReadonlyArray<DecisionRecord>
}

export const makeFake = (): Fake => ({
  fail: undefined,
  defect: undefined,
  text: completionText,
  totalMs: 600_000,
  frames: [[frame("Hel")], [frame("lo"), frame("", true)]],
  ending: "clean",
  asked: [],
  embedded: [],
  controls: [],
  closed: 0,
  phase: "ready",
  components: [{ component: "providers", status: "warn", output: "openai is open" }],
  vitals: [],
  records: []
})

const asked = (fake: Fake, request: CompletionRequest | EmbeddingsRequest): Effect.Effect<void, GatewayError> =>
  Effect.withFiber((fiber) => {
    if ("messages" in request.request) fake.asked.push({ ...request, request: request.request })
    else fake.embedded.push({ ...request, request: request.request })
    request.decision.deadlineMs = monotonicMillisUnsafe(fiber.getRef(Clock.Clock)) + fake.totalMs
    request.decision.attempts.push({
      target: "openai/upstream-model",
      provider: "openai",
      model: "upstream-model",
      startedAtMs: 0,
      waitedMs: 0
    })
    if (fake.defect !== undefined) return Effect.die(fake.defect)
    if (fake.fail !== undefined) return Effect.fail(gatewayError(fake.fail))
    request.decision.provider = "openai"
    request.decision.model = "upstream-model"
    return Effect.void
  })

export const layerFake = (fake: Fake) =>
  Layer.mergeAll(
    Layer.succeed(Completion, {
      complete: (request) =>
        Effect.as(asked(fake, request), {
          text: fake.text,
          completion: JSON.parse(completionText),
          usage: undefined,
          upstreamRequestId: undefined
        }),
      embed: (request) =>
        Effect.as(asked(fake, request), {
          text: vectorsText,
          model: "upstream-model",
          usage: undefined,
          upstreamRequestId: undefined
        }),
      stream: (request) =>
        Effect.gen(function*() {
          yield* asked(fake, request)
          yield* Effect.addFinalizer(() => Effect.sync(() => fake.closed++))
          const frames = [...fake.frames]
          return {
            upstreamRequestId: undefined,
            pull: Effect.suspend((): AnswerStream["pull"] => {
              const next = frames.shift()
              if (next !== undefined) return Effect.succeed(next)
              if (fake.ending === "clean") return Cause.done()
              return fake.ending === "hang" ? Effect.never : Effect.fail(gatewayError(fake.ending))
            })
          }
        })
    }),
    Layer.succeed(Health, {
      overall: Effect.sync(() => ({
        status: "warn" as const,
        components: [...fake.components, ...fake.vitals.flatMap(({ components }) => components())]
      })),
      checks: Effect.succeed({
        "openai/upstream-model:circuit": [{ componentId: "openai/upstream-model", status: "pass" }]
      }),
      tally: Effect.die("the fake counts nothing"),
      find: (requestId) => Effect.sync(() => fake.records.find((record) => record.request_id === requestId)),
      include: (vitals) => void fake.vitals.push(vitals),
      targets: Effect.succeed([]),
      monitoring: Effect.sync(() => ({ uptimeMs: 1, phase: fake.phase, workers: [] })),
      control: (control) => {
        fake.controls.push(control)
        return control.target === "nobody/nothing"
          ? Effect.fail(gatewayError(new RouteNotFound({ message: "No such target.", code: "target_not_found" })))
          : Effect.succeed([{ target: control.target ?? "openai/upstream-model", from: "closed", to: control.action }])
      },
      note: () => {},
      phase: Effect.sync(() => fake.phase),
      isDraining: () => fake.phase === "draining",
      setPhase: (phase) => Effect.sync(() => void (fake.phase = phase))
    }),
    Layer.succeed(Routes, {
      resolve: () => Effect.die("the fake flow asks nobody"),
      describe: () => Effect.die("the fake flow asks nobody"),
      aliases: new Map(),
      models: Effect.succeed([
        { id: "fast", ownedBy: "breakwater" },
        { id: "openai/upstream-model", ownedBy: "openai" },
        { id: "router/meta/llama-3", ownedBy: "router" }
      ])
    })
  )

/** The routes over a fake, without a socket. */
export const makeServer = (fake: Fake, settings: Partial<ServerSettings> = {}) =>
  HttpRouter.toWebHandler(
    Server.layer({ ...defaultServerSettings, ...settings }).pipe(
      Layer.provide(Layer.succeed(IsAlone, true)),
      Layer.provide(layerFake(fake)),
      Layer.provide(HttpServer.layerServices)
    ),
    { disableLogger: true }
  )
