import { afterAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, start, url } from "../cli/Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-fleet-"))
let running: Child | undefined
afterAll(async () => {
  running?.process.kill("SIGTERM")
  await running?.ended
  rmSync(folder, { recursive: true })
})

interface Monitoring {
  readonly workers: ReadonlyArray<{
    readonly targets: ReadonlyArray<{ readonly target: string; readonly breaker: { readonly state: string } }>
  }>
}

describe("with workers", () => {
  it("control has reached every process when it answers, and monitoring shows every process", async () => {
    const file = join(folder, "two.json")
    writeFileSync(file, JSON.stringify({ server: { port: 0, workers: 2, drain: { notReady: "10ms", streams: "1s" } } }))
    const child = start("node", ["src/main.ts", "--config", file])
    running = child
    const health = `${await url(child)}/api/v1/health`
    const opened = await fetch(`${health}/circuit-breakers/open`, {
      method: "POST",
      body: JSON.stringify({ target: "simulated/sim" })
    })
    expect(await opened.json()).toEqual({ targets: [{ target: "simulated/sim", from: "closed", to: "forced-open" }] })
    const monitoring = await (await fetch(`${health}/monitoring`)).json() as Monitoring
    const states = monitoring.workers.map((worker) =>
      worker.targets.find(({ target }) => target === "simulated/sim")?.breaker.state
    )
    expect(states).toEqual(["forced-open", "forced-open"])
    const unknown = await fetch(`${health}/circuit-breakers/reset`, {
      method: "POST",
      body: "{\"target\":\"no/such\"}"
    })
    expect(unknown.status).toBe(404)
    child.process.kill("SIGTERM")
    expect((await child.ended).code).toBe(0)
  })
})
