/** Loops of tools on a model that thinks: what its provider wants back of its thoughts passes through programs of Effect AI. */
import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import { Chat, Tool, Toolkit } from "effect/ai"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as BreakwaterLanguageModel from "../../src/gateway/LanguageModel.ts"
import * as Anthropic from "../../src/providers/Anthropic.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { type Listening, listening } from "../wire/Listening.ts"

const thought = { type: "thinking", thinking: "The tide matters.", signature: "c2lnbmVk" }
const use = { type: "tool_use", id: "toolu_1", name: "tide", input: { port: "Brest" } }
const head = { id: "msg_1", type: "message", role: "assistant", model: "claude-opus-4-6" }
const usage = { input_tokens: 3, output_tokens: 2 }

const called = { ...head, content: [thought, use], stop_reason: "tool_use", usage }
const answered = { ...head, content: [{ type: "text", text: "6.1 m" }], stop_reason: "end_turn", usage }
const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }
const backedUp = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "backup",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "6.1 m, says the backup" } }]
}

/** Calls for a tool until its result is there; `isDown` = Anthropic is overloaded from then on. */
let isDown = false
const asked: Array<{ readonly path: string | undefined; readonly messages: ReadonlyArray<unknown> }> = []
const server = createServer((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part) => parts.push(part)).on("end", () => {
    const { messages } = JSON.parse(Buffer.concat(parts).toString())
    asked.push({ path: request.url, messages })
    const say = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    if (request.url?.endsWith("/chat/completions")) return say(200, backedUp)
    if (messages.length === 1) return say(200, called)
    return isDown ? say(529, overloaded) : say(200, answered)
  })
})

let upstream: Listening
beforeAll(async () => {
  upstream = await listening(server)
})
afterAll(() => upstream.close())

const toolkit = Toolkit.make(Tool.make("tide", {
  parameters: Schema.Struct({ port: Schema.String }),
  success: Schema.Struct({ metres: Schema.Finite })
}))
const tools = toolkit.toLayer({ tide: () => Effect.succeed({ metres: 6.1 }) })

const model = Layer.suspend(() =>
  BreakwaterLanguageModel.layer("thinker", { reasoning_effort: "low", max_completion_tokens: 4000 }).pipe(
    Layer.provide(Gateway.layer({
      aliases: {
        thinker: {
          strategy: "ordered",
          targets: [
            { provider: "claude", model: "claude-opus-4-6", weight: 1 },
            { provider: "backup", model: "backup", weight: 1 }
          ]
        }
      },
      retry: { attempts: 1 }
    })),
    Layer.provide(Providers.layer([
      Anthropic.make({ name: "claude", baseUrl: upstream.url }),
      OpenAiCompatible.make({ name: "backup", baseUrl: `${upstream.url}/v1` })
    ]))
  )
)

const transport = Transport.layer({ connectTimeoutMs: 1000 })

layer(Layer.mergeAll(tools, transport), { excludeTestServices: true })("thoughts through Effect AI", (it) => {
  it.effect("come back to their provider, signed as they were, before the call that they led to", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const first = yield* chat.generateText({ prompt: "How high is the tide?", toolkit })
      expect(first.reasoningText).toBe("The tide matters.")
      const last = yield* chat.generateText({ prompt: [], toolkit })
      expect(last.text).toBe("6.1 m")
      expect(asked.at(-1)?.messages.slice(1)).toMatchObject([
        { role: "assistant", content: [thought, use] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1" }] }
      ])
    }).pipe(Effect.provide(model)))

  it.effect("do so after a stream", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      yield* Stream.runDrain(chat.streamText({ prompt: "How high is the tide?", toolkit }))
      yield* Stream.runDrain(chat.streamText({ prompt: [], toolkit }))
      expect(asked.at(-1)?.messages[1]).toMatchObject({ role: "assistant", content: [thought, use] })
    }).pipe(Effect.provide(model)))

  it.effect("are cut off where another provider takes over in the middle of the loop", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "How high is the tide?", toolkit })
      isDown = true
      const last = yield* chat.generateText({ prompt: [], toolkit })
      expect(last.text).toBe("6.1 m, says the backup")
      expect(asked.at(-1)).toMatchObject({
        path: "/v1/chat/completions",
        messages: [
          { role: "user" },
          { role: "assistant", tool_calls: [{ id: "toolu_1", function: { name: "tide" } }] },
          { role: "tool", tool_call_id: "toolu_1", content: "{\"metres\":6.1}" }
        ]
      })
    }).pipe(Effect.provide(model)))
})
