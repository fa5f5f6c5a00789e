/** What hosts really answered, as programs of Effect AI get it: over the wire, through the flow, out of the door. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { LanguageModel, type Response } from "effect/ai"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as BreakwaterLanguageModel from "../../src/gateway/LanguageModel.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { SseParser } from "../../src/providers/Sse.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { ofChunks, ofMessage, type Said } from "./Conversation.ts"
import { exchanges, isPresent, isStream, sseOf } from "./Recorded.ts"
import { type Replay, start } from "./Replay.ts"

const answered = exchanges.filter(({ response }) =>
  response.status === 200 && response.sse?.includes("event: error") !== true
)
const streams = answered.filter(isStream)
const wholes = answered.filter((exchange) => !isStream(exchange))
const refused = exchanges.filter(({ response }) => response.status !== 200)

let upstream: Replay
beforeAll(async () => {
  upstream = await start(exchanges)
})
afterAll(() => upstream.close())

/** The host that says again what it said. */
const model = (name: string) =>
  Layer.suspend(() =>
    BreakwaterLanguageModel.layer(`replay/${name}`).pipe(
      Layer.provide(Gateway.layer({ retry: { attempts: 1 } })),
      Layer.provide(Providers.layer([OpenAiCompatible.make({ name: "replay", baseUrl: upstream.url })])),
      Layer.provide(Transport.layer())
    )
  )

/** Its tools are not ours, so their calls are only looked at. */
const options = { prompt: "?", disableToolCallResolution: true, toolCallValidation: "deferred" } as const

const finishes: ReadonlyMap<string, Response.FinishReason> = new Map([
  ["stop", "stop"],
  ["length", "length"],
  ["tool_calls", "tool-calls"],
  ["content_filter", "content-filter"]
])

/** As it was recorded. */
const expected = ({ calls, content, finish, reasoning }: Said) => ({
  content,
  reasoning,
  calls,
  finish: finishes.get(finish)
})

describe.skipIf(!isPresent)("a recorded answer through Effect AI", () => {
  for (const exchange of wholes) {
    it.live(`of ${exchange.name} says the same`, () =>
      Effect.gen(function*() {
        const answer = yield* LanguageModel.generateText(options)
        const recorded: any = exchange.response.body // recorded JSON, read by hand
        expect({
          content: answer.text,
          reasoning: answer.reasoningText ?? "",
          calls: answer.toolCalls.map(({ name, params }) => ({ name, arguments: params })),
          finish: answer.finishReason
        }).toEqual(expected(ofMessage(recorded.choices[0])))
        expect(answer.usage.inputTokens.total).toBe(recorded.usage?.prompt_tokens)
      }).pipe(Effect.provide(model(exchange.name))))
  }

  for (const exchange of streams) {
    it.live(`of ${exchange.name} streams the same`, () =>
      Effect.gen(function*() {
        const parts = yield* Stream.runCollect(LanguageModel.streamText(options))
        const said = { content: "", reasoning: "", calls: new Array<unknown>(), finish: "" }
        for (const part of parts) {
          if (part.type === "text-delta") said.content += part.delta
          if (part.type === "reasoning-delta") said.reasoning += part.delta
          if (part.type === "tool-call") said.calls.push({ name: part.name, arguments: part.params })
          if (part.type === "finish") said.finish = part.reason
        }
        const chunks = new SseParser().push(Buffer.from(sseOf(exchange)))
          .flatMap(({ data }) => data === "[DONE]" ? [] : [JSON.parse(data)])
        expect(said).toEqual(expected(ofChunks(chunks)))
      }).pipe(Effect.provide(model(exchange.name))))
  }

  for (const exchange of refused) {
    it.live(`of ${exchange.name} that is a refusal is a reason that says which`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(LanguageModel.generateText(options))
        expect(error._tag).toBe("AiError")
        expect(error.reason._tag).not.toBe("UnknownError")
      }).pipe(Effect.provide(model(exchange.name))))
  }

  it("is of more than one kind", () => {
    expect([wholes.length > 10, streams.length > 10, refused.length > 3]).toEqual([true, true, true])
  })
})
