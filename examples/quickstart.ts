/** An answer, a stream, and a question about an image made from bytes. Runs as it is: the simulated provider needs no key. */
import { Ai, Gateway, Providers, Simulated } from "breakwater"
import { Console, Effect, Layer, Stream } from "effect"

// The smallest PNG there is: one transparent pixel.
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)

const program = Effect.gen(function*() {
  const ai = yield* Ai

  const answer = yield* ai.complete({ model: "sim", messages: [{ role: "user", content: "What holds back the sea?" }] })
  yield* Console.log(answer.text)
  yield* Console.log(
    `${answer.provider}/${answer.model}: ${answer.usage?.totalTokens} tokens, ${answer.attempts} attempt(s)`
  )

  yield* ai.stream({ model: "sim-fast", messages: [{ role: "user", content: "Count to three." }] }).pipe(
    Stream.runForEach((event) =>
      event._tag === "Delta"
        ? Effect.sync(() => process.stdout.write(event.text))
        : Console.log(`\n${event.summary.attempts} attempt(s)`)
    )
  )

  const seen = yield* ai.complete({
    model: "sim-vision",
    messages: [{ role: "user", content: [{ type: "text", text: "What is in this picture?" }, Ai.image(pixel)] }]
  })
  yield* Console.log(seen.text)
})

const gateway = Gateway.layer().pipe(Layer.provide(Providers.layer([Simulated.make("simulated")])))

await Effect.runPromise(Effect.provide(program, gateway))
