/** Vectors in several parts over a wire that never ends by itself, in the time of the test. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { DeadlineExceeded, gatewayError, type Reason, UpstreamTimedOut } from "../../src/domain/GatewayError.ts"
import { bedrockEmbeddings } from "../../src/providers/protocols/BedrockEmbeddings.ts"
import type { EmbeddingCall } from "../../src/providers/Provider.ts"
import type { Transport, TransportRequest, WholeResponse } from "../../src/providers/Transport.ts"
import { embedding } from "../../src/providers/WireVectors.ts"
import { vectorsCallOf } from "./Calls.ts"

const model = "amazon.titan-embed-text-v2:0"
const headers = { "content-type": "application/json" }

const answerTo = ({ body }: TransportRequest): Effect.Effect<WholeResponse> => {
  const text = String(body)
  if (text.includes("silent")) return Effect.never
  return Effect.succeed(
    text.includes("bad")
      ? { status: 429, headers, text: `{"message":"Too many requests"}` }
      : { status: 200, headers, text: `{"embedding":[1],"inputTextTokenCount":3}` }
  )
}

const unasked = Effect.die(new Error("it is not asked for"))
const transport: Transport["Service"] = { request: () => unasked, requestIn: () => unasked, whole: answerTo }

/** How vectors of these texts fail once so much time has passed. */
const failureOf = (texts: ReadonlyArray<string>, after: "0 seconds" | "1 second", limit?: EmbeddingCall["limit"]) =>
  Effect.gen(function*() {
    const asked = embedding({
      transport,
      endpoint: { origin: "http://127.0.0.1:1", path: "", headers: {} },
      family: "bedrock",
      embeddings: bedrockEmbeddings,
      call: { ...vectorsCallOf(model, [...texts]), limit }
    })
    const fiber = yield* Effect.forkChild(Effect.flip(asked), { startImmediately: true })
    yield* TestClock.adjust(after)
    const { reason, used } = yield* Fiber.join(fiber)
    return { tag: reason._tag, used }
  })

const usage = { promptTokens: 3, completionTokens: 0, totalTokens: 3 }

/** A limit that is over as soon as all is sent. */
const over = (reason: Reason): EmbeddingCall["limit"] => (stop) => {
  queueMicrotask(() => stop(gatewayError(reason)))
  return () => undefined
}

describe("vectors in several parts, of which one fails", () => {
  it.effect("do not wait for a silent part, whose use is not told then", () =>
    Effect.gen(function*() {
      const failed = yield* failureOf(["good", "silent", "bad"], "1 second")
      expect(failed).toEqual({ tag: "RateLimited", used: { usage, isUntold: true } })
      const alone = yield* failureOf(["silent", "bad"], "1 second")
      expect(alone).toEqual({ tag: "RateLimited", used: { usage: undefined, isUntold: true } })
    }))

  it.effect("fail at once where none is under way", () =>
    Effect.gen(function*() {
      const failed = yield* failureOf(["good", "bad"], "0 seconds")
      expect(failed).toEqual({ tag: "RateLimited", used: { usage, isUntold: false } })
    }))
})

describe("vectors in several parts that take too long", () => {
  it.effect("tell what was answered; what stayed silent may have cost something where its caller had no more time", () =>
    Effect.gen(function*() {
      const texts = ["good", "silent"]
      const late = yield* failureOf(texts, "0 seconds", over(new UpstreamTimedOut({ message: "late" })))
      expect(late).toEqual({ tag: "UpstreamTimedOut", used: { usage, isUntold: false } })
      const ended = yield* failureOf(texts, "0 seconds", over(new DeadlineExceeded({ message: "over" })))
      expect(ended).toEqual({ tag: "DeadlineExceeded", used: { usage, isUntold: true } })
    }))
})
