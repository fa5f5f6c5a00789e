import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import type { EmbeddingCall } from "../../src/providers/Provider.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { isScanProblem, scan } from "../../src/validation/JsonText.ts"

const callOf = (model: string, asked: Partial<EmbeddingRequest> = {}): EmbeddingCall => {
  const request = { model: "alias", input: "a quiet harbour", ...asked }
  const source = scan(JSON.stringify(request))
  if (isScanProblem(source)) throw new Error(source.message)
  return { source, request, model, requestId: "req-1" }
}

/** What the model answers within a minute. */
const answered = (model: string, asked: Partial<EmbeddingRequest> = {}, provider = Simulated.make("s")) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.result(provider.embed?.(callOf(model, asked)) ?? Effect.die("none")))
    yield* TestClock.adjust("1 minute")
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      yield* Fiber.interrupt(fiber)
      return "silent"
    }
    const result = yield* Fiber.join(fiber)
    return result._tag === "Failure" ? result.failure.reason._tag : result.success
  })

const vectorsOf = (answer: Effect.Success<ReturnType<typeof answered>>): ReadonlyArray<ReadonlyArray<number>> => {
  if (typeof answer === "string") throw new Error(answer)
  return JSON.parse(answer.text).data.map(({ embedding }: { readonly embedding: ReadonlyArray<number> }) => embedding)
}

const near = (left: ReadonlyArray<number> = [], right: ReadonlyArray<number> = []): number =>
  left.reduce((sum, value, at) => sum + value * (right[at] ?? 0), 0)

describe("simulated embeddings", () => {
  it.effect("are one vector of length 1 for each input, with as many dimensions as were asked for", () =>
    Effect.gen(function*() {
      for (const dimensions of [1, 2, 256, 1536]) {
        const vectors = vectorsOf(yield* answered("sim", { input: ["one", "two words", "!?"], dimensions }))
        expect(vectors.map((vector) => vector.length)).toEqual([dimensions, dimensions, dimensions])
        for (const vector of vectors) expect(near(vector, vector)).toBeCloseTo(1, 5)
      }
    }))

  it.effect("are the same for the same text, and others with another seed", () =>
    Effect.gen(function*() {
      const again = yield* answered("sim")
      expect(yield* answered("sim-fast")).toMatchObject({
        text: JSON.stringify(JSON.parse(textOf(again))).replace("\"sim\"", "\"sim-fast\"")
      })
      const other = yield* answered("sim", {}, Simulated.make("s", { seed: 1 }))
      expect(vectorsOf(other)).not.toEqual(vectorsOf(again))
    }))

  it.effect("are nearer for texts that share words", () =>
    Effect.gen(function*() {
      const input = ["The quiet harbour at night", "at night the harbour is quiet", "oranges and lemons"]
      const [a, b, c] = vectorsOf(yield* answered("sim", { input }))
      expect(near(a, b)).toBeGreaterThan(0.7)
      expect(Math.abs(near(a, c))).toBeLessThan(0.5)
    }))

  it.effect("count the tokens of texts by four characters, and tokens as they are", () =>
    Effect.gen(function*() {
      const used = (input: EmbeddingRequest["input"]) =>
        Effect.map(answered("sim", { input }), (answer) =>
          typeof answer === "string" ? answer : answer.usage?.promptTokens)
      expect(yield* used("12345")).toBe(2)
      expect(yield* used(["1234", "1"])).toBe(2)
      expect(yield* used([1, 2, 3])).toBe(3)
      expect(yield* used([[1, 2], [3]])).toBe(3)
    }))

  it.effect("have the troubles of their model", () =>
    Effect.gen(function*() {
      const provider = Simulated.make("s")
      const seen: Array<unknown> = []
      for (
        const model of ["sim-flaky", "sim-flaky", "sim-flaky", "sim-down", "sim-cut", "sim-stall", "sim-silent", "no"]
      ) {
        const answer = yield* answered(model, {}, provider)
        seen.push(typeof answer === "string" ? answer : "ok")
      }
      expect(seen).toEqual([
        "ok",
        "ok",
        "UpstreamFailed",
        "Overloaded",
        "ConnectionReset",
        "silent",
        "silent",
        "UpstreamModelMissing"
      ])
    }))
})

const textOf = (answer: Effect.Success<ReturnType<typeof answered>>): string => {
  if (typeof answer === "string") throw new Error(answer)
  return answer.text
}
