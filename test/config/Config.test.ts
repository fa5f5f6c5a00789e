import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Redacted } from "effect"
import { decode } from "../../src/config/Config.ts"
import * as Document from "../../src/config/Document.ts"
import { secretsOf } from "../../src/config/Secrets.ts"
import { admissionSettings } from "../../src/config/Settings.ts"
import * as Kinds from "../../src/providers/Kinds.ts"
import { builtKinds } from "../../src/providers/Presets.ts"
import * as Transport from "../../src/providers/Transport.ts"

/** The file of the configuration contract, word for word. */
const contract = `
server:
  host: 127.0.0.1
  port: 8000
  keys:                                 # client keys; none = open, and then only loopback may be bound
    - "\${BREAKWATER_KEY}"
  adminKey: \${BREAKWATER_ADMIN_KEY:-}   # bearer for monitoring, admin, dashboard, metrics
  publicMetrics: false                  # true opens GET /metrics without the admin key
  limits: { body: 20mb, depth: 64, messages: 2048 }
  drain: { notReady: 5s, streams: 5m }
providers:
  openai:
    kind: openai
    apiKey: \${OPENAI_API_KEY}
  backup:
    kind: openai-compatible
    baseUrl: http://127.0.0.1:11434/v1
    apiKey: none
  claude:
    kind: anthropic
    apiKey: \${ANTHROPIC_API_KEY}
models:
  fast:                                 # what callers put in "model"
    strategy: ordered                   # ordered | weighted (fastest and cheapest come later)
    targets:
      - { provider: openai, model: gpt-4.1-mini }
      - { provider: claude, model: claude-haiku-4-5, weight: 1, capabilities: { prefill: false } }
    stream: { onInterrupted: error }    # error | resume | buffer
    timeouts: { connect: 5s, firstToken: 10s, answer: 60s, idle: 20s, total: 10m }
defaults:
  timeouts: { connect: 5s, firstToken: 10s, answer: 60s, idle: 20s, total: 10m }
  retry:    { attempts: 3, base: 50ms, throttleBase: 1s, max: 5s, budget: 100 }   # tries on one target
            # makes at most twice that in all.
  breaker:  { window: 30s, minimumCalls: 20, failureRate: 0.5, slowRate: 0.8, consecutiveFailures: 5, openFor: 2s, openMax: 15s }
            # consecutive failures count only with no success in the window
telemetry:
  logs: { format: json, level: info }   # json | pretty; presets otel | datadog | ecs | splunk-hec
  otlp: { endpoint: "\${OTEL_EXPORTER_OTLP_ENDPOINT:-}", sample: 1, exporter: sdk }
  capture: none                         # none | metadata | content, one switch for every sink
storage:
  sql: sqlite:./breakwater.db           # or postgres://… ; absent = memory
  redis: \${REDIS_URL:-}                 # shared limits, budgets, cooldowns and cache
`

const environment = { BREAKWATER_KEY: "bw-1", OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2" }

const settingsOf = (text: string, env: Record<string, string> = environment) =>
  Document.parse("breakwater.yaml", text).pipe(
    Effect.flatMap((document) => decode("breakwater.yaml", document)),
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnv({ env, preserveEmptyStrings: true })
    )
  )

const problemsOf = (text: string, env?: Record<string, string>) =>
  settingsOf(text, env).pipe(
    Effect.flip,
    Effect.map((error) => error.problems)
  )

