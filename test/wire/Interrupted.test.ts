/** What a caller sees of a stream that is silent or breaks, over real sockets and by the model's own policy. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createServer } from "node:http"
import OpenAI from "openai"
import { call, readAnswer } from "../faults/Client.ts"
import * as Gateway from "./Gateway.ts"

const words = ["Behind ", "the ", "wall ", "the ", "water ", "lies ", "still."]

const event = (model: string, delta: object, finish: string | null = null): string =>
  `data: ${
    JSON.stringify({
      id: `chatcmpl-${model}`,
      object: "chat.completion.chunk",
      created: 1,
      model,
      choices: [{ index: 0, delta, finish_reason: finish }],
      usage: null
    })
  }\n\n`

const usage = (model: string): string =>
  `data: ${
    JSON.stringify({
      id: `chatcmpl-${model}`,
      object: "chat.completion.chunk",
      created: 1,
      model,
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 7, total_tokens: 10 }
    })
  }\n\n`

/** Models: `whole`; `cut` breaks off after four words; `silent` says no more after them; `else` says something else. */
const upstream = createServer(async (request, response) => {
  let body = ""
  for await (const piece of request) body += String(piece)
  const { model } = JSON.parse(body)
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.write(event(model, { role: "assistant", content: "" }))
  const said = model === "else" ? ["Else."] : model === "whole" ? words : words.slice(0, 4)
  response.write(said.map((word) => event(model, { content: word })).join(""))
  if (model === "silent") return
  if (model === "cut") setImmediate(() => response.destroy())
  else response.end(`${event(model, {}, "stop")}${usage(model)}data: [DONE]\n\n`)
})

let gateway: Gateway.Gateway

const broken = (onInterrupted: string, then: string) => ({
  targets: ["cut", then].map((model) => ({ provider: "up", model })),
  stream: { onInterrupted }
})

beforeAll(async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  upstream.listen(0, "127.0.0.1", resolve)
  await promise
  const address = upstream.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  gateway = await Gateway.start({
    server: { keepAlive: "20ms" },
    providers: { up: { kind: "openai-compatible", baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: "none" } },
    models: {
      plain: broken("error", "whole"),
      resumed: broken("resume", "whole"),
      held: broken("buffer", "whole"),
      other: broken("resume", "else"),
      silent: { targets: [{ provider: "up", model: "silent" }], timeouts: { idle: "500ms" } }
    },
    defaults: { retry: { base: "1ms" }, breaker: { consecutiveFailures: 1000, minimumCalls: 1000 } }
  })
})

afterAll(async () => {
  await gateway?.stop()
  upstream.closeAllConnections()
  upstream.close()
})

describe("a stream that breaks", () => {
  it("ends in one error event", async () => {
    const read = readAnswer(await call(gateway.url, { model: "plain", stream: true }))
    expect(read).toMatchObject({ finishReasons: [], dones: 0, errors: [{ code: "stream_interrupted" }] })
    expect(words.join("").startsWith(read.content)).toBe(true)
  })

  for (const model of ["resumed", "held"]) {
    it(`is the whole answer where it is ${model}`, async () => {
      const read = readAnswer(await call(gateway.url, { model, stream: true, includeUsage: true }))
      expect(read).toMatchObject({ finishReasons: ["stop"], dones: 1, errors: [], content: words.join("") })
      expect(read.usages).toMatchObject([{ total_tokens: 10 }])
    })
  }

  it("is one stream to the openai package, with one id and its usage", async () => {
    const client = new OpenAI({ baseURL: gateway.url, apiKey: "any", maxRetries: 0 })
    const ids = new Set<string>()
    const stream = client.chat.completions.stream({
      model: "resumed",
      messages: [{ role: "user", content: "Tell me about the wall." }],
      stream_options: { include_usage: true }
    })
    stream.on("chunk", ({ id }) => void ids.add(id))
    const final = await stream.finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe(words.join(""))
    expect([[...ids], final.usage?.total_tokens]).toEqual([["chatcmpl-cut"], 10])
  })

  it("ends in an error where the other answer says something else", async () => {
    const read = readAnswer(await call(gateway.url, { model: "other", stream: true }))
    expect(read).toMatchObject({ finishReasons: [], dones: 0, errors: [{ code: "stream_interrupted" }] })
  })
})

describe("a stream that is silent", () => {
  it("gets comments after its first event and before its last, and still ends at its idle limit", async () => {
    const seen = await call(gateway.url, { model: "silent", stream: true })
    const events = seen.text.split("\n\n").filter((event) => event !== "")
    const comments = events.filter((event) => event.startsWith(":"))
    expect(new Set(comments)).toEqual(new Set([": keep-alive"]))
    expect([events[0]?.startsWith("data:"), events.at(-1)?.startsWith("data:")]).toEqual([true, true])
    expect(readAnswer(seen)).toMatchObject({ dones: 0, malformed: 0, errors: [{ code: "upstream_timeout" }] })
  })
})
