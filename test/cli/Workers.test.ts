import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, root, start, url } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-workers-"))
let child: Child
let address = ""

beforeAll(async () => {
  const file = join(folder, "gateway.json")
  writeFileSync(file, JSON.stringify({ server: { port: 0, workers: 2, drain: { notReady: "1ms" } } }))
  child = start("node", [join(root, "src/main.ts"), "--config", file], { cwd: folder })
  address = await url(child)
}, 60_000)

afterAll(async () => {
  child.process.kill("SIGTERM")
  await child.ended
  rmSync(folder, { recursive: true })
}, 60_000)

const ask = async () => {
  const answer = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "simulated/sim-fast", messages: [{ role: "user", content: "Hello" }] })
  })
  await answer.text()
  expect(answer.status).toBe(200)
}

const counted = async () => {
  const page = await (await fetch(`${address}/metrics`, { headers: { connection: "close" } })).text()
  return [...page.matchAll(/^breakwater_requests_total\{route="\/v1\/chat\/completions",status="2xx"\} (\d+)$/gm)]
    .reduce((sum, [, value]) => sum + Number(value), 0)
}

const pid = () => child.process.pid ?? 0

/** The processes of the workers; Linux says which. */
const workers = () => readFileSync(`/proc/${pid()}/task/${pid()}/children`, "utf8").trim().split(" ").map(Number)

const told = (text: string) => child.output().split(text).length - 1

/** When it has said so once more than it had. */
const saysAgain = (text: string, times = told(text)) => child.says(new RegExp(`(?:${text}[^]*){${times + 1}}`))

describe("workers", () => {
  it("are counted on at /metrics when one of them is killed, and when all of them are replaced", async () => {
    for (let at = 0; at < 20; at++) await ask()
    expect(await counted()).toBe(20)
    const back = saysAgain("a worker serves in the place of the dead one")
    const [victim = 0] = workers()
    process.kill(victim, "SIGKILL")
    await back
    expect(await counted()).toBe(20)
    for (let at = 0; at < 5; at++) await ask()
    // These are in nobody's last scrape: who drains says its last.
    const replaced = saysAgain("every worker has been replaced")
    child.process.kill("SIGHUP")
    await replaced
    while (workers().length > 2) await new Promise((resolve) => setImmediate(resolve))
    expect(await counted()).toBe(25)
  }, 60_000)

  it("are killed and replaced when they take no turns any more", async () => {
    const back = saysAgain("a worker serves in the place of the dead one")
    const [victim = 0] = workers()
    process.kill(victim, "SIGSTOP")
    const [line] = await child.says(/^.*a worker hangs and is killed.*$/m)
    expect(line).toContain(String(victim))
    await back
    expect(workers()).not.toContain(victim)
    await ask()
  }, 60_000)
})
