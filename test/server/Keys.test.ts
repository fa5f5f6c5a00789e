import { afterAll, describe, expect, it } from "@effect/vitest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { globSync, readFileSync } from "node:fs"
import * as Admission from "../../src/admission/Admission.ts"
import * as Desk from "../../src/admission/Desk.ts"
import * as IssuedKeys from "../../src/admission/IssuedKeys.ts"
import type { StaticKey } from "../../src/admission/Keys.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as Logger from "../../src/observability/Logger.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { routes } from "../../src/server/RouteTable.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import * as Fleet from "../../src/storage/Fleet.ts"
import { ask, envelopeFaults, errorOf, hello, post, postText } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const settings = {
  ...defaultServerSettings,
  keys: [{ name: "file", key: Redacted.make("sk-file") }],
  adminKey: Redacted.make("admin")
}

/** A server that issues keys, with limits and budgets, over a simulated provider. */
const serve = (
  lines: Array<string> = [],
  ofFile: ReadonlyArray<StaticKey> = settings.keys,
  sql?: Redacted.Redacted
) => {
  const keys = IssuedKeys.layer({ keys: ofFile, secret: undefined, sql })
  const admission = Admission.layer().pipe(Layer.provide(Desk.layerMemory))
  return HttpRouter.toWebHandler(
    Server.layer({ ...settings, keys: ofFile }).pipe(
      Layer.provide(Gateway.layer({ prices: { simulated: { sim: { usdPerMtok: { input: 1, output: 2 } } } } })),
      Layer.provide([Providers.layer([Simulated.make("simulated")]), keys, admission]),
      Layer.provide([Fleet.layerSingle, HttpServer.layerServices]),
      Layer.provide(Logger.layerLines({ format: "json", level: "info" }, (line) => lines.push(line)))
    ),
    { disableLogger: true }
  )
}

const admin = { authorization: "Bearer admin", "content-type": "application/json" }

/** What anybody may ask; everything else of the table is locked. */
const open = new Set([
  "/api/v1/health",
  "/api/v1/health/live",
  "/api/v1/health/ready",
  "/api/v1/health/startup",
  "/docs",
  "/openapi.json"
])

/** Every locked route of the table, with its methods: a new one is among them until it is said to be open. */
const locked = Array.from(routes)
  .filter(([path]) => !open.has(path))
  .flatMap(([path, methods]) => methods.map((method) => [method, path.replace(/\{\w+\}/g, "some-id")] as const))

