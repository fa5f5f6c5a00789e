import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import * as FaultProvider from "../../src/providers/FaultProvider.ts"
import type { AnswerStream, ProviderCall } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Scenario from "../../src/providers/Scenario.ts"
import { ask, askVectors } from "../flow/Scripted.ts"

const call: ProviderCall = { ...ask(), model: "m", requestId: "r" }

const provider = Effect.fnUntraced(function*(name: string) {
  const found = (yield* Providers).providers.get(name)
  return found ?? (yield* Effect.die(`no provider ${name}`))
})

/** Runs it while an hour passes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.await(fiber)
  })

/** The words of a stream with the moments they came at, and how it ended. */
const read = (stream: AnswerStream) =>
  Effect.gen(function*() {
    const words: Array<string> = []
    const take = Effect.flatMap(stream.pull, (frames) =>
      Effect.map(Clock.currentTimeMillis, (atMs) => {
        for (const frame of frames) if (frame.isContent) words.push(`${atMs}${frame.chunk.choices[0]?.delta.content}`)
      }))
    const end = yield* Effect.forever(take).pipe(
      Pull.catchDone(() => Effect.succeed("done")),
      Effect.catch((error) => Effect.succeed(error.reason._tag))
    )
    return { words, end }
  })

const streamed = (scenario: Scenario.Scenario) =>
  timed(Effect.flatMap(provider("a"), (found) => Effect.scoped(Effect.flatMap(found.stream(call), read)))).pipe(
    Effect.provide(FaultProvider.layer({ a: scenario }))
  )

describe("a fault provider", () => {
  it.effect("plays its scenario for embeddings too", () =>
    Effect.gen(function*() {
      const embed = (yield* provider("a")).embed
      const asked = embed?.({ ...askVectors(), model: "m", requestId: "r" }) ?? Effect.die("none")
      const first = yield* timed(asked)
      const second = yield* timed(asked)
      expect([first._tag, Exit.isSuccess(second) ? second.value.usage?.promptTokens : undefined]).toEqual([
        "Failure",
        1
      ])
      expect((yield* FaultProvider.FaultAttempts).all().map(({ plays }) => plays)).toEqual([
        "UpstreamUnreachable",
        "answer"
      ])
    }).pipe(Effect.provide(FaultProvider.layer({
      a: Scenario.sequence(Scenario.unreachable, Scenario.healthy)
    }))))

  it.effect("gives a whole answer of so many words after its first token's time", () =>
    Effect.gen(function*() {
      const a = yield* provider("a")
      const answer = yield* timed(Effect.flatMap(a.complete(call), (whole) =>
        Effect.map(
          Clock.currentTimeMillis,
          (atMs) => [atMs, whole.completion.choices[0]?.message.content, whole.usage?.completionTokens]
        )))
      expect(answer).toEqual(Exit.succeed([200, "the sea is", 3]))
    }).pipe(Effect.provide(FaultProvider.layer({ a: Scenario.answering({ firstToken: "200ms", words: 3 }) }))))

  it.effect("streams at its pace and ends cleanly", () =>
    Effect.gen(function*() {
      const exit = yield* streamed(Scenario.answering({ firstToken: "200ms", wordsPerSecond: 10, words: 3 }))
      expect(exit).toEqual(Exit.succeed({ words: ["200the", "300 sea", "400 is"], end: "done" }))
    }))

  it.effect("streams everything at once where no speed is given", () =>
    Effect.gen(function*() {
      expect(yield* streamed(Scenario.answering({ words: 2 }))).toEqual(
        Exit.succeed({ words: ["0the", "0 sea"], end: "done" })
      )
    }))

  it.effect.each(
    [
      ["cut", Scenario.cutAfter(2), "StreamInterrupted"],
      ["malformed", Scenario.malformedAfter(2), "MalformedAnswer"],
      ["unfinished", Scenario.unfinishedAfter(2), "StreamInterrupted"]
    ] as const
  )("breaks a stream after its words: %s", ([, scenario, end]) =>
    Effect.gen(function*() {
      expect(yield* streamed(scenario)).toEqual(Exit.succeed({ words: ["0the", "0 sea"], end }))
    }))

  it.effect("stalls a stream after its words and never ends it", () =>
    Effect.gen(function*() {
      const a = yield* provider("a")
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(a.stream(call), read)))
      yield* TestClock.adjust("1 hour")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(FaultProvider.layer({ a: Scenario.stallAfter(2) }))))

  it.effect("remembers every attempt with its time since the start", () =>
    Effect.gen(function*() {
      const a = yield* provider("a")
      const b = yield* provider("b")
      yield* Effect.exit(a.complete(call))
      yield* TestClock.adjust("3 seconds")
      yield* Effect.exit(Effect.scoped(b.stream(call)))
      const { all } = yield* FaultProvider.FaultAttempts
      expect(all()).toEqual([
        { target: "a/m", atMs: 0, stream: false, plays: "Overloaded" },
        { target: "b/m", atMs: 3000, stream: true, plays: "answer" }
      ])
    }).pipe(Effect.provide(FaultProvider.layer({ a: Scenario.failing(503), b: Scenario.healthy }))))

  it.effect("plays what is said of one model for that model alone", () =>
    Effect.gen(function*() {
      const a = yield* provider("a")
      expect(Exit.isSuccess(yield* Effect.exit(a.complete(call)))).toBe(true)
      expect(Exit.isSuccess(yield* Effect.exit(a.complete({ ...call, model: "bad/one" })))).toBe(false)
      expect((yield* Providers).providers.size).toBe(1)
    }).pipe(Effect.provide(FaultProvider.layer({ a: Scenario.healthy, "a/bad/one": Scenario.reset }))))

  it.effect("draws the same luck from the same seed", () =>
    Effect.gen(function*() {
      const luck = (seed: number) =>
        Effect.gen(function*() {
          const a = yield* provider("a")
          yield* Effect.repeat(Effect.exit(a.complete(call)), { times: 19 })
          return (yield* FaultProvider.FaultAttempts).all().map(({ plays }) => plays).join()
        }).pipe(
          Effect.provide(FaultProvider.layer({ a: Scenario.withProbability(0.5, Scenario.reset) })),
          Random.withSeed(seed)
        )
      const first = yield* luck(1)
      expect(yield* luck(1)).toBe(first)
      expect(yield* luck(2)).not.toBe(first)
    }))
})
