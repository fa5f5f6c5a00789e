/**
 * A real upstream with a backup. Asks `http://127.0.0.1:8000/v1` (a gateway started with `npm start`), or the address given as
 * its argument; when nobody answers there, the backup does. `OpenAi.make({ name, apiKeys: [Redacted.make(key)] })` is OpenAI.
 */
import { Ai, Gateway, OpenAiCompatible, Providers, Simulated, Transport } from "breakwater"
import { Console, Effect, Layer } from "effect"

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000/v1"

const program = Effect.gen(function*() {
  const ai = yield* Ai
  const answer = yield* ai.complete({ model: "fast", messages: [{ role: "user", content: "Hello" }] })
  yield* Console.log(`${answer.provider}/${answer.model}: ${answer.text}`)
  yield* Console.log(answer.decision.attempts.map(({ outcome, target }) => `${target}=${outcome}`).join(", "))
})

const providers = Providers.layer([
  OpenAiCompatible.make({ name: "remote", baseUrl, models: ["sim-fast"] }),
  Simulated.make("backup")
]).pipe(Layer.provide(Transport.layer()))

const targets = [
  { provider: "remote", model: "sim-fast", weight: 1 },
  { provider: "backup", model: "sim-fast", weight: 1 }
]
const gateway = Gateway.layer({ aliases: { fast: { strategy: "ordered", targets } } })

await Effect.runPromise(program.pipe(Effect.provide(Layer.provide(gateway, providers))))
