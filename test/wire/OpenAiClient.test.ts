import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import OpenAI from "openai"
import * as Gateway from "./Gateway.ts"

const key = "bw-client-key"
const question = { role: "user", content: "How deep is the harbour?" } as const

let gateway: Gateway.Gateway
let client: OpenAI

/** A client that counts the requests it makes. */
const counting = (options: { readonly apiKey?: string; readonly maxRetries?: number } = {}) => {
  const sent: Array<string> = []
  const counted: typeof fetch = (input, init) => {
    sent.push(String(input))
    return fetch(input, init)
  }
  return { sent, client: new OpenAI({ baseURL: gateway.url, apiKey: key, fetch: counted, ...options }) }
}

beforeAll(async () => {
  gateway = await Gateway.start({
    server: { keys: [key] },
    models: {
      fast: { targets: [{ provider: "simulated", model: "sim-down" }, { provider: "simulated", model: "sim-fast" }] }
    },
    defaults: { retry: { base: "5ms", throttleBase: "5ms" } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: key })
})

afterAll(() => gateway?.stop())

describe("the openai package: a whole answer", () => {
  it("is read with its usage and carries the request's id", async () => {
    const data = await client.chat.completions.create({ model: "sim-fast", messages: [question] })
    expect(data.choices[0]?.message.content).toContain("How deep is the harbour?")
    expect(data.choices[0]?.finish_reason).toBe("stop")
    expect(data.usage?.total_tokens).toBeGreaterThan(0)
    expect(data._request_id).toMatch(/^[\w-]{8,}$/)
  })

  it("keeps the id that the caller gave the request", async () => {
    const data = await client.chat.completions
      .create({ model: "sim-fast", messages: [question] }, { headers: { "x-request-id": "order-66" } })
    expect(data._request_id).toBe("order-66")
  })

  it("comes from the next target when the first is down, and says so", async () => {
    const { response } = await client.chat.completions.create({ model: "fast", messages: [question] }).withResponse()
    expect(response.headers.get("x-breakwater-model")).toBe("sim-fast")
    expect(Number(response.headers.get("x-breakwater-attempts"))).toBe(3)
  })

  it("calls the tools it was offered, and answers once it has their results", async () => {
    const tools = [{
      type: "function",
      function: {
        name: "get_tide",
        parameters: {
          type: "object",
          properties: { harbour: { type: "string", enum: ["Whitby"] } },
          required: ["harbour"]
        }
      }
    }] as const satisfies OpenAI.ChatCompletionCreateParams["tools"]
    const first = await client.chat.completions.create({ model: "sim-tools", messages: [question], tools: [...tools] })
    const said = first.choices[0]?.message
    const called = said?.tool_calls?.[0]
    if (said === undefined || called?.type !== "function") throw new Error("no function was called")
    expect(first.choices[0]?.finish_reason).toBe("tool_calls")
    expect(called.function).toEqual({ name: "get_tide", arguments: "{\"harbour\":\"Whitby\"}" })
    const second = await client.chat.completions.create({
      model: "sim-tools",
      messages: [question, said, { role: "tool", tool_call_id: called.id, content: "4.2 m" }],
      tools: [...tools]
    })
    expect(second.choices[0]?.message.content).toContain("4.2 m")
  })

  it("is JSON of the schema that was asked for", async () => {
    const data = await client.chat.completions.create({
      model: "sim-json",
      messages: [question],
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "depth",
          strict: true,
          schema: {
            type: "object",
            properties: { metres: { type: "number" }, tide: { type: "string", enum: ["low"] } },
            required: ["metres", "tide"],
            additionalProperties: false
          }
        }
      }
    })
    expect(JSON.parse(data.choices[0]?.message.content ?? "")).toEqual({ metres: expect.any(Number), tide: "low" })
  })

  it("tells what is in an image", async () => {
    const png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAC0lEQVR4nGNggAIAAAkAAftSuKkAAAAASUVORK5CYII="
    const data = await client.chat.completions.create({
      model: "sim-vision",
      messages: [{
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }
        ]
      }]
    })
    expect(data.choices[0]?.message.content).toContain("image/png, 68 bytes, 2×3")
  })
})

