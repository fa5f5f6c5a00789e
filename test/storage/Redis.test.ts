import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { parseUsd, toUsd } from "../../src/domain/Money.ts"
import { type Child, root, start, url } from "../cli/Child.ts"
import { make as makeCertificates } from "../faults/Certificates.ts"
import { freePort } from "./FreePort.ts"
import { greet, isMissing, make, type RedisServer } from "./RedisServer.ts"

const main = join(root, "src/main.ts")
const certificates = makeCertificates()
const folder = mkdtempSync(join(tmpdir(), "breakwater-redis-"))
afterAll(() => {
  rmSync(folder, { recursive: true })
  certificates?.remove()
})

const file = (name: string, storage: string): string => {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(
    path,
    `
server:
  adminKey: admin-1
  drain: { notReady: 0s, streams: 1s }
  keys:
    - { name: rated, key: k-rated, limits: { rpm: 4 } }
    - { name: roomy, key: k-roomy, limits: { rpm: 1000000, concurrent: 1000 } }
    - { name: single, key: k-single, limits: { concurrent: 1 } }
    - { name: saver, key: k-saver, budget: { usd: "0.0005", per: month } }
    - { name: spender, key: k-spender, budget: { usd: "1000", per: month } }
providers:
  simulated: { kind: simulated, prices: { sim-fast: { usdPerMtok: { input: 1, output: 2 } } } }
storage: ${storage}
`
  )
  return path
}

interface Answer {
  readonly status: number
  readonly cost: number
  readonly retryAfter: string | null
  readonly code: string | undefined
}

