/** Two providers behind one alias: the first is down, the second answers, and the answer says what it took. */
import { Ai, Gateway, Providers, Simulated } from "breakwater"
import { Console, Effect, Layer } from "effect"

const program = Effect.gen(function*() {
  const ai = yield* Ai
  for (const question of ["first", "second", "third"]) {
    const { attempts, decision, model, provider } = yield* ai.complete({
      model: "fast",
      messages: [{ role: "user", content: question }]
    })
    const tried = decision.attempts.map((attempt) => `${attempt.target} ${attempt.outcome}`).join(", ")
    const skipped = decision.skipped.map(({ target, why }) => `; skipped ${target}: ${why}`).join("")
    yield* Console.log(`${question}: ${provider}/${model} after ${attempts} attempt(s) (${tried}${skipped})`)
  }
})

const gateway = Gateway.layer({
  aliases: {
    fast: {
      strategy: "ordered",
      targets: [
        { provider: "primary", model: "sim-down", weight: 1 },
        { provider: "backup", model: "sim-fast", weight: 1 }
      ]
    }
  }
}).pipe(Layer.provide(Providers.layer([Simulated.make("primary"), Simulated.make("backup")])))

await Effect.runPromise(Effect.provide(program, gateway))
