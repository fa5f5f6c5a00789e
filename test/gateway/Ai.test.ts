import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { toUsd } from "../../src/domain/Money.ts"
import { Ai } from "../../src/gateway/Ai.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { flow, script } from "../flow/Scripted.ts"

const gateway = Gateway.layer({
  prices: { b: { "sim-fast": { usdPerMtok: { input: "1", output: "1" } } } },
  aliases: {
    fast: {
      strategy: "ordered",
      targets: [{ provider: "a", model: "sim-down", weight: 1 }, { provider: "b", model: "sim-fast", weight: 1 }]
    }
  }
}).pipe(Layer.provide(Providers.layer([Simulated.make("a"), Simulated.make("b")])))

const user = (content: string) => [{ role: "user" as const, content }] as const

/** Lets time run until the effect has its answer. */
const later = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

describe("the library's door", () => {
  it.effect("an answer knows its provider, model, tokens and attempts", () =>
    Effect.gen(function*() {
      const answer = yield* later((yield* Ai).complete({ model: "fast", messages: user("hello") }))
      expect([answer.provider, answer.model, answer.attempts]).toEqual(["b", "sim-fast", 3])
      expect(answer.usage?.totalTokens).toBe((answer.usage?.promptTokens ?? 0) + (answer.usage?.completionTokens ?? 0))
      expect(answer.costUsd).toBe(toUsd((answer.usage?.totalTokens ?? 0) * 1_000_000))
      expect(answer.text).toContain("hello")
    }).pipe(Effect.provide(gateway)))

  it.effect("a stream gives deltas and then one summary", () =>
    Effect.gen(function*() {
      const events = yield* later(Stream.runCollect((yield* Ai).stream({ model: "fast", messages: user("hello") })))
      const text = events.map((event) => event._tag === "Delta" ? event.text : "").join("")
      const last = events.at(-1)
      expect(text).toContain("hello")
      expect(last?._tag === "Finished" && last.summary.usage?.totalTokens).toBeGreaterThan(0)
      expect(last?._tag === "Finished" && last.summary.attempts).toBe(3)
    }).pipe(Effect.provide(gateway)))

  it.effect("an image made from bytes arrives with its type read from the bytes", () =>
    Effect.gen(function*() {
      const gif = Uint8Array.from([0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 2, 0, 3, 0, 0, 0, 0])
      const answer = yield* later(
        (yield* Ai).complete({
          model: "b/sim-vision",
          messages: [{ role: "user", content: [{ type: "text", text: "what is it?" }, Ai.image(gif)] }]
        })
      )
      expect(answer.text).toContain("image/gif, 13 bytes, 2×3")
    }).pipe(Effect.provide(gateway)))

  it.effect("texts become vectors, in the order of the texts, with what they took", () =>
    Effect.gen(function*() {
      const ai = yield* Ai
      const input = ["a wall of stone", "the open sea", "a wall of stones"]
      const { attempts, costUsd, provider, usage, vectors } = yield* later(
        ai.embed({ model: "fast", input, dimensions: 32 })
      )
      expect(vectors.map(({ length }) => length)).toEqual([32, 32, 32])
      expect([provider, attempts, costUsd]).toEqual(["b", 3, toUsd((usage?.promptTokens ?? 0) * 1_000_000)])
      const likeness = (a: number, b: number) =>
        (vectors[a] ?? []).reduce((sum, value, at) => sum + value * (vectors[b]?.[at] ?? 0), 0)
      expect(likeness(0, 2)).toBeGreaterThan(likeness(0, 1))
      expect((yield* (yield* Health).monitoring)["recent"]).toMatchObject([{ operation: "embeddings" }])
    }).pipe(Effect.provide(gateway)))

  it.effect("an answer without vectors is a typed error", () => {
    const broken = script("a", "ok")
    return Effect.gen(function*() {
      const error = yield* Effect.flip((yield* Ai).embed({ model: "fast", input: "hello" }))
      expect(error.reason._tag).toBe("MalformedAnswer")
    }).pipe(Effect.provide(flow([broken])))
  })

  it.effect("a model that nobody has is a typed error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* Ai).complete({ model: "nobody", messages: user("hello") }))
      expect(error.reason._tag).toBe("ModelNotFound")
    }).pipe(Effect.provide(gateway)))

  it.effect("every request that is over is in the monitoring totals once, however it ended", () =>
    Effect.gen(function*() {
      const ai = yield* Ai
      const { monitoring } = yield* Health
      const totals = Effect.map(monitoring, ({ totals }) => totals)
      yield* later(ai.complete({ model: "fast", messages: user("hello") }))
      expect(yield* totals).toMatchObject({ requests: 1, failed: 0, attempts: 3, retries: 1, failovers: 1 })
      yield* later(Stream.runDrain(ai.stream({ model: "b/sim-fast", messages: user("hello") })))
      yield* later(Stream.runDrain(Stream.take(ai.stream({ model: "b/sim-fast", messages: user("hello") }), 1)))
      expect(yield* totals).toMatchObject({ requests: 3, failed: 0 })
      yield* Effect.flip(ai.complete({ model: "nobody", messages: user("hello") }))
      yield* Effect.flip(Stream.runDrain(ai.stream({ model: "nobody", messages: user("hello") })))
      yield* later(Effect.flip(Stream.runDrain(ai.stream({ model: "b/sim-cut", messages: user("hello") }))))
      expect(yield* totals).toMatchObject({ requests: 6, failed: 3 })
      expect((yield* monitoring)["recent"]).toMatchObject([{ error: "StreamInterrupted" }, {}, {}, {}, {}, {}])
    }).pipe(Effect.provide(gateway)))
})
