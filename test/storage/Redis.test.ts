import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, root, start, url } from "../cli/Child.ts"
import { isMissing, make, type RedisServer } from "./RedisServer.ts"

const main = join(root, "src/main.ts")
const folder = mkdtempSync(join(tmpdir(), "breakwater-two-"))
const file = join(folder, "breakwater.yaml")

const ask = async (address: string, key: string, more: object = {}) => {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "sim", messages: [{ role: "user", content: "hi" }], ...more })
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

describe.skipIf(isMissing())("two gateways on one Redis", () => {
  let redis: RedisServer
  let servers: ReadonlyArray<Child> = []
  let addresses: ReadonlyArray<string> = []

  beforeAll(async () => {
    redis = await make({ keeps: true })
    await redis.start()
    writeFileSync(
      file,
      `
server:
  adminKey: admin-1
  drain: { notReady: 0s, streams: 1s }
  keys:
    - { name: rated, key: k-rated-1, limits: { rpm: 4 } }
providers:
  simulated: { kind: simulated, prices: { sim: { usdPerMtok: { input: 1, output: 2 } } } }
storage: { redis: "\${REDIS_URL}" }
`
    )
    servers = [1, 2].map(() =>
      start("node", [main, "--config", file, "--port", "0"], { env: { REDIS_URL: redis.url } })
    )
    addresses = await Promise.all(servers.map(url))
  }, 60_000)

  afterAll(async () => {
    for (const server of servers) server.process.kill("SIGTERM")
    await Promise.all(servers.map((server) => server.ended))
    await redis.dispose()
    rmSync(folder, { recursive: true })
  })

  it("keep one limit of requests together", async () => {
    const seen: Array<number> = []
    for (let at = 0; at < 6; at++) seen.push((await ask(addresses[at % 2] ?? "", "k-rated-1")).status)
    expect(seen).toEqual([200, 200, 200, 200, 429, 429])
  }, 30_000)
})
