import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask, envelopeFaults, errorOf, hello, post, postText } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const basic = (password: string) => `Basic ${Buffer.from(`operator:${password}`).toString("base64")}`
const adminRoutes = ["/api/v1/health/monitoring", "/metrics"]
const control = "/api/v1/health/circuit-breakers/reset"

describe("client keys", () => {
  const fake = makeFake()
  const keys = [
    { name: "one", key: Redacted.make("sk-one") },
    { name: "two", key: Redacted.make("sk-two") }
  ]
  const server = makeServer(fake, { keys, adminKey: Redacted.make("admin") })
  afterAll(server.dispose)

  it("each configured key opens /v1", async () => {
    for (const key of ["sk-one", "sk-two"]) {
      expect((await post(server, hello, { authorization: `Bearer ${key}` })).status).toBe(200)
    }
    expect((await ask(server, "/v1/models", { headers: { authorization: "bearer sk-one" } })).status).toBe(200)
    expect((await ask(server, "/v1/models/a/b", { headers: { authorization: "bearer sk-one" } })).status).toBe(404)
  })

  it("no key, a wrong one, another scheme and the admin's are refused with 401", async () => {
    const presented = [undefined, "Bearer sk-on", "Bearer sk-onee", "Bearer ", basic("sk-one"), "Bearer admin"]
    for (const authorization of presented) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      for (
        const reply of [
          await post(server, hello, headers),
          await ask(server, "/v1/models", { headers }),
          await ask(server, "/v1/models/openai%2Fupstream-model", { headers }),
          await ask(server, "/v1/models/openai/upstream-model", { headers })
        ]
      ) {
        expect(reply.status).toBe(401)
        expect(envelopeFaults(reply.text)).toEqual([])
        expect(reply.headers.get("www-authenticate")).toContain("Bearer")
      }
    }
  })

  it("the key is judged before the body", async () => {
    expect((await postText(server, "{")).status).toBe(401)
  })

  it("other spellings of a path pass the same lock", async () => {
    for (const path of ["/V1/models", "//v1//models", "/v1/models/", "/v1/%6dodels"]) {
      expect((await ask(server, path)).status).toBe(401)
    }
  })

  it("probes and documents need no key, and health shows no details", async () => {
    for (
      const path of ["/api/v1/health/live", "/api/v1/health/ready", "/api/v1/health/startup", "/openapi.json", "/docs"]
    ) {
      expect((await ask(server, path)).status).toBe(200)
    }
    const health = await ask(server, "/api/v1/health")
    expect(health.headers.get("content-type")).toBe("application/health+json")
    expect(JSON.parse(health.text)).toEqual({
      status: "warn",
      serviceId: "breakwater",
      components: [{ component: "providers", status: "warn" }, { component: "event-loop", status: "pass" }],
      checks: {
        providers: [{ componentId: "providers", status: "warn" }],
        "event-loop": [{ componentId: "event-loop", status: "pass" }]
      }
    })
  })
})

describe("the admin key", () => {
  const fake = makeFake()
  const server = makeServer(fake, { adminKey: Redacted.make("admin") })
  afterAll(server.dispose)

  it("opens as Bearer and as Basic password", async () => {
    for (const authorization of ["Bearer admin", basic("admin")]) {
      for (const path of adminRoutes) expect((await ask(server, path, { headers: { authorization } })).status).toBe(200)
      expect((await ask(server, control, { method: "POST", headers: { authorization } })).status).toBe(200)
      expect((await ask(server, "/api/v1/health", { headers: { authorization } })).text).toContain("openai is open")
    }
  })

  it("is asked for with Basic, so that a browser shows its dialogue", async () => {
    for (const path of adminRoutes) {
      const reply = await ask(server, path)
      expect(reply.status).toBe(401)
      expect(reply.headers.get("www-authenticate")).toMatch(/^Basic /)
      expect(envelopeFaults(reply.text)).toEqual([])
    }
    expect((await ask(server, adminRoutes[0] ?? "", { headers: { authorization: basic("wrong") } })).status).toBe(401)
  })

  it("does not help a request from another origin", async () => {
    const authorization = "Bearer admin"
    const foreign: ReadonlyArray<Record<string, string>> = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" }
    ]
    for (const headers of foreign) {
      const reply = await ask(server, control, { method: "POST", headers: { authorization, ...headers } })
      expect(reply.status).toBe(403)
      expect(errorOf(reply).code).toBe("foreign_origin")
    }
    const own = { origin: "http://127.0.0.1:8000", "sec-fetch-site": "same-origin", authorization }
    expect((await ask(server, control, { method: "POST", headers: own })).status).toBe(200)
  })
})

