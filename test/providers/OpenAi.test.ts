import { afterAll, beforeAll, expect, expectTypeOf, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { OpenAI } from "openai"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import * as Kinds from "../../src/providers/Kinds.ts"
import * as OpenAi from "../../src/providers/OpenAi.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { presets } from "../../src/providers/Presets.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { answer } from "../faults/Answer.ts"
import type { Upstream } from "../faults/Upstream.ts"
import { start } from "../faults/Upstream.ts"
import { callOf, streamOf } from "./Calls.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start()
})
afterAll(() => upstream.close())

const apiKey = Redacted.make("sk-test")
const openAi = () =>
  OpenAi.make({
    name: "one",
    apiKeys: [apiKey],
    baseUrl: upstream.url,
    organization: "org-1",
    headers: { "X-Mine": "2" }
  })

layer(Transport.layer(), { excludeTestServices: true })("OpenAi", (it) => {
  it.effect("sends the package's headers and the caller's text", () =>
    Effect.gen(function*() {
      const provider = yield* openAi()
      const seen = yield* provider.complete(callOf("ok#sdk"))
      expect(seen.completion.choices[0]?.message.content).toBe(answer)
      const [attempt] = upstream.attemptsOf("ok#sdk")
      expect(attempt?.headers).toMatchObject({
        authorization: "Bearer sk-test",
        "content-type": "application/json",
        "openai-organization": "org-1",
        "x-stainless-lang": "js",
        "x-stainless-retry-count": "0",
        "x-mine": "2"
      })
      expect(attempt?.headers["user-agent"]).toMatch(/^OpenAI\/JS /)
      expect(attempt?.headers["openai-project"]).toBeUndefined()
    }))

  it.effect("streams", () =>
    Effect.gen(function*() {
      const seen = yield* streamOf(yield* openAi(), callOf("ok", { stream: true }))
      expect([seen.content, seen.error]).toEqual([answer, undefined])
    }))

  it.effect("is offered as a Layer of providers", () =>
    Effect.gen(function*() {
      const { providers } = yield* Providers
      expect([...providers.keys()]).toEqual(["mine"])
    }).pipe(Effect.provide(OpenAi.layer({ name: "mine", apiKeys: [apiKey] }))))

  it.effect("has a compatible host's Layer beside it", () =>
    Effect.gen(function*() {
      const { providers } = yield* Providers
      expect(providers.get("local")).toMatchObject({ kind: "openai-compatible", models: ["small"] })
    }).pipe(Effect.provide(
      OpenAiCompatible.layer({ name: "local", baseUrl: "http://127.0.0.1:11434/v1", models: ["small"] })
    )))

  it.effect("is made from settings, as every preset is", () =>
    Effect.gen(function*() {
      for (const kind of ["openai", ...Object.keys(presets)]) {
        expect(yield* Kinds.make("x", { kind, apiKeys: [apiKey] })).toMatchObject({ name: "x", kind, models: [] })
      }
      expect((yield* Kinds.make("s", { kind: "simulated" })).kind).toBe("simulated")
    }))

  it.effect("is not made of settings that lack something, which the problem names", () =>
    Effect.gen(function*() {
      const problemOf = (settings: Kinds.ProviderSettings) =>
        Effect.map(Effect.flip(Kinds.make("x", settings)), ({ problem }) => problem)
      expect(yield* problemOf({ kind: "openai" })).toContain("OPENAI_API_KEY")
      expect(yield* problemOf({ kind: "groq" })).toContain("GROQ_API_KEY")
      expect(yield* problemOf({ kind: "openai-compatible" })).toContain("baseUrl")
      expect(yield* problemOf({ kind: "openai-compatible", baseUrl: "ftp://x" })).toContain("baseUrl")
      expect(yield* problemOf({ kind: "nobody" })).toContain("nobody")
    }))

  it("agrees with the package's types: what it may answer is ours, what we accept it may be asked", () => {
    expectTypeOf<OpenAi.OpenAiWords["completion"]>().toEqualTypeOf<OpenAI.ChatCompletion>()
    expectTypeOf<OpenAi.OpenAiWords["chunk"]>().toEqualTypeOf<OpenAI.ChatCompletionChunk>()
    expectTypeOf<ChatRequest["model"]>().toExtend<OpenAI.ChatCompletionCreateParams["model"]>()
    expectTypeOf<OpenAi.OpenAiWords["parameter"]>().toEqualTypeOf<keyof OpenAI.ChatCompletionCreateParams>()
  })
})
