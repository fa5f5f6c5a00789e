import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bodyOf, type Order } from "../../src/cli/Keys.ts"
import { type Child, root, start, url } from "./Child.ts"

const main = join(root, "src/main.ts")
const folder = mkdtempSync(join(tmpdir(), "breakwater-keys-"))
const file = join(folder, "breakwater.yaml")
let server: Child
let address = ""

beforeAll(async () => {
  writeFileSync(
    file,
    `
server:
  adminKey: admin-1
  drain: { notReady: 0s, streams: 1s }
  keys: [{ name: alice, key: k-alice-1, limits: { rpm: 2 }, budget: { usd: "1", per: day } }]
providers:
  simulated: { kind: simulated, prices: { sim: { usdPerMtok: { input: 1, output: 2 } } } }
storage: { sql: "sqlite:${join(folder, "breakwater.db")}" }
`
  )
  server = start("node", [main, "--config", file, "--port", "0", "--workers", "2"])
  address = await url(server)
}, 60_000)

afterAll(async () => {
  server.process.kill("SIGTERM")
  await server.ended
  rmSync(folder, { recursive: true })
})

const keys = async (...args: ReadonlyArray<string>) => {
  const child = start("node", [main, "keys", ...args, "--url", address, "--admin-key", "admin-1"])
  return { code: (await child.ended).code, output: child.output() }
}

const ask = async (key: string) => {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    // A connection of its own, so that the workers take turns.
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "sim", messages: [{ role: "user", content: "hi" }] })
  })
  await response.arrayBuffer()
  return response.status
}

describe("breakwater keys, with two workers", () => {
  it("limits a key over all workers together", async () => {
    const seen: Array<number> = []
    for (let at = 0; at < 6; at++) seen.push(await ask("k-alice-1"))
    expect(seen).toEqual([200, 200, 429, 429, 429, 429])
  }, 30_000)

  it(
    "issues a key that every worker knows at once, lists it with what it has spent, and ends it everywhere",
    async () => {
      const issued = await keys(
        "issue",
        "dora",
        "--model",
        "sim",
        "--budget",
        "1/day",
        "--rpm",
        "50",
        "--tag",
        "team-a"
      )
      const key = /^bw_\w+$/m.exec(issued.output)?.[0] ?? ""
      expect(issued.code).toBe(0)
      for (let at = 0; at < 6; at++) expect(await ask(key)).toBe(200)
      const listed = await keys()
      expect(listed.output).toMatch(/^alice +\(file\) +active +all +2 rpm +0\.\d+ of 1 USD\/day/m)
      expect(listed.output).toMatch(/^dora +\w{10} +active +sim +50 rpm +0\.\d+ of 1 USD\/day +team-a +– +20/m)
      expect(listed.output).not.toContain(key)
      expect((await keys("revoke", "dora")).output).toBe("dora is revoked\n")
      for (let at = 0; at < 6; at++) expect(await ask(key)).toBe(401)
      expect((await keys("issue", "dora")).output).toContain("There is a key dora already")
    },
    90_000
  )
})

const order: Order = {
  action: "issue",
  name: "dora",
  models: [],
  tags: [],
  rpm: undefined,
  tpm: undefined,
  concurrent: undefined,
  budget: undefined,
  expires: undefined,
  grace: undefined,
  json: false
}

describe("breakwater keys issue", () => {
  it("warns beside the text of a model that nobody serves, and refuses a day that is past", async () => {
    const issued = await keys("issue", "carl", "--model", "nope")
    expect(issued.code).toBe(0)
    expect(issued.output).toMatch(/^warning: "nope" names nothing that is served now\n/m)
    const past = await keys("issue", "emil", "--expires", "2020-01-01")
    expect([past.code, past.output]).toEqual([
      1,
      expect.stringContaining("Invalid 'expires': expected a day or moment to come")
    ])
  }, 30_000)
})

describe("an order", () => {
  it("says what was said and nothing else", () => {
    expect(bodyOf(order)).toEqual({ name: "dora" })
    expect(bodyOf({ ...order, budget: "0.5/month", tpm: 9, tags: ["a"] })).toEqual({
      name: "dora",
      tags: ["a"],
      limits: { tpm: 9 },
      budget: { usd: "0.5", per: "month" }
    })
    expect(bodyOf({ ...order, action: "rotate", grace: "1h", rpm: 5 })).toEqual({ name: "dora", grace: "1h" })
  })

  it("is not sent without a name or with a budget that has no period", () => {
    expect(bodyOf({ ...order, name: undefined })).toBe("issue which key? Give its name")
    expect(bodyOf({ ...order, budget: "5" })).toContain("--budget is an amount")
  })
})