const post = (address: string, key: string, members: object, signal: AbortSignal | null = null): Promise<Response> =>
  fetch(`${address}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ messages: [{ role: "user", content: "hi" }], ...members }),
    signal
  })

/** A stream that goes on until it is left; undefined where it is refused. */
const hold = async (address: string, key: string): Promise<(() => void) | undefined> => {
  const leaving = new AbortController()
  const { body, status } = await post(address, key, { model: "sim-stall", stream: true }, leaving.signal)
  if (status === 200) await body?.getReader().read()
  else await body?.cancel()
  return status === 200 ? () => leaving.abort() : undefined
}

const ask = async (address: string, key: string, max_tokens = 10): Promise<Answer> => {
  const response = await post(address, key, { model: "sim-fast", max_tokens })
  const body: unknown = await response.json()
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined
  return {
    status: response.status,
    cost: Number(parseUsd(response.headers.get("x-breakwater-cost-usd") ?? "0")),
    retryAfter: response.headers.get("retry-after"),
    code: typeof error === "object" && error !== null && "code" in error ? String(error.code) : undefined
  }
}

const admin = async (address: string, path: string): Promise<string> => {
  const response = await fetch(`${address}${path}`, { headers: { authorization: "Bearer admin-1" } })
  return await response.text()
}

/** The component as an operator sees it. */
const health = async (address: string): Promise<unknown> => {
  const body: unknown = JSON.parse(await admin(address, "/api/v1/health"))
  const components = typeof body === "object" && body !== null && "components" in body ? body.components : []
  return Array.isArray(components) ? components.find(({ component }) => component === "redis") : undefined
}

const textOf = (answer: unknown): string => typeof answer === "string" ? answer : JSON.stringify(answer)

/** Asks until the answer has this in it. */
const until = async (question: () => Promise<unknown>, wanted: string): Promise<void> => {
  while (!textOf(await question()).includes(wanted)) await pause(20)
}

const statuses = (answers: ReadonlyArray<Answer>) => answers.map(({ status }) => status)

describe.skipIf(isMissing())("two gateways on one Redis", () => {
  let redis: RedisServer
  let servers: ReadonlyArray<Child> = []
  let addresses: ReadonlyArray<string> = []
  const at = (number: number): string => addresses[number % addresses.length] ?? ""
  /** All at once, of each gateway in turn. */
  const race = (count: number, key: string, max_tokens?: number) =>
    Promise.all(Array.from({ length: count }, (_, number) => ask(at(number), key, max_tokens)))
  const all = (pattern: RegExp) => Promise.all(servers.map((server) => server.says(pattern)))

  beforeAll(async () => {
    redis = await make({ keeps: true })
    await redis.start()
    const path = file("two", `{ redis: "\${REDIS_URL}", redisTimeout: 1s }`)
    const env = { REDIS_URL: redis.url }
    // One alone and one with workers, each of which has a connection of its own.
    servers = [[], ["--workers", "2"]].map((more) =>
      start("node", [main, "--config", path, "--port", "0", ...more], { env })
    )
    addresses = await Promise.all(servers.map(url))
  }, 60_000)

  afterAll(async () => {
    for (const server of servers) server.process.kill("SIGTERM")
    await Promise.all(servers.map((server) => server.ended))
    await redis.dispose()
  })

  it("keep one limit of requests together", async () => {
    const answers = await race(12, "k-rated")
    expect(statuses(answers).toSorted()).toEqual([...Array(4).fill(200), ...Array(8).fill(429)])
    expect(answers.find(({ status }) => status === 429)?.code).toBe("rate_limit_exceeded")
  }, 30_000)

  it("keep one budget together, whatever races, and know what was spent of it", async () => {
    let spent = 0
    let refused = 0
    for (let round = 0; round < 6; round++) {
      for (const { cost, status } of await race(10, "k-saver")) {
        spent += cost
        if (status === 429) refused++
      }
    }
    expect(spent).toBeGreaterThan(0)
    expect(spent).toBeLessThanOrEqual(500_000_000)
    expect(refused).toBeGreaterThan(0)
    // What is over is counted by nobody who waits.
    for (const address of addresses) {
      await until(() => admin(address, "/api/v1/keys"), `"spent_usd":"${toUsd(spent)}","reserved_usd":"0"`)
    }
  }, 60_000)

  it("give a place back to each other", async () => {
    for (const number of [0, 1]) {
      let leave: (() => void) | undefined
      // What it held before is given back by nobody who waits.
      while (leave === undefined) leave = await hold(at(number), "k-single")
      const answers = await race(10, "k-single")
      expect(statuses(answers)).toEqual(Array(10).fill(429))
      expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(["rate_limit_exceeded"]))
      leave()
      for (const other of [1 - number, number]) await until(() => ask(at(other), "k-single"), `"status":200`)
    }
  }, 30_000)

  it(
    "serve on while it is away, refuse what costs money, say so, and go on where they were when it is back",
    async () => {
      const before = await ask(at(0), "k-spender")
      expect(before.status).toBe(200)
      for (const address of addresses) await until(() => health(address), `"status":"pass"`)
      const load = { isOn: true, statuses: new Set<number>(), answers: 0 }
      const lane = async (number: number) => {
        for (; load.isOn; load.answers++) load.statuses.add((await ask(at(number), "k-roomy")).status)
      }
      const lanes = [0, 1, 2, 3].map(lane)
      await redis.crash()
      await all(/redis is away: /)
      for (const number of [0, 1, 2, 3]) {
        const refused = await ask(at(number), "k-spender")
        expect(refused).toMatchObject({ status: 503, code: "admission_unavailable", retryAfter: "1" })
      }
      expect((await ask(at(0), "k-rated")).status).toBe(200)
      for (const address of addresses) await until(() => health(address), `"status":"warn"`)
      expect(await admin(at(0), "/metrics")).toMatch(/^breakwater_redis_away\S* 1$/m)
      await redis.start()
      await all(/redis is back after /)
      for (const address of addresses) await until(() => health(address), `"status":"pass"`)
      for (const number of [0, 1]) await until(() => ask(at(number), "k-spender"), `"status":200`)
      const answered = load.answers
      await until(() => Promise.resolve(load.answers > answered + 20), "true")
      load.isOn = false
      await Promise.all(lanes)
      expect([...load.statuses]).toEqual([200])
      // Redis has kept what it knew: the first answer is still counted.
      const keys = await admin(at(1), "/api/v1/keys")
      const spent = Number(/"name":"spender".*?"spent_usd":"([\d.]+)"/.exec(keys)?.[1])
      expect(spent).toBeGreaterThan(before.cost / 1e12)
      for (const server of servers) expect(server.output()).not.toContain("ERROR")
    },
    60_000
  )

  it("answer while it says nothing, and after that", async () => {
    const greeting = await greet(redis)
    const events: Array<string | number> = []
    redis.freeze()
    const spoke = greeting().then(() => events.push("redis spoke"))
    const asked = async (number: number, key: string) => events.push((await ask(at(number), key)).status)
    await Promise.all(Array.from({ length: 20 }, (_, number) => asked(number, "k-roomy")))
    // By the limit of a command, and not by the end of the connection.
    await all(/redis is away[^]*redis is away: no answer within 1000 ms/)
    await asked(0, "k-spender")
    redis.thaw()
    await spoke
    expect(events).toEqual([...Array(20).fill(200), 503, "redis spoke"])
    await all(/(?:redis is back[^]*){2}/)
    for (const number of [0, 1]) await until(() => ask(at(number), "k-spender"), `"status":200`)
  }, 60_000)

  it("never say the password", async () => {
    const said = servers.map((server) => server.output())
    for (const address of addresses) said.push(await admin(address, "/api/v1/health"), await admin(address, "/metrics"))
    expect(said.join("\n")).not.toContain(redis.password)
  }, 30_000)
})

/** Says of every module that has to do with Redis that it is loaded. */
const telling = `import { registerHooks } from "node:module"
registerHooks({ load: (url, context, next) => {
  if (/redis/i.test(url.replace(/^.*(?=node_modules|src)/, ""))) process.stderr.write("loaded " + url + "\\n")
  return next(url, context)
} })`

describe("a gateway without Redis", () => {
  it("loads nothing of it", async () => {
    const loader = `data:text/javascript,${encodeURIComponent(telling)}`
    const seen = async (storage: string) => {
      const path = file("loading", storage)
      const server = start("node", ["--import", loader, main, "--config", path, "--port", "0"])
      expect((await ask(await url(server), "k-rated")).status).toBe(200)
      server.process.kill("SIGTERM")
      await server.ended
      return Array.from(server.output().matchAll(/^loaded .*\/(.+)$/gm), ([, name]) => name)
    }
    // What Effect's own limiter names; no client, and nothing of ours but whether there is one.
    expect(await seen("{}")).toEqual(["Redis.js", "RedisStatus.ts"])
    expect(await seen("{ redis: \"redis://127.0.0.1:1\" }")).toContain("NodeRedis.js")
  }, 60_000)
})

describe.skipIf(isMissing())("a gateway whose Redis was never there", () => {
  it("starts all the same, with what the operator has chosen for that", async () => {
    const path = file("none", `{ redis: "\${REDIS_URL}", whenAway: { limits: closed, budgets: open } }`)
    const env = { REDIS_URL: `redis://user:canary-of-redis@127.0.0.1:${await freePort()}/3` }
    const server = start("node", [main, "--config", path, "--port", "0"], { env })
    const address = await url(server)
    expect(await ask(address, "k-rated")).toMatchObject({ status: 503, code: "admission_unavailable", retryAfter: "1" })
    expect((await ask(address, "k-spender")).status).toBe(200)
    expect(await health(address)).toMatchObject({
      component: "redis",
      status: "warn",
      output: expect.stringContaining("ECONNREFUSED")
    })
    server.process.kill("SIGTERM")
    expect((await server.ended).code).toBe(0)
    expect(server.output()).toMatch(/redis is away: .*ECONNREFUSED/)
    expect(server.output()).not.toContain("canary-of-redis")
  }, 60_000)

  it("starts with a wrong password, which it does not say", async () => {
    const redis = await make()
    await redis.start()
    const path = file("wrong", `{ redis: "\${REDIS_URL}" }`)
    const env = { REDIS_URL: redis.url.replace(redis.password, "wrong-%63anary") }
    const server = start("node", [main, "--config", path, "--port", "0"], { env })
    const address = await url(server)
    expect(await health(address)).toMatchObject({ status: "warn", output: expect.stringContaining("WRONGPASS") })
    server.process.kill("SIGTERM")
    await server.ended
    expect(server.output()).not.toMatch(/wrong-(?:%63|c)anary/)
    await redis.dispose()
  }, 60_000)

  // Certificates are made by openssl.
  it.skipIf(certificates === undefined)(
    "speaks TLS, and only to whom an authority vouches for (skipped where there is no openssl)",
    async () => {
      if (certificates === undefined) return expect.fail("there are no certificates")
      const redis = await make({ certificate: certificates.good })
      await redis.start()
      const path = file("tls", `{ redis: "\${REDIS_URL}", redisTimeout: 1s }`)
      const asked = async (env: Readonly<Record<string, string>>) => {
        const server = start("node", [main, "--config", path, "--port", "0"], { env: { ...env, REDIS_URL: redis.url } })
        const seen = await health(await url(server))
        server.process.kill("SIGTERM")
        await server.ended
        return seen
      }
      expect(await asked({ NODE_EXTRA_CA_CERTS: certificates.authority })).toMatchObject({ status: "pass" })
      expect(await asked({})).toMatchObject({ status: "warn", output: expect.stringContaining("certificate") })
      await redis.dispose()
    },
    60_000
  )
})
