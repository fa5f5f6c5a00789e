import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem } from "effect"
import { banner } from "../../src/cli/Banner.ts"
import { doubts } from "../../src/cli/Check.ts"
import { load } from "../../src/config/Source.ts"

/** The banner of a file in an environment. */
const said = (file: string, env: Record<string, string> = {}) =>
  load({}, Effect.succeed(false)).pipe(
    Effect.map((loaded) => banner(loaded, "http://127.0.0.1:8000")),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env, preserveEmptyStrings: true })),
    Effect.provide(FileSystem.layerNoop({
      exists: () => Effect.succeed(file !== ""),
      readFileString: () => Effect.succeed(file)
    }))
  )

const curl = (text: string) => /curl .*/.exec(text)?.[0]

describe("the curl", () => {
  it.effect("has no key where none is asked for", () =>
    Effect.gen(function*() {
      expect(curl(yield* said(""))).not.toContain("authorization")
    }))

  it.effect("says that a key of the file belongs there, and never the key", () =>
    Effect.gen(function*() {
      const text = yield* said("server: { keys: [bw-secret, { name: a, key: bw-other }] }")
      expect(curl(text)).toContain(" -H 'authorization: Bearer <one of server.keys>' ")
      expect(text).not.toMatch(/bw-/)
    }))

  it.effect("names the variable that holds a key", () =>
    Effect.gen(function*() {
      const text = yield* said("server: { keys: [\"${TEAM_KEY}\"] }", { TEAM_KEY: "bw-secret" })
      expect(curl(text)).toContain(" -H \"authorization: Bearer $TEAM_KEY\" ")
      expect(text).not.toMatch(/bw-/)
      expect(curl(yield* said("", { BREAKWATER_KEY: "k" }))).toContain("Bearer $BREAKWATER_KEY\"")
    }))
})

describe("the door without keys of the file", () => {
  it.effect("is said to be open where no issued key outlives a stop", () =>
    Effect.gen(function*() {
      expect(yield* said("")).toContain("open (no server.keys), so only loopback is bound\n")
    }))

  it.effect("is not called open where a file may hold keys that were issued before", () =>
    Effect.gen(function*() {
      expect(yield* said("storage: { sql: \"sqlite:led.db\" }")).toMatch(
        /callers +only with an issued key, open where none was ever issued \(no server\.keys\); only loopback is bound\n/
      )
    }))
})

describe("what the curl asks", () => {
  it.effect("is the first alias, else the simulated model", () =>
    Effect.gen(function*() {
      expect(curl(yield* said(""))).toContain("\"model\":\"sim\"")
      const text = yield* said(`
models:
  "it's": { targets: [{ provider: simulated, model: sim }] }
`)
      expect(curl(text)).toContain("\"model\":\"it'\\''s\"")
    }))
})

describe("what can never work as it stands", () => {
  it.effect("is told as a warning", () =>
    Effect.gen(function*() {
      const file = "server: { keys: [{ key: of-16-characters, models: [smi] }] }"
      const loaded = yield* load({}, Effect.succeed(false)).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} })),
        Effect.provide(
          FileSystem.layerNoop({ exists: () => Effect.succeed(true), readFileString: () => Effect.succeed(file) })
        )
      )
      expect(banner(loaded, "http://127.0.0.1:8000", yield* doubts(loaded))).toMatch(
        /warnings\n\s+server\.keys\[0\]\.models\s+"smi" names nothing that is served; did you mean sim\?\n/
      )
    }))
})

describe("where a provider is", () => {
  it.effect("is told without a password and without the query, which may hold a key", () =>
    Effect.gen(function*() {
      const baseUrl = "https://user:canary@in.example.com/v1?key=canary"
      const text = yield* said(`providers: { up: { kind: openai-compatible, baseUrl: "${baseUrl}", apiKey: k } }`)
      expect(text).toMatch(/up +openai-compatible +https:\/\/in\.example\.com\/v1\n/)
      expect(text).not.toContain("canary")
    }))
})

describe("where traces go", () => {
  it.effect("is told without the query, which may hold a key", () =>
    Effect.gen(function*() {
      const text = yield* said("", {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://in.example.com/v1/traces?key=canary"
      })
      expect(text).toMatch(/traces +https:\/\/in\.example\.com\/v1\/traces\n/)
      expect(text).not.toContain("canary")
    }))
})

describe("guards", () => {
  it.effect("are told, and that there are none for models asked for by name", () =>
    Effect.gen(function*() {
      const file = "models: { fast: { targets: [{ provider: simulated, model: sim }], guards: { mask: {} } } }"
      expect(yield* said(file)).toMatch(
        /guards\n\s+fast\s+mask of everything\n\s+any other, and provider\/model\s+none\n/
      )
      expect(yield* said("server: {}")).not.toContain("guards")
    }))
})

describe("Redis", () => {
  it.effect("is said to count limits and budgets, and what it does not do is not active", () =>
    Effect.gen(function*() {
      const text = yield* said("storage: { redis: \"redis://me:secret@cache:6379/2\" }")
      expect(text).toMatch(/storage\n(?:.*\n)*?\s+limits\s+Redis at cache:6379\n/)
      expect(text).toMatch(/not active\n\s+storage\.redis\s+for cooldowns, .*and for a cache/)
      expect(text).not.toContain("secret")
    }))
})

describe("the ledger", () => {
  it.effect("is said to be where it is, or to be lost at the stop", () =>
    Effect.gen(function*() {
      expect(yield* said("")).toMatch(/storage\n\s+ledger\s+memory: lost at stop/)
      const text = yield* said("storage: { sql: \"postgres://me:secret@db/bills\" }")
      expect(text).toMatch(/storage\n\s+ledger\s+postgres at db\/bills\n/)
      expect(text).not.toContain("secret")
    }))
})

describe("the providers", () => {
  it.effect("are on where their key is in the environment, and off with a reason where not", () =>
    Effect.gen(function*() {
      const text = yield* said("", { GROQ_API_KEY: "k" })
      expect(text).toMatch(/providers on\n\s+groq\s+groq\n\s+simulated\s+simulated\n/)
      expect(text).toMatch(
        /providers off\n[^]*\n\s+azure-openai\s+AZURE_OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT not set\n/
      )
    }))
})
