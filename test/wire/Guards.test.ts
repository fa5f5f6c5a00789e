import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"

let upstream: Upstream
let gateway: Gateway.Gateway

beforeAll(async () => {
  upstream = await start()
  const models = Object.fromEntries(
    ["whole", "stream", "cut"].map((name) => [name, {
      targets: [{ provider: "upstream", model: name === "cut" ? "cut:40#masked" : `ok#${name}` }],
      guards: { mask: {} }
    }])
  )
  gateway = await Gateway.start({
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } },
    models
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const messages = [{ role: "user", content: "I am zoe@example.com" }]

describe("a model with a mask, over sockets", () => {
  for (const model of ["whole", "stream"]) {
    it(`sends no address and answers as ever: ${model}`, async () => {
      const seen = await call(gateway.url, { model, messages, stream: model === "stream" })
      expect(readAnswer(seen)).toMatchObject({ content: answer, malformed: 0, errors: [] })
      const [attempt] = upstream.attemptsOf(`ok#${model}`)
      expect(JSON.parse(attempt?.body ?? "").messages).toEqual([{ role: "user", content: "I am [email]" }])
    })
  }

  it("ends a stream that broke with an error, and no clean end", async () => {
    const seen = readAnswer(await call(gateway.url, { model: "cut", messages, stream: true }))
    expect(seen.dones).toBe(0)
    expect(seen.errors).toHaveLength(1)
    expect(answer.startsWith(seen.content)).toBe(true)
  })
})
