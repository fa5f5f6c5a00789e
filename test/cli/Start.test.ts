import { afterEach, describe, expect, it } from "@effect/vitest"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, isClosed, root, start, url } from "./Child.ts"

/** A folder without a breakwater.yaml, so that nothing lying about changes what is tested. */
const folder = mkdtempSync(join(tmpdir(), "breakwater-start-"))
const children: Array<Child> = []

afterEach(async () => {
  for (const child of children.splice(0)) {
    // npm's own children die with their group.
    if (child.process.exitCode === null && child.process.pid !== undefined) process.kill(-child.process.pid, "SIGKILL")
    await child.ended
  }
})

const launch = (command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Child => {
  const child = start(command, args, { detached: true, env: { BREAKWATER_PORT: "0", ...env } })
  children.push(child)
  return child
}

const hello = (address: string, model: string) =>
  fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] })
  })

describe("npm start", () => {
  it("answers the first request on a machine without keys or files, and SIGTERM ends it with 0 and nothing listening", async () => {
    const child = launch("npm", ["start"])
    const address = await url(child)
    expect((await fetch(`${address}/api/v1/health/ready`)).status).toBe(200)
    const answer = await hello(address, "sim")
    expect(answer.status).toBe(200)
    expect(answer.headers.get("x-breakwater-provider")).toBe("simulated")
    child.process.kill("SIGTERM")
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(await isClosed(address)).toBe(true)
  })

  it("says what is on, what is off and why, and a curl that works", async () => {
    const child = launch("npm", ["start"], { OPENAI_API_KEY: "sk-not-shown", GROQ_API_KEY: "gsk-not-shown" })
    const address = await url(child)
    await child.says(/Try it:\n\s+curl .*\n/)
    const said = child.output()
    expect(said).toMatch(
      /providers on\n\s+openai\s+openai\n\s+groq\s+groq\n(\s+ollama\s+ollama\n)?\s+simulated\s+simulated/
    )
    expect(said).toMatch(/mistral\s+MISTRAL_API_KEY not set/)
    expect(said).not.toContain("not-shown")
    const curl = /curl .*\n/.exec(said)?.[0].trim() ?? ""
    expect(curl).toContain(address)
    const run = start("sh", ["-c", `${curl} --silent --fail`])
    expect((await run.ended).code).toBe(0)
    expect(run.output()).toContain("chat.completion")
  })
})

describe("the command line", () => {
  const main = join(root, "src/main.ts")

  it("lets the flag win over the environment, and the environment over the file", async () => {
    const child = start("node", [main, "--port", "0"], {
      cwd: folder,
      detached: true,
      env: { BREAKWATER_PORT: "1", BREAKWATER_HOST: "localhost" }
    })
    children.push(child)
    expect(await url(child)).toMatch(/^http:\/\/localhost:\d{4,5}$/)
  })

  it("refuses to start on a public address without keys, and says why", async () => {
    const child = launch("node", [main, "--host", "0.0.0.0"])
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toMatch(
      /^the command line: 1 problem\n {2}--host: "0\.0\.0\.0"\n\s+without server\.keys anybody could call/
    )
  })

  it("does not start on an unknown flag", async () => {
    const child = launch("node", [main, "--prot", "1"])
    expect((await child.ended).code).toBe(1)
    expect(child.output()).toContain("--port")
  })
})
