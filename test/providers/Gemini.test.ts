import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Gemini from "../../src/providers/Gemini.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import * as FakeGemini from "../wire/FakeGemini.ts"
import { callOf, streamOf } from "./Calls.ts"

let upstream: FakeGemini.FakeGemini
beforeAll(async () => {
  upstream = await FakeGemini.start()
})
afterAll(() => upstream.close())

const provider = (options: Partial<Gemini.GeminiOptions> = {}) =>
  Gemini.make({
    name: "google",
    baseUrl: `${upstream.origin}/v1beta/`,
    apiKeys: [Redacted.make(FakeGemini.goodKey)],
    ...options
  })

const lastAsked = () => upstream.asked.at(-1)

layer(Transport.layer({ connectTimeoutMs: 1000 }), { excludeTestServices: true })("Gemini", (it) => {
  it.effect("answers whole and streamed, and says where it is", () =>
    Effect.gen(function*() {
      const one = yield* provider()
      expect(one).toMatchObject({ name: "google", kind: "gemini", server: { address: "127.0.0.1" } })
      const whole = yield* one.complete(callOf("gemini-3-fake"))
      expect(whole.completion.choices[0]?.message.content).toBe("Four mètres 😀.")
      expect(JSON.parse(whole.text)).toEqual(whole.completion)
      expect(lastAsked()?.path).toBe("/v1beta/models/gemini-3-fake:generateContent")
      const streamed = yield* streamOf(one, callOf("gemini-3-fake", { stream: true }))
      expect([streamed.content, streamed.error]).toEqual(["Four mètres 😀.", undefined])
      expect(streamed.sent).not.toContain("usage")
    }))

  it.effect("says in its headers who asks, where no key does", () =>
    Effect.gen(function*() {
      const one = yield* provider({ apiKeys: [], headers: { "X-Goog-Api-Key": Redacted.make(FakeGemini.goodKey) } })
      expect(one.credentials).toBeUndefined()
      const seen = yield* one.complete(callOf("gemini-3-fake"))
      expect(seen.usage).toMatchObject({ promptTokens: 20, completionTokens: 12, reasoningTokens: 4 })
    }))

  it.effect("leaves a key that is refused, and does not ask with it again", () =>
    Effect.gen(function*() {
      const one = yield* provider({ apiKeys: ["bad", FakeGemini.goodKey].map((key) => Redacted.make(key)) })
      const { reason } = yield* Effect.flip(one.complete(callOf("gemini-3-fake")))
      expect(reason).toMatchObject({ _tag: "CredentialRejected", upstreamStatus: 400 })
      yield* one.complete(callOf("gemini-3-fake"))
      expect(lastAsked()?.headers["x-goog-api-key"]).toBe(FakeGemini.goodKey)
    }))

  it.effect("names what it could not say, and refuses it where the caller wants all of it said", () =>
    Effect.gen(function*() {
      const one = yield* provider()
      const call = callOf("gemini-3-fake", { logit_bias: { 1: 1 } })
      expect((yield* one.complete(call)).dropped).toEqual(["logit_bias"])
      const { reason } = yield* Effect.flip(one.complete({ ...call, parameters: "reject" }))
      expect(reason).toMatchObject({ _tag: "InvalidRequest", param: "logit_bias" })
    }))

  it.effect("is in a layer by its name", () =>
    Effect.gen(function*() {
      const { providers } = yield* Providers
      expect(providers.get("google")?.kind).toBe("gemini")
    }).pipe(Effect.provide(Gemini.layer({ name: "google", apiKeys: [Redacted.make("k")] }))))
})
