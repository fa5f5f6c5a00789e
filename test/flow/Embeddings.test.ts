import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Ledger } from "../../src/accounting/Ledger.ts"
import * as E from "../../src/domain/GatewayError.ts"
import type { LedgerEntry } from "../../src/domain/LedgerEntry.ts"
import * as Account from "../../src/gateway/Account.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { costOf, toRecord } from "../../src/gateway/Decision.ts"
import type { GatewaySettings } from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { ask, askVectors, flow, type Script, script } from "./Scripted.ts"
import { layerTraced, type Seen } from "./Traced.ts"

const overloaded = new E.Overloaded({ message: "503", upstreamStatus: 503 })
const refused = new E.UpstreamRefused({ message: "400", upstreamStatus: 400, param: "input" })

/** Asks for vectors while time runs. */
const asked = (patience: "20 minutes" | "1 second" = "20 minutes") =>
  Effect.gen(function*() {
    const completion = yield* Completion
    const request = askVectors()
    const fiber = yield* Effect.forkChild(completion.embed(request))
    yield* TestClock.adjust(patience)
    const exit = yield* Fiber.await(fiber)
    const reason = Exit.isFailure(exit)
      ? exit.cause.reasons.find((one) => one._tag === "Fail")?.error.reason
      : undefined
    const { decision } = request
    return {
      reason,
      decision,
      text: Exit.isSuccess(exit) ? exit.value.text : undefined,
      order: decision.attempts.map(({ target }) => target.split("/")[0]).join("")
    }
  })

const embed = (scripts: ReadonlyArray<Script>, settings: Partial<GatewaySettings> = {}) =>
  Effect.provide(asked(), flow(scripts, settings))

describe("embeddings through the flow", () => {
  it.effect("are the answer of the first target, asked in the caller's own text", () =>
    Effect.gen(function*() {
      const a = script("a", "ok")
      const { decision, text } = yield* embed([a, script("b", "ok")])
      expect(text).toBe("vectors of a")
      expect([decision.provider, decision.model, decision.operation]).toEqual(["a", "a-model", "embeddings"])
      expect(a.embedded[0]).toMatchObject({ model: "a-model", source: { text: `{"model":"fast","input":"hi"}` } })
    }))

  it.effect("are retried and fail over as completions do", () =>
    Effect.gen(function*() {
      const { decision, order, text } = yield* embed([script("a", overloaded), script("b", "ok")])
      expect([order, text]).toEqual(["aab", "vectors of b"])
      expect(decision.attempts.map(({ outcome }) => outcome)).toEqual(["Overloaded", "Overloaded", "ok"])
    }))

  it.effect("fail at once with what the upstream has against the request", () =>
    Effect.gen(function*() {
      const { order, reason } = yield* embed([script("a", refused), script("b", "ok")])
      expect([order, reason?._tag, reason?.param]).toEqual(["a", "UpstreamRefused", "input"])
    }))

  it.effect("go on to the next target when the first stays silent", () =>
    Effect.gen(function*() {
      const a = script("a", "silent")
      const { order } = yield* embed([a, script("b", "ok")])
      expect([order, a.interrupted]).toEqual(["ab", 1])
    }))

  it.effect("pass over a provider that has none, and say so in the record", () =>
    Effect.gen(function*() {
      const { decision, order } = yield* embed([{ ...script("a", "ok"), hasEmbeddings: false }, script("b", "ok")])
      expect(order).toBe("b")
      expect(toRecord(decision)).toMatchObject({
        operation: "embeddings",
        candidates: ["a/a-model", "b/b-model"],
        skipped: [{ target: "a/a-model", why: "no embeddings" }],
        winner: "b/b-model"
      })
    }))

  it.effect("are a caller's mistake where no provider has any", () =>
    Effect.gen(function*() {
      const { decision, reason } = yield* embed([{ ...script("a", "ok"), hasEmbeddings: false }])
      expect(reason).toMatchObject({ _tag: "InvalidRequest", param: "model", errorCode: "embeddings_not_supported" })
      expect([decision.attempts.length, decision.error]).toEqual([0, "InvalidRequest"])
    }))

  it.effect("share the breaker of their target with completions", () => {
    const a = script("a", overloaded)
    return Effect.gen(function*() {
      for (let n = 0; n < 3; n++) yield* asked("1 second")
      const targets = yield* (yield* Health).targets
      expect(targets.find(({ target }) => target === "a/a-model")?.breaker.state).toBe("open")
      const request = ask()
      const fiber = yield* Effect.forkChild((yield* Completion).complete(request))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(request.decision.skipped).toEqual([{ target: "a/a-model", why: "circuit open" }])
    }).pipe(Effect.provide(flow([a, script("b", "ok")], { breaker: { openForMs: 60_000, openMaxMs: 60_000 } })))
  })

  it.effect("cost what their input costs", () =>
    Effect.gen(function*() {
      const { decision } = yield* embed([script("a", "ok")], {
        prices: { a: { "a-model": { usdPerMtok: { input: "0.02" } } } }
      })
      expect(costOf(decision)).toEqual({ picoUsd: 3 * 20_000, source: "computed" })
    }))

  it.effect("are written into the ledger with their tokens", () => {
    const entries: Array<LedgerEntry> = []
    const ledger = Layer.succeed(
      Ledger,
      {
        append: (entry: LedgerEntry) => void entries.push(entry)
        // Nobody asks this ledger for its sums.
      } as unknown as Ledger["Service"]
    )
    return Effect.gen(function*() {
      const { decision } = yield* asked()
      const account = yield* Account.make
      account(decision)
      expect(entries).toMatchObject([{
        provider: "a",
        ended: "answered",
        attempts: [{ outcome: "ok", tokens: { input: 3, output: 0 } }]
      }])
    }).pipe(Effect.provide(Layer.merge(flow([script("a", "ok")]), ledger)))
  })

  it.live("have a span of their own name below the route's", () => {
    const spans: Array<Seen> = []
    return Effect.gen(function*() {
      const completion = yield* Completion
      yield* completion.embed(askVectors({ dimensions: 8, encoding_format: "base64" }))
      expect(spans.map(({ name }) => name)).toEqual(["breakwater.route fast", "embeddings a-model"])
      expect(spans[1]?.kind).toBe("client")
      expect(spans[1]?.parent).toBe(spans[0]?.spanId)
      expect(spans[1]?.attributes).toMatchObject({
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "a-model",
        "gen_ai.response.model": "a-model",
        "gen_ai.embeddings.dimension.count": 8,
        "gen_ai.request.encoding_formats": ["base64"],
        "gen_ai.usage.input_tokens": 3
      })
      expect(Object.keys(spans[1]?.attributes ?? {})).not.toContain("gen_ai.usage.output_tokens")
    }).pipe(Effect.provide(flow([script("a", "ok")]).pipe(Layer.provideMerge(layerTraced(spans)))))
  })
})
