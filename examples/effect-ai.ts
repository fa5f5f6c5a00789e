/**
 * A program written against `effect/ai` alone, and the one Layer that puts the gateway behind it: a stream, an object and a loop of
 * tools, each with retries and failover. Runs as it is: the simulated providers need no key, and the first one is down.
 */
import { BreakwaterLanguageModel, Gateway, Providers, Simulated } from "breakwater"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Chat, LanguageModel, Tool, Toolkit } from "effect/ai"

const Wall = Schema.Struct({ name: Schema.String, metres: Schema.Int })

const Tide = Tool.make("tide", {
  description: "How high the tide is at a port",
  parameters: Schema.Struct({ port: Schema.Literal("Brest") }),
  success: Schema.Struct({ metres: Schema.Finite })
})
const Tools = Toolkit.make(Tide)

const streamed = Effect.gen(function*() {
  let text = ""
  let by = ""
  yield* LanguageModel.streamText({ prompt: "What holds back the sea?" }).pipe(
    Stream.runForEach((part) =>
      Effect.sync(() => {
        if (part.type === "text-delta") text += part.delta
        // What Effect AI has no words for is in the metadata of the last part.
        if (part.type !== "finish" || !part.metadata.breakwater) return
        const { attempts, costUsd, model, provider } = part.metadata.breakwater
        by = `${provider}/${model}, ${attempts} attempts, ${costUsd} USD`
      })
    )
  )
  yield* Console.log(`streamed: ${text} (${by})`)
})

const program = Effect.gen(function*() {
  yield* streamed

  const { value } = yield* LanguageModel.generateObject({ prompt: "Describe the wall.", schema: Wall })
  yield* Console.log(`object: ${JSON.stringify(value)}`)
})

const conversation = Effect.gen(function*() {
  const chat = yield* Chat.empty
  let answer = yield* chat.generateText({ prompt: "How high is the tide?", toolkit: Tools })
  while (answer.toolCalls.length > 0) answer = yield* chat.generateText({ prompt: [], toolkit: Tools })
  yield* Console.log(`answer: ${answer.text}`)
})

const tools = Tools.toLayer({
  tide: ({ port }) => Effect.as(Console.log(`tool: the tide at ${port}`), { metres: 6.1 })
})

const alias = (model: string) => ({
  strategy: "ordered" as const,
  targets: [{ provider: "primary", model: "sim-down", weight: 1 }, { provider: "backup", model, weight: 1 }]
})
const gateway = Gateway.layer({
  aliases: { fast: alias("sim-fast"), handy: alias("sim-tools") },
  retry: { attempts: 1 },
  prices: { backup: { "sim-fast": { usdPerMtok: { input: "0.4", output: "1.6" } } } }
}).pipe(Layer.provide(Providers.layer([Simulated.make("primary"), Simulated.make("backup")])))

/** Here is the swap: this Layer instead of one of a provider's package. */
const model = (name: string) => BreakwaterLanguageModel.model(name).pipe(Layer.provide(gateway))

await Effect.runPromise(Effect.provide(program, model("fast")))
await Effect.runPromise(Effect.provide(conversation, [tools, model("handy")]))
await Effect.runPromise(
  Effect.provide(program, model("nobody")).pipe(
    Effect.catchReason(
      "AiError",
      "InvalidRequestError",
      ({ _tag, parameter }) => Console.log(`refused: ${_tag}, ${parameter}`)
    )
  )
)