describe("the contract's file", () => {
  it.effect("decodes to the settings it describes", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf(contract)
      expect(settings.server.limits.body).toBe(20 * 1024 * 1024)
      expect(settings.server.drain).toEqual({ notReady: 5000, streams: 300_000 })
      expect(settings.providers.map((provider) => provider.name)).toEqual(["openai", "backup", "claude", "simulated"])
      expect(settings.models["fast"]?.targets[1]).toEqual({
        provider: "claude",
        model: "claude-haiku-4-5",
        weight: 1,
        capabilities: { prefill: false }
      })
      expect(settings.defaults.breaker.openMaxMs).toBe(15_000)
    }))

  it.effect("takes keys from the environment and keeps them redacted", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf(contract)
      expect(settings.server.keys.map((entry) => Redacted.value(entry.key))).toEqual(["bw-1"])
      expect(JSON.stringify(settings)).not.toContain("sk-1")
      expect(JSON.stringify(settings)).not.toContain("bw-1")
    }))

  it.effect("reads an empty value as absent", () =>
    Effect.gen(function*() {
      const { inactive, settings } = yield* settingsOf(contract)
      expect(settings.server.adminKey).toBeUndefined()
      expect(settings.telemetry.otlp.endpoint).toBeUndefined()
      expect(inactive.map((key) => key.path)).toEqual([
        "models.fast.timeouts.connect"
      ])
    }))

  it.effect("asks for no key where it says `apiKey: none`", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf(contract)
      expect(settings.providers.map((provider) => provider.apiKeys.length)).toEqual([1, 0, 1, 0])
    }))

  it.effect("takes a number, the word `adaptive` or a range as maxConcurrency, and the limits of the door", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf(`
server: { limits: { inFlight: 500, lag: 250ms } }
providers:
  a: { kind: ollama, maxConcurrency: 20 }
  b: { kind: ollama, maxConcurrency: adaptive }
  c: { kind: ollama, maxConcurrency: { max: 64 } }
  d: { kind: ollama }
`)
      expect(settings.server.shedding).toEqual({ inFlight: 500, lagMs: 250 })
      expect(settings.server.limits.messages).toBe(2048)
      expect(settings.providers.slice(0, 4).map(({ maxConcurrency }) => maxConcurrency)).toEqual([
        20,
        { min: 1, max: 256 },
        { min: 1, max: 64 },
        undefined
      ])
    }))

  it.effect("takes limits, times, origins, proxies and the validation of requests", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf(`
server:
  limits: { tools: 5, connectionsPerAddress: 7 }
  timeouts: { headers: 2s }
  cors: { origins: ["https://app.example.com", "http://localhost:3000"] }
  trustedProxies: [10.0.0.0/8, "::1"]
validation: { unicode: lenient, files: { allow: [pdf], deny: [csv] } }
`)
      const { cors, limits, rules, timeouts, trustedProxies } = settings.server
      expect(limits).toMatchObject({ tools: 5, parts: 4096, connections: 20_000, connectionsPerAddress: 7 })
      expect(timeouts).toEqual({ headers: 2000, body: 60_000, idle: 75_000 })
      expect(cors?.origins).toHaveLength(2)
      expect(trustedProxies).toEqual(["10.0.0.0/8", "::1"])
      expect(rules).toEqual({ unicode: "lenient", files: { allow: new Set(["pdf"]), deny: new Set(["csv"]) } })
    }))

  it.effect("takes a mask for a model, and no guard that only an application could bring", () =>
    Effect.gen(function*() {
      const model = (guards: string) =>
        `models: { m: { targets: [{ provider: simulated, model: sim }], guards: ${guards} } }\n`
      const { settings } = yield* settingsOf(model("{ mask: { kinds: [email], prompts: false } }"))
      expect(settings.models["m"]?.guards).toEqual({ mask: { kinds: ["email"], prompts: false } })
      for (
        const [wrong, path] of [["{ mask: { kinds: [name] } }", "models.m.guards.mask.kinds[0]"], [
          "{ use: [x] }",
          "models.m.guards.use"
        ]]
      ) {
        expect((yield* problemsOf(model(wrong ?? ""))).map((problem) => problem.path)).toEqual([path])
      }
    }))

  it.effect("takes a moderation that says what its failing means, of a provider that has one", () =>
    Effect.gen(function*() {
      const file = (provider: string, more = ", whenFailing: pass, within: 1s") =>
        `providers: { claude: { kind: anthropic, apiKey: sk-ant-1 }, ` +
        `judge: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1", apiKey: none } }\n` +
        `defaults: { guards: { moderation: { provider: ${provider}${more} } } }\n`
      const { settings } = yield* settingsOf(file("judge"))
      expect(settings.defaults.guards).toEqual({
        moderation: { provider: "judge", whenFailing: "pass", within: 1000 }
      })
      expect((yield* settingsOf(file("simulated"))).settings.defaults.guards?.moderation?.provider).toBe("simulated")
      for (const wrong of [file("juge"), file("claude"), file("judge", "")]) {
        const [problem, ...others] = yield* problemsOf(wrong)
        expect(problem?.path).toMatch(/^defaults\.guards\.moderation\.(?:provider|whenFailing)$/)
        expect(others).toEqual([])
      }
    }))

  it.effect("refuses an origin that no browser writes, a proxy that is no address, and extensions with a dot", () =>
    Effect.gen(function*() {
      for (
        const [wrong, path] of [
          ["server: { cors: { origins: ['*'] } }", "server.cors.origins[0]"],
          ["server: { cors: { origins: ['https://a.b/'] } }", "server.cors.origins[0]"],
          ["server: { cors: { origins: ['null'] } }", "server.cors.origins[0]"],
          ["server: { cors: { origins: [] } }", "server.cors.origins[0]"],
          ["server: { trustedProxies: [proxy.local] }", "server.trustedProxies[0]"],
          ["validation: { files: { allow: ['.pdf'] } }", "validation.files.allow[0]"],
          ["validation: { unicode: loose }", "validation.unicode"]
        ]
      ) {
        const problems = yield* problemsOf(`${wrong}\n`)
        expect(problems.map((problem) => problem.path)).toContain(path)
      }
    }))

  it.effect("refuses a maxConcurrency that is neither, with its path", () =>
    Effect.gen(function*() {
      for (const wrong of ["0", "dynamic", "{ max: 0 }", "{ most: 5 }"]) {
        const problems = yield* problemsOf(`providers: { a: { kind: ollama, maxConcurrency: ${wrong} } }`)
        expect(problems.length).toBeGreaterThan(0)
        for (const problem of problems) expect(JSON.stringify(problem)).toContain("maxConcurrency")
      }
    }))

  it.effect("takes what a target can do, and refuses what it cannot be or nobody knows, with its path", () =>
    Effect.gen(function*() {
      const fileOf = (capabilities: string) =>
        `models: { fast: { targets: [{ provider: simulated, model: sim, capabilities: ${capabilities} }] } }`
      const { settings } = yield* settingsOf(fileOf("{ context: 8192, vision: false, jsonSchema: true }"))
      expect(settings.models["fast"]?.targets[0]?.capabilities).toEqual({
        context: 8192,
        vision: false,
        jsonSchema: true
      })
      for (const wrong of ["{ context: 0 }", "{ context: 1.5 }", "{ vision: maybe }", "{ visoin: true }"]) {
        const [problem] = yield* problemsOf(fileOf(wrong))
        expect(problem?.path).toMatch(/^models\.fast\.targets\[0\]\.capabilities\.\w+$/)
      }
    }))

  it.effect("takes prices as decimals, as text or as numbers, and refuses one that is finer than a pico-dollar per token", () =>
    Effect.gen(function*() {
      const priced = (input: string) =>
        `providers: { backup: { kind: ollama, prices: { "a/b": { usdPerMtok: { input: ${input}, output: 2 } } } } }`
      const { settings: { providers } } = yield* settingsOf(priced("\"0.15\""))
      expect(providers[0]?.prices).toEqual({ "a/b": { usdPerMtok: { input: "0.15", output: 2 } } })
      for (const wrong of ["0.0000001", "-1", "free", "\"1,5\""]) {
        expect((yield* problemsOf(priced(wrong))).map(({ path }) => path)).toEqual([
          "providers.backup.prices.a/b.usdPerMtok.input"
        ])
      }
    }))

  it.effect("switches a provider off, the simulated one too, which then nobody knows", () =>
    Effect.gen(function*() {
      const text = "providers: { simulated: { enabled: false }, openai: { enabled: false }, local: { kind: ollama } }"
      const { settings } = yield* settingsOf(text)
      expect(settings.providers.map(({ name }) => name)).toEqual(["local"])
      const error = yield* Effect.flip(
        settingsOf(`${text}\nmodels: { a: { targets: [{ provider: simulated, model: sim }] } }`)
      )
      expect(error.problems).toMatchObject([{
        path: "models.a.targets[0].provider",
        message: "this provider is switched off (enabled: false)"
      }])
    }))

  it.effect("is the default: an empty file means the same limits, retry and breaker", () =>
    Effect.gen(function*() {
      const full = yield* settingsOf(contract)
      const empty = yield* settingsOf("")
      expect(empty.settings.defaults).toEqual(full.settings.defaults)
      expect(empty.settings.server.limits).toEqual(full.settings.server.limits)
      expect(empty.settings.server.drain).toEqual(full.settings.server.drain)
    }))
})

