import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createServer } from "node:http"
import { json } from "node:stream/consumers"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"
import { type Listening, listening } from "./Listening.ts"

let upstream: Upstream
let gateway: Gateway.Gateway
let judge: Listening

/** What it was asked: path, authorization, body. */
const asked: Array<ReadonlyArray<unknown>> = []

/** A moderation that flags what has the word in it, and never answers where it is told to be silent. */
const moderation = createServer(async (request, response) => {
  const body = await json(request) as { readonly input: ReadonlyArray<string> } // what the gateway sends
  asked.push([request.url, request.headers.authorization, body])
  if (body.input.includes("silence")) return
  const results = body.input.map((text) => ({
    flagged: text.includes("bomb"),
    categories: { violence: text.includes("bomb") }
  }))
  response.writeHead(200, { "content-type": "application/json" }).end(
    JSON.stringify({ id: "modr-1", model: "m", results })
  )
})

beforeAll(async () => {
  upstream = await start()
  const models = Object.fromEntries(
    ["whole", "stream", "cut"].map((name) => [name, {
      targets: [{ provider: "upstream", model: name === "cut" ? "cut:40#masked" : `ok#${name}` }],
      guards: { mask: {} }
    }])
  )
  judge = await listening(moderation)
  const moderated = (within: string) => ({
    targets: [{ provider: "upstream", model: "ok#moderated" }],
    guards: { moderation: { provider: "judge", whenFailing: "refuse", within } }
  })
  gateway = await Gateway.start({
    providers: {
      upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" },
      judge: { kind: "openai-compatible", baseUrl: `${judge.url}/v1`, apiKey: "sk-of-the-judge" }
    },
    models: {
      ...models,
      moderated: moderated("30s"),
      impatient: moderated("50ms")
    }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
  judge?.close()
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

describe("a model with a moderation, over sockets", () => {
  const ask = async (content: string, stream = false, model = "moderated") => {
    const response = await fetch(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, messages: [{ role: "user", content }], stream })
    })
    return { status: response.status, text: await response.text() }
  }

  it("asks the provider under its own key and serves what it lets pass, streamed or not", async () => {
    for (const stream of [false, true]) expect((await ask("hello", stream)).status).toBe(200)
    const body = { model: "omni-moderation-latest", input: ["hello"] }
    const one = ["/v1/moderations", "Bearer sk-of-the-judge", body]
    expect(asked).toEqual([one, one])
  })

  it("refuses what it flags with a 400 that names the message, and sends nothing", async () => {
    const before = upstream.attemptsOf("ok#moderated").length
    for (const stream of [false, true]) {
      const { status, text } = await ask("a bomb", stream)
      expect([status, JSON.parse(text).error]).toMatchObject([400, { param: "messages[0]", code: "guard_refused" }])
    }
    expect(upstream.attemptsOf("ok#moderated").length).toBe(before)
  })

  it("is a 503 where nobody answers in time and its settings let nothing pass", async () => {
    const { status, text } = await ask("silence", false, "impatient")
    expect([status, JSON.parse(text).error.code]).toEqual([503, "guard_unavailable"])
  })
})

describe("a model with a mask, where content is captured", () => {
  it("shows log and spans what was sent and given out, and nothing of what a guard had yet to see", async () => {
    const spans: Array<string> = []
    const receiver = await listening(createServer((request, response) => {
      let body = ""
      request.on("data", (piece) => body += String(piece)).on("end", () => {
        spans.push(body)
        response.end("{}")
      })
    }))
    const captured = await Gateway.start({
      providers: {
        upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" },
        judge: { kind: "openai-compatible", baseUrl: `${judge.url}/v1`, apiKey: "none" }
      },
      models: {
        // Its answer repeats what it is asked.
        echo: { targets: [{ provider: "simulated", model: "sim-fast" }], guards: { mask: {} } },
        refusing: {
          targets: [{ provider: "simulated", model: "sim-fast" }],
          guards: { mask: {}, moderation: { provider: "judge", whenFailing: "refuse" } }
        }
      },
      telemetry: { capture: "content", otlp: { endpoint: receiver.url, exporter: "native", interval: "20ms" } }
    })
    const mine = [{ role: "user", content: "I am zoe@example.com" }]
    for (const stream of [false, true]) await call(captured.url, { model: "echo", messages: mine, stream })
    const bomb = [{ role: "user", content: "a bomb from zoe@example.com" }]
    expect((await call(captured.url, { model: "refusing", messages: bomb })).status).toBe(400)
    for (const kind of ["false", "true"]) {
      await captured.says(
        new RegExp(`"stream":${kind}.*gen_ai\\.input\\.messages":"[^}]*I am \\[email\\].*gen_ai\\.output\\.messages":"`)
      )
    }
    await captured.says(/"http\.response\.status_code":400.*"error\.type":"ContentFiltered"/)
    await captured.stop()
    receiver.close()
    expect(captured.output()).not.toContain("zoe@example.com")
    expect(spans.join("")).toContain("I am [email]")
    expect(spans.join("")).not.toContain("zoe@example.com")
  })
})
