import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Redacted } from "effect"
import { ConfigurationRefused } from "../../src/config/Problem.ts"
import { secretsOf } from "../../src/config/Secrets.ts"
import { type Flags, load } from "../../src/config/Source.ts"

interface World {
  readonly env?: Record<string, string>
  readonly files?: Readonly<Record<string, string>>
  readonly ollama?: boolean
}

const loadIn = (world: World, flags: Flags = {}) =>
  load(flags, Effect.succeed(world.ollama ?? false)).pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env: world.env ?? {}, preserveEmptyStrings: true })
    ),
    Effect.provide(FileSystem.layerNoop({
      exists: (path) => Effect.succeed(world.files?.[path] !== undefined),
      readFileString: (path) => {
        const text = world.files?.[path]
        return text === undefined ? Effect.die(`no ${path}`) : Effect.succeed(text)
      }
    }))
  )

const file = "server: { port: 1001, host: localhost }\nproviders: {}\n"

describe("the order of sources", () => {
  it.effect("is flag over environment over file over default", () =>
    Effect.gen(function*() {
      const files = { "./breakwater.yaml": file }
      const env = { BREAKWATER_PORT: "1002" }
      expect((yield* loadIn({})).settings.server.port).toBe(8000)
      expect((yield* loadIn({ files })).settings.server.port).toBe(1001)
      expect((yield* loadIn({ files, env })).settings.server.port).toBe(1002)
      expect((yield* loadIn({ files, env }, { port: 1003 })).settings.server.port).toBe(1003)
      expect((yield* loadIn({ files, env }, { port: 1003 })).settings.server.host).toBe("localhost")
    }))

  it.effect("takes the named file in place of ./breakwater.yaml, the flag's before the environment's", () =>
    Effect.gen(function*() {
      const files = {
        "./breakwater.yaml": file,
        "b.json": "{\"server\":{\"port\":1004}}",
        "c.toml": "[server]\nport = 1005\n"
      }
      const env = { BREAKWATER_CONFIG: "b.json" }
      expect((yield* loadIn({ files, env })).settings.server.port).toBe(1004)
      expect((yield* loadIn({ files, env }, { config: "c.toml" })).settings.server.port).toBe(1005)
    }))

  it.effect("adds the environment's key to those of the file, so that no other caller is locked out", () =>
    Effect.gen(function*() {
      const files = { "./breakwater.yaml": "server: { keys: [one, \"${BREAKWATER_KEY}\"] }" }
      const { settings } = yield* loadIn({ files, env: { BREAKWATER_KEY: "two" } })
      expect(settings.server.keys.map((entry) => Redacted.value(entry.key))).toEqual(["one", "two"])
      const bare = yield* loadIn({
        env: { BREAKWATER_KEY: "two", BREAKWATER_ADMIN_KEY: "three", BREAKWATER_HOST: "0.0.0.0" }
      })
      expect(bare.settings.server.keys.map((entry) => Redacted.value(entry.key))).toEqual(["two"])
      expect(bare.settings.server.host).toBe("0.0.0.0")
    }))

  it.effect("knows the variable of a client key, where one stands alone and is set", () =>
    Effect.gen(function*() {
      const named = (keys: string, env: Record<string, string> = { ONE: "1", TWO: "2" }) =>
        Effect.map(
          loadIn({ files: { "./breakwater.yaml": `server: { keys: [${keys}] }` }, env }),
          ({ keyName }) => keyName
        )
      expect(yield* named("text, { name: a, key: \"${TWO}\" }, \"${ONE}\"")).toBe("TWO")
      expect(yield* named("\"${ONE}\", \"${TWO}\"", { ONE: "", TWO: "2" })).toBe("TWO")
      expect(yield* named("\"prefix-${ONE}\", \"${TWO:-text}\"")).toBeUndefined()
      expect(yield* named("text", { BREAKWATER_KEY: "k" })).toBe("BREAKWATER_KEY")
    }))

  it.effect("reports a bad variable by its name", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(loadIn({ env: { BREAKWATER_PORT: "many" } }))
      expect(error).toBeInstanceOf(ConfigurationRefused)
      expect(error.source).toBe("the environment")
      expect(error.problems).toEqual([{ path: "BREAKWATER_PORT", value: "\"many\"", message: "expected number" }])
    }))

  it.effect("reports a bad flag by its name, and the file only for what stands in it", () =>
    Effect.gen(function*() {
      const said = (text: string, flags: Flags, env: Record<string, string> = {}) =>
        Effect.map(
          Effect.flip(loadIn({ files: { "./breakwater.yaml": text }, env }, flags)),
          ({ problems, source }) => [source, ...problems.map(({ path }) => path)]
        )
      expect(yield* said(file, { port: 99_999 })).toEqual(["the command line", "--port"])
      expect(yield* said(file, { host: "0.0.0.0" })).toEqual(["the command line", "--host"])
      expect(yield* said("server: { prot: 1 }", { port: 99_999 })).toEqual([
        "./breakwater.yaml",
        "server.prot",
        "--port"
      ])
      expect(yield* said("server: { port: 99999 }", {})).toEqual(["./breakwater.yaml", "server.port"])
      expect(yield* said("server: { keys: [k] }", {}, { BREAKWATER_KEY: "k", OTEL_TRACES_SAMPLER_ARG: "7" })).toEqual([
        "the environment",
        "OTEL_TRACES_SAMPLER_ARG"
      ])
      expect(yield* said("server: { keys: [\"${BREAKWATER_KEY}\"] }", {})).toEqual([
        "./breakwater.yaml",
        "server.keys[0]"
      ])
    }))

  it.effect("names the line of every fault of YAML", () =>
    Effect.gen(function*() {
      for (
        const [text, line] of [
          ["models:\n  fast: [1,\n  slow: 2\n", 2],
          ["server:\n  host: \"127.0.0.1\n", 2],
          ["server:\n  port: 1\nmodels: *gone\n", 3],
          ["server:\n  port: 1\n  port: 2\n", 3]
        ] as const
      ) {
        const { problems } = yield* Effect.flip(loadIn({ files: { "./breakwater.yaml": text } }))
        expect(problems[0]?.message).toMatch(new RegExp(`^not readable as YAML: .* at line ${line}$`))
      }
    }))

  it.effect("reads where traces go from the standard variables", () =>
    Effect.gen(function*() {
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
        OTEL_TRACES_SAMPLER_ARG: "0.1",
        OTEL_SERVICE_NAME: "door",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20t,x-team=a"
      }
      const { settings } = yield* loadIn({ env })
      expect(settings.telemetry.otlp).toMatchObject({
        endpoint: "http://127.0.0.1:4318",
        sample: 0.1,
        serviceName: "door"
      })
      const { headers } = settings.telemetry.otlp
      expect(Object.entries(headers).map(([name, value]) => [name, Redacted.value(value)])).toEqual([
        ["authorization", "Bearer t"],
        ["x-team", "a"]
      ])
      expect(String(headers["authorization"])).not.toContain("Bearer t")
    }))

  it.effect("refuses an address for traces to which nothing could ever be sent", () =>
    Effect.gen(function*() {
      const addresses = [
        "localhost:4318",
        "grpc://127.0.0.1:4317",
        "collector",
        "http://user:canary@127.0.0.1:4318",
        "http://127.0.0.1:4318?key=1"
      ]
      for (const OTEL_EXPORTER_OTLP_ENDPOINT of addresses) {
        const { problems } = yield* Effect.flip(loadIn({ env: { OTEL_EXPORTER_OTLP_ENDPOINT } }))
        expect(problems).toMatchObject([{ path: "OTEL_EXPORTER_OTLP_ENDPOINT" }])
        expect(JSON.stringify(problems)).not.toContain("canary")
      }
    }))

  it.effect("the standard variables of traces go over the file, the special ones over the general ones", () =>
    Effect.gen(function*() {
      const env = {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:4318/own",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
        OTEL_EXPORTER_OTLP_TIMEOUT: "1500",
        OTEL_BSP_SCHEDULE_DELAY: "250",
        OTEL_BSP_MAX_QUEUE_SIZE: "100",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
        OTEL_TRACES_SAMPLER: "parentbased_always_off",
        OTEL_RESOURCE_ATTRIBUTES: "service.name=door,deployment.environment.name=pre%20prod",
        OTEL_SEMCONV_STABILITY_OPT_IN: "http, gen_ai_latest_experimental"
      }
      const { settings } = yield* loadIn({ env })
      expect(settings.telemetry.otlp).toMatchObject({
        tracesEndpoint: "http://127.0.0.1:4318/own",
        protocol: "http/json",
        compression: "gzip",
        timeoutMs: 1500,
        intervalMs: 250,
        queue: 100,
        batch: 10,
        sample: 0,
        serviceName: "door",
        attributes: { "deployment.environment.name": "pre prod" },
        conventions: "latest"
      })
    }))

  it.effect("headers for traces alone are not those of metrics, which may go to somebody else", () =>
    Effect.gen(function*() {
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=for-all",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.2:4318/own",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: "authorization=for-traces"
      }
      const { settings } = yield* loadIn({ env })
      const { headers, tracesHeaders } = settings.telemetry.otlp
      expect(headers["authorization"]).toEqual(Redacted.make("for-all"))
      expect(tracesHeaders?.["authorization"]).toEqual(Redacted.make("for-traces"))
      expect(secretsOf(settings).map(Redacted.value)).toEqual(expect.arrayContaining(["for-all", "for-traces"]))
    }))

  it.effect("OTEL_SDK_DISABLED turns traces and metrics off", () =>
    Effect.gen(function*() {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318", OTEL_SDK_DISABLED: "true" }
      const { settings } = yield* loadIn({ env })
      expect(settings.telemetry.otlp.endpoint).toBeUndefined()
    }))

  for (const [signal, other] of [["traces", "metrics"], ["metrics", "traces"]] as const) {
    const name = `OTEL_${signal.toUpperCase()}_EXPORTER`
    it.effect(`${name}=none turns ${signal} off, and ${other} not`, () =>
      Effect.gen(function*() {
        const endpoint = "http://127.0.0.1:4318"
        const { settings } = yield* loadIn({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, [name]: "none" } })
        expect(settings.telemetry.otlp).toMatchObject({ endpoint, [signal]: false, [other]: true })
      }))
  }
})

