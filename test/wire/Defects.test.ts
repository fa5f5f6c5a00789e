import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { jsonSchema, streamText, tool } from "ai"
import OpenAI from "openai"
import * as Defects from "./Defects.ts"
import * as Gateway from "./Gateway.ts"

let upstream: Awaited<ReturnType<typeof Defects.start>>
let gateway: Gateway.Gateway
let openai: OpenAI
let ai: ReturnType<typeof createOpenAICompatible>

beforeAll(async () => {
  upstream = await Defects.start()
  gateway = await Gateway.start({
    providers: { odd: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } }
  })
  openai = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
  ai = createOpenAICompatible({ name: "breakwater", baseURL: gateway.url, includeUsage: true })
})

afterAll(async () => {
  await gateway?.stop()
  upstream?.close()
})

const messages = [{ role: "user", content: "Tell me about the wall." }] as const
const parameters = { type: "object", properties: { harbour: { type: "string" } } } as const
const offered = { type: "function", function: { name: Defects.call.name, parameters } } as const

/** With the stream helper, which is the strictest reader of the openai package. */
const byOpenAi = async (defect: string) => {
  const { choices } = await openai.chat.completions
    .stream({ model: `odd/${defect}`, messages: [...messages], tools: [offered] }).finalChatCompletion()
  const [choice] = choices
  return {
    finish: choice?.finish_reason,
    text: choice?.message.content ?? "",
    calls: (choice?.message.tool_calls ?? []).map((call) => call.type === "function" ? call.function : call)
  }
}

const byAi = async (defect: string) => {
  const tools = {
    get_tide: tool({
      inputSchema: jsonSchema<{ readonly harbour: string }>(parameters),
      execute: ({ harbour }) => Promise.resolve(harbour)
    })
  }
  const errors: Array<unknown> = []
  const result = streamText({
    model: ai(`odd/${defect}`),
    messages: [...messages],
    tools,
    maxRetries: 0,
    onError: ({ error }) => {
      errors.push(error)
    }
  })
  let text = ""
  const calls: Array<{ readonly name: string; readonly input: unknown }> = []
  let finish: string | undefined
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text
    if (part.type === "tool-call") calls.push({ name: part.toolName, input: part.input })
    if (part.type === "finish") finish = part.finishReason
  }
  return { text, calls, finish, errors }
}

describe("a vendor's accent is not heard by the clients:", () => {
  it.for(Object.keys(Defects.texts))("%s", async (defect) => {
    expect(await byOpenAi(defect)).toMatchObject({ text: Defects.said, finish: "stop", calls: [] })
    expect(await byAi(defect)).toEqual({ text: Defects.said, finish: "stop", calls: [], errors: [] })
  })

  it.for(Object.keys(Defects.tools))("%s", async (defect) => {
    expect(await byOpenAi(defect)).toMatchObject({ text: "", finish: "tool_calls", calls: [Defects.call] })
    expect(await byAi(defect)).toEqual({
      text: "",
      finish: "tool-calls",
      calls: [{ name: Defects.call.name, input: { harbour: "Whitby" } }],
      errors: []
    })
  })
})

describe("a stream that breaks in a vendor's own way is an error to the clients:", () => {
  it.for(Object.keys(Defects.breaks))("%s", async (defect) => {
    await expect(byOpenAi(defect)).rejects.toBeInstanceOf(OpenAI.APIError)
    const seen = await byAi(defect)
    expect(seen.errors.length).toBe(1)
    expect(seen.finish).not.toBe("stop")
  })
})
