import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import OpenAI from "openai"
import * as FakeGemini from "./FakeGemini.ts"
import * as Gateway from "./Gateway.ts"

const question = { role: "user", content: "How deep is the harbour?" } as const

let upstream: FakeGemini.FakeGemini
let gateway: Gateway.Gateway
let client: OpenAI

beforeAll(async () => {
  upstream = await FakeGemini.start()
  const baseUrl = `${upstream.origin}/v1beta`
  const target = (model: string) => ({ targets: [{ provider: "google", model }] })
  gateway = await Gateway.start({
    providers: {
      google: { kind: "gemini", baseUrl, apiKey: FakeGemini.goodKey },
      rotating: { kind: "gemini", baseUrl, apiKeys: ["bad-key", FakeGemini.goodKey] },
      locked: { kind: "gemini", baseUrl, apiKey: "bad-key" },
      vertex: {
        kind: "gemini",
        baseUrl: `${upstream.origin}/v1/projects/p/locations/global/publishers/google`,
        apiKey: FakeGemini.goodKey
      },
      simulated: { kind: "simulated" }
    },
    models: {
      tidal: target("gemini-3-fake"),
      exact: { ...target("gemini-3-fake"), parameters: "reject" },
      blocked: target("gemini-blocked"),
      dying: target("gemini-dies"),
      fallback: {
        targets: [{ provider: "google", model: "gemini-busy" }, { provider: "simulated", model: "sim-fast" }]
      },
      rescued: {
        targets: [{ provider: "simulated", model: "sim-down" }, { provider: "google", model: "gemini-3-fake" }]
      }
    },
    defaults: { retry: { attempts: 1, base: "5ms", throttleBase: "5ms" } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const tools: Array<OpenAI.ChatCompletionTool> = [{
  type: "function",
  function: {
    name: "get_tide",
    parameters: {
      type: "object",
      properties: { harbour: { type: "string" } },
      required: ["harbour"],
      additionalProperties: false
    }
  }
}]

const lastAsked = () => upstream.asked.at(-1)

/** What a plain client keeps of an answer with calls, and the results that it got. */
const nextMessages = (
  calls: ReadonlyArray<OpenAI.ChatCompletionMessageToolCall>
): Array<OpenAI.ChatCompletionMessageParam> => [
  question,
  {
    role: "assistant",
    content: null,
    tool_calls: calls.map((call) => {
      if (call.type !== "function") throw new Error("no function was called")
      return { id: call.id, type: "function", function: { ...call.function } }
    })
  },
  ...calls.map((call, at) => ({ role: "tool", tool_call_id: call.id, content: `${at + 4} m` } as const))
]

const heard = "The tides: 4 m 5 m"

describe("the openai package and Gemini", () => {
  it("get a whole answer, with what was thought and counted", async () => {
    const { data, response } = await client.chat.completions
      .create({ model: "tidal", messages: [question], reasoning_effort: "low", max_completion_tokens: 50 })
      .withResponse()
    expect(data.choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: "Four mètres 😀.", reasoning_content: "Hm, depth…" }
    })
    expect(data).toMatchObject({ id: "fake", model: "gemini-3-fake-001" })
    expect(data.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 12, total_tokens: 32 })
    expect(response.headers.get("x-breakwater-provider")).toBe("google")
    expect(lastAsked()).toMatchObject({
      path: "/v1beta/models/gemini-3-fake:generateContent",
      body: {
        contents: [{ role: "user", parts: [{ text: "How deep is the harbour?" }] }],
        generationConfig: { maxOutputTokens: 50, thinkingConfig: { thinkingLevel: "LOW", includeThoughts: true } }
      }
    })
  })

  it("pay for what was thought as well", async () => {
    const { response } = await client.chat.completions
      .create({ model: "google/gemini-2.5-flash", messages: [question] }).withResponse()
    // 20 tokens at 0.30 and 8 + 4 at 2.50 USD for a million.
    expect(response.headers.get("x-breakwater-cost-usd")).toBe("0.000036")
  })

  it("get a streamed answer and its usage at the end", async () => {
    const stream = await client.chat.completions
      .create({ model: "tidal", messages: [question], stream: true, stream_options: { include_usage: true } })
    const chunks: Array<OpenAI.ChatCompletionChunk> = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Four mètres 😀.")
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(["stop"])
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 12 })
    expect(lastAsked()?.path).toBe("/v1beta/models/gemini-3-fake:streamGenerateContent?alt=sse")
  })

  it("go through calls of tools and their results, the thoughts' signatures with them", async () => {
    const first = await client.chat.completions.create({ model: "tidal", messages: [question], tools })
    expect(first.choices[0]?.finish_reason).toBe("tool_calls")
    const calls = first.choices[0]?.message.tool_calls ?? []
    expect(calls).toMatchObject([
      { function: { name: "get_tide", arguments: "{\"harbour\":\"Whitby\"}" } },
      { function: { name: "get_tide", arguments: "{\"harbour\":\"Hull\"}" } }
    ])
    const second = await client.chat.completions.create({ model: "tidal", messages: nextMessages(calls), tools })
    expect(second.choices[0]?.message.content).toBe(heard)
    expect(lastAsked()?.body.contents[1].parts[0].thoughtSignature).toBe(FakeGemini.signature)
  })

  it("do the same in streams", async () => {
    const first = await client.chat.completions.stream({ model: "tidal", messages: [question], tools })
      .finalChatCompletion()
    expect(first.choices[0]?.finish_reason).toBe("tool_calls")
    const second = await client.chat.completions
      .stream({ model: "tidal", messages: nextMessages(first.choices[0]?.message.tool_calls ?? []), tools })
      .finalContent()
    expect(second).toBe(heard)
  })

  it("go on with calls that another provider's model made", async () => {
    const calls = ["Whitby", "Hull"].map((harbour, at) => ({
      id: `call_${at}`,
      type: "function" as const,
      function: { name: "get_tide", arguments: JSON.stringify({ harbour }) }
    }))
    const { data, response } = await client.chat.completions
      .create({ model: "rescued", messages: nextMessages(calls), tools }).withResponse()
    expect(data.choices[0]?.message.content).toBe(heard)
    expect(response.headers.get("x-breakwater-provider")).toBe("google")
  })

  it("hear of a blocked prompt by its finish reason", async () => {
    const data = await client.chat.completions.create({ model: "blocked", messages: [question] })
    expect(data.choices[0]).toMatchObject({ finish_reason: "content_filter", message: { content: "" } })
  })

  it("hear of what Gemini cannot be told, before it is asked", async () => {
    const before = upstream.asked.length
    const failed = client.chat.completions.create({
      model: "tidal",
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }]
    })
    await expect(failed).rejects.toMatchObject({ status: 400, param: "messages[0].content[0].file.file_id" })
    expect(upstream.asked.length).toBe(before)
  })

  it("are answered by another target, if there is one, where Gemini cannot be told all of it", async () => {
    const { response } = await client.chat.completions.create({
      model: "fallback",
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }]
    }).withResponse()
    expect(response.headers.get("x-breakwater-provider")).toBe("simulated")
  })

  it("hear which parameters were left out, or are refused where the alias says so", async () => {
    const ask = (model: string) =>
      client.chat.completions.create({ model, messages: [question], user: "u-1", seed: 7, verbosity: "low" })
    const { response } = await ask("tidal").withResponse()
    expect(response.headers.get("x-breakwater-dropped-params")).toBe("user, verbosity")
    expect(lastAsked()?.body.generationConfig).toEqual({ seed: 7 })
    await expect(ask("exact")).rejects.toMatchObject({ status: 400, param: "user" })
  })

  it("hear of an answer that breaks off in its middle", async () => {
    const stream = await client.chat.completions.create({ model: "dying", messages: [question], stream: true })
    const content: Array<string> = []
    const read = async () => {
      for await (const chunk of stream) content.push(chunk.choices[0]?.delta.content ?? "")
    }
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError)
    expect(content.join("")).toBe("Four ")
  })
})