describe("a file with mistakes", () => {
  it.effect("is refused when a key or a header could not be sent, without showing it", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(
        `
providers:
  openai: { apiKey: "\${OPENAI_API_KEY}" }
  backup:
    kind: openai-compatible
    baseUrl: http://127.0.0.1:1/v1
    apiKeys: [fine, "in\\ntwo"]
    headers: { X-Fine: yes-and no, X-Bell: "\\a", "X Space": a }
`,
        { OPENAI_API_KEY: "sk-secret\n" }
      )
      expect(problems.map(({ message, path, value }) => [path, value, message])).toEqual([
        [
          "providers.openai.apiKey",
          "<redacted>",
          "ends with a line break, as a key read from a file does; remove it"
        ],
        ["providers.backup.headers[\"X Space\"]", undefined, "is no name that an HTTP header can have"],
        ["providers.backup.apiKeys[1]", "<redacted>", "contains a line break, which no HTTP header can carry"],
        [
          "providers.backup.headers.X-Bell",
          "<redacted>",
          "contains a control character or one outside Latin-1, which no HTTP header can carry"
        ]
      ])
    }))

  it.effect("tells no text that stands at a key that is not known, for it may be a misspelt secret's", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
server: { admin_key: hush-1, keySecrt: hush-2, keys: [{ key: bw-1, ky: hush-3 }], prot: 8000 }
providers: { openai: { apiKey: sk-1, apiKy: hush-4 } }
storage: { redis_url: "redis://:hush-5@10.0.0.5:6379/0", databases: ["postgres://u:hush-6@db/bills"] }
`)
      expect(problems.map(({ path, suggestion }) => [path, suggestion])).toEqual([
        ["server.admin_key", "adminKey"],
        ["server.keySecrt", "keySecret"],
        ["server.prot", "port"],
        ["server.keys[0].ky", "key"],
        ["providers.openai.apiKy", "apiKey"],
        ["storage.redis_url", "redis"],
        ["storage.databases", undefined]
      ])
      expect(JSON.stringify(problems)).not.toContain("hush")
      expect(problems.map(({ value }) => value)).toContain("8000")
    }))

  it.effect("tells an address that is refused without the user and password in it", () =>
    Effect.gen(function*() {
      const [problem] = yield* problemsOf(
        "providers: { mine: { kind: openai-compatible, baseUrl: \"htp://user:hush@127.0.0.1/v1\" } }"
      )
      expect([problem?.path, problem?.value]).toEqual(["providers.mine.baseUrl", "\"htp://<redacted>@127.0.0.1/v1\""])
    }))

  it.effect("is refused with every mistake at once, each with path, value and suggestion", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
server:
  host: 0.0.0.0
  prot: 8000
  port: many
  limits: { body: 20 }
provider: {}
providers:
  openai: { kind: opnai, apiKey: sk-secret-1, apiKeys: [sk-secret-2] }
  azure: { kind: azure-openai, apiKey: "\${AZUR_KEY}" }
models:
  fast:
    strategy: wieghted
    targets: [{ provider: opena, model: gpt-4.1-mini, weight: -1 }]
  openai/best: { targets: [] }
`)
      expect(problems).toMatchInlineSnapshot(`
        [
          {
            "message": "\${AZUR_KEY} is not set in the environment; set it or give a default: \${AZUR_KEY:-text}",
            "path": "providers.azure.apiKey",
            "suggestion": undefined,
            "value": undefined,
          },
          {
            "message": "this key is not known here",
            "path": "provider",
            "suggestion": "providers",
            "value": "{}",
          },
          {
            "message": "this key is not known here",
            "path": "server.prot",
            "suggestion": "port",
            "value": "8000",
          },
          {
            "message": "expected number",
            "path": "server.port",
            "suggestion": undefined,
            "value": ""many"",
          },
          {
            "message": "expected text (a duration or size carries its unit: 5s, 20mb)",
            "path": "server.limits.body",
            "suggestion": undefined,
            "value": "20",
          },
          {
            "message": "expected "ordered" | "weighted"",
            "path": "models.fast.strategy",
            "suggestion": "weighted",
            "value": ""wieghted"",
          },
          {
            "message": "expected a value greater than or equal to 0",
            "path": "models.fast.targets[0].weight",
            "suggestion": undefined,
            "value": "-1",
          },
          {
            "message": "required, but missing",
            "path": "models.openai/best.targets[0]",
            "suggestion": undefined,
            "value": undefined,
          },
          {
            "message": "without server.keys anybody could call, so only loopback may be bound; add a key (or set BREAKWATER_KEY) or use 127.0.0.1",
            "path": "server.host",
            "suggestion": undefined,
            "value": ""0.0.0.0"",
          },
          {
            "message": "give either apiKey or apiKeys, not both",
            "path": "providers.openai.apiKeys",
            "suggestion": undefined,
            "value": undefined,
          },
          {
            "message": "unknown kind; known: openai, anthropic, gemini, azure-openai, bedrock, bedrock-mantle, cerebras, deepseek, fireworks, groq, llamacpp, lmstudio, mistral, ollama, openrouter, perplexity, together, vllm, xai, openai-compatible, simulated",
            "path": "providers.openai.kind",
            "suggestion": "openai",
            "value": ""opnai"",
          },
          {
            "message": "required, but missing: kind azure-openai has no address of its own",
            "path": "providers.azure.baseUrl",
            "suggestion": undefined,
            "value": undefined,
          },
          {
            "message": "no provider of this name; known: openai, azure, simulated",
            "path": "models.fast.targets[0].provider",
            "suggestion": "openai",
            "value": ""opena"",
          },
          {
            "message": "reads like model best of provider openai; choose a name that does not begin with a provider's",
            "path": "models.openai/best",
            "suggestion": undefined,
            "value": undefined,
          },
        ]
      `)
      expect(JSON.stringify(problems)).not.toContain("sk-secret")
    }))
})

