import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, root, start, url } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-reload-"))
const file = join(folder, "gateway.json")

const write = (output: string, more: object = {}) =>
  writeFileSync(
    file,
    JSON.stringify({
      server: { port: 0, drain: { notReady: "1ms" } },
      providers: {
        simulated: {
          prices: { sim: { usdPerMtok: { input: "0", output } }, "sim-fast": { usdPerMtok: { input: "0", output } } }
        }
      },
      ...more
    })
  )

let child: Child
let address = ""

beforeAll(async () => {
  write("1")
  child = start("node", [join(root, "src/main.ts"), "--config", file], { cwd: folder })
  address = await url(child)
})

afterAll(async () => {
  child.process.kill("SIGTERM")
  await child.ended
  rmSync(folder, { recursive: true })
})

const ask = (model: string, stream: boolean) =>
  fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "Hello" }] })
  })

/** Millionths of a dollar for an output token of a whole answer. */
const rate = async () => {
  const answer = await ask("sim-fast", false)
  const { usage } = JSON.parse(await answer.text())
  return Number(answer.headers.get("x-breakwater-cost-usd")) * 1e6 / usage.completion_tokens
}

describe("SIGHUP to a process of its own", () => {
  it("puts the file's new prices in force for requests that begin later, and says of what they are different", async () => {
    expect(await rate()).toBeCloseTo(1, 9)
    const begun = await ask("sim", true)
    const reader = begun.body?.getReader()
    await reader?.read()
    write("3")
    child.process.kill("SIGHUP")
    const [line] = await child.says(/^.*prices re-read, 2 changed.*$/m)
    expect(JSON.parse(line)).toMatchObject({
      "event.name": "breakwater.prices.reload",
      changed: ["simulated/sim", "simulated/sim-fast"]
    })
    expect(await rate()).toBeCloseTo(3, 9)
    while ((await reader?.read())?.done === false);
    // The stream that was open is charged by the prices that it began with.
    const [ended] = await child.says(/^.*request\.completed.*"stream":true.*$/m)
    const { "breakwater.cost.usd": usd, "gen_ai.usage.output_tokens": tokens } = JSON.parse(ended)
    expect(Number(usd) * 1e6 / tokens).toBeCloseTo(1, 9)
  })

  it("keeps the prices of a file that is refused, and says why", async () => {
    const before = await rate()
    write("cheap")
    child.process.kill("SIGHUP")
    await child.says(/prices stay as they are, the file is refused/)
    expect(child.output()).toContain("expected USD for a million tokens")
    expect(await rate()).toBe(before)
    write("5")
    child.process.kill("SIGHUP")
    await child.says(/prices re-read, 2 changed[^]*prices re-read, 2 changed/)
    expect(await rate()).toBeCloseTo(5, 9)
  })
})
