import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Api from "../../src/api/Health.ts"
import { type Child, start, url } from "../cli/Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-fleet-"))
const running: Array<Child> = []
afterAll(async () => {
  for (const child of running) child.process.kill("SIGTERM")
  await Promise.all(running.map((child) => child.ended))
  rmSync(folder, { recursive: true })
})

interface Monitoring {
  readonly workers?: ReadonlyArray<{
    readonly worker: number
    readonly targets: ReadonlyArray<{ readonly target: string; readonly breaker: { readonly state: string } }>
  }>
}

interface Counted {
  readonly totals: { readonly requests: number; readonly attempts: number }
  readonly latency: { readonly count: number }
  readonly spending: ReadonlyArray<unknown>
  readonly targets: ReadonlyArray<{ readonly target: string }>
  readonly workers: ReadonlyArray<{ readonly totals: { readonly requests: number } }>
}

const two = (): Child => {
  const file = join(folder, "two.json")
  writeFileSync(file, JSON.stringify({ server: { port: 0, workers: 2, drain: { notReady: "10ms", streams: "1s" } } }))
  const child = start("node", ["src/main.ts", "--config", file])
  running.push(child)
  return child
}

/** A connection each: none is left over from a worker that has been killed. */
const headers = { connection: "close" }

const control = (health: string, action: string, body: unknown) =>
  fetch(`${health}/circuit-breakers/${action}`, { method: "POST", headers, body: JSON.stringify(body) })

const monitoringOf = async (health: string) =>
  await (await fetch(`${health}/monitoring`, { headers })).json() as Monitoring

const statesOf = ({ workers = [] }: Monitoring) =>
  workers.map((worker) => worker.targets.find(({ target }) => target === "simulated/sim")?.breaker.state)

const numbersOf = ({ workers = [] }: Monitoring) => workers.map(({ worker }) => worker)

/** Monitoring as soon as two workers serve whose numbers are as wanted; a question that a dying worker had taken is lost. */
const once = async (health: string, isWanted: (numbers: ReadonlyArray<number>) => boolean): Promise<Monitoring> => {
  const seen = await monitoringOf(health).catch((): Monitoring => ({}))
  const numbers = numbersOf(seen)
  return numbers.length === 2 && isWanted(numbers) ? seen : once(health, isWanted)
}

/** Kills one worker of the fleet, and gives monitoring once another serves in its place. */
const replaceOne = async (child: Child, health: string): Promise<Monitoring> => {
  const last = Math.max(...numbersOf(await monitoringOf(health)))
  const [pid] = execFileSync("pgrep", ["-P", String(child.process.pid)], { encoding: "utf8" }).split("\n")
  const deaths = child.output().split("\"signal\":\"SIGKILL\"").length
  process.kill(Number(pid), "SIGKILL")
  // Until the primary knows, it would pass connections to the dead.
  await child.says(new RegExp(`("signal":"SIGKILL"[^]*){${deaths}}`))
  return once(health, (numbers) => numbers.some((number) => number > last))
}

// They wait for what processes say; how soon those start is the machine's affair.
describe("with workers", { timeout: 120_000 }, () => {
  it("control has reached every process when it answers, and monitoring and metrics are of every process", async () => {
    const child = two()
    const health = `${await url(child)}/api/v1/health`
    const opened = await control(health, "open", { target: "simulated/sim" })
    expect(await opened.json()).toEqual({ targets: [{ target: "simulated/sim", from: "closed", to: "forced-open" }] })
    expect(statesOf(await monitoringOf(health))).toEqual(["forced-open", "forced-open"])
    // A connection each, so that the workers take turns.
    for (let sent = 0; sent < 6; sent++) await (await fetch(`${health}/live`, { headers })).text()
    const all = /breakwater_requests_total\{route="\/api\/v1\/health\/live",status="2xx"\} 6\n/
    let metrics = ""
    // An exchange is counted after its last byte has left.
    while (!all.test(metrics)) metrics = await (await fetch(new URL("/metrics", health))).text()
    expect(metrics).toMatch(/breakwater_breaker_state\{target="simulated\/sim"\} 3\n/)
    const unknown = await control(health, "reset", { target: "no/such" })
    expect(unknown.status).toBe(404)
    child.process.kill("SIGTERM")
    expect((await child.ended).code).toBe(0)
  }, 30_000)

  it("what was counted is of all of them and a request is found, whichever process is asked", async () => {
    const child = two()
    const origin = await url(child)
    const health = `${origin}/api/v1/health`
    const asked = Array.from({ length: 8 }, (_, index) => `request-${index}`)
    // A connection each, so that the workers take turns.
    for (const id of asked) {
      const body = JSON.stringify({ model: "simulated/sim-fast", messages: [{ role: "user", content: "hi" }] })
      const init = {
        method: "POST",
        body,
        headers: { ...headers, "content-type": "application/json", "x-request-id": id }
      }
      expect((await fetch(`${origin}/v1/chat/completions`, init)).status).toBe(200)
    }
    const seen = async () => await (await fetch(`${health}/monitoring`, { headers })).json() as Counted
    let value = await seen()
    // An exchange is counted after its last byte has left.
    while (value.totals.requests < asked.length) value = await seen()
    for (const one of [value, await seen()]) {
      expect(one.totals).toMatchObject({ requests: 8, attempts: 8 })
      expect(one.latency.count).toBe(8)
      expect(one.spending).toMatchObject([{ model: "sim-fast", requests: 8, unpriced: 8 }])
      expect(one.targets.find(({ target }) => target === "simulated/sim-fast")).toMatchObject({ attempts: 8 })
      expect(one.workers.map(({ totals }) => totals.requests).reduce((sum, own) => sum + own, 0)).toBe(8)
      Schema.decodeUnknownSync(Api.Monitoring)(one)
    }
    for (const id of asked) {
      const record: unknown = await (await fetch(`${health}/monitoring/requests/${id}`, { headers })).json()
      expect(record).toMatchObject({ request_id: id, ended: "answered" })
    }
    expect((await fetch(`${health}/monitoring/requests/nobodys`, { headers })).status).toBe(404)
    const overall: unknown = await (await fetch(health, { headers })).json()
    expect(overall).toMatchObject({
      checks: { "simulated/sim-fast:circuit": [{ status: "pass" }, { status: "pass", observedValue: "closed" }] }
    })
  }, 30_000)

  it("a worker that replaces a killed one stays under the control in force, and after a reset is free", async () => {
    const child = two()
    const health = `${await url(child)}/api/v1/health`
    await control(health, "open", { target: "simulated/sim" })
    expect(statesOf(await replaceOne(child, health))).toEqual(["forced-open", "forced-open"])
    await control(health, "reset", {})
    expect(statesOf(await replaceOne(child, health))).toEqual(["closed", "closed"])
  }, 30_000)

  it("workers that SIGHUP puts in the place of others stay under a control that has not run out", async () => {
    const child = two()
    const health = `${await url(child)}/api/v1/health`
    await control(health, "close", { ttl: "10m" })
    const before = numbersOf(await once(health, () => true))
    child.process.kill("SIGHUP")
    const after = await once(health, (numbers) => !numbers.some((number) => before.includes(number)))
    expect(statesOf(after)).toEqual(["forced-closed", "forced-closed"])
  }, 30_000)
})