const spellings = (path: string): ReadonlyArray<string> => [
  path,
  path.toUpperCase(),
  `${path}/`,
  `/${path}`,
  path.replaceAll("/", "//"),
  `${path}?x=1`,
  `${path};x`,
  path.replace(/a/, "%61"),
  path.replace(/(\w)$/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  path.replace(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  path.replace(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`),
  path.replace(/a/, "%2561"),
  path.replace(/.\//g, (end) => `${end}./`),
  `/x/..${path}`,
  `/docs/..${path}`,
  `/docs/..;${path}`,
  `/docs/%2e%2e${path}`,
  `/api/v1/health/live/..${path}`,
  `${path}/.`,
  `${path}//`,
  `${path}%20`,
  `${path}%00`,
  `${path}%2f`,
  `${path}\\`,
  `${path}.json`,
  `${path}#x`,
  path.replaceAll("/", "\\"),
  path.replace(/(.)\/(?=[^/]*$)/, "$1%2f"),
  path.replace(/^\/(.)/, (_, letter: string) => `/${letter.toUpperCase()}`),
  path.replace(/a/, "\uff41")
]

describe("every route that is not open", () => {
  const server = makeServer(makeFake(), { ...settings })
  afterAll(server.dispose)
  const foreign = [{}, { authorization: "Bearer wrong" }, { authorization: "Basic Og==" }]

  it("is in the table, whoever adds it to the router", () => {
    const files = globSync("src/{server,dashboard}/*.ts")
    const added = files.flatMap((file) =>
      Array.from(
        readFileSync(file, "utf8").matchAll(/router\.add\(\s*"(\w+)",\s*"([^"]+)"/g),
        ([, , path]) => path ?? ""
      )
    )
    expect(added.length).toBeGreaterThan(2)
    expect(added.filter((path) => !routes.has(path.replace("*/", "{id}")))).toEqual([])
    expect(Array.from(open).filter((path) => !routes.has(path))).toEqual([])
  })

  it("in every spelling answers 401 without the admin key and with a client's, or is no route at all", {
    timeout: 60_000
  }, async () => {
    expect(locked.length).toBeGreaterThan(16)
    let refused = 0
    for (const [method, path] of locked) {
      // A client's key is no key to an operator's route, and the operator's none to a client's.
      const other = { authorization: path.startsWith("/v1/") ? "Bearer admin" : "Bearer sk-file" }
      for (const spelled of spellings(path)) {
        for (const headers of [...foreign, other]) {
          for (const verb of method === "GET" ? ["GET", "HEAD"] : [method]) {
            const { status, text } = await ask(server, spelled, { method: verb, headers })
            // A spelling that leads to an open page shows that page and nothing else.
            const isOpen = status === 200 && open.has(new URL(spelled, "http://a").pathname)
            if (status !== 401 && status !== 404 && !isOpen) {
              throw new Error(`${verb} ${spelled} answered ${status} ${text}`)
            }
            if (status === 401) refused++
            if (spelled === path) expect([verb, path, status]).toEqual([verb, path, 401])
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(locked.length * 4 * 9)
  })
})

describe("keys over the operator's routes", () => {
  const lines: Array<string> = []
  const server = serve(lines)
  afterAll(server.dispose)
  const order = (action: string, body: unknown) =>
    ask(server, `/api/v1/keys/${action}`, { method: "POST", headers: admin, body: JSON.stringify(body) })
  const listed = async () => JSON.parse((await ask(server, "/api/v1/keys", { headers: admin })).text)

  it("are issued, used within what they may do, listed with what they have spent, rotated and revoked", async () => {
    const issued = await order("issue", {
      name: "dora",
      models: ["simulated/sim"],
      limits: { rpm: 3 },
      budget: { usd: "0.05", per: "month" },
      expires: "2999-01-01"
    })
    expect(issued.status).toBe(200)
    expect(issued.headers.get("cache-control")).toBe("no-store")
    const { key, ...shown } = JSON.parse(issued.text)
    expect(shown).toMatchObject({
      name: "dora",
      source: "issued",
      state: "active",
      expires: "2999-01-01T00:00:00.000Z"
    })
    const authorization = `Bearer ${key}`
    const asked = await post(server, { ...hello, model: "simulated/sim" }, { authorization })
    expect(asked.status).toBe(200)
    expect(asked.headers.get("x-ratelimit-limit-requests")).toBe("3")
    expect(asked.headers.get("x-ratelimit-remaining-requests")).toBe("2")
    expect((await post(server, { ...hello, model: "simulated/sim-fast" }, { authorization })).status).toBe(404)
    expect(JSON.parse((await ask(server, "/v1/models", { headers: { authorization } })).text).data).toMatchObject([
      { id: "simulated/sim", object: "model", created: 0, owned_by: "simulated" }
    ])
    expect((await ask(server, "/v1/models/simulated/sim-fast", { headers: { authorization } })).status).toBe(404)
    expect((await ask(server, "/v1/models/simulated/sim", { headers: { authorization } })).status).toBe(200)

    const { keys, store } = await listed()
    expect(store).toBe("memory")
    expect(keys.map(({ name }: { name: string }) => name)).toEqual(["file", "dora"])
    expect(keys[1].budget).toEqual({
      usd: "0.05",
      per: "month",
      soft: 0.8,
      spent_usd: asked.headers.get("x-breakwater-cost-usd"),
      reserved_usd: "0"
    })
    expect(keys[1].last_used).toMatch(/^20/)

    const rotated = JSON.parse((await order("rotate", { name: "dora" })).text)
    expect((await ask(server, "/v1/models", { headers: { authorization } })).status).toBe(401)
    const other = { headers: { authorization: `Bearer ${rotated.key}` } }
    expect((await ask(server, "/v1/models", other)).status).toBe(200)
    const revoked = await order("revoke", { name: "dora" })
    expect(JSON.parse(revoked.text)).toMatchObject({ name: "dora", state: "revoked" })
    const after = await ask(server, "/v1/models", other)
    const stranger = await ask(server, "/v1/models", { headers: { authorization: "Bearer bw_nobody" } })
    expect([after.status, after.text]).toEqual([stranger.status, stranger.text])
    expect(errorOf(after).code).toBe("invalid_api_key")
    for (const text of [key, rotated.key]) expect(lines.join("\n")).not.toContain(text.slice(14, 57))
    const audit = lines.map((line) => JSON.parse(line)).filter((line) => line["event.name"] === "breakwater.key")
    expect(audit.map(({ action, by }) => [action, by])).toEqual([
      ["issued", "admin key"],
      ["rotated", "admin key"],
      ["revoked", "admin key"]
    ])
  })

  it("hear at the limit when to come again, with the standing of the limit", async () => {
    const { key } = JSON.parse((await order("issue", { name: "slow", limits: { rpm: 1 } })).text)
    const headers = { authorization: `Bearer ${key}` }
    await post(server, { ...hello, model: "simulated/sim" }, headers)
    const refused = await post(server, { ...hello, model: "simulated/sim" }, headers)
    expect(refused.status).toBe(429)
    expect(envelopeFaults(refused.text)).toEqual([])
    expect(errorOf(refused)).toMatchObject({ type: "rate_limit_error", code: "rate_limit_exceeded" })
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(50)
    expect(refused.headers.get("x-should-retry")).toBeNull()
    expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0")
    expect(refused.headers.get("x-ratelimit-reset-requests")).toMatch(/^(?:5\d(?:\.\d)?s|1m0s)$/)
  })

  it("hear at the end of a budget that asking again does not help", async () => {
    const { key } = JSON.parse((await order("issue", { name: "poor", budget: { usd: "0.001", per: "day" } })).text)
    const refused = await post(server, { ...hello, model: "simulated/sim" }, { authorization: `Bearer ${key}` })
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({ type: "insufficient_quota", code: "budget_exhausted" })
    expect(errorOf(refused).message).toMatch(
      /0\.001 USD a day.* do not cover the 0\.\d+ USD .*begins anew at \d{4}-\d\d-\d\dT00:00:00/
    )
    expect(refused.headers.get("x-should-retry")).toBe("false")
    const small = { ...hello, model: "simulated/sim", max_tokens: 5 }
    expect((await post(server, small, { authorization: `Bearer ${key}` })).status).toBe(200)
  })

  it("are refused with what is wrong, and nothing is issued", async () => {
    const wrong = [
      {},
      { name: "" },
      { name: "a b" },
      { name: "file" },
      { name: "x", limits: { rpm: 0 } },
      { name: "x", limits: { rps: 1 } },
      { name: "x", budget: { usd: "much", per: "day" } },
      { name: "x", budget: { usd: 1, per: "year" } },
      { name: "x", expires: "tomorrow" },
      { name: "x", expires: "2020-01-01" },
      { name: "x", role: "admin" }
    ]
    for (const body of wrong) {
      const reply = await order("issue", body)
      expect([reply.status, body]).toEqual([400, body])
      expect(envelopeFaults(reply.text)).toEqual([])
    }
    expect((await order("revoke", { name: "nobody" })).status).toBe(404)
    expect(errorOf(await order("revoke", { name: "file" })).code).toBe("configured_key")
    expect((await listed()).keys.some(({ name }: { name: string }) => name === "x")).toBe(false)
    const foreign = await ask(server, "/api/v1/keys/issue", {
      method: "POST",
      headers: { ...admin, origin: "https://evil.example" },
      body: JSON.stringify({ name: "x" })
    })
    expect(foreign.status).toBe(403)
  })

  it("do not open the door to whoever guesses beside them", async () => {
    const texts = ["sk-fil", "sk-file ", "\u{e9}", "a".repeat(4000), "'; DROP TABLE breakwater_keys; --"]
    for (const text of texts) {
      const reply = await postText(server, "{}", { authorization: `Bearer x${text}` })
      expect(reply.status).toBe(401)
      expect(errorOf(reply).message).toBe("Incorrect API key provided.")
    }
  })
})

describe("a server that is open", () => {
  const server = serve([], [])
  afterAll(server.dispose)
  const warnings = async (body: unknown) =>
    JSON.parse(
      (await ask(server, "/api/v1/keys/issue", { method: "POST", headers: admin, body: JSON.stringify(body) })).text
    )
      .warnings

  it("warns with its first key that nobody comes in without one any more, and of models that nobody serves", async () => {
    expect(await warnings({ name: "carl", models: ["nope", "simulated/nope", "sim", "simulated/*", "si*"] })).toEqual([
      "\"nope\" names nothing that is served now",
      "\"simulated/nope\" names nothing that is served now",
      expect.stringMatching(/^until now nobody needed a key; from now on every request to \/v1 without one is refused/),
      expect.stringMatching(/^issued keys are in this server's memory and gone at its stop/)
    ])
    expect(await warnings({ name: "dora" })).toEqual([expect.stringMatching(/gone at its stop/)])
  })

  it("warns of nothing where keys are kept and everything is served", async () => {
    const kept = serve([], settings.keys, Redacted.make("sqlite::memory:"))
    const body = JSON.stringify({ name: "erna", models: ["sim"] })
    const reply = await ask(kept, "/api/v1/keys/issue", { method: "POST", headers: admin, body })
    expect([reply.status, JSON.parse(reply.text).warnings]).toEqual([200, undefined])
    await kept.dispose()
  })
})

describe("a server without a store of keys", () => {
  const server = makeServer(makeFake(), settings)
  afterAll(server.dispose)

  it("says that it issues none", async () => {
    const reply = await ask(server, "/api/v1/keys", { headers: admin })
    expect([reply.status, errorOf(reply).code]).toEqual([404, "no_issued_keys"])
  })
})
