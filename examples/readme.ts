import { Ai, Gateway, Providers, Simulated } from "breakwater"
import { Console, Effect, Layer } from "effect"

const program = Effect.gen(function*() {
  const ai = yield* Ai
  const answer = yield* ai.complete({ model: "fast", messages: [{ role: "user", content: "Hello" }] })
  yield* Console.log(`${answer.provider}/${answer.model} after ${answer.attempts} attempts: ${answer.text}`)
})

const targets = [{ provider: "main", model: "sim-down", weight: 1 }, { provider: "backup", model: "sim", weight: 1 }]
const gateway = Gateway.layer({ aliases: { fast: { strategy: "ordered", targets } } })
const providers = Providers.layer([Simulated.make("main"), Simulated.make("backup")])
await Effect.runPromise(program.pipe(Effect.provide(Layer.provide(gateway, providers))))