describe("a kind", () => {
  it.effect("that is a preset needs nothing but its key", () =>
    Effect.gen(function*() {
      const { inactive, settings } = yield* settingsOf(`
providers:
  cerebras: { apiKey: k }
  fast: { kind: fireworks, apiKey: k }
  llamacpp: {}
  lmstudio: {}
  perplexity: { apiKey: k }
`)
      expect(settings.providers.map((provider) => provider.kind)).toEqual([
        "cerebras",
        "fireworks",
        "llamacpp",
        "lmstudio",
        "perplexity",
        "simulated"
      ])
      expect(inactive).toEqual([])
      expect((yield* problemsOf("providers: { cerebras: {} }")).map(({ path }) => path)).toEqual([
        "providers.cerebras.apiKey"
      ])
    }))

  it.effect("that answers nobody without a key is refused without one, and `none` is no key", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
providers:
  openai: { baseUrl: http://127.0.0.1:1/v1 }
  mine: { kind: openai, apiKey: none }
  groq: { apiKey: none }
  xai: { apiKeys: [none] }
  claude: { kind: anthropic, apiKey: none }
`)
      expect(problems.map(({ message, path }) => `${path}: ${message}`)).toEqual([
        "providers.openai.apiKey: required, but missing: openai answers nobody without a key; " +
        "give one, such as ${OPENAI_API_KEY}, or say kind: openai-compatible for an address that asks for none",
        "providers.mine.apiKey: none: openai answers nobody without a key; give one, such as ${OPENAI_API_KEY}",
        "providers.groq.apiKey: none: groq answers nobody without a key; give one, such as ${GROQ_API_KEY}",
        "providers.xai.apiKeys: none: xai answers nobody without a key; give one, such as ${XAI_API_KEY}",
        "providers.claude.apiKey: none: anthropic answers nobody without a key; give one, such as ${ANTHROPIC_API_KEY}"
      ])
    }))

  it.effect("that is a preset needs no key at an address of one's own", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf("providers: { groq: { baseUrl: http://127.0.0.1:1/v1, apiKey: none } }")
      expect(settings.providers[0]?.apiKeys).toEqual([])
    }))

  it.effect("passes the check exactly when a provider can be made of it", () =>
    Effect.gen(function*() {
      for (const kind of builtKinds) {
        for (
          const [rest, count] of [
            ["", 0],
            [", apiKey: none", 0],
            [", apiKey: k", 1],
            [", apiKeys: [none, k]", 1],
            [", apiKeys: []", 0]
          ] as const
        ) {
          for (const address of ["", ", baseUrl: http://127.0.0.1:1/v1"]) {
            const text = `server: { port: 0 }\nproviders: { it: { kind: ${kind}${rest}${address} } }`
            const passes = yield* Effect.isSuccess(settingsOf(text))
            const keys = count === 0 ? [] : [Redacted.make("k")]
            const baseUrl = address === "" ? undefined : "http://127.0.0.1:1/v1"
            const made = yield* Effect.isSuccess(Kinds.make("it", { kind, baseUrl, apiKeys: keys }))
            expect([text, passes]).toEqual([text, made])
          }
        }
      }
    }).pipe(Effect.provide(Transport.layer())))
})

describe("a key that is said to be not active", () => {
  it.effect("is none of the traces' own, which rule what leaves", () =>
    Effect.gen(function*() {
      const { inactive } = yield* settingsOf(`
telemetry:
  otlp: { endpoint: "http://127.0.0.1:4318", sample: 1, exporter: native, headers: { a: b }, serviceName: mine }
`)
      expect(inactive).toEqual([])
    }))
})

describe("a client key", () => {
  it.effect("is narrowed by models, limits, a budget and an end", () =>
    Effect.gen(function*() {
      const { inactive, settings } = yield* settingsOf(`
server:
  keys:
    - kkkkkkk0
    - { name: a, key: kkkkkkkk, expires: "2030-01-01", limits: { rpm: 1, tpm: 9, concurrent: 2 }, models: [err], tags: [t],
        budget: { usd: "1.5", per: day } }
  budgets: { total: { usd: 100, per: month, soft: 0.5 }, tags: { t: { usd: 2, per: day } }, unpriced: allow, untold: release }
models:
  fast: { targets: [{ provider: simulated, model: sim }], limits: { rpm: 600 } }
storage: { whenAway: { limits: closed } }
`)
      expect(inactive).toEqual([])
      expect(settings.server.keys.map(({ key, ...rest }) => ({ ...rest, key: Redacted.value(key) }))).toEqual([
        { name: "key-1", key: "kkkkkkk0" },
        {
          name: "a",
          key: "kkkkkkkk",
          models: ["err"],
          limits: { rpm: 1, tpm: 9, concurrent: 2 },
          tags: ["t"],
          budget: { limit: 1_500_000_000_000, per: "day", soft: 0.8 },
          expiresAtMs: Date.UTC(2030, 0, 1)
        }
      ])
      expect(admissionSettings(settings)).toEqual({
        models: { fast: { rpm: 600 } },
        total: { limit: 100_000_000_000_000, per: "month", soft: 0.5 },
        tags: { t: { limit: 2_000_000_000_000, per: "day", soft: 0.8 } },
        unpriced: "allow",
        untold: "release",
        whenAway: { limits: "closed", budgets: "closed" }
      })
    }))

  it.effect("is counted in Redis where one is named, by an address that is kept secret", () =>
    Effect.gen(function*() {
      const { inactive, settings } = yield* settingsOf(
        "storage: { redis: \"${REDIS_URL}\", redisTimeout: 1s, redisPrefix: \"team:a\" }",
        { REDIS_URL: "rediss://user:p%40ss@redis.example.com:6380/2" }
      )
      expect(inactive.map(({ path }) => path)).toEqual(["storage.redis"])
      expect(settings.storage).toMatchObject({ redisTimeoutMs: 1000, redisPrefix: "team:a" })
      expect(JSON.stringify(settings.storage)).not.toContain("ss@")
      expect(secretsOf(settings).map(Redacted.value)).toEqual([
        "rediss://user:p%40ss@redis.example.com:6380/2",
        "p%40ss",
        "p@ss"
      ])
      const without = yield* settingsOf("storage: { redis: \"${REDIS_URL:-}\" }", {})
      expect([without.settings.storage.redis, without.inactive]).toEqual([undefined, []])
    }))

  it.effect("is refused where the address of Redis is none, without showing it", () =>
    Effect.gen(function*() {
      const wrong = [
        "http://:canary@host",
        "redis://:canary%@host",
        "redis://:canary%ff@host",
        "redis://%c3:canary@host",
        "redis://:canary@",
        "redis://:canary@host/name",
        "redis://:canary@host:99999",
        "redis://:canary#@host",
        "canary"
      ]
      for (const address of wrong) {
        const problems = yield* problemsOf(`storage: { redis: ${JSON.stringify(address)} }`)
        expect(problems.map(({ path }) => path)).toEqual(["storage.redis"])
        expect(JSON.stringify(problems)).not.toContain("canary")
      }
    }))

  it.effect("is refused where it is narrowed by what cannot be read, without showing it", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
server:
  keys:
    - { name: a, key: kkkkkkkk, expires: tomorrow, limits: { rpm: 0, rps: 1 }, budget: { usd: much, per: week } }
    - { name: key-3, key: kkkkkkk2 }
    - ${"k".repeat(1025)}
`)
      const paths = problems.map(({ path }) => path)
      for (const path of ["expires", "limits.rpm", "limits.rps", "budget.usd", "budget.per"]) {
        expect(paths).toContain(`server.keys[0].${path}`)
      }
      expect(paths).toContain("server.keys[2]")
      expect(paths).toContain("server.keys[2].name")
      const values = new Map(problems.map(({ path, value }) => [path.replace("server.keys[0].", ""), value]))
      expect(["expires", "limits.rpm", "budget.usd", "budget.per"].map((path) => values.get(path))).toEqual(
        ["\"tomorrow\"", "0", "\"much\"", "\"week\""]
      )
      expect(JSON.stringify(problems)).not.toContain("kkkkkkkk")
    }))

  it.effect("is refused where nobody could show it, as the admin key is", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
server:
  keys: ["blank-at-the-end ", "\\ttab-before", "line-break\\n", "\u043a\u043b\u044e\u0447", { name: e, key: " x" }, "with blanks within"]
  adminKey: "zzz "
`)
      expect(problems.map(({ message, path }) => `${path}: ${message.split(";")[0]}`)).toEqual([
        "server.keys[0]: begins or ends with a blank, which no HTTP header carries",
        "server.keys[1]: begins or ends with a blank, which no HTTP header carries",
        "server.keys[2]: ends with a line break, as a key read from a file does",
        "server.keys[3]: contains a control character or one outside Latin-1, which no HTTP header can carry",
        "server.keys[4]: begins or ends with a blank, which no HTTP header carries",
        "server.adminKey: begins or ends with a blank, which no HTTP header carries"
      ])
      expect(JSON.stringify(problems)).not.toMatch(/at-the-end|zzz/)
    }))

  it.effect("is not the admin key as well", () =>
    Effect.gen(function*() {
      const said = (keys: string) => problemsOf(`server: { keys: [${keys}], adminKey: of-both-doors }`)
      expect((yield* said("of-both-doors")).map(({ path }) => path)).toEqual(["server.adminKey"])
      expect((yield* said("{ key: of-both-doors, name: a }")).map(({ path }) => path)).toEqual(["server.adminKey"])
    }))

  it.effect("may have a name and tags", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf("server: { keys: [{ key: kkkkkkkk, name: alice, tags: [team] }] }")
      expect(settings.server.keys.map(({ name }) => name)).toEqual(["alice"])
    }))
})

describe("a value in a message", () => {
  it.effect("is shown where only its key's name sounds like a secret", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(
        "models: { fast: { targets: [{ provider: simulated, model: sim }], timeouts: { firstToken: soon } } }"
      )
      expect(problems.map(({ path, value }) => [path, value])).toEqual([
        ["models.fast.timeouts.firstToken", "\"soon\""]
      ])
    }))
})

describe("a target's provider", () => {
  it.effect("that is a kind is told how to be added, and a misspelt kind is found", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf(`
models: { fast: { targets: [{ provider: bedrock, model: m }, { provider: openia, model: m }] } }
`)
      expect(problems[0]?.message).toBe(
        "no provider of this name; known: simulated; add a section providers.bedrock with apiKey: " +
          "${AWS_BEARER_TOKEN_BEDROCK}, or set AWS_BEARER_TOKEN_BEDROCK, which is enough in a file without providers"
      )
      expect(problems[1]?.suggestion).toBe("openai")
      expect(problems[1]?.message).toContain("add a section providers.openai with apiKey: ${OPENAI_API_KEY}")
    }))
})

describe("a provider at the gateway's own address", () => {
  const listening = (server: string, baseUrl: string) =>
    Effect.match(
      settingsOf(`server: { ${server} }\nproviders: { self: { kind: openai-compatible, baseUrl: "${baseUrl}" } }`),
      { onFailure: ({ problems }) => problems.map(({ path }) => path), onSuccess: () => [] }
    )

  it.effect("is refused for vllm, whose default port is ours, with another to try", () =>
    Effect.gen(function*() {
      expect(yield* problemsOf("providers: { vllm: {} }")).toEqual([{
        path: "providers.vllm.baseUrl",
        value: "\"http://127.0.0.1:8000/v1\"",
        message: "this is where Breakwater itself listens, so it would call itself without end; give the upstream or " +
          "Breakwater (server.port, --port) another port",
        suggestion: "http://127.0.0.1:8001/v1"
      }])
    }))

  it.effect("is refused under every name of this machine for itself", () =>
    Effect.gen(function*() {
      for (const host of ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "LOCALHOST"]) {
        expect(yield* listening("port: 8123", `http://${host}:8123/v1`)).toEqual(["providers.self.baseUrl"])
      }
      expect(yield* listening("host: \"::1\"", "http://localhost:8000/v1")).toEqual(["providers.self.baseUrl"])
      expect(yield* listening("host: 0.0.0.0, keys: [k]", "http://127.0.0.9:8000")).toEqual(["providers.self.baseUrl"])
      expect(yield* listening("host: 10.0.0.1, keys: [k]", "http://10.0.0.1:8000")).toEqual(["providers.self.baseUrl"])
    }))

  it.effect("is not meant by another port, another host or another protocol", () =>
    Effect.gen(function*() {
      expect(yield* listening("port: 8123", "http://127.0.0.1:8000/v1")).toEqual([])
      expect(yield* listening("port: 0", "http://127.0.0.1:8000/v1")).toEqual([])
      expect(yield* listening("port: 8000", "http://10.0.0.1:8000/v1")).toEqual([])
      expect(yield* listening("port: 8000", "https://127.0.0.1:8000/v1")).toEqual([])
    }))
})

