/**
 * Conversations with tools whose thoughts matter: DeepSeek and Gemini behind OpenRouter refuse one that has lost them, Groq one that
 * has them, and a plain client keeps nothing but what OpenAI documents.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@effect/vitest"
import { createServer } from "node:http"
import OpenAI from "openai"
import * as Gateway from "./Gateway.ts"
import { listening } from "./Listening.ts"

type Message = OpenAI.ChatCompletionMessageParam

// A message as it came, with whatever members.
type Heard = any

const thought = "The gauge \u201cWhitby\u201d knows. "
const call = {
  id: "call_00_x",
  type: "function",
  function: { name: "get_tide", arguments: "{\"harbour\":\"Whitby\"}" }
}

const seal = { type: "reasoning.encrypted", data: "c2VhbA", format: "google-gemini-v1", id: call.id, index: 0 }

let isDown = false
let heard: Array<{ readonly host: string; readonly messages: ReadonlyArray<Heard> }> = []

const documented = new Set(["role", "content", "refusal", "name", "tool_calls", "tool_call_id", "annotations"])

/** What OpenAI says to a member that it does not know. */
const unknownIn = (messages: ReadonlyArray<Heard>): string | undefined => {
  for (const [at, { tool_calls: calls = [], ...message }] of messages.entries()) {
    const name = Object.keys(message).find((name) => !documented.has(name)) ??
      (calls.some((one: object) => "index" in one) ? "tool_calls[0].index" : undefined)
    if (name !== undefined) return `Unknown parameter: 'messages[${at}].${name}'.`
  }
  return undefined
}

const refusalOf = (host: string, messages: ReadonlyArray<Heard>): string | undefined => {
  if (host === "openai") return unknownIn(messages)
  const answers = messages.filter(({ role }) => role === "assistant")
  if (host === "openrouter") {
    return answers.every((one) => one.tool_calls === undefined || one.reasoning_details?.[0]?.data === seal.data)
      ? undefined
      : "Gemini models require OpenRouter reasoning details to be preserved in each request."
  }
  if (host === "groq") {
    return answers.some((one) => "reasoning_content" in one) ? "property 'reasoning_content' is unsupported" : undefined
  }
  return answers.every((one) => typeof one.reasoning_content === "string" && one.reasoning_content !== "")
    ? undefined
    : "The `reasoning_content` in the thinking mode must be passed back to the API."
}

const deltasOf = (host: string, hasResult: boolean): ReadonlyArray<object> =>
  host === "openrouter" && !hasResult
    ? [{ role: "assistant", content: "", tool_calls: [{ index: 0, ...call }] }, { reasoning_details: [seal] }]
    : hasResult
    ? [{ reasoning_content: "So it is." }, { content: "4.2 m" }]
    : [
      { role: "assistant", content: null, reasoning_content: "" },
      ...thought.split(" ").filter((word) => word !== "").map((word) => ({
        content: null,
        reasoning_content: `${word} `
      })),
      { tool_calls: [{ index: 0, ...call, function: { ...call.function, arguments: "" } }] },
      { tool_calls: [{ index: 0, function: { arguments: call.function.arguments } }] }
    ]

