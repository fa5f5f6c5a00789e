import { afterAll, describe, expect, it } from "@effect/vitest"
import { ask, envelopeFaults, errorOf, hello, post } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

describe("models, health and control", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)
  const control = (action: string, init: { body?: string; headers?: Record<string, string> } = {}) =>
    ask(server, `/api/v1/health/circuit-breakers/${action}`, { method: "POST", ...init })

  it("the list has OpenAI's shape", async () => {
    const { object, data } = JSON.parse((await ask(server, "/v1/models")).text)
    expect(object).toBe("list")
    expect(data[0]).toEqual({ id: "fast", object: "model", created: 0, owned_by: "breakwater" })
  })

  it("a model is found by its id, with slashes raw or encoded", async () => {
    for (
      const id of [
        "fast",
        "openai/upstream-model",
        "openai%2Fupstream-model",
        "router/meta/llama-3",
        "router%2Fmeta%2Fllama-3"
      ]
    ) {
      const reply = await ask(server, `/v1/models/${id}`)
      expect(JSON.parse(reply.text).id).toBe(decodeURIComponent(id))
    }
    const reply = await ask(server, "/v1/models/no/such")
    expect(reply.status).toBe(404)
    expect(errorOf(reply).code).toBe("model_not_found")
    expect(envelopeFaults(reply.text)).toEqual([])
  })

  it("an id of any length and of any number of segments is looked up", async () => {
    const unknown = async (id: string) => errorOf(await ask(server, `/v1/models/${id}`)).code
    const ids = ["a/b/c/d/e/f/g/h/i/j", "a/b/c%2Fd/e/f/g/h/i/j/k/l", "x".repeat(200), `${"x".repeat(200)}/y`]
    for (const id of ids) expect([id, await unknown(id)]).toEqual([id, "model_not_found"])
    const mixed = await ask(server, "/v1/models/router%2Fmeta/llama-3/")
    expect(JSON.parse(mixed.text).id).toBe("router/meta/llama-3")
    expect(JSON.parse((await ask(server, "/v1/models/")).text).object).toBe("list")
  })

  it("probes follow the phase", async () => {
    const statuses = async () => {
      const out: Array<number> = []
      for (const probe of ["live", "ready", "startup"]) out.push((await ask(server, `/api/v1/health/${probe}`)).status)
      return out
    }
    fake.phase = "starting"
    expect(await statuses()).toEqual([200, 503, 503])
    fake.phase = "ready"
    expect(await statuses()).toEqual([200, 200, 200])
    fake.phase = "draining"
    expect(await statuses()).toEqual([200, 503, 200])
    fake.phase = "ready"
  })

  it("health answers with and without a slash", async () => {
    const bare = await ask(server, "/api/v1/health")
    expect((await ask(server, "/api/v1/health/")).text).toBe(bare.text)
    expect(JSON.parse(bare.text).status).toBe("warn")
  })

  it("control takes no body, any content type, and the four actions", async () => {
    for (const action of ["reset", "open", "close", "metrics-only"]) {
      expect((await control(action)).status).toBe(200)
      expect(fake.controls.at(-1)).toEqual({ action })
    }
    const body = JSON.stringify({ target: "openai/upstream-model", reason: "maintenance", ttl: "30s" })
    const reply = await control("open", { body, headers: { "content-type": "application/x-www-form-urlencoded" } })
    expect(JSON.parse(reply.text)).toEqual({
      targets: [{ target: "openai/upstream-model", from: "closed", to: "open" }]
    })
    expect(fake.controls.at(-1)).toEqual({
      action: "open",
      target: "openai/upstream-model",
      reason: "maintenance",
      ttlMs: 30_000
    })
  })

  it("an unknown target is a 404, a malformed body a 400", async () => {
    const unknown = await control("open", { body: "{\"target\":\"nobody/nothing\"}" })
    expect(unknown.status).toBe(404)
    expect(errorOf(unknown).code).toBe("target_not_found")
    const before = fake.controls.length
    for (const body of ["{", "[]", "{\"target\":1}", "{\"target\":\"\"}", "{\"ttl\":\"5 parsecs\"}"]) {
      const reply = await control("open", { body })
      expect(reply.status).toBe(400)
      expect(envelopeFaults(reply.text)).toEqual([])
    }
    expect(fake.controls.length).toBe(before)
  })

  it("a misspelt or doubled member, or a target in the query, opens nothing", async () => {
    const before = fake.controls.length
    const misspelt = await control("open", { body: "{\"targt\":\"openai/upstream-model\"}" })
    expect([misspelt.status, errorOf(misspelt).param]).toEqual([400, "targt"])
    expect(errorOf(misspelt).message).toBe("Unknown member 'targt'. Known are target, reason, ttl.")
    const twice = await control("open", { body: "{\"target\":\"a/b\",\"target\":\"c/d\"}" })
    expect([twice.status, errorOf(twice).code]).toEqual([400, "duplicate_member"])
    const asked = await control("open?target=openai/upstream-model")
    expect([asked.status, errorOf(asked).code]).toEqual([400, "unknown_parameter"])
    expect(fake.controls.length).toBe(before)
  })

  it("a wrong text of an operator is told back, short and escaped", async () => {
    const told = async (ttl: string | number) =>
      errorOf(await control("open", { body: JSON.stringify({ ttl }) })).message
    expect(await told("5 \"parsecs\"")).toBe(
      "Invalid 'ttl': expected something like 200ms, 5s or 10m, got \"5 \\\"parsecs\\\"\"."
    )
    expect(await told(5)).toBe("Invalid 'ttl': expected something like 200ms, 5s or 10m, got 5.")
    expect((await told("x".repeat(500))).length).toBeLessThan(120)
  })

  it("metrics count requests by route and status class, with the names a collector would give", async () => {
    await post(server, hello)
    const { headers, text } = await ask(server, "/metrics")
    expect(headers.get("content-type")).toContain("text/plain; version=0.0.4")
    expect(text).toMatch(/breakwater_requests_total\{route="\/v1\/chat\/completions",status="2xx"\} [1-9]/)
    expect(text).toMatch(
      /breakwater_request_duration_seconds_bucket\{route="\/v1\/chat\/completions",status="2xx",le="\+Inf"\} [1-9]/
    )
    expect(text).toMatch(/breakwater_request_attempts_total\{route="\/v1\/chat\/completions",status="2xx"\} [1-9]/)
  })

  it("a made-up path is not a label", async () => {
    await ask(server, "/made/up/path")
    const { text } = await ask(server, "/metrics")
    expect(text).toContain("route=\"_other\"")
    expect(text).not.toContain("made")
  })
})