describe("a reference to the environment", () => {
  it.effect("that is not set is a mistake that says so", () =>
    Effect.gen(function*() {
      const [first] = yield* problemsOf("server: { adminKey: \"${OPENAI_API_KEI}\" }")
      expect(first?.path).toBe("server.adminKey")
      expect(first?.message).toContain("OPENAI_API_KEI")
    }))

  it.effect("may give a number where a number is wanted", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf("server: { port: \"${PORT}\", publicMetrics: \"${OPEN:-true}\" }", {
        PORT: "81"
      })
      expect(settings.server.port).toBe(81)
      expect(settings.server.publicMetrics).toBe(true)
    }))

  it.effect("never turns a key that looks like a number into one", () =>
    Effect.gen(function*() {
      const { settings } = yield* settingsOf("server: { keys: [\"${K}\"] }", { K: "12345" })
      expect(settings.server.keys.map((entry) => Redacted.value(entry.key))).toEqual(["12345"])
    }))

  it.effect("is not followed a second time", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(settingsOf("server: { keys: [\"${K}\"] }", { K: "${K}" }))
      expect(Exit.isSuccess(exit)).toBe(true)
    }))
})

describe("images", () => {
  it.effect("are not fetched unless the file says so, and their hosts hold at the door too", () =>
    Effect.gen(function*() {
      const plain = yield* settingsOf("{}")
      expect(plain.settings.images).toEqual({ fetch: false, hosts: [], maxSize: 20 * 1024 ** 2 })
      expect(plain.settings.server.imageHosts).toEqual([])
      const { settings } = yield* settingsOf(
        "images: { fetch: true, hosts: [\"a.example.com\", \"*.example.org\"], maxSize: 5mb }"
      )
      expect(settings.images).toEqual({
        fetch: true,
        hosts: ["a.example.com", "*.example.org"],
        maxSize: 5 * 1024 ** 2
      })
      expect(settings.server.imageHosts).toEqual(["a.example.com", "*.example.org"])
    }))

  it.effect.each(["A.example.com", "https://a.example.com", "*", "*.com.", "a.*.com", "localhost", "a.com:443"])(
    "have no host such as %s",
    (host) =>
      Effect.gen(function*() {
        const [first] = yield* problemsOf(`images: { hosts: [${JSON.stringify(host)}] }`)
        expect(first?.path).toBe("images.hosts[0]")
      })
  )
})