describe("the openai package: a stream", () => {
  it("is the whole answer in many chunks of one id, with usage only where it was asked for", async () => {
    const whole = await client.chat.completions.create({ model: "sim-fast", messages: [question] })
    const stream = await client.chat.completions.create({ model: "sim-fast", messages: [question], stream: true })
    const chunks: Array<OpenAI.ChatCompletionChunk> = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""))
      .toBe(whole.choices[0]?.message.content)
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant")
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1)
    expect(chunks.length).toBeGreaterThan(20)
    expect(chunks.filter((chunk) => chunk.usage)).toEqual([])
  })

  it("ends with usage and no choices when usage was asked for", async () => {
    const stream = await client.chat.completions.create({
      model: "sim-fast",
      messages: [question],
      stream: true,
      stream_options: { include_usage: true }
    })
    const chunks: Array<OpenAI.ChatCompletionChunk> = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.filter((chunk) => chunk.usage)).toEqual([chunks.at(-1)])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } })
  })

  it("is put together by the stream helper, text and tools alike", async () => {
    const helper = client.chat.completions.stream({ model: "sim-fast", messages: [question] })
    let deltas = ""
    helper.on("content", (delta) => deltas += delta)
    const final = await helper.finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe(deltas)
    expect(final.choices[0]?.finish_reason).toBe("stop")
    const tool = {
      type: "function",
      function: { name: "get_time", parameters: { type: "object", properties: {} } }
    } as const
    const called = await client.chat.completions
      .stream({ model: "sim-tools", messages: [question], tools: [tool] }).finalChatCompletion()
    expect(called.choices[0]?.message.tool_calls).toMatchObject([{ function: { name: "get_time", arguments: "{}" } }])
  })

  it("that the caller aborts leaves nothing in flight", async () => {
    const stream = await client.chat.completions.create({ model: "sim-stall", messages: [question], stream: true })
    let chunks = 0
    for await (const _ of stream) {
      chunks += 1
      if (chunks === 5) stream.controller.abort()
    }
    expect(chunks).toBeGreaterThanOrEqual(5)
    await gateway.until((seen) => Gateway.inFlight(seen) === 0 && seen.recent[0]?.alias === "sim-stall")
  })

  it("that is cut upstream ends in an APIError, never as if it were whole", async () => {
    const stream = await client.chat.completions.create({ model: "sim-cut", messages: [question], stream: true })
    const finishes: Array<string> = []
    const reading = (async () => {
      for await (const chunk of stream) {
        const finish = chunk.choices[0]?.finish_reason
        if (finish) finishes.push(finish)
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: "stream_interrupted", message: expect.stringContaining("cut") })
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError)
    expect(finishes).toEqual([])
  })
})

describe("the openai package: models", () => {
  it("are listed and found by names with slashes", async () => {
    const names: Array<string> = []
    for await (const model of client.models.list()) names.push(model.id)
    expect(names).toEqual(expect.arrayContaining(["fast", "simulated/sim-fast"]))
    expect((await client.models.retrieve("simulated/sim-fast")).id).toBe("simulated/sim-fast")
  })
})

describe("the openai package: an error", () => {
  const failure = async (run: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
    const error = await run.then(() => undefined, (error: unknown) => error)
    if (!(error instanceof OpenAI.APIError)) throw new Error(`no APIError but ${String(error)}`)
    return error
  }

  it("is an AuthenticationError for a key that is not known, asked once", async () => {
    const { client, sent } = counting({ apiKey: "wrong" })
    const error = await failure(client.chat.completions.create({ model: "sim", messages: [question] }))
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ status: 401, code: "invalid_api_key", requestID: expect.any(String) })
    expect(sent.length).toBe(1)
  })

  it("is a NotFoundError for a model that does not exist", async () => {
    const error = await failure(client.chat.completions.create({ model: "no-such-model", messages: [question] }))
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ status: 404, code: "model_not_found", param: "model" })
  })

  it("is a BadRequestError that names the member which is wrong", async () => {
    const error = await failure(client.chat.completions.create({ model: "sim", messages: [question], temperature: 3 }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ status: 400, param: "temperature", type: "invalid_request_error" })
  })

  it("of the upstream, after the gateway has tried again itself, is not multiplied by the client", async () => {
    const { client, sent } = counting({ maxRetries: 2 })
    const error = await failure(client.chat.completions.create({ model: "sim-down", messages: [question] }))
    expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    expect(error).toMatchObject({ status: 503, requestID: expect.any(String) })
    expect(error.headers?.get("x-should-retry")).toBe("false")
    expect(sent.length).toBe(1)
  })

  it("before the first word of a stream is a plain error answer", async () => {
    const { client, sent } = counting()
    const error = await failure(
      client.chat.completions.create({ model: "sim-context", messages: [question], stream: true })
    )
    expect(error).toMatchObject({ status: 400, code: "context_length_exceeded", param: "messages" })
    expect(sent.length).toBe(1)
  })
})