describe("Gemini's credentials and limits", () => {
  it("are gone through until a key is taken", async () => {
    const ask = () => client.chat.completions.create({ model: "rotating/gemini-3-fake", messages: [question] })
    await expect(ask()).resolves.toMatchObject({ model: "gemini-3-fake-001" })
    const before = upstream.asked.length
    await ask()
    expect(upstream.asked.slice(before).map(({ headers }) => headers["x-goog-api-key"])).toEqual([FakeGemini.goodKey])
  })

  it("that are refused are never shown as the caller's", async () => {
    const failed = client.chat.completions.create({ model: "locked/gemini-3-fake", messages: [question] })
    await expect(failed).rejects.toMatchObject({ status: 502, code: "upstream_credentials_rejected" })
  })

  it("send the request to the next target, and its wait is believed", async () => {
    const { response } = await client.chat.completions
      .create({ model: "fallback", messages: [question] }).withResponse()
    expect(response.headers.get("x-breakwater-provider")).toBe("simulated")
    const failed = client.chat.completions.create({ model: "google/gemini-busy", messages: [question] })
    const error = await failed.then(() => undefined, (cause: unknown) => cause)
    if (!(error instanceof OpenAI.APIError)) throw new Error("it was answered")
    expect(error.status).toBe(429)
    expect(Number(error.headers?.get("retry-after"))).toBeGreaterThan(20)
  })

  it("are a bearer token and a path of its own on Vertex AI", async () => {
    const data = await client.chat.completions.create({ model: "vertex/gemini-3-fake", messages: [question] })
    expect(data.choices[0]?.message.content).toBe("Four mètres 😀.")
    expect(lastAsked()?.path).toBe(
      "/v1/projects/p/locations/global/publishers/google/models/gemini-3-fake:generateContent"
    )
    expect(lastAsked()?.headers).not.toHaveProperty("x-goog-api-key")
  })
})
