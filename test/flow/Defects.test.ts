import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { ask } from "./Scripted.ts"

const bug = new Error("a bug")
const thrown = () => {
  throw bug
}

/** A flow over one provider that throws instead of answering, and may have one call under way. */
const flow = (keepsLimit: boolean) => {
  const own: Provider = { name: "a", kind: "scripted", models: [], complete: thrown, stream: thrown }
  const provider: Provider = keepsLimit ? { ...own, keepsLimit } : own
  return Gateway.layer({
    aliases: { fast: { strategy: "ordered", targets: [{ provider: "a", model: "m", weight: 1 }] } },
    perProvider: { a: { maxConcurrency: 1 } }
  }).pipe(Layer.provide(Layer.succeed(Providers, Providers.of({ providers: new Map([["a", provider]]) }))))
}

const ended = (stream: boolean) =>
  Effect.gen(function*() {
    const completion = yield* Completion
    const asked: Effect.Effect<unknown, unknown> = stream
      ? Effect.scoped(completion.stream(ask({ stream })))
      : completion.complete(ask())
    const fiber = yield* Effect.forkChild(asked)
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.await(fiber)
  })

describe("a provider that throws", () => {
  for (const keepsLimit of [true, false]) {
    for (const stream of [false, true]) {
      const how = `${stream ? "a stream" : "a whole answer"}${keepsLimit ? ", of one that keeps the limit" : ""}`
      it.effect(`gives its place back: ${how}`, () =>
        Effect.gen(function*() {
          expect(yield* ended(stream)).toEqual(Exit.die(bug))
          expect(yield* ended(stream)).toEqual(Exit.die(bug))
        }).pipe(Effect.provide(flow(keepsLimit))))
    }
  }
})
