/** What an upstream says about our key or account inside a 200: heard like a status, before the first content and after it. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { Targets } from "../../src/gateway/Target.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { makeUpstream } from "../exchanges/Upstream.ts"
import { ask } from "./Scripted.ts"

const content =
  "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n"
const error = (fields: object): string => `data: ${JSON.stringify({ error: { message: "no", ...fields } })}\n\n`
const settled = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** One stream of an upstream that says this to each of `keys`; after it the credentials and the pause of its target. */
const told = (texts: ReadonlyArray<string>, keys: ReadonlyArray<string>) => {
  const pieces = texts.map((text) => Buffer.from(text))
  const upstream = makeUpstream(() => ({ contentType: "text/event-stream", pieces, ending: "end" }))
  const provider = OpenAiCompatible.layer({
    name: "up",
    baseUrl: "http://127.0.0.1:1/v1",
    apiKeys: keys.map((key) => Redacted.make(key))
  })
  return Effect.gen(function*() {
    const completion = yield* Completion
    const request = ask({ model: "up/m", stream: true })
    const asked = Effect.scoped(
      Effect.flatMap(completion.stream(request), (answer) => Effect.forever(answer.pull))
    )
    const fiber = yield* Effect.forkChild(Effect.exit(asked))
    for (let second = 0; second < 20; second++) {
      for (let turn = 0; turn < 10; turn++) yield* settled
      yield* TestClock.adjust("1 second")
    }
    yield* Fiber.join(fiber)
    const credentials = (yield* (yield* Health).targets)[0]?.credentials
    const target = (yield* Targets).adHoc("up", "m")
    const nowMs = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    return {
      outcomes: request.decision.attempts.map(({ outcome }) => outcome),
      startedAtMs: request.decision.attempts.map(({ startedAtMs }) => startedAtMs),
      credentials,
      isCooling: (target?.guards.cooldown.remaining("m", nowMs) ?? 0) > 0
    }
  }).pipe(Effect.provide(
    Gateway.layer().pipe(Layer.provide(provider), Layer.provide(upstream.layer))
  ))
}

describe("an error inside a 200", () => {
  it.effect("with a quota that is used up goes to each key once and to none again", () =>
    Effect.gen(function*() {
      const seen = yield* told([error({ type: "insufficient_quota", code: "insufficient_quota" })], ["one", "two"])
      expect(seen.outcomes).toEqual(["QuotaExhausted", "QuotaExhausted"])
      expect(seen.credentials).toEqual(["dead: quota", "dead: quota"])
    }))

  it.effect("with a rejected key goes to each key once", () =>
    Effect.gen(function*() {
      const seen = yield* told([error({ code: 401, type: "authentication_error" })], ["one", "two", "three"])
      expect(seen.outcomes).toEqual(["CredentialRejected", "CredentialRejected", "CredentialRejected"])
      expect(seen.credentials).toEqual(["dead: rejected", "dead: rejected", "dead: rejected"])
    }))

  it.effect("with a limit is not asked again at once of the same key", () =>
    Effect.gen(function*() {
      const seen = yield* told([error({ type: "rate_limit_error", code: "rate_limit_exceeded" })], ["one"])
      expect(seen.outcomes.length).toBe(3)
      expect(new Set(seen.startedAtMs).size).toBe(3)
    }))

  it.effect("is heard by the key after the first content too", () =>
    Effect.gen(function*() {
      const seen = yield* told([content, error({ type: "insufficient_quota", code: "insufficient_quota" })], ["one"])
      expect(seen.outcomes).toEqual(["QuotaExhausted"])
      expect(seen.credentials).toEqual(["dead: quota"])
    }))
})
