import { afterAll, describe, expect, it } from "@effect/vitest"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { version } from "../../src/cli/Cli.ts"
import { root, start } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-check-"))
afterAll(() => rmSync(folder, { recursive: true }))

const check = async (name: string, text: string, env: Readonly<Record<string, string>> = {}) => {
  writeFileSync(join(folder, name), text)
  const child = start("node", [join(root, "src/main.ts"), "check", name], { cwd: folder, env })
  return { code: (await child.ended).code, output: child.output() }
}

describe("breakwater --help", () => {
  it("lists the commands that can be used, and no others", async () => {
    const child = start("node", [join(root, "src/main.ts"), "--help"], { cwd: folder, env: {} })
    await child.ended
    const listed = [...child.output().split("SUBCOMMANDS")[1]?.matchAll(/^ {2}(\w+)/gm) ?? []].map(([, name]) => name)
    expect(listed).toEqual(["serve", "check", "explain", "keys", "usage", "breakers"])
  })
})

describe("a wrong command line", () => {
  it("is told in a line, with where help is", async () => {
    const child = start("node", [join(root, "src/main.ts"), "usage", "--by", "colour"], { cwd: folder, env: {} })
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toMatch(/colour[^\n]*\n(?:[^\n]*\n)?breakwater usage --help says what there is\n$/)
    expect(child.output().split("\n").length).toBeLessThan(5)
  })
})

