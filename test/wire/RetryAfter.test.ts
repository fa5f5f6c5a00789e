import { afterAll, beforeAll, expect, it } from "@effect/vitest"
import OpenAI from "openai"
import * as Gateway from "./Gateway.ts"

let gateway: Gateway.Gateway
beforeAll(async () => {
  gateway = await Gateway.start()
})
afterAll(async () => {
  await gateway.stop()
})

it("OpenAI's client waits as long as a 503 circuit_open says, and is then served", async () => {
  const opened = await fetch(`${gateway.origin}/api/v1/health/circuit-breakers/open`, {
    method: "POST",
    body: JSON.stringify({ target: "simulated/sim", ttl: "2s" })
  })
  expect(opened.status).toBe(200)
  const seen: Array<readonly [status: number, headers: Headers]> = []
  const client = new OpenAI({
    baseURL: gateway.url,
    apiKey: "any",
    // Enough for a machine that is slow to let the force end.
    maxRetries: 5,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      seen.push([response.status, response.headers])
      return response
    }
  })
  const answer = await client.chat.completions.create({ model: "sim", messages: [{ role: "user", content: "Hello" }] })
  expect(answer.choices[0]?.finish_reason).toBe("stop")
  expect(seen.length).toBeGreaterThan(1)
  expect(seen.at(-1)?.[0]).toBe(200)
  for (const [status, headers] of seen.slice(0, -1)) {
    expect([status, headers.get("x-should-retry"), headers.has("retry-after-ms")]).toEqual([503, null, true])
  }
})
