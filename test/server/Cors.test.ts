import { afterAll, describe, expect, it } from "@effect/vitest"
import { answerHeaders, make } from "../../src/server/Exchange.ts"
import { ask, chatPath, hello } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const app = "https://app.example.com"
const asks = { "access-control-request-method": "POST", "access-control-request-headers": "authorization,X-Evil" }
const init = { method: "POST", body: JSON.stringify(hello) }
const json = { "content-type": "application/json" }

describe("a page of another origin", () => {
  const closed = makeServer(makeFake())
  const open = makeServer(makeFake(), { cors: { origins: [app, "http://localhost:3000"] } })
  afterAll(() => Promise.all([closed.dispose(), open.dispose()]))

  it("is answered like everybody, without a word of permission, unless the file has a list", async () => {
    const question = await ask(closed, chatPath, { method: "OPTIONS", headers: { origin: app, ...asks } })
    const reply = await ask(closed, chatPath, { ...init, headers: { ...json, origin: app } })
    expect(question.status).toBe(405)
    expect(reply.status).toBe(200)
    for (const { headers } of [question, reply]) {
      expect([...headers.keys()].filter((name) => /^access-control|^vary$/.test(name))).toEqual([])
    }
  })

  it("that is on the list may ask, with the headers of the official clients and no other", async () => {
    const wanted = "authorization, x-stainless-lang, x-evil"
    const reply = await ask(open, chatPath, {
      method: "OPTIONS",
      headers: { origin: app, ...asks, "access-control-request-headers": wanted }
    })
    expect(reply.status).toBe(204)
    expect(reply.headers.get("access-control-allow-origin")).toBe(app)
    expect(reply.headers.get("access-control-allow-methods")).toBe("GET, POST")
    expect(reply.headers.get("access-control-allow-headers")).toMatch(/authorization, content-type.*x-stainless-lang/)
    expect(reply.headers.get("access-control-allow-headers")).not.toContain("evil")
    expect(reply.headers.get("access-control-allow-credentials")).toBeNull()
    expect(reply.headers.get("vary")).toBe("origin")
  })

  it("that is on the list may read answers, errors and streams, and their request id", async () => {
    for (const body of [hello, { ...hello, stream: true }, {}]) {
      const reply = await ask(open, chatPath, {
        ...init,
        body: JSON.stringify(body),
        headers: { ...json, origin: "http://localhost:3000" }
      })
      expect(reply.headers.get("access-control-allow-origin")).toBe("http://localhost:3000")
      expect(reply.headers.get("access-control-expose-headers")).toContain("x-request-id")
    }
  })

  it("that is on the list may read all that an answer says of itself, the standing of the caller's limits included", async () => {
    const exchange = make("id", "POST", chatPath, 0)
    const standing = { limit: 1, remaining: 0, resetMs: 1 }
    Object.assign(exchange.decision, { provider: "one", model: "m", dropped: ["seed"] })
    exchange.decision.standings = { requests: standing, tokens: standing }
    const told = Object.keys(answerHeaders(exchange)).filter((name) =>
      /^x-(?:breakwater|ratelimit|request)-/.test(name)
    )
    expect(told.length).toBe(11)
    const headers = { ...json, origin: "http://localhost:3000" }
    const reply = await ask(open, chatPath, { ...init, body: JSON.stringify(hello), headers })
    expect(reply.headers.get("access-control-expose-headers")?.split(", ")).toEqual(expect.arrayContaining(told))
  })

  it.each([
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "null",
    "*",
    "",
    `${app} ${app}`
  ])("%j is not on the list", async (origin) => {
    const question = await ask(open, chatPath, { method: "OPTIONS", headers: { origin, ...asks } })
    const reply = await ask(open, chatPath, { ...init, headers: { ...json, origin } })
    expect(question.status).toBe(405)
    for (const { headers } of [question, reply]) expect(headers.get("access-control-allow-origin")).toBeNull()
    expect(reply.headers.get("vary")).toBe("origin")
  })

  it.each(["/api/v1/health/monitoring", "/metrics", "/dashboard", "/api/v1/health/circuit-breakers/reset"])(
    "may not read %s, whatever the list says",
    async (path) => {
      const headers = { origin: app, ...asks }
      for (const method of ["GET", "OPTIONS", "POST"]) {
        const reply = await ask(open, path, { method, headers })
        expect(reply.headers.get("access-control-allow-origin")).toBeNull()
        expect(reply.status).not.toBe(204)
      }
    }
  )
})
