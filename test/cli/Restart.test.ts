import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, type IncomingMessage, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type Child, root, start, url } from "./Child.ts"

/** A caller who looks away for so long, in milliseconds, comes back after the door is closed: later than `notReady`, not than the linger. */
const idleMs = 1200
const isFull = process.env["BREAKWATER_FULL"] === "1"
const restarts = isFull ? 50 : 5

const folder = mkdtempSync(join(tmpdir(), "breakwater-restart-"))
let child: Child
let address = ""

beforeAll(async () => {
  const file = join(folder, "gateway.json")
  writeFileSync(file, JSON.stringify({ server: { port: 0, workers: 2, drain: { notReady: "800ms", streams: "30s" } } }))
  child = start("node", [join(root, "src/main.ts"), "--config", file], { cwd: folder })
  address = await url(child)
})

afterAll(async () => {
  child.process.kill("SIGKILL")
  await child.ended
  rmSync(folder, { recursive: true })
})

/** Status and body of one completion, or how it failed. */
const ask = async (agent: Agent, stream: boolean): Promise<{ readonly outcome: string; readonly text: string }> => {
  const asked = request(`${address}/v1/chat/completions`, {
    method: "POST",
    agent,
    headers: { "content-type": "application/json" }
  })
  asked.end(JSON.stringify({ model: "sim", stream, messages: [{ role: "user", content: "Hello" }] }))
  try {
    // What "response" gives, which the type of `once` does not know.
    const [answer] = await once(asked, "response") as [IncomingMessage]
    let text = ""
    for await (const chunk of answer.setEncoding("utf8")) text += String(chunk)
    const isWhole = stream ? text.endsWith("data: [DONE]\n\n") : text.endsWith("}")
    return { outcome: `${answer.statusCode}${isWhole ? "" : " cut"}`, text }
  } catch (error) {
    return { outcome: String(error), text: "" }
  }
}

const words = "every worker has been replaced"

/** Waits for the count of replacements. Counted as it comes, for the log of a long run is too long to be searched again and again. */
const counted = (one: Child): (count: number) => Promise<void> => {
  let seen = 0
  let wake = () => {}
  for (const stream of [one.process.stdout, one.process.stderr]) {
    let line = ""
    stream?.on("data", (piece: string) => {
      const lines = (line + piece).split("\n")
      line = lines.pop() ?? ""
      seen += lines.filter((text) => text.includes(words)).length
      wake()
    })
  }
  return (count) =>
    new Promise((resolve, reject) => {
      wake = () => seen >= count && resolve()
      wake()
      void one.ended.then(() => reject(new Error(`ended after ${seen} replacements`)))
    })
}

describe("workers that are replaced one by one", () => {
  it(
    `${restarts} times under steady load, idle kept-alive connections included, lose no request and cut no stream`,
    async () => {
      const replaced = counted(child)
      const outcomes = new Map<string, number>()
      const load = { isOver: false }
      const keepAsking = async (agent: Agent, stream: boolean, pauseMs = 0) => {
        while (!load.isOver) {
          const { outcome } = await ask(agent, stream)
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
          if (pauseMs > 0) await setTimeout(pauseMs)
        }
        agent.destroy()
      }
      const clients = [
        ...[false, false, false].map((stream) => keepAsking(new Agent({ keepAlive: true }), stream)),
        ...[0, 100, 300, 500].map((ms) => keepAsking(new Agent({ keepAlive: true }), false, idleMs - ms)),
        ...[false, true, true].map((stream) => keepAsking(new Agent({ keepAlive: false }), stream))
      ]
      for (let count = 1; count <= restarts; count++) {
        child.process.kill("SIGHUP")
        await replaced(count)
      }
      load.isOver = true
      await Promise.all(clients)
      expect(Array.from(outcomes.keys())).toEqual(["200"])
      expect(outcomes.get("200")).toBeGreaterThan(restarts)
    },
    isFull ? 1_800_000 : 300_000
  )
})
