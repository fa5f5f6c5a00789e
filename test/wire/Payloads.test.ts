import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { flawOf, safe } from "../../src/validation/Filename.ts"
import { answer } from "../faults/Answer.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"
import { payloads } from "./Payloads.ts"

let upstream: Upstream
let gateway: Gateway.Gateway

beforeAll(async () => {
  upstream = await start()
  gateway = await Gateway.start({
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const post = async (body: string) => {
  const response = await fetch(`${gateway.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body
  })
  return { status: response.status, text: await response.text() }
}

/** The text in every place of a request where a caller's words stand. */
const requestWith = (model: string, text: string) => ({
  model,
  messages: [
    { role: "system", content: text },
    { role: "user", content: [{ type: "text", text }] },
    {
      role: "assistant",
      content: text,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: text } }]
    },
    { role: "tool", tool_call_id: "call_1", content: text },
    { role: "user", content: text }
  ],
  tools: [{ type: "function", function: { name: "f", description: text, parameters: { description: text } } }],
  unknown: { [`_${text.slice(0, 20)}`]: text }
})

/** The same text with every letter escaped, which says the same and is written otherwise. */
const escaped = (json: string): string =>
  json.replace(/[^\0-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)

describe("what an attacker would write into a prompt", () => {
  it("comes in more than two hundred kinds", () => {
    expect(new Set(payloads).size).toBeGreaterThan(200)
  })

  it.each(payloads.map((text, index) => ({ index, name: JSON.stringify(text).slice(0, 50), text })))(
    "goes upstream byte by byte: $name",
    async ({ index, text }) => {
      for (const form of ["plain", "escaped"] as const) {
        const named = (prefix: string) => {
          const json = JSON.stringify(requestWith(`${prefix}ok#${form}-${index}`, text))
          return form === "plain" ? json : escaped(json)
        }
        const reply = await post(named("upstream/"))
        expect(reply).toMatchObject({ status: 200, text: expect.stringContaining(JSON.stringify(answer).slice(1, -1)) })
        const [attempt] = upstream.attemptsOf(`ok#${form}-${index}`)
        expect(attempt?.body === named("")).toBe(true)
      }
    }
  )

  it("comes out of every sink inert: answers, headers, log, metrics, monitoring", { timeout: 60_000 }, async () => {
    const ids: Array<string> = []
    for (const [index, text] of payloads.entries()) {
      const id = `inert-${index}`
      ids.push(id)
      const places = [
        { model: text, user: text, metadata: { [text.slice(0, 60)]: text.slice(0, 500) } },
        { model: "upstream/ok", [text]: text, messages: [{ role: text, content: text }] },
        { model: `upstream/${text}`, stop: text, safety_identifier: text }
      ]
      for (const place of places) {
        const response = await fetch(`${gateway.url}/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-request-id": id },
          body: JSON.stringify({ messages: [{ role: "user", content: text }], ...place })
        })
        const told = await response.text()
        expect([response.status < 500, text]).toEqual([true, text])
        expect(response.headers.get("content-type")).toMatch(/^application\/json/)
        expect(response.headers.get("x-content-type-options")).toBe("nosniff")
        expect(response.headers.get("x-request-id")).toBe(id)
        if (response.status !== 200) expect(told).not.toMatch(/[<>&\u2028\u2029\r\n]/)
        for (const [name, value] of response.headers) expect([name, /^[\x20-\x7e]*$/.test(value)]).toEqual([name, true])
      }
    }
    await gateway.says(new RegExp(`(?:"breakwater.request.id":"${ids.at(-1)}"[^]*){3}`))
    // The banner is not JSON; each line of the log is, however its request was written.
    const lines = gateway.output().split("\n").filter((line) => line.startsWith("{"))
    const logged = lines.map((line) => JSON.parse(line)["breakwater.request.id"])
    for (const id of ids) expect([id, logged.filter((other) => other === id).length]).toEqual([id, 3])
    expect(lines.filter((line) => /\p{Cc}/u.test(line))).toEqual([])
    const metrics = await (await fetch(`${gateway.origin}/metrics`)).text()
    for (const line of metrics.split("\n")) expect(line).toMatch(/^(?:|#.*|[a-zA-Z_:][\w:]*(?:\{[^{}<>]*\})? \S+)$/)
    const monitoring = await fetch(`${gateway.origin}/api/v1/health/monitoring`)
    expect(monitoring.headers.get("content-type")).toMatch(/^application\/json/)
    expect(typeof JSON.parse(await monitoring.text())).toBe("object")
  })

  it("makes a safe name of a file, or is refused as one", () => {
    for (const text of payloads) expect([text, flawOf(safe(text))]).toEqual([text, undefined])
  })

  it("leaves a gateway that is well", async () => {
    expect(gateway.isRunning()).toBe(true)
    expect((await fetch(`${gateway.origin}/api/v1/health/ready`)).status).toBe(200)
  })
})