describe("without a file", () => {
  it.effect("every provider with a key is on, the others are off with a reason, the simulated one exists", () =>
    Effect.gen(function*() {
      const env = { CEREBRAS_API_KEY: "c", GEMINI_API_KEY: "m", GROQ_API_KEY: "g", XAI_API_KEY: "" }
      const { off, settings } = yield* loadIn({ env, ollama: true })
      expect(settings.providers.map((provider) => provider.name)).toEqual([
        "gemini",
        "cerebras",
        "groq",
        "ollama",
        "simulated"
      ])
      expect(off).toContainEqual({ name: "xai", why: "XAI_API_KEY not set" })
      expect(off).toContainEqual({ name: "openai", why: "OPENAI_API_KEY not set" })
    }))

  it.effect("a cloud is on where its key and its place are both set", () =>
    Effect.gen(function*() {
      const env = {
        AZURE_OPENAI_API_KEY: "a",
        AZURE_OPENAI_ENDPOINT: "https://mine.openai.azure.com",
        AWS_BEARER_TOKEN_BEDROCK: "b",
        AWS_REGION: "eu-central-1"
      }
      const { settings } = yield* loadIn({ env })
      expect(settings.providers.map(({ baseUrl, kind, region }) => ({ kind, baseUrl, region }))).toEqual([
        { kind: "azure-openai", baseUrl: "https://mine.openai.azure.com", region: undefined },
        { kind: "bedrock", baseUrl: undefined, region: "eu-central-1" },
        { kind: "simulated", baseUrl: undefined, region: undefined }
      ])
      const { off } = yield* loadIn({ env: { AZURE_OPENAI_API_KEY: "a", AWS_REGION: "eu-central-1" } })
      expect(off).toContainEqual({ name: "azure-openai", why: "AZURE_OPENAI_ENDPOINT not set" })
      expect(off).toContainEqual({ name: "bedrock", why: "AWS_BEARER_TOKEN_BEDROCK not set" })
    }))

  it.effect("Bedrock is on with AWS's usual variables too, a session's token among them", () =>
    Effect.gen(function*() {
      const env = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "eu-central-1" }
      const keysIn = (more: Readonly<Record<string, string>>) =>
        Effect.map(loadIn({ env: { ...env, ...more } }), ({ settings }) => {
          const { accessKeyId, apiKeys, secretAccessKey, sessionToken } = settings.providers[0] ?? { apiKeys: [] }
          return [accessKeyId, secretAccessKey, sessionToken, ...apiKeys].map((key) => key && Redacted.value(key))
        })
      expect(yield* keysIn({ AWS_SESSION_TOKEN: "t" })).toEqual(["AKID", "s", "t"])
      expect(yield* keysIn({})).toEqual(["AKID", "s", undefined])
      expect(yield* keysIn({ AWS_BEARER_TOKEN_BEDROCK: "b" })).toEqual([undefined, undefined, undefined, "b"])
      const { AWS_SECRET_ACCESS_KEY: _, ...half } = env
      expect((yield* loadIn({ env: half })).off).toContainEqual({
        name: "bedrock",
        why: "AWS_BEARER_TOKEN_BEDROCK not set"
      })
    }))

  it.effect("the environment adds nothing once a file names its providers", () =>
    Effect.gen(function*() {
      const { off, settings } = yield* loadIn({ files: { "./breakwater.yaml": file }, env: { OPENAI_API_KEY: "k" } })
      expect(settings.providers.map((provider) => provider.name)).toEqual(["simulated"])
      expect(off).toEqual([])
    }))
})

describe("a JSON file that cannot be read", () => {
  it.effect("is refused without quoting it, for there may be a secret in it", () =>
    Effect.gen(function*() {
      const files = { "a.json": "{\"apiKey\": sk-secret }" }
      const error = yield* Effect.flip(loadIn({ files }, { config: "a.json" }))
      expect(error.message).toContain("not readable as JSON")
      expect(error.message).not.toContain("secret")
    }))
})
