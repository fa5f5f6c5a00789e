import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createServer, type IncomingMessage } from "node:http"
import OpenAI from "openai"
import * as Gateway from "./Gateway.ts"
import { type Listening, listening } from "./Listening.ts"

const question = { role: "user", content: "How deep is the harbour?" } as const

// JSON of two dialects, read by hand.
type Loose = any

const bodyOf = async (request: IncomingMessage): Promise<Loose> => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(part)
  return JSON.parse(Buffer.concat(parts).toString())
}

/** What Anthropic was asked, and by whom. */
const asked: Array<
  { readonly headers: IncomingMessage["headers"]; readonly path: string | undefined; readonly body: Loose }
> = []

const usage = { input_tokens: 10, cache_read_input_tokens: 5, cache_creation_input_tokens: 2, output_tokens: 7 }

const blocksOf = (body: Loose): ReadonlyArray<Loose> =>
  body.tools === undefined || body.messages.at(-1).content[0].type === "tool_result"
    ? [{ type: "text", text: "Nine " }, { type: "text", text: "metres." }]
    : [
      { type: "thinking", thinking: "I shall look.", signature: "c2lnbmVk" },
      { type: "tool_use", id: "toolu_1", name: "get_depth", input: { where: "harbour" } }
    ]

const eventsOf = (message: Loose): ReadonlyArray<Loose> => [
  { type: "message_start", message: { ...message, content: [], usage: { ...usage, output_tokens: 1 } } },
  { type: "ping" },
  ...message.content.flatMap((block: Loose, index: number) => {
    const deltas: ReadonlyArray<Loose> = block.type === "text"
      ? [{ type: "text_delta", text: block.text }]
      : block.type === "thinking"
      ? [{ type: "thinking_delta", thinking: block.thinking }, { type: "signature_delta", signature: block.signature }]
      : [{ type: "input_json_delta", partial_json: JSON.stringify(block.input) }]
    const begun = { text: { text: "" }, thinking: { thinking: "", signature: "" }, tool_use: { input: {} } }
    return [
      // The three types that are written above.
      { type: "content_block_start", index, content_block: { ...block, ...begun[block.type as keyof typeof begun] } },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index }
    ]
  }),
  { type: "message_delta", delta: { stop_reason: message.stop_reason }, usage: { output_tokens: 7 } },
  { type: "message_stop" }
]

