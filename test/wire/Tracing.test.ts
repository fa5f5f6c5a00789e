import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { start } from "./Gateway.ts"
import { type Listening, listening } from "./Listening.ts"

const spans: Array<{ readonly traceId: string; readonly name: string }> = []

/** An OTLP/HTTP receiver that keeps the spans it is sent. */
const receiver = createServer((request, response) => {
  let text = ""
  request.on("data", (chunk) => (text += chunk)).on("end", () => {
    for (const resource of JSON.parse(text).resourceSpans ?? []) {
      for (const scope of resource.scopeSpans) spans.push(...scope.spans)
    }
    response.end("{}")
  })
})
let collector: Listening
beforeAll(async () => {
  collector = await listening(receiver)
})
afterAll(() => collector.close())

const traceOf = (flags: string) => `${flags}f7651916cd43dd8448eb211c80319c`

describe("the gateway's traces", () => {
  for (const exporter of ["sdk", "native"]) {
    it(`hold the request and the call in the caller's trace, and nothing of a caller who does not sample (${exporter})`, async () => {
      spans.length = 0
      const endpoint = collector.url
      const gateway = await start({ telemetry: { otlp: { endpoint, exporter, protocol: "http/json" } } })
      for (const flags of ["00", "01"]) {
        const answer = await fetch(`${gateway.origin}/v1/chat/completions`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            traceparent: `00-${traceOf(flags)}-b7ad6b7169203331-${flags}`
          },
          body: JSON.stringify({ model: "sim", messages: [{ role: "user", content: "hi" }] })
        })
        await answer.text()
      }
      const health = await fetch(`${gateway.origin}/api/v1/health`)
      expect(await health.json()).toMatchObject({
        components: expect.arrayContaining([{
          component: "telemetry",
          status: "pass",
          output: expect.stringMatching(
            new RegExp(`^traces go to ${endpoint}: \\d+ spans exported, \\d+ waiting, 0 dropped$`)
          ),
          counts: { "spans exported": expect.any(Number), waiting: expect.any(Number), dropped: 0 }
        }])
      })
      expect(await gateway.stop()).toBe(0)
      const seen = spans.filter((span) => span.name.includes("chat"))
      expect(new Set(seen.map((span) => span.traceId))).toEqual(new Set([traceOf("01")]))
      expect(seen.map((span) => span.name).sort()).toEqual(["POST /v1/chat/completions", "chat sim"])
    })
  }

  it("hold nothing of what the gateway reads and writes in its own database", async () => {
    spans.length = 0
    const folder = mkdtempSync(join(tmpdir(), "breakwater-traces-"))
    const gateway = await start({
      storage: { sql: `sqlite:${folder}/ledger.db` },
      telemetry: { otlp: { endpoint: collector.url, protocol: "http/json" } }
    })
    const issued = await fetch(`${gateway.origin}/api/v1/keys/issue`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "dora" })
    })
    const { key } = Object(await issued.json())
    const answer = await fetch(`${gateway.origin}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
    expect([issued.status, answer.status]).toEqual([200, 200])
    await answer.text()
    const usage = await fetch(`${gateway.origin}/api/v1/usage`)
    await usage.text()
    expect(await gateway.stop()).toBe(0)
    rmSync(folder, { recursive: true })
    expect(spans.map((span) => span.name).sort()).toEqual([
      "GET /api/v1/usage",
      "GET /v1/models",
      "POST /api/v1/keys/issue"
    ])
  })
})