const upstream = createServer(async (request, response) => {
  const host = request.url?.split("/")[1] ?? ""
  const { messages, stream } = JSON.parse((await request.toArray()).join(""))
  heard.push({ host, messages })
  const head = { id: "a", created: 1, model: host === "openrouter" ? "google/gemini-3-pro" : host }
  const say = (status: number, body: object) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  const refusal = refusalOf(host, messages)
  if (isDown && (host === "deepseek" || host === "openrouter")) return say(503, { error: { message: "down" } })
  if (refusal !== undefined) return say(400, { error: { message: refusal, type: "invalid_request_error" } })
  const hasResult = messages.at(-1).role === "tool"
  const finish_reason = hasResult ? "stop" : "tool_calls"
  const thoughts = host === "openrouter" ? { reasoning_details: [seal] } : { reasoning_content: thought }
  if (stream !== true) {
    const message = hasResult
      ? { role: "assistant", content: "4.2 m", reasoning_content: "So it is." }
      : { role: "assistant", content: "", tool_calls: [{ index: 0, ...call }], ...thoughts }
    return say(200, { ...head, object: "chat.completion", choices: [{ index: 0, message, finish_reason }] })
  }
  response.writeHead(200, { "content-type": "text/event-stream" })
  const choices = [
    ...deltasOf(host, hasResult).map((delta) => ({ index: 0, delta, finish_reason: null })),
    { index: 0, delta: { content: "" }, finish_reason }
  ]
  for (const choice of choices) {
    const chunk = { ...head, object: "chat.completion.chunk", choices: [choice] }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  return response.end("data: [DONE]\n\n")
})

let at: Awaited<ReturnType<typeof listening>>
let gateway: Gateway.Gateway
let client: OpenAI

beforeAll(async () => {
  at = await listening(upstream)
  const provider = (kind: string) => ({ [kind]: { kind, baseUrl: `${at.url}/${kind}`, apiKey: "sk-tides" } })
  gateway = await Gateway.start({
    providers: { ...provider("deepseek"), ...provider("groq"), ...provider("openai"), ...provider("openrouter") },
    models: {
      either: { targets: [{ provider: "deepseek", model: "deepseek-v4-pro" }, { provider: "openai", model: "gpt-5" }] },
      sealed: {
        targets: [{ provider: "openrouter", model: "google/gemini-3-pro" }, { provider: "openai", model: "gpt-4.1" }]
      },
      tides: { targets: [{ provider: "deepseek", model: "deepseek-v4-flash" }, { provider: "groq", model: "gpt-oss" }] }
    },
    defaults: { retry: { attempts: 1, base: "1ms" } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
})
beforeEach(() => {
  isDown = false
  heard = []
})
afterAll(async () => {
  await gateway?.stop()
  at?.close()
})

const parameters = { type: "object", properties: { harbour: { type: "string" } } }
const tools = [{ type: "function" as const, function: { name: "get_tide", parameters } }]

/** What a plain client keeps of an answer. */
const ask = async (
  messages: ReadonlyArray<Message>,
  stream: boolean,
  model = "tides"
): Promise<OpenAI.ChatCompletionMessageParam> => {
  const request = { model, messages: [...messages], tools }
  const { choices } = stream
    ? await client.chat.completions.stream(request).finalChatCompletion()
    : await client.chat.completions.create(request)
  const { content = null, tool_calls: calls } = choices[0]?.message ?? {}
  return { role: "assistant", content, ...(calls === undefined || calls.length === 0 ? {} : { tool_calls: calls }) }
}

const question: Message = { role: "user", content: "How high is the tide at Whitby?" }

const withResult = (answer: Message): readonly [Message, Message, Message] => {
  const [called] = answer.role === "assistant" ? answer.tool_calls ?? [] : []
  return [question, answer, { role: "tool", tool_call_id: called?.id ?? "", content: "4.2 m" }]
}

describe.each([["whole", false], ["streamed", true]] as const)("a conversation with tools, %s", (_, stream) => {
  it("has its thoughts for DeepSeek, although the client knows nothing of them", async () => {
    const called = await ask([question], stream)
    const said = await ask(withResult(called), stream)
    expect(said.content).toBe("4.2 m")
    const [, answer, result] = heard[1]?.messages ?? []
    expect(answer).toMatchObject({ reasoning_content: thought, tool_calls: [{ id: call.id }] })
    expect(result.tool_call_id).toBe(call.id)
  })

  it("goes on at DeepSeek after an answer whose thoughts nobody kept", async () => {
    const first = withResult(await ask([question], stream))
    const said = await ask(first, stream)
    await ask([...first, said, question], stream)
    expect(heard[2]?.messages.flatMap(({ reasoning_content: its }: Heard) => its ?? [])).toEqual([thought, " "])
  })

  it("has its seal for Gemini behind OpenRouter, and goes on at OpenAI without it, whoever kept it", async () => {
    const [first, called, result] = withResult(await ask([question], stream, "sealed"))
    expect((await ask([first, called, result], stream, "sealed")).content).toBe("4.2 m")
    expect(heard[1]?.messages[1]).toMatchObject({ reasoning_details: [seal], tool_calls: [{ id: call.id }] })
    isDown = true
    const kept = Object.assign({}, called, { reasoning_details: [seal] })
    expect((await ask([first, kept, result], stream, "sealed")).content).toBe("4.2 m")
    const { host, messages } = heard.at(-1) ?? { host: "", messages: [] }
    expect([host, messages[1].tool_calls[0].id]).toEqual(["openai", call.id])
  })

  it("moves to a host that takes no thoughts without them, whoever kept them", async () => {
    const [first, called, result] = withResult(await ask([question], stream))
    isDown = true
    const kept = Object.assign({}, called, { reasoning_content: thought })
    const said = await ask([first, kept, result], stream)
    expect(said.content).toBe("4.2 m")
    const { host, messages } = heard.at(-1) ?? { host: "", messages: [] }
    expect([host, messages[1].tool_calls[0].id, messages[2].tool_call_id]).toEqual(["groq", call.id, call.id])
  })
})

it("an answer that is sent back as it came, as most programs do, goes on at OpenAI when DeepSeek is down", async () => {
  const request = { model: "either", tools, temperature: 0.2, max_tokens: 200 }
  const first = await client.chat.completions.create({ ...request, messages: [question] })
  const called = first.choices[0]?.message
  expect(called).toMatchObject({ reasoning_content: thought, tool_calls: [{ index: 0 }] })
  isDown = true
  const result = { role: "tool" as const, tool_call_id: called?.tool_calls?.[0]?.id ?? "", content: "4.2 m" }
  const { data, response } = await client.chat.completions
    .create({ ...request, messages: [question, called ?? question, result] }).withResponse()
  expect(data.choices[0]?.message.content).toBe("4.2 m")
  expect([heard.at(-1)?.host, response.headers.get("x-breakwater-dropped-params")]).toEqual(["openai", "temperature"])
})
