import { afterAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { defaultWriterSettings } from "../../src/accounting/LedgerWriter.ts"
import { isMissing, make } from "../storage/PostgresServer.ts"
import { type Child, start, url } from "./Child.ts"

const folder = mkdtempSync(join(tmpdir(), "breakwater-ledger-"))
afterAll(() => rmSync(folder, { recursive: true }))

const configured = (name: string, sql = `sqlite:${join(folder, `${name}.db`)}`): string => {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(
    file,
    `server: { port: 0, drain: { notReady: 0ms } }
providers:
  simulated:
    kind: simulated
    prices: { sim-fast: { usdPerMtok: { input: "1", output: "2" } } }
storage: { sql: "${sql}" }
`
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

/** How much was answered when a reader of the database saw so many requests in it. */
interface Seen {
  readonly answered: number
  readonly kept: number
}

/** Has a thousand requests in flight, looks into the database now and then, and kills the server after so many answers. */
const killUnderLoad = async (server: Child, address: string, after: number, look: () => number | Promise<number>) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  const looks: Array<Promise<Seen>> = []
  let answered = 0
  const lookNow = async (): Promise<Seen> => ({ answered, kept: await look() })
  const caller = async () => {
    while (server.process.exitCode === null && server.process.signalCode === null) {
      if (!(await askOnce(address, agent))) return
      answered += 1
      if (answered % 200 === 0) looks.push(lookNow())
      if (answered === after) server.process.kill("SIGKILL")
    }
  }
  await Promise.all(Array.from({ length: 1000 }, caller))
  await server.ended
  agent.destroy()
  return { answered, seen: await Promise.all(looks) }
}

/** Fewer than are handed over at once wait for others. */
const gathering = defaultWriterSettings.enough - 1

/**
 * What was answered before the last transaction but one was seen to be over came before the last one began, and has to be there:
 * only what was under way and what came meanwhile may be missing.
 */
const hasToBeThere = (seen: ReadonlyArray<Seen>, kept: number): number => {
  const before = Math.max(0, ...seen.map((one) => one.kept).filter((one) => one < kept))
  return Math.max(0, ...seen.filter((one) => one.kept < before).map((one) => one.answered)) - gathering
}

/** Entries that were lost between others: names end in a number that counts them. */
const gaps = (ids: ReadonlyArray<string>): number =>
  Math.max(0, ...ids.map((id) => Number.parseInt(id.slice(id.indexOf("-") + 1), 36))) - ids.length

describe("the ledger of a server", () => {
  it(
    "killed with a thousand requests in flight opens clean and lacks what one transaction would have held, no more",
    async () => {
      const file = configured("killed")
      const server = serve(file)
      const address = await url(server)
      const requests = "SELECT count(*) AS n FROM breakwater_requests"
      const reader = new DatabaseSync(join(folder, "killed.db"), { readOnly: true })
      const { answered, seen } = await killUnderLoad(server, address, 4000, () => count(reader, requests))
      reader.close()
      const database = new DatabaseSync(join(folder, "killed.db"))
      expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" })
      const kept = count(database, requests)
      expect(count(database, "SELECT count(*) AS n FROM breakwater_attempts")).toBe(kept)
      const ids = database.prepare("SELECT id FROM breakwater_requests").all().map(({ id }) => String(id))
      database.close()
      expect(gaps(ids)).toBe(0)
      expect(answered).toBeGreaterThanOrEqual(4000)
      expect(kept).toBeGreaterThanOrEqual(hasToBeThere(seen, kept))
      expect(kept).toBeGreaterThanOrEqual(answered - 512)

      const again = serve(file)
      const sums = JSON.parse(await usage(await url(again), "--format", "json")).sums
      expect(sums).toMatchObject([{ name: "sim-fast", requests: kept, attempts: kept, unpriced: 0 }])
      again.process.kill("SIGTERM")
      expect(await again.ended).toEqual({ code: 0, signal: null })
    },
    60_000
  )

  it.skipIf(isMissing())(
    "in Postgres lacks no more either (skipped where Debian's postgresql is absent)",
    async () => {
      const postgres = await make()
      try {
        await postgres.start()
        const server = serve(configured("elsewhere", postgres.url))
        const address = await url(server)
        await postgres.until("SELECT to_regclass('breakwater_attempts')", "breakwater_attempts")
        const counted = async () => Number(await postgres.ask("SELECT count(*) FROM breakwater_requests"))
        const { answered, seen } = await killUnderLoad(server, address, 4000, counted)
        // What had reached Postgres is still written.
        await postgres.until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'breakwater'", "0")
        const kept = await counted()
        expect(Number(await postgres.ask("SELECT count(*) FROM breakwater_attempts"))).toBe(kept)
        expect(gaps((await postgres.ask("SELECT id FROM breakwater_requests")).split("\n"))).toBe(0)
        expect(answered).toBeGreaterThanOrEqual(4000)
        expect(kept).toBeGreaterThanOrEqual(hasToBeThere(seen, kept))
      } finally {
        await postgres.dispose()
      }
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
    const health = await (await fetch(`${address}/api/v1/health`)).json()
    expect(Object(health).components).toContainEqual({
      component: "storage",
      status: "pass",
      output: "sqlite: 20 written, 0 waiting, 0 dropped",
      counts: { written: 20, waiting: 0, dropped: 0 }
    })
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
