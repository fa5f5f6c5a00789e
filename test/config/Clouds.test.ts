import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { decode } from "../../src/config/Config.ts"
import { secretsOf } from "../../src/config/Secrets.ts"
import * as Kinds from "../../src/providers/Kinds.ts"
import * as Transport from "../../src/providers/Transport.ts"

const settingsOf = (provider: Readonly<Record<string, unknown>>) =>
  decode("f.yaml", { server: { port: 0 }, providers: { it: provider } }).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} }))
  )

const problemsOf = (provider: Readonly<Record<string, unknown>>) =>
  Effect.map(
    Effect.flip(settingsOf(provider)),
    ({ problems }) => problems.map(({ message, path }) => `${path}: ${message}`)
  )

const azure = { kind: "azure-openai", baseUrl: "https://mine.openai.azure.com" }
const bedrock = { kind: "bedrock", region: "us-east-1" }
const pair = { accessKeyId: "AKID", secretAccessKey: "s" }

describe("a provider of a cloud", () => {
  it.effect("that lacks what it needs is refused with what to write", () =>
    Effect.gen(function*() {
      expect(yield* problemsOf({ kind: "bedrock" })).toEqual([
        "providers.it.region: required, but missing: give one, such as us-east-1 or ${AWS_REGION}",
        "providers.it.apiKey: required, but missing: bedrock answers nobody without a key; give one, such as "
        + "${AWS_BEARER_TOKEN_BEDROCK}, or accessKeyId and secretAccessKey, or tokenFile; roles (of EC2, ECS, "
        + "EKS, by web identity) are not looked up, so have their keys written to tokenFile (docs/OPERATIONS.md)"
      ])
      expect(yield* problemsOf({ ...bedrock, accessKeyId: "AKID" })).toEqual([
        "providers.it.secretAccessKey: required, but missing: AWS's keys are a pair"
      ])
      expect(yield* problemsOf(azure)).toEqual([
        "providers.it.apiKey: required, but missing: azure-openai answers nobody without a key; give one, such as "
        + "${AZURE_OPENAI_API_KEY}, or entraToken or tokenFile"
      ])
      expect(yield* problemsOf({ kind: "bedrock-mantle", apiKey: "k" })).toEqual([
        "providers.it.region: required, but missing: give one, such as us-east-1 or ${AWS_REGION}"
      ])
    }))

  it.effect("that is told who asks in two ways is refused", () =>
    Effect.gen(function*() {
      expect(yield* problemsOf({ ...azure, apiKey: "k", entraToken: "t" })).toEqual([
        "providers.it.entraToken: give either apiKey or entraToken, not both"
      ])
      expect(yield* problemsOf({ ...bedrock, ...pair, apiKey: "k" })).toEqual([
        "providers.it.accessKeyId: give either apiKey or AWS's keys, not both"
      ])
      const tokenFile = "/run/token"
      for (const [first, written] of [["apiKey", { apiKey: "k" }], ["entraToken", { entraToken: "t" }]] as const) {
        expect(yield* problemsOf({ ...azure, ...written, tokenFile })).toEqual([
          `providers.it.tokenFile: give either ${first} or tokenFile, not both`
        ])
      }
      expect(yield* problemsOf({ ...bedrock, ...pair, tokenFile })).toEqual([
        "providers.it.accessKeyId: give either tokenFile or accessKeyId, not both"
      ])
      expect(yield* problemsOf({ kind: "gemini", apiKey: "k", tokenFile })).toEqual([
        "providers.it.baseUrl: required, but missing: a tokenFile is for Vertex AI, whose address names the project"
      ])
      expect(yield* problemsOf({ kind: "groq", apiKey: "k", tokenFile })).toEqual([
        "providers.it.tokenFile: kind groq has no such key; azure-openai and bedrock and bedrock-mantle and gemini have"
      ])
    }))

  it.effect("is no region that AWS could have, and no key that HTTP cannot carry", () =>
    Effect.gen(function*() {
      const [region] = yield* problemsOf({ ...bedrock, region: "moon", apiKey: "k" })
      expect(region).toContain("providers.it.region")
      const [token] = yield* problemsOf({ ...bedrock, ...pair, sessionToken: "t\n" })
      expect(token).toBe(
        "providers.it.sessionToken: ends with a line break, as a key read from a file does; remove it"
      )
    }))

  it.effect("has keys that no other kind has", () =>
    Effect.gen(function*() {
      expect(yield* problemsOf({ kind: "groq", apiKey: "k", accessKeyId: "AKID" })).toEqual([
        "providers.it.accessKeyId: kind groq has no such key; bedrock has"
      ])
      expect(yield* problemsOf({ ...bedrock, apiKey: "k", apiVersion: "2024-10-21" })).toEqual([
        "providers.it.apiVersion: kind bedrock has no such key; azure-openai has"
      ])
    }))

  it.effect("keeps its secrets to itself", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf({ ...bedrock, ...pair, secretAccessKey: "sss", sessionToken: "ttt" })
      expect(secretsOf(settings).map(Redacted.value)).toEqual(["sss", "ttt"])
      expect(JSON.stringify(settings)).not.toMatch(/sss|ttt/)
    }))

  it.effect("passes the check exactly when a provider can be made of it", () =>
    Effect.gen(function*() {
      const parts = [
        { apiKey: "k" },
        { region: "us-east-1" },
        { accessKeyId: "AKID" },
        { secretAccessKey: "s" },
        { entraToken: "t" },
        { tokenFile: "/nowhere/token" },
        { baseUrl: "http://127.0.0.1:1/v1" }
      ]
      let made = 0
      for (const kind of ["azure-openai", "bedrock", "bedrock-mantle"]) {
        for (let choice = 0; choice < 2 ** parts.length; choice++) {
          const written = Object.assign({ kind }, ...parts.filter((_, at) => choice >> at & 1))
          const result = yield* Effect.result(settingsOf(written))
          const section = result._tag === "Success" ? result.success.settings.providers[0] : undefined
          const secret = (name: string) =>
            written[name] === undefined ? undefined : Redacted.make(String(written[name]))
          const provider = yield* Effect.isSuccess(Kinds.make("it", {
            kind,
            baseUrl: written.baseUrl,
            region: written.region,
            apiKeys: written.apiKey === undefined ? [] : [Redacted.make("k")],
            accessKeyId: secret("accessKeyId"),
            secretAccessKey: secret("secretAccessKey"),
            entraToken: secret("entraToken"),
            tokenFile: written.tokenFile
          }))
          expect([written, provider]).toEqual([written, section !== undefined])
          if (section === undefined) continue
          expect((yield* Kinds.make("it", section)).kind).toBe(kind)
          made++
        }
      }
      expect(made).toBe(18)
    }).pipe(Effect.provide(Transport.layer())))
})
