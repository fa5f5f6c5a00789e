import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { existsSync, readFileSync } from "node:fs"
import OpenAI from "openai"
import { answer, toolCall, unicodeAnswer } from "./Answer.ts"
import { call, readAnswer, readEvents } from "./Client.ts"
import type { Upstream } from "./Upstream.ts"
import { start } from "./Upstream.ts"

let upstream: Upstream

beforeAll(async () => {
  upstream = await start()
})
afterAll(() => upstream.close())

const ask = (model: string) => call(upstream.url, { model })
const stream = (model: string, asked: { readonly includeUsage?: boolean } = {}) =>
  call(upstream.url, { model, stream: true, ...asked })

describe("the healthy answer", () => {
  it("has sixty words", () => {
    expect([answer, unicodeAnswer].map((text) => text.split(" ").length)).toEqual([60, 60])
  })

  it("reads the same through the openai package, streamed and plain", async () => {
    const client = new OpenAI({ apiKey: "none", baseURL: upstream.url, maxRetries: 0 })
    const asked = { model: "ok", messages: [{ role: "user" as const, content: "Tell me." }] }
    const plain = await client.chat.completions.create(asked)
    let streamed = ""
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? ""
    }
    expect([plain.choices[0]?.message.content, streamed]).toEqual([answer, answer])
  })

  it("carries usage in a stream only when asked", async () => {
    expect(readAnswer(await stream("ok")).usages).toEqual([])
    const read = readAnswer(await stream("ok", { includeUsage: true }))
    expect([read.usages, read.dones]).toMatchObject([
      [{ prompt_tokens: 12, completion_tokens: 60, total_tokens: 72 }],
      1
    ])
  })

  it("has a tool call whose fragments make its arguments", async () => {
    for (const seen of [await stream("tool-call"), await ask("tool-call")]) {
      expect(readAnswer(seen)).toMatchObject({ toolArguments: toolCall.arguments, finishReasons: ["tool_calls"] })
    }
  })
})

const spec = new URL("../../../shared/fixtures/openai-spec/", import.meta.url)

describe.skipIf(!existsSync(spec))("the published OpenAI schemas (skipped where ../shared/fixtures is absent)", () => {
  const validates = (name: string) => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    const validate = ajv.compile(JSON.parse(readFileSync(new URL(`${name}.schema.json`, spec), "utf8")))
    return (value: unknown): unknown => validate(value) ? [] : validate.errors
  }

  it("hold for each healthy chunk", async () => {
    const problems = validates("chat-completion-chunk")
    for (const model of ["ok", "tool-call", "content-filter-answer"]) {
      const events = readEvents((await stream(model, { includeUsage: true })).text).slice(0, -1)
      expect(events.length).toBeGreaterThan(10)
      for (const { data } of events) expect(problems(JSON.parse(data))).toEqual([])
    }
  })

  it("hold for each healthy body", async () => {
    const problems = validates("chat-completion-response")
    for (const model of ["ok", "tool-call", "empty-content"]) {
      expect(problems(JSON.parse((await ask(model)).text))).toEqual([])
    }
  })

  it("hold for each error", async () => {
    const problems = validates("error-response")
    for (const model of ["400", "401", "404", "429", "429-quota", "500", "529", "context-length", "content-filter"]) {
      expect(problems(JSON.parse((await ask(model)).text))).toEqual([])
    }
  })
})