const anthropic = createServer(async (request, response) => {
  const body = await bodyOf(request)
  asked.push({ headers: request.headers, path: request.url, body })
  const content = blocksOf(body)
  const stop_reason = content.at(-1).type === "tool_use" ? "tool_use" : "end_turn"
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-sonnet-4-5",
    content,
    stop_reason,
    usage
  }
  if (body.model === "claude-busy") {
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }
    response.writeHead(529, { "content-type": "application/json" }).end(JSON.stringify(error))
  } else if (body.stream === true) {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "request-id": "req_1" })
    for (const event of eventsOf(message)) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}  \n\n`)
    response.end()
  } else {
    response.writeHead(200, { "content-type": "application/json", "request-id": "req_1" }).end(JSON.stringify(message))
  }
})

/** What OpenAI was asked; it is down unless the model is another one than `gpt`. */
const askedOpenAi: Array<Loose> = []

const openai = createServer(async (request, response) => {
  const body = await bodyOf(request)
  askedOpenAi.push(body)
  if (body.model === "gpt") {
    response.writeHead(503, { "content-type": "application/json" }).end("{\"error\":{\"message\":\"down\"}}")
    return
  }
  const message = { role: "assistant", content: "Nine.", refusal: null }
  const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }]
  response.writeHead(200, { "content-type": "application/json" })
    .end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: body.model, choices }))
})

const upstreams: Array<Listening> = []
let gateway: Gateway.Gateway
let client: OpenAI

beforeAll(async () => {
  const claude = await listening(anthropic)
  const gpt = await listening(openai)
  upstreams.push(claude, gpt)
  const sonnet = { provider: "claude", model: "claude-sonnet-4-5" }
  gateway = await Gateway.start({
    providers: {
      claude: { kind: "anthropic", baseUrl: claude.url, apiKey: "sk-ant-1", version: "2023-06-01" },
      gpt: { kind: "openai-compatible", baseUrl: `${gpt.url}/v1`, apiKey: "none" }
    },
    models: {
      best: { targets: [{ provider: "gpt", model: "gpt" }, sonnet] },
      moved: { targets: [{ provider: "claude", model: "claude-busy" }, { provider: "gpt", model: "gpt-up" }] },
      down: { targets: [{ provider: "gpt", model: "gpt" }, sonnet], parameters: "reject" },
      strict: { targets: [sonnet], parameters: "reject" },
      strictly: { targets: [sonnet, { provider: "gpt", model: "gpt-up" }], parameters: "reject" }
    },
    defaults: { retry: { attempts: 1, base: "5ms", throttleBase: "5ms" } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  for (const upstream of upstreams) upstream.close()
})

const model = "claude/claude-sonnet-4-5"

const tools: Array<OpenAI.ChatCompletionTool> = [{
  type: "function",
  function: { name: "get_depth", parameters: { type: "object", properties: { where: { type: "string" } } } }
}]

describe("the openai package before Anthropic", () => {
  it("gets a whole answer with its usage", async () => {
    const { data, response } = await client.chat.completions.create({ model, messages: [question] }).withResponse()
    expect(data.choices).toEqual([{
      index: 0,
      finish_reason: "stop",
      logprobs: null,
      message: { role: "assistant", content: "Nine metres.", refusal: null }
    }])
    expect(data.usage).toMatchObject({
      prompt_tokens: 17,
      completion_tokens: 7,
      total_tokens: 24,
      prompt_tokens_details: { cached_tokens: 5, cache_write_tokens: 2 }
    })
    expect(response.headers.get("x-breakwater-dropped-params")).toBeNull()
    expect(response.headers.get("x-breakwater-cost-usd")).toMatch(/^0\.\d+$/)
    expect(asked.at(-1)).toMatchObject({
      path: "/v1/messages",
      headers: { "x-api-key": "sk-ant-1", "anthropic-version": "2023-06-01", "content-type": "application/json" },
      body: { model: "claude-sonnet-4-5", max_tokens: 64_000 }
    })
  })

  it("gets the same as a stream", async () => {
    const stream = client.chat.completions.stream({
      model,
      messages: [question],
      stream_options: { include_usage: true }
    })
    const final = await stream.finalChatCompletion()
    expect(final.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Nine metres." } })
    expect(final.usage).toMatchObject({ prompt_tokens: 17, completion_tokens: 7 })
  })

  for (const stream of [false, true]) {
    it(`goes through a turn of tools with the thoughts of the model, ${stream ? "streamed" : "whole"}`, async () => {
      const first = { model, messages: [question], tools, reasoning_effort: "low" as const }
      const answer = stream
        ? await client.chat.completions.stream(first).finalChatCompletion()
        : await client.chat.completions.create(first)
      const message = answer.choices[0]?.message
      expect(answer.choices[0]?.finish_reason).toBe("tool_calls")
      const call = message?.tool_calls?.[0]
      if (call?.type !== "function") throw new Error("no call")
      expect(call.function).toMatchObject({ name: "get_depth", arguments: "{\"where\":\"harbour\"}" })
      // A client that keeps nothing that OpenAI does not document.
      const kept: OpenAI.ChatCompletionAssistantMessageParam = {
        role: "assistant",
        content: null,
        tool_calls: [{ id: call.id, type: "function", function: call.function }]
      }
      const result = { role: "tool", tool_call_id: call.id, content: "9 m" } as const
      const second = await client.chat.completions.create({ ...first, messages: [question, kept, result] })
      expect(second.choices[0]?.message.content).toBe("Nine metres.")
      expect(asked.at(-1)?.body.messages.slice(1)).toEqual([
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "I shall look.", signature: "c2lnbmVk" },
            { type: "tool_use", id: "toolu_1", name: "get_depth", input: { where: "harbour" } }
          ]
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "9 m" }] }
      ])
      expect(asked.at(-1)?.body.thinking).toEqual({ type: "enabled", budget_tokens: 4096 })
      // The next provider of the same conversation gets the ids as they were.
      const elsewhere = await client.chat.completions.create({ model: "moved", messages: [question, kept, result] })
      expect(elsewhere.choices[0]?.message.content).toBe("Nine.")
      expect(askedOpenAi.at(-1)?.messages[1].tool_calls[0].id).toBe("toolu_1")
      expect(askedOpenAi.at(-1)?.messages[2].tool_call_id).toBe("toolu_1")
    })
  }

  it("gets Anthropic's answer where OpenAI is down, whole and streamed", async () => {
    const { data, response } = await client.chat.completions.create({ model: "best", messages: [question] })
      .withResponse()
    expect(data.choices[0]?.message.content).toBe("Nine metres.")
    expect(response.headers.get("x-breakwater-provider")).toBe("claude")
    const streamed = await client.chat.completions.stream({ model: "best", messages: [question] }).finalContent()
    expect(streamed).toBe("Nine metres.")
  })

  it("is told in a header, and the operator in the record, what was left out", async () => {
    const params = { model, messages: [question], seed: 1, logit_bias: { 50256: -100 } }
    const { response } = await client.chat.completions.create(params).withResponse()
    expect(response.headers.get("x-breakwater-dropped-params")).toBe("seed, logit_bias")
    const told = "\"dropped_parameters\":[\"seed\",\"logit_bias\"]"
    await gateway.until(({ recent }) => JSON.stringify(recent).includes(told))
  })

  it("is refused before anything is sent where the alias says so", async () => {
    const before = asked.length
    const refused = await client.chat.completions.create({ model: "strict", messages: [question], seed: 1 })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 400, param: "seed", code: "unsupported_parameter" })
    if (!(refused instanceof OpenAI.APIError)) throw new Error("no answer")
    expect(refused.headers.get("x-breakwater-attempts")).toBe("0")
    expect(asked.length).toBe(before)
    const taken = await client.chat.completions.create({ model: "strict", messages: [question] })
    expect(taken.choices[0]?.message.content).toBe("Nine metres.")
  })

  it("is answered by a target that can be told all of it, where there is one", async () => {
    const before = asked.length
    const { data, response } = await client.chat.completions
      .create({ model: "strictly", messages: [question], seed: 1 }).withResponse()
    expect(data.choices[0]?.message.content).toBe("Nine.")
    expect(response.headers.get("x-breakwater-provider")).toBe("gpt")
    expect(response.headers.get("x-breakwater-attempts")).toBe("1")
    expect(asked.length).toBe(before)
  })

  it("hears of the upstream that is down rather than of the one that was not asked", async () => {
    const refused = await client.chat.completions.create({ model: "down", messages: [question], seed: 1 })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 503, code: "upstream_overloaded" })
  })

  it("is told what no model of Anthropic can be told", async () => {
    const audio = { type: "input_audio", input_audio: { data: "QUJD", format: "wav" } } as const
    const refused = await client.chat.completions.create({ model, messages: [{ role: "user", content: [audio] }] })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 400, param: "messages[0].content[0]", code: "unsupported_parameter" })
  })

  it("gets Anthropic's errors as OpenAI's", async () => {
    const refused = await client.chat.completions.create({ model: "claude/claude-busy", messages: [question] })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 503, code: "upstream_overloaded" })
  })
})
