import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runWith } from "../../src/cli/Cli.ts"
import { ExitWith } from "../../src/cli/Exit.ts"
import { type Child, root, start, url } from "./Child.ts"

const main = join(root, "src/main.ts")
const folder = mkdtempSync(join(tmpdir(), "breakwater-explain-"))
const config = join(folder, "breakwater.yaml")

writeFileSync(
  config,
  `
providers:
  main: { kind: simulated, maxConcurrency: 8 }
  backup: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1" }
models:
  fast:
    targets: [{ provider: main, model: sim }, { provider: backup, model: m }]
    timeouts: { total: 30s }
  plain:
    targets: [{ provider: main, model: sim, capabilities: { tools: false } }]
  mixed:
    targets: [{ provider: main, model: sim, capabilities: { tools: false } }, { provider: backup, model: m }]
  spread:
    strategy: weighted
    targets: [{ provider: main, model: sim, weight: 3 }, { provider: backup, model: m }]
`
)

const written = (name: string, request: unknown): string => {
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(request))
  return file
}

const messages = [{ role: "user", content: "hi" }]

/** The command in this process: its exit code and all that it writes. */
const explain = (...args: ReadonlyArray<string>) => explainFile(config, ...args)

const explainFile = async (file: string, ...args: ReadonlyArray<string>) => {
  const written: Array<string> = []
  const write = (...parts: ReadonlyArray<unknown>) => void written.push(parts.join(" "))
  const exit = await Effect.runPromiseExit(
    runWith(["explain", "--config", file, ...args], () => Promise.reject(new Error("nothing is served"))).pipe(
      Effect.provideService(Console.Console, { ...console, log: write, error: write })
    )
  )
  const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return {
    code: failure === undefined ? 0 : failure instanceof ExitWith ? failure.code : -1,
    output: written.join("\n")
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("breakwater explain", () => {
  it("shows the limits, the rules and each target of an alias in order", async () => {
    const { code, output } = await explain("--model", "fast")
    expect(code).toBe(0)
    expect(output).toMatch(/^model +fast: an alias, ordered$/m)
    expect(output).toMatch(/^deadline +30s for everything/m)
    expect(output).toMatch(/^retries +at most 3 tries a target and 6 in all; one retry, then the next target/m)
    expect(output).toMatch(/^1 +main\/sim +closed +0\/8 +asked first$/m)
    expect(output).toMatch(/^2 +backup\/m +closed +0 +asked when main\/sim fails$/m)
  })

  it("takes the model from a request, and checks it as the server would", async () => {
    const good = await explain("--file", written("good.json", { model: "fast", stream: true, messages }))
    expect(good.code).toBe(0)
    expect(good.output).toMatch(/^request +.*good.json: ok, a stream, 1 message$/m)
    const bad = await explain("--file", written("bad.json", { model: "fast", temperature: 9, messages }))
    expect(bad.code).toBe(1)
    expect(bad.output).toContain(
      "Invalid 'temperature': expected a number between 0 and 2, got 9. (param: temperature)"
    )
  })

  it("skips the targets that cannot serve a request, and is refused where none can", async () => {
    const tools = [{ type: "function", function: { name: "f" } }]
    const file = written("tools.json", { model: "mixed", messages, tools })
    const { code, output } = await explain("--file", file)
    expect([code, output]).toEqual([0, expect.stringMatching(/^- +main\/sim .*skipped: no tools$/m)])
    expect(output).toMatch(/^1 +backup\/m .*asked first$/m)
    const none = await explain("--file", file, "--model", "plain")
    expect([none.code, none.output]).toEqual([1, expect.stringContaining("main/sim (no tools). (param: tools)")])
  })

  it("shows shares and the draw of a seed as JSON", async () => {
    const { code, output } = await explain("--model", "spread", "--seed", "5", "--json")
    expect(code).toBe(0)
    const { plan, seed } = JSON.parse(output)
    expect([seed, plan.strategy]).toEqual(["5", "weighted"])
    expect(plan.targets.map((one: { target: string; share: number }) => [one.target, one.share]).sort()).toEqual([
      ["backup/m", 0.25],
      ["main/sim", 0.75]
    ])
  })

  it("says what is wrong with a model, a file and a command, and exits with 1", async () => {
    const near = await explain("--model", "fastt")
    expect(near.output).toContain("`fastt` does not exist here. Did you mean `fast`?")
    const unknown = await explain("--model", "nope")
    expect([unknown.code, unknown.output]).toEqual([1, expect.stringContaining("`nope` does not exist here")])
    const nothing = await explain()
    expect([nothing.code, nothing.output]).toEqual([1, expect.stringContaining("explain what?")])
    const missing = await explain("--file", join(folder, "missing.json"))
    expect([missing.code, missing.output]).toEqual([1, expect.stringContaining("cannot be read")])
  })
})

describe("breakwater explain of a file whose secrets are not at hand", () => {
  it("needs no secret of the door", async () => {
    const file = join(folder, "secrets.yaml")
    writeFileSync(
      file,
      `
server:
  host: 0.0.0.0
  adminKey: "\${NOT_SET_ADMIN}"
  keys: ["\${NOT_SET_ONE}", { name: alice, key: "\${NOT_SET_TWO}" }]
`
    )
    const { code, output } = await explainFile(file, "--model", "sim")
    expect([code, output]).toEqual([0, expect.stringContaining("asked first")])
  })
})

describe("breakwater explain --url", () => {
  let server: Child
  let address = ""
  beforeAll(async () => {
    const env = { BREAKWATER_ADMIN_KEY: "admin-1" }
    server = start("node", [main, "--config", config, "--port", "0"], { env })
    address = await url(server)
  })
  afterAll(async () => {
    server.process.kill("SIGKILL")
    await server.ended
  })

  it("refuses to read a server by the file of another", async () => {
    const other = join(folder, "other.yaml")
    writeFileSync(
      other,
      `
providers: { elsewhere: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1" } }
models: { fast: { targets: [{ provider: elsewhere, model: x }] } }
`
    )
    const { code, output } = await explainFile(other, "--model", "fast", "--url", address, "--admin-key", "admin-1")
    expect(code).toBe(1)
    expect(output).toContain(
      `${address} was started with another configuration than ${other}: it has no elsewhere/x; it has`
    )
    expect(output).toContain("Name the server's own with --config")
    expect(output).not.toContain("asked first")
  }, 30_000)

  it("refuses to read a server by a file with the same targets in another order or with other limits", async () => {
    const other = join(folder, "order.yaml")
    const text = readFileSync(config, "utf8")
    const run = (changed: string) => {
      expect(changed).not.toBe(text)
      writeFileSync(other, changed)
      return explainFile(other, "--model", "fast", "--url", address, "--admin-key", "admin-1")
    }
    const turned = await run(text.replace(
      "{ provider: main, model: sim }, { provider: backup, model: m }",
      "{ provider: backup, model: m }, { provider: main, model: sim }"
    ))
    expect(turned.code).toBe(1)
    expect(turned.output).toContain("its fast is \"ordered: main/sim, backup/m; error; ")
    expect(turned.output).toContain(`that of ${other} "ordered: backup/m, main/sim; error; `)
    const hurried = await run(text.replace("total: 30s", "total: 20s").replace("weight: 3", "weight: 4"))
    expect(hurried.output).toMatch(
      /total 30s", that of \S+ "[^"]+ total 20s", and 1 more of its aliases are other ones/
    )
    expect((await run(`${text}# the same\n`)).code).toBe(0)
  }, 30_000)

  it("judges the running server's targets: forced open, it is skipped; with nobody left it exits with 1", async () => {
    const open = (body: Readonly<Record<string, unknown>>) =>
      fetch(`${address}/api/v1/health/circuit-breakers/open`, {
        method: "POST",
        headers: { authorization: "Bearer admin-1" },
        body: JSON.stringify(body)
      })
    await open({ target: "main/sim", reason: "repair" })
    const skipped = await explain("--model", "fast", "--url", address, "--admin-key", "admin-1")
    expect(skipped.code).toBe(0)
    expect(skipped.output).toMatch(/^- +main\/sim +forced-open +0\/8 +skipped: forced open by an operator \(repair\)$/m)
    expect(skipped.output).toMatch(/^1 +backup\/m +closed +0 +asked first$/m)
    await open({})
    const refused = await explain("--model", "fast", "--url", address, "--admin-key", "admin-1")
    expect(refused.code).toBe(1)
    expect(refused.output).toContain("Nobody would be asked: the caller gets a 503 with retry-after")
  }, 30_000)
})
