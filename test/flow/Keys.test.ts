/** Several keys of one provider, over a real socket: a refused one makes way for the next within the same request. */
import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { answer } from "../faults/Answer.ts"
import type { Upstream } from "../faults/Upstream.ts"
import { start } from "../faults/Upstream.ts"
import { ask } from "./Scripted.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start()
})
afterAll(() => upstream.close())

/** The flow over one provider with these keys, made anew for each test. */
const flow = (...keys: ReadonlyArray<string>) =>
  Gateway.layer().pipe(
    Layer.provide(Layer.unwrap(Effect.sync(() =>
      Providers.layer([
        OpenAiCompatible.make({
          name: "keyed",
          baseUrl: upstream.url,
          apiKeys: keys.map((key) => Redacted.make(key))
        })
      ])
    )))
  )

const keysOf = (model: string) =>
  upstream.attemptsOf(model).map(({ headers }) => headers["authorization"]?.slice("Bearer ".length))

const complete = (model: string) =>
  Effect.flatMap(Completion, (completion) => Effect.result(completion.complete(ask({ model: `keyed/${model}` }))))

layer(Transport.layer({ connectTimeoutMs: 1000 }), { excludeTestServices: true })("several keys", (it) => {
  it.effect("a rejected key makes way for the next at once, and stays away", () =>
    Effect.gen(function*() {
      const first = yield* complete("401-once#next")
      expect(first._tag === "Success" && first.success.completion.choices[0]?.message.content).toBe(answer)
      yield* complete("ok#after")
      expect([...keysOf("401-once#next"), ...keysOf("ok#after")]).toEqual(["one", "two", "two"])
      const shown = (yield* (yield* Health).targets)[0]
      expect(shown?.credentials).toEqual(["dead: rejected", "usable"])
      expect(shown?.breaker.state).toBe("closed")
    }).pipe(Effect.provide(flow("one", "two"))))

  it.effect("an exhausted quota is never asked of the same key again, and none left is ours to say", () =>
    Effect.gen(function*() {
      const first = yield* complete("429-quota#money")
      expect(first._tag === "Failure" && first.failure.reason._tag).toBe("QuotaExhausted")
      expect(keysOf("429-quota#money")).toEqual(["one", "two"])
      const second = yield* complete("ok#money")
      expect(second._tag === "Failure" && second.failure.reason._tag).toBe("QuotaExhausted")
      expect(keysOf("ok#money")).toEqual([])
    }).pipe(Effect.provide(flow("one", "two"))))

  it.effect("all rejected is a 502, and nothing is sent until the reset", () =>
    Effect.gen(function*() {
      const reason = Effect.map(complete("401#all"), (done) =>
        done._tag === "Failure" ? [done.failure.reason._tag, done.failure.reason.status] : [])
      expect(yield* reason).toEqual(["CredentialRejected", 502])
      expect(yield* reason).toEqual(["CredentialRejected", 502])
      expect(keysOf("401#all")).toEqual(["one", "two"])
      yield* (yield* Health).control({ action: "reset", target: "keyed/*" })
      yield* reason
      expect(keysOf("401#all").length).toBe(4)
    }).pipe(Effect.provide(flow("one", "two"))))

  it.effect("a key that is slowed down makes way for the next at once", () =>
    Effect.gen(function*() {
      yield* complete("429-retry-after:1#slow")
      expect(keysOf("429-retry-after:1#slow")).toEqual(["one", "two"])
    }).pipe(Effect.provide(flow("one", "two"))))
})
