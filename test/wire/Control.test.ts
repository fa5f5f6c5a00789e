import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Monitoring } from "../../src/api/Health.ts"
import * as Gateway from "./Gateway.ts"

let gateway: Gateway.Gateway

beforeAll(async () => {
  gateway = await Gateway.start({
    providers: { main: { kind: "simulated" }, backup: { kind: "simulated" } },
    models: { fast: { targets: ["main", "backup"].map((provider) => ({ provider, model: "sim-fast" })) } },
    telemetry: { logs: { format: "json" } }
  })
})

afterAll(async () => {
  expect(await gateway.stop()).toBe(0)
})

const ask = async () => {
  const response = await fetch(`${gateway.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "fast", messages: [{ role: "user", content: "hi" }] })
  })
  await response.text()
  return [response.status, response.headers.get("x-breakwater-provider"), response.headers.get("x-request-id")] as const
}

const control = async (action: string, body: Readonly<Record<string, unknown>>) => {
  const response = await fetch(`${gateway.origin}/api/v1/health/circuit-breakers/${action}`, {
    method: "POST",
    body: JSON.stringify(body)
  })
  return [response.status, await response.json()]
}

const target = "main/sim-fast"

/** The first log line of this event with this text in it; waits until it is written. */
const line = async (event: string, about: string | null): Promise<Record<string, unknown>> => {
  const texts = () => gateway.output().split("\n").filter((text) => text.startsWith("{") && text.endsWith("}"))
  for (;;) {
    const found = texts().find((text) => text.includes(event) && text.includes(String(about)))
    if (found !== undefined) return JSON.parse(found)
    await gateway.monitoring()
  }
}

describe("manual control over HTTP", () => {
  it("is in force for the very next call, until it is taken back", async () => {
    expect((await ask()).slice(0, 2)).toEqual([200, "main"])
    for (let round = 0; round < 5; round++) {
      expect((await control("open", { target }))[0]).toBe(200)
      expect((await ask()).slice(0, 2)).toEqual([200, "backup"])
      expect((await control("reset", { target }))[0]).toBe(200)
      expect((await ask()).slice(0, 2)).toEqual([200, "main"])
    }
  })

  it("of all targets refuses the very next call, and a force with a ttl ends by itself", async () => {
    await control("open", {})
    expect((await ask())[0]).toBe(503)
    await control("open", { ttl: "100ms" })
    await gateway.until((seen) => seen.targets.every(({ breaker }) => breaker.state === "closed"))
    expect((await ask()).slice(0, 2)).toEqual([200, "main"])
  })

  it("is audited in the log: who, what, from what to what, why, for how long", async () => {
    const [, body] = await control("metrics-only", { target: "backup/sim-slow", reason: "new model", ttl: "10m" })
    expect(body).toEqual({ targets: [{ target: "backup/sim-slow", from: "closed", to: "metrics-only" }] })
    expect(await line("breakwater.control", "new model")).toMatchObject({
      severity_text: "WARN",
      by: "loopback",
      action: "metrics-only",
      from: "closed",
      to: "metrics-only",
      reason: "new model",
      ttl_ms: 600_000
    })
    await control("reset", {})
  })
})

describe("the decision of a request", () => {
  it("is one record in the log line and in monitoring, if there was more than one clean success", async () => {
    await control("open", { target, reason: "maintenance" })
    const [, , requestId] = await ask()
    await control("reset", {})
    const [, , plainId] = await ask()
    const logged = await line("breakwater.request.completed", requestId)
    const decision = logged["breakwater.decision"]
    expect(decision).toMatchObject({
      request_id: requestId,
      candidates: [target, "backup/sim-fast"],
      skipped: [{ target, why: "circuit open" }],
      attempts: [{ target: "backup/sim-fast", outcome: "ok" }],
      winner: "backup/sim-fast",
      ended: "answered"
    })
    const response = await fetch(`${gateway.origin}/api/v1/health/monitoring`)
    const { recent } = await response.json() as { readonly recent: ReadonlyArray<Record<string, unknown>> }
    expect(recent.find((one) => one["request_id"] === requestId)).toEqual(decision)
    expect(recent.find((one) => one["request_id"] === plainId)).toMatchObject({ ended: "answered" })
    expect(await line("breakwater.request.completed", plainId)).not.toHaveProperty("breakwater.decision")
  })

  it("comes in the shape that the contract promises of monitoring, which says nothing beyond it", async () => {
    await control("open", { target, reason: "maintenance", ttl: "1m" })
    const seen: unknown = await (await fetch(`${gateway.origin}/api/v1/health/monitoring`)).json()
    await control("reset", {})
    const strict = Schema.decodeUnknownSync(Monitoring, { onExcessProperty: "error" })(seen)
    expect(strict.targets.find((one) => one.target === target)?.breaker).toMatchObject({
      state: "forced-open",
      reason: "maintenance"
    })
  })
})