describe("without client keys", () => {
  const fake = makeFake()
  const open = makeServer(fake)
  const own = makeServer(fake, { host: "0.0.0.0" })
  afterAll(async () => {
    await open.dispose()
    await own.dispose()
  })

  it("addresses and local names are answered", async () => {
    const hosts = [
      "127.0.0.1:8000",
      "localhost",
      "LOCALHOST:8000",
      "[::1]:8000",
      "10.1.2.3:8000",
      "[fd00::1]",
      "gateway",
      "host.docker.internal:8000",
      "box.local",
      ""
    ]
    for (const host of hosts) expect([host, (await post(open, hello, { host })).status]).toEqual([host, 200])
  })

  it("a name that its owner could have lead here is refused, whatever is asked", async () => {
    const hosts = [
      "rebound.example",
      "rebound.example:8000",
      "A.Rebound.Example.",
      "127.0.0.1.rebound.example",
      // Whoever owns these may make them lead elsewhere for a while, too.
      "xip.io",
      "app.lvh.me:8000",
      "1.2.0.192.in-addr.arpa"
    ]
    for (const host of hosts) {
      for (
        const reply of [
          await post(open, hello, { host }),
          await ask(open, "/v1/embeddings", { method: "POST", body: "{}", headers: { host } }),
          await ask(open, "/v1/models", { headers: { host } }),
          await ask(open, "/v1/models/openai/upstream-model", { headers: { host } })
        ]
      ) {
        expect([host, reply.status, errorOf(reply).code]).toEqual([host, 403, "foreign_host"])
        expect(envelopeFaults(reply.text)).toEqual([])
      }
    }
  })

  it("a page that leaves out what its body is, so that it need not ask, is refused", async () => {
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" }
    const body = new TextEncoder().encode(JSON.stringify(hello))
    const request = (headers: Record<string, string>) =>
      open.handler(
        new Request("http://127.0.0.1:8000/v1/chat/completions", {
          method: "POST",
          body,
          headers: { host: "127.0.0.1:8000", ...headers }
        })
      )
    expect((await request(headers)).status).toBe(415)
    expect((await request({})).status).toBe(200)
  })

  it("an application that binds further by itself is answered under any name", async () => {
    expect((await post(own, hello, { host: "gateway.example" })).status).toBe(200)
  })
})

describe("without an admin key", () => {
  const fake = makeFake()
  const local = makeServer(fake)
  const open = makeServer(fake, { ...defaultServerSettings, host: "0.0.0.0" })
  const published = makeServer(fake, { host: "0.0.0.0", publicMetrics: true })
  afterAll(async () => {
    await local.dispose()
    await open.dispose()
    await published.dispose()
  })

  it("loopback names are answered", async () => {
    for (const host of ["127.0.0.1:8000", "localhost", "[::1]:8000"]) {
      for (const path of adminRoutes) expect((await ask(local, path, { headers: { host } })).status).toBe(200)
    }
  })

  it("another Host or any forwarding header is refused", async () => {
    const headers: ReadonlyArray<Record<string, string>> = [
      { host: "rebound.example" },
      { host: "" },
      { "x-forwarded-for": "127.0.0.1" },
      { "x-forwarded-host": "localhost" },
      { forwarded: "for=127.0.0.1" },
      { via: "1.1 proxy" }
    ]
    for (const header of headers) {
      const reply = await ask(local, "/api/v1/health/monitoring", { headers: header })
      expect(reply.status).toBe(403)
      expect(envelopeFaults(reply.text)).toEqual([])
    }
  })

  it("a server that is bound beyond loopback refuses", async () => {
    for (const path of adminRoutes) expect((await ask(open, path)).status).toBe(403)
    expect((await ask(open, control, { method: "POST" })).status).toBe(403)
  })

  it("public metrics are public", async () => {
    expect((await ask(published, "/metrics")).status).toBe(200)
    expect((await ask(published, "/api/v1/health/monitoring")).status).toBe(403)
  })
})
