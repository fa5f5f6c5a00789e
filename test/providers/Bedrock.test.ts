import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AzureOpenAi from "../../src/providers/AzureOpenAi.ts"
import * as Bedrock from "../../src/providers/Bedrock.ts"
import * as Kinds from "../../src/providers/Kinds.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"

const key = Redacted.make("k")

layer(Transport.layer())("Bedrock", (it) => {
  it.effect("is at its region's address unless it is said to be elsewhere", () =>
    Effect.gen(function*() {
      const addressOf = (settings: Kinds.ProviderSettings) =>
        Effect.map(Kinds.make("it", { apiKeys: [key], ...settings }), ({ server }) => server)
      const region = "eu-central-1"
      expect(yield* addressOf({ kind: "bedrock", region }))
        .toEqual({ address: "bedrock-runtime.eu-central-1.amazonaws.com", port: 443 })
      expect(yield* addressOf({ kind: "bedrock-mantle", region }))
        .toEqual({ address: "bedrock-mantle.eu-central-1.api.aws", port: 443 })
      expect(yield* addressOf({ kind: "bedrock", region, baseUrl: "http://127.0.0.1:9/aws/" }))
        .toEqual({ address: "127.0.0.1", port: 9 })
    }))

  it.effect("has as many credentials as it has keys, and AWS's own are one", () =>
    Effect.gen(function*() {
      const count = (auth: Bedrock.BedrockOptions["auth"]) =>
        Effect.map(
          Bedrock.make({ name: "it", region: "us-east-1", auth }),
          ({ credentials }) => credentials?.states(0).length
        )
      expect(yield* count([key, key])).toBe(2)
      expect(yield* count({ accessKeyId: "AKID", secretAccessKey: key })).toBe(1)
    }))

  it.effect("is offered as a Layer of providers, and so is Azure", () =>
    Effect.gen(function*() {
      const kindsOf = Effect.map(Providers, ({ providers }) => [...providers.values()].map(({ kind }) => kind))
      expect(yield* Effect.provide(kindsOf, Bedrock.layer({ name: "b", region: "us-east-1", auth: [key] })))
        .toEqual(["bedrock"])
      const azure = AzureOpenAi.layer({ name: "a", baseUrl: "https://x.openai.azure.com", auth: { apiKeys: [key] } })
      expect(yield* Effect.provide(kindsOf, azure)).toEqual(["azure-openai"])
    }))

  it.effect("has embeddings only where the dialect has any", () =>
    Effect.gen(function*() {
      const region = "eu-central-1"
      const embeds = (settings: Kinds.ProviderSettings) =>
        Effect.map(Kinds.make("it", { apiKeys: [key], ...settings }), ({ embed }) => embed !== undefined)
      for (const kind of ["openai", "groq", "bedrock-mantle", "gemini", "bedrock"]) {
        expect([kind, yield* embeds({ kind, region })]).toEqual([kind, true])
      }
      expect(yield* embeds({ kind: "anthropic" })).toBe(false)
    }))

  it.effect("is not made of settings that lack something, which the problem names", () =>
    Effect.gen(function*() {
      const problemOf = (settings: Kinds.ProviderSettings) =>
        Effect.map(Effect.flip(Kinds.make("x", settings)), ({ problem }) => problem)
      expect(yield* problemOf({ kind: "bedrock", apiKeys: [key] })).toContain("region")
      expect(yield* problemOf({ kind: "bedrock", region: "us-east-1" })).toContain("AWS_BEARER_TOKEN_BEDROCK")
      expect(yield* problemOf({ kind: "azure-openai", apiKeys: [key] })).toContain("baseUrl")
      expect(yield* problemOf({ kind: "openai", apiKeys: [key], apiVersion: "1" })).toContain("apiVersion")
    }))
})
