import { afterAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { defaultWriterSettings } from "../../src/accounting/LedgerWriter.ts"
import { type Child, start, url } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-ledger-"))
afterAll(() => rmSync(folder, { recursive: true }))

const configured = (name: string, more = ""): string => {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(
    file,
    `server: { port: 0, drain: { notReady: 0ms } }
providers:
  simulated:
    kind: simulated
    prices: { sim-fast: { usdPerMtok: { input: "1", output: "2" } } }
storage: { sql: "sqlite:${join(folder, `${name}.db`)}" }
${more}`
  )
  return file
}

const serve = (file: string, ...flags: ReadonlyArray<string>): Child =>
  start("node", ["src/main.ts", "--config", file, ...flags])

const usage = async (address: string, ...flags: ReadonlyArray<string>): Promise<string> => {
  const child = start("node", ["src/main.ts", "usage", "--url", address, ...flags])
  await child.ended
  return child.output()
}

const body = JSON.stringify({ model: "sim-fast", messages: [{ role: "user", content: "Hello" }] })

/** True when the answer came whole. */
const askOnce = (address: string, agent: Agent) =>
  new Promise<boolean>((resolve) => {
    const sent = request(`${address}/v1/chat/completions`, {
      method: "POST",
      agent,
      headers: { "content-type": "application/json" }
    }, (response) => response.on("end", () => resolve(response.complete)).on("error", () => resolve(false)).resume())
    sent.on("error", () => resolve(false)).end(body)
  })

const count = (database: DatabaseSync, sql: string): number => Number(database.prepare(sql).get()?.["n"])

describe("the ledger of a server", () => {
  it(
    "killed with a thousand requests in flight opens clean and lacks at most one batch of what was answered",
    async () => {
      const file = configured("killed")
      const server = serve(file)
      const address = await url(server)
      const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
      let answered = 0
      const caller = async () => {
        while (server.process.exitCode === null && server.process.signalCode === null) {
          if (!(await askOnce(address, agent))) return
          answered += 1
          if (answered === 4000) server.process.kill("SIGKILL")
        }
      }
      await Promise.all(Array.from({ length: 1000 }, caller))
      await server.ended
      agent.destroy()
      const database = new DatabaseSync(join(folder, "killed.db"))
      expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" })
      const kept = count(database, "SELECT count(*) AS n FROM breakwater_requests")
      expect(count(database, "SELECT count(*) AS n FROM breakwater_attempts")).toBe(kept)
      database.close()
      expect(answered).toBeGreaterThanOrEqual(4000)
      expect(kept).toBeGreaterThanOrEqual(answered - defaultWriterSettings.batch)

      const again = serve(file)
      const sums = JSON.parse(await usage(await url(again), "--format", "json")).sums
      expect(sums).toMatchObject([{ name: "sim-fast", requests: kept, attempts: kept, unpriced: 0 }])
      again.process.kill("SIGTERM")
      expect(await again.ended).toEqual({ code: 0, signal: null })
    },
    60_000
  )

  it("has every request of every worker once they have left, and while they run whichever is asked", async () => {
    const server = serve(configured("workers"), "--workers", "2")
    const address = await url(server)
    const agent = new Agent({ keepAlive: false })
    const answers = await Promise.all(Array.from({ length: 40 }, () => askOnce(address, agent)))
    expect(answers).not.toContain(false)
    for (let at = 0; at < 2; at++) {
      expect(JSON.parse(await usage(address, "--format", "json")).sums).toMatchObject([{ requests: 40 }])
    }
    server.process.kill("SIGTERM")
    await server.ended
    const database = new DatabaseSync(join(folder, "workers.db"), { readOnly: true })
    expect(count(database, "SELECT count(*) AS n FROM breakwater_requests")).toBe(40)
    expect(count(database, "SELECT count(DISTINCT substr(id, 1, instr(id, '-'))) AS n FROM breakwater_requests")).toBe(
      2
    )
    database.close()
  }, 60_000)

  it("shows at /metrics what all workers have written and what waits", async () => {
    const server = serve(configured("counted"), "--workers", "2")
    const address = await url(server)
    const agent = new Agent({ keepAlive: false })
    await Promise.all(Array.from({ length: 20 }, () => askOnce(address, agent)))
    await usage(address)
    const page = await (await fetch(`${address}/metrics`)).text()
    expect(page).toContain("breakwater_ledger_entries_total{outcome=\"written\"} 20\n")
    expect(page).toContain("breakwater_ledger_entries_total{outcome=\"dropped\"} 0\n")
    expect(page).toContain("breakwater_ledger_queue 0\n")
    server.process.kill("SIGTERM")
    await server.ended
  }, 60_000)

  it("keeps the server from starting where its file cannot be opened, in one line", async () => {
    const file = join(folder, "refused.yaml")
    writeFileSync(file, `server: { port: 0 }\nstorage: { sql: "sqlite:${join(folder, "no", "such.db")}" }\n`)
    const server = serve(file)
    expect((await server.ended).code).toBe(1)
    expect(server.output().trim()).toMatch(/^cannot start: storage\.sql: .*such\.db cannot be opened: .*$/)
  }, 60_000)
})
