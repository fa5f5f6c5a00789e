import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, root, start, url } from "./Child.ts"

const main = join(root, "src/main.ts")
let server: Child
let address = ""

beforeAll(async () => {
  server = start("node", [main, "--port", "0"], { env: { BREAKWATER_ADMIN_KEY: "admin-1" } })
  address = await url(server)
})

afterAll(async () => {
  server.process.kill("SIGKILL")
  await server.ended
})

const breakers = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const child = start("node", [main, "breakers", ...args, "--url", address], { env })
  return { code: (await child.ended).code, output: child.output() }
}

describe("breakwater breakers", () => {
  it("opens one target of a running server and shows it in the list", async () => {
    const opened = await breakers([
      "open",
      "simulated/sim",
      "--reason",
      "repair",
      "--ttl",
      "10m",
      "--admin-key",
      "admin-1"
    ])
    expect(opened).toEqual({ code: 0, output: "simulated/sim  closed  ->  forced-open\n" })
    const listed = await breakers([], { BREAKWATER_ADMIN_KEY: "admin-1" })
    expect(listed.code).toBe(0)
    expect(listed.output).toMatch(
      /^target +state +for +lasts +calls +failed +opened by +last error +reason\nsimulated\/sim +forced-open +\d+ s +for another \d+ min +0 +0 % +- +- +repair\n/
    )
  })

  it("says what the server says when the admin key is wrong or the target unknown", async () => {
    const wrong = await breakers(["list", "--admin-key", "other"])
    expect(wrong.code).toBe(1)
    expect(wrong.output).toContain("answered 401")
    expect(wrong.output).toContain("--admin-key or BREAKWATER_ADMIN_KEY")
    const unknown = await breakers(["reset", "simulated/nope", "--admin-key", "admin-1"])
    expect(unknown.code).toBe(1)
    expect(unknown.output).toContain("There is no target simulated/nope")
  })

  it("sends nothing for a flag or a word that it does not know", async () => {
    expect((await breakers(["open", "--targt", "simulated/sim", "--admin-key", "admin-1"])).code).toBe(1)
    expect((await breakers(["open", "simulated/sim", "sim-slow", "--admin-key", "admin-1"])).code).toBe(1)
    const listed = await breakers(["list", "--admin-key", "admin-1"])
    expect(listed.output).not.toMatch(/simulated\/sim-slow +forced-open/)
  })

  it("forces every target only where --all says so", async () => {
    const key = ["--admin-key", "admin-1"]
    for (const action of ["open", "close", "metrics-only"]) {
      const { code, output } = await breakers([action, ...key])
      expect([code, output]).toEqual([1, expect.stringContaining(`${action} which target?`)])
    }
    expect((await breakers(["open", "simulated/sim", "--all", ...key])).output).toContain("not both")
    expect((await breakers(["list", ...key])).output).not.toMatch(/simulated\/sim-slow +forced-open/)
    const opened = await breakers(["open", "--all", ...key])
    expect([opened.code, opened.output]).toEqual([
      0,
      expect.stringMatching(/simulated\/sim-slow +closed +-> +forced-open/)
    ])
    expect((await breakers(["reset", ...key])).code).toBe(0)
  }, 60_000)

  it(
    "shows of an open circuit when it is tried again and what opened it, and of a force without ttl that it stays",
    async () => {
      const ask = {
        method: "POST",
        body: JSON.stringify({ model: "sim-down", messages: [{ role: "user", content: "hi" }] })
      }
      const headers = { "content-type": "application/json" }
      for (let at = 0; at < 3; at++) await (await fetch(`${address}/v1/chat/completions`, { ...ask, headers })).text()
      await breakers(["close", "simulated/sim-fast", "--admin-key", "admin-1"])
      const { output } = await breakers(["list", "--admin-key", "admin-1"])
      expect(output).toMatch(
        /^simulated\/sim-down +(open +\d+ s +next try (now|in \d+ s)|half-open +\d+ s +probed now) +- +- +consecutive-failures: Overloaded +Overloaded +-$/m
      )
      expect(output).toMatch(/^simulated\/sim-fast +forced-closed +\d+ s +until reset +0 +0 % +- +- +-$/m)
      await breakers(["reset", "--admin-key", "admin-1"])
    },
    60_000
  )

  it("finds the server where a start with the same flags, environment or file puts it", async () => {
    const { port } = new URL(address)
    const folder = mkdtempSync(join(tmpdir(), "breakwater-breakers-"))
    const found = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) => {
      const child = start("node", [main, "breakers", ...args], { cwd: folder, env })
      await child.ended
      return child.output()
    }
    const key = { BREAKWATER_ADMIN_KEY: "admin-1" }
    expect(await found(["--port", port], key)).toMatch(/^target /)
    expect(await found([], { ...key, BREAKWATER_PORT: port })).toMatch(/^target /)
    writeFileSync(join(folder, "breakwater.yaml"), `server: { port: ${port}, adminKey: admin-1 }\n`)
    expect(await found([], {})).toMatch(/^target /)
    writeFileSync(
      join(folder, "breakwater.yaml"),
      `server: { port: ${port}, adminKey: admin-1, keys: ["\${ALICE}"] }\n`
    )
    expect(await found([], {})).toMatch(/^target /)
    writeFileSync(join(folder, "breakwater.yaml"), "server:\n  adminKey: ${NOT_SET}\n")
    expect(await found([], {})).toMatch(/NOT_SET[^]*\nor say where the server is with --url\n$/)
    rmSync(folder, { recursive: true })
  }, 60_000)

  it("says of a closed circuit what else keeps its target from being asked", async () => {
    const upstream = createServer((request, response) => {
      response.writeHead(request.url?.startsWith("/shut") ? 401 : 429, { "retry-after": "600" }).end("{}")
    }).listen(0, "127.0.0.1")
    await once(upstream, "listening")
    const folder = mkdtempSync(join(tmpdir(), "breakwater-breakers-"))
    const at = upstream.address()
    const provider = (name: string) =>
      `{ kind: openai-compatible, baseUrl: "http://127.0.0.1:${
        typeof at === "object" ? at?.port : ""
      }/${name}", apiKey: k, models: [m] }`
    writeFileSync(
      join(folder, "breakwater.yaml"),
      `providers: { shut: ${provider("shut")}, busy: ${provider("busy")}, simulated: { enabled: false } }\n`
    )
    const other = start("node", [main, "--port", "0"], { cwd: folder, env: {} })
    const origin = await url(other)
    for (const model of ["shut/m", "busy/m"]) {
      const body = JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] })
      await fetch(`${origin}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body
      })
    }
    const child = start("node", [main, "breakers", "--url", origin], { env: {} })
    await child.ended
    expect(child.output()).toMatch(/\nshut\/m +closed .* CredentialRejected +no key is accepted\n/)
    expect(child.output()).toMatch(/\nbusy\/m +closed .* RateLimited +pauses for \d+ min\n/)
    other.process.kill("SIGKILL")
    await other.ended
    upstream.close()
    rmSync(folder, { recursive: true })
  }, 60_000)

  it("says that nobody answers", async () => {
    const child = start("node", [main, "breakers", "--url", "http://127.0.0.1:9"])
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toBe("http://127.0.0.1:9 does not answer; is the server running, and --url right?\n")
  })
})
