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
  it("control has reached every process when it answers, and monitoring and metrics are of every process", async () => {
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
    for (let sent = 0; sent < 6; sent++) {
      // A connection of its own, so that the workers take turns.
      await (await fetch(`${health}/live`, { headers: { connection: "close" } })).text()
    }
    const all = /breakwater_requests_total\{route="\/api\/v1\/health\/live",status="2xx"\} 6\n/
    let metrics = ""
    // An exchange is counted after its last byte has left.
    while (!all.test(metrics)) metrics = await (await fetch(new URL("/metrics", health))).text()
    expect(metrics).toMatch(/breakwater_breaker_state\{target="simulated\/sim"\} 3\n/)
    const unknown = await fetch(`${health}/circuit-breakers/reset`, {
      method: "POST",
      body: "{\"target\":\"no/such\"}"
    })
    expect(unknown.status).toBe(404)
    child.process.kill("SIGTERM")
    expect((await child.ended).code).toBe(0)
  })
})