describe("breakwater check", () => {
  it("says what a good file means and exits with 0", async () => {
    const { code, output } = await check(
      "good.toml",
      `
[server]
keys = ["\${BREAKWATER_KEY}"]
[providers.openai]
apiKey = "\${OPENAI_API_KEY}"
[providers.openai.prices.gpt.usdPerMtok]
input = "0.40"
[models.fast]
targets = [{ provider = "openai", model = "gpt-4.1-mini" }, { provider = "simulated", model = "sim" }]
`,
      { BREAKWATER_KEY: "bw-of-16-letters", OPENAI_API_KEY: "sk" }
    )
    expect(output).toMatchInlineSnapshot(`
      "good.toml: ok
        listens on   127.0.0.1:8000
        client keys  key-1
        providers    openai, simulated
        models       fast
        ledger       memory: lost at stop (storage.sql keeps it)
        issued keys  memory: lost at stop (storage.sql: sqlite:FILE keeps them)
      "
    `)
    expect(code).toBe(0)
  })

  it("says what watches over which models, and over those that are asked for by name", async () => {
    const guardsOf = async (file: string) =>
      (await check("guards.yaml", file)).output.split("\n").filter((line) => line.startsWith("  guards"))
    const models = `
models:
  fast: { targets: [{ provider: simulated, model: sim }], guards: { mask: { kinds: [email, key], answers: false } } }
  slow:
    targets: [{ provider: simulated, model: sim-slow }]
    guards: { moderation: { provider: simulated, whenFailing: refuse, verdict: flag } }
  free: { targets: [{ provider: simulated, model: sim }], guards: {} }
  else: { targets: [{ provider: simulated, model: sim }] }
`
    const own = [
      "  guards       fast: mask of email, key in prompts",
      "  guards       slow: moderation by simulated (flag; when failing refuse)",
      "  guards       free: none"
    ]
    expect(await guardsOf(models)).toEqual([...own, "  guards       any other, and provider/model: none"])
    expect(await guardsOf(`defaults: { guards: { mask: {} } }${models}`)).toEqual([
      ...own,
      "  guards       any other, and provider/model: mask of everything"
    ])
    expect(await guardsOf("server: {}")).toEqual([])
  })

  it("warns of keys that can be guessed, and shows none of them", async () => {
    const { code, output } = await check(
      "short.yaml",
      "server: { keys: [sk-1, { key: 0123456789abcdef, name: long }, { key: xyzzy-two, name: two }], adminKey: fifteen-letters }"
    )
    const why = "can be guessed: it has fewer than 16 characters; make one with openssl rand -hex 32"
    expect(output.split("\n").filter((line) => line.includes("warning"))).toEqual([
      `  warning      server.keys[0]: ${why}`,
      `  warning      server.keys[2]: ${why}`,
      `  warning      server.adminKey: ${why}`
    ])
    expect(output).not.toMatch(/sk-1|xyzzy|fifteen-/)
    expect(code).toBe(0)
  })

  it("warns of a key, a budget and a token file that can never work as they stand", async () => {
    const { code, output } = await check(
      "doubts.yaml",
      `
server:
  keys:
    - { name: a, key: of-at-least-16-a, models: [fst, "openai/*", fast] }
    - { name: b, key: of-at-least-16-b, models: [local], budget: { usd: 1, per: day } }
    - { name: c, key: of-at-least-16-c, models: ["fa*"], budget: { usd: 1, per: day }, expires: 2020-01-01 }
providers:
  openai: { apiKey: sk }
  mine: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1" }
  azure: { kind: azure-openai, baseUrl: "https://x.openai.azure.com", tokenFile: ./absent }
  folder: { kind: azure-openai, baseUrl: "https://x.openai.azure.com", tokenFile: . }
models:
  fast: { targets: [{ provider: openai, model: gpt-4.1-mini }] }
  local: { targets: [{ provider: mine, model: own }] }
`
    )
    expect(output.split("\n").filter((line) => line.includes("warning"))).toEqual([
      "  warning      server.keys[0].models: \"fst\" names nothing that is served; did you mean fast?",
      "  warning      server.keys[2].expires: is past: the key is refused",
      "  warning      server.keys[1].budget: every request for local is refused (403 model_unpriced): no price is known of "
      + "mine/own; set providers.NAME.prices, or server.budgets.unpriced: allow",
      "  warning      providers.azure.tokenFile: no token yet in ./absent",
      "  warning      providers.folder.tokenFile: no token yet in ."
    ])
    expect(code).toBe(0)
  })

  it("warns of a deployment of Azure's of which nothing is known, and says what to write", async () => {
    const file = (deployments: string) => `
providers:
  azure: { kind: azure-openai, baseUrl: "https://x.openai.azure.com", apiKey: k, models: [gpt-4o]${deployments} }
models:
  fast: { targets: [{ provider: azure, model: prod-chat }, { provider: azure, model: gpt-5-mini }] }
`
    const warnings = async (deployments: string) => {
      const { output } = await check("deployments.yaml", file(deployments))
      return output.split("\n").filter((line) => line.includes("warning"))
    }
    expect(await warnings("")).toEqual([
      "  warning      providers.azure.deployments: says no model of prod-chat, whose limits and prices are not known; such as "
      + "{ \"prod-chat\": gpt-5-mini }"
    ])
    expect(await warnings(", deployments: { prod-chat: gpt-5-mini }")).toEqual([])
    expect(await warnings(", deployments: { prod-chat: gtp-5 }")).toEqual([
      "  warning      providers.azure.deployments.prod-chat: nothing is known of a model \"gtp-5\""
    ])
  })

  it("reports everything that is wrong with path, value and suggestion, and exits with 1", async () => {
    const { code, output } = await check(
      "bad.yaml",
      `
server:
  prot: 8000
  adminKey: \${BREAKWATER_ADMIN}
  drain: { notReady: soon }
providers:
  openai: { kind: opnai, apiKey: [sk-secret] }
models:
  fast: { targets: [{ provider: opena, model: gpt-4.1-mini }] }
`
    )
    expect(output).toMatchInlineSnapshot(`
      "bad.yaml: 6 problems
        server.adminKey
          \${BREAKWATER_ADMIN} is not set in the environment; set it or give a default: \${BREAKWATER_ADMIN:-text}
        server.prot: 8000
          this key is not known here
          did you mean port?
        server.drain.notReady: "soon"
          expected something like 200ms, 5s or 10m
        providers.openai.apiKey: ["<redacted>"]
          expected text (a duration or size carries its unit: 5s, 20mb)
        providers.openai.kind: "opnai"
          unknown kind; known: openai, anthropic, gemini, azure-openai, bedrock, bedrock-mantle, cerebras, deepseek, fireworks, groq, llamacpp, lmstudio, mistral, ollama, openrouter, perplexity, together, vllm, xai, openai-compatible, simulated
          did you mean openai?
        models.fast.targets[0].provider: "opena"
          no provider of this name; known: openai, simulated
          did you mean openai?
      "
    `)
    expect(code).toBe(1)
  })

  it("finds a simulated model that does not exist, and says what would make a provider of a known name", async () => {
    const { code, output } = await check(
      "models.yaml",
      `
models:
  fast: { targets: [{ provider: simulated, model: sim-dwon }, { provider: openai, model: gpt-4.1-mini }] }
  own: { targets: [{ provider: drill, model: sim-slwo }] }
providers: { drill: { kind: simulated } }
`
    )
    expect(output).toContain("models.fast.targets[0].model: \"sim-dwon\"")
    expect(output).toContain("did you mean sim-down?")
    expect(output).toContain("did you mean sim-slow?")
    expect(output).toContain(
      "no provider of this name; known: drill, simulated; add a section providers.openai with apiKey: ${OPENAI_API_KEY}"
    )
    expect(code).toBe(1)
  })

  it("says in plain words why a file cannot be read", async () => {
    const child = start("node", [join(root, "src/main.ts"), "check", "absent.yaml"], { cwd: folder, env: {} })
    await child.ended
    expect(child.output()).toBe("absent.yaml: 1 problem\n  cannot be read: there is no such file\n")
  })

  it("names the ledger's storage without its password, and refuses a file that could not be opened", async () => {
    const storage = (sql: string) => check("storage.yaml", `storage: { sql: "${sql}" }\n`)
    const { output } = await storage("sqlite:./new.db")
    expect(output).toMatch(/^ {2}ledger +sqlite:\.\/new\.db$/m)
    // Keys that were issued before are in it again, and close the door.
    expect(output).toContain("client keys  none: open where none was ever issued, loopback only\n")
    expect((await storage("postgres://me:secret@127.0.0.1:5432/bills")).output)
      .toMatch(/^ {2}ledger +postgres at 127\.0\.0\.1:5432\/bills$/m)
    expect(existsSync(join(folder, "new.db"))).toBe(false)
    const wrong = async (sql: string) => {
      const { code, output } = await storage(sql)
      expect(code).toBe(1)
      return output
    }
    expect(await wrong("sqlite:./absent/a.db"))
      .toContain("storage.sql\n    ./absent/a.db cannot be opened: its folder does not exist")
    expect(await wrong(`sqlite:${folder}`)).toContain("cannot be opened: it is a folder")
    writeFileSync(join(folder, "text.db"), "this has never been a database")
    expect(await wrong("sqlite:./text.db")).toContain("./text.db cannot be opened: it is no SQLite file")
  }, 60_000)

  it("names what Redis does not do, without its password", async () => {
    const { code, output } = await check("redis.yaml", "storage: { redis: \"redis://:secret@127.0.0.1:1\" }")
    expect(output).toContain("  limits       Redis at 127.0.0.1:1\n")
    expect(output).toMatch(/^ {2}not active {3}storage\.redis: for cooldowns, .*and for a cache/m)
    expect(output).not.toContain("secret")
    expect(code).toBe(0)
  })

  it("finds a breaker that is to open for longer than the longest it may", async () => {
    const { code, output } = await check(
      "breaker.yaml",
      "defaults: { breaker: { openFor: 20s } }\nproviders: { simulated: { breaker: { openMax: 10s } } }\n"
    )
    expect(output).toContain("defaults.breaker.openFor: \"20s\"\n    openMax (15s) is below openFor (20s)")
    expect(output).toContain("providers.simulated.breaker.openMax: \"10s\"\n    openMax (10s) is below openFor (20s)")
    expect(code).toBe(1)
  })

  it("names the line of a file that is no YAML", async () => {
    const { code, output } = await check("broken.yaml", "server:\n  port: 1\n  port: 2\n")
    expect(output).toMatchInlineSnapshot(`
      "broken.yaml: 1 problem
        not readable as YAML: Duplicate key 'port' at line 3
      "
    `)
    expect(code).toBe(1)
  })

  it("without a file checks ./breakwater.yaml, and where there is none says that it has seen the environment alone", async () => {
    const empty = mkdtempSync(join(tmpdir(), "breakwater-check-"))
    const run = async () => {
      const child = start("node", [join(root, "src/main.ts"), "check"], {
        cwd: empty,
        env: { OPENAI_API_KEY: "sk", BREAKWATER_PORT: "8123" }
      })
      return { code: (await child.ended).code, output: child.output() }
    }
    const bare = await run()
    expect(bare.code).toBe(0)
    expect(bare.output).toMatch(
      /^the environment: ok\n {2}file +none named, and no \.\/breakwater\.yaml here\n {2}listens on +127\.0\.0\.1:8123\n/
    )
    expect(bare.output).toMatch(/^ {2}providers +openai, (ollama, )?simulated$/m)
    writeFileSync(join(empty, "breakwater.yaml"), "server: { prot: 1 }\n")
    const refused = await run()
    rmSync(empty, { recursive: true })
    expect(refused.code).toBe(1)
    expect(refused.output).toMatch(/^\.\/breakwater\.yaml: 1 problem\n/)
  })

  it("says that a file is not there", async () => {
    const child = start("node", [join(root, "src/main.ts"), "check", "absent.yaml"], { cwd: folder })
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toContain("absent.yaml")
  })
})

describe("the version", () => {
  it("is that of package.json", () => {
    const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    expect(manifest).toMatchObject({ version })
  })
})
