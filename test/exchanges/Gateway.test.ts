import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { type Gateway, start } from "../wire/Gateway.ts"
import { tellAbsence } from "./Absent.ts"
import { ofChunks, ofMessage, usageOf } from "./Conversation.ts"
import { type Exchange, exchanges, isPresent, isStream, makeValidator, sseOf } from "./Recorded.ts"
import * as Replay from "./Replay.ts"

let upstream: Replay.Replay
let gateway: Gateway

beforeAll(async () => {
  if (!isPresent) return
  upstream = await Replay.start(exchanges)
  gateway = await start({
    providers: { recorded: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } },
    // An alias each, so that no exchange meets the breaker of another; what was recorded is not asked for twice.
    models: Object.fromEntries(
      exchanges.map(({ name }) => [name, { targets: [{ provider: "recorded", model: name }] }])
    ),
    defaults: { retry: { attempts: 1 } }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const validators = isPresent
  ? {
    whole: makeValidator("chat-completion-response"),
    chunk: makeValidator("chat-completion-chunk"),
    error: makeValidator("error-response")
  }
  : undefined

const faultsOf = (kind: "whole" | "chunk" | "error", value: unknown) =>
  validators?.[kind](value) ?? expect.fail("no schema")

/** What was asked then. Two requests were recorded without their tools' types, which OpenAI's shape wants. */
const bodyOf = ({ request: { body } }: Exchange): Readonly<Record<string, unknown>> => {
  const { tools } = body
  return Array.isArray(tools)
    ? { ...body, tools: tools.map((tool: object) => ({ type: "function", ...tool })) }
    : body
}

/** Asks the gateway what was asked then, under the exchange's name; streams with their usage. */
const ask = async (exchange: Exchange) => {
  const answer = await fetch(`${gateway.url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...bodyOf(exchange),
      model: exchange.name,
      ...(isStream(exchange) ? { stream: true, stream_options: { include_usage: true } } : {})
    })
  })
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() }
}

const dataOf = (text: string): ReadonlyArray<string> =>
  text.split("\n\n").flatMap((event) => event.startsWith("data: ") ? [event.slice(6)] : [])

const chunksOf = (data: ReadonlyArray<string>) =>
  data.flatMap((text) => text === "[DONE]" || text.includes("\"error\"") ? [] : [JSON.parse(text)])

const recordedChunks = (exchange: Exchange) =>
  sseOf(exchange).split(/\r?\n/).flatMap((line) => /^data: ?(\{.*)$/.exec(line)?.[1] ?? []).map((text) =>
    JSON.parse(text)
  )

const tokensOf = (values: ReadonlyArray<unknown>) => {
  const usage = usageOf(values)
  return usage === undefined ? undefined : [usage.prompt_tokens, usage.completion_tokens]
}

const answered = exchanges.filter(({ response }) => response.status === 200)
const broken = answered.filter(({ response }) => response.sse?.includes("event: error"))

describe.skipIf(!isPresent)("through the gateway, a recorded whole answer", () => {
  it.each(answered.filter((exchange) => !isStream(exchange)))("of $name says the same", async (exchange) => {
    const { status, text } = await ask(exchange)
    expect([status, text]).toEqual([200, text])
    const written = JSON.parse(text)
    expect(faultsOf("whole", written)).toEqual([])
    const recorded = JSON.parse(JSON.stringify(exchange.response.body))
    expect(written.choices.map(ofMessage)).toEqual(recorded.choices.map(ofMessage))
    expect(tokensOf([written])).toEqual(tokensOf([recorded]))
  })
})

describe.skipIf(!isPresent)("through the gateway, a recorded stream", () => {
  it.each(answered.filter((exchange) => isStream(exchange) && !broken.includes(exchange)))(
    "of $name says the same and ends as it did",
    async (exchange) => {
      const { status, text, type } = await ask(exchange)
      expect([status, type]).toEqual([200, "text/event-stream; charset=utf-8"])
      const data = dataOf(text)
      expect(data.filter((one) => one === "[DONE]")).toHaveLength(1)
      expect(data.at(-1)).toBe("[DONE]")
      const written = chunksOf(data)
      expect(written).toHaveLength(data.length - 1)
      expect(written.flatMap((chunk) => faultsOf("chunk", chunk))).toEqual([])
      const recorded = recordedChunks(exchange)
      expect(ofChunks(written)).toEqual(ofChunks(recorded))
      expect(tokensOf(written)).toEqual(tokensOf(recorded))
    }
  )

  it.each(broken)("of $name that ended in an error event ends in one, and in nothing else", async (exchange) => {
    const data = dataOf((await ask(exchange)).text)
    expect(ofChunks(chunksOf(data)).content).toBe("maybe")
    expect(chunksOf(data).flatMap((chunk) => faultsOf("chunk", chunk))).toEqual([])
    expect(faultsOf("error", JSON.parse(data.at(-1) ?? ""))).toEqual([])
    expect(data).not.toContain("[DONE]")
  })
})

/** What a caller is told: the status and the code. Whose key was refused is not the caller's affair. */
const told: Readonly<Record<string, readonly [status: number, code: string | null]>> = {
  "azure-foundry--chat-completions--3b95c562.json": [502, "upstream_credentials_rejected"],
  "azure-openai--chat-completions--45bde1ed.json": [502, "upstream_model_missing"],
  "groq--chat-completions--580cf496.json": [502, "upstream_model_missing"],
  "groq--chat-completions--ea0e031b.json": [400, "tool_use_failed"],
  "ollama--chat-completions--dd7710a6.json": [502, "upstream_credentials_rejected"],
  "openai--chat-completions--7bc3c7ee.json": [400, "unsupported_value"],
  "openai--chat-completions--9a0353fe.json": [400, "invalid_image_format"],
  "openrouter--chat-completions--9114691b.json": [429, "rate_limit_exceeded"],
  "perplexity--chat-completions--2e2e0558.json": [400, "context_length_exceeded"]
}

describe.skipIf(!isPresent)("through the gateway, a recorded refusal", () => {
  it.each(exchanges.filter(({ response }) => response.status !== 200))(
    "of $name is one in OpenAI's envelope",
    async (exchange) => {
      const { status, text } = await ask(exchange)
      const body = JSON.parse(text)
      expect(faultsOf("error", body)).toEqual([])
      expect([exchange.name, status, body.error.code]).toEqual([exchange.name, ...told[exchange.name] ?? []])
    }
  )
})

describe.skipIf(!isPresent)("through the gateway, every recorded request", () => {
  it("reaches the upstream once, with the messages and tools that its caller wrote", () => {
    for (const exchange of exchanges) {
      const { name } = exchange
      const { messages, tools } = bodyOf(exchange)
      const asked = upstream.asked.get(name)
      expect([name, asked?.length]).toEqual([name, 1])
      expect(asked?.[0]).toMatchObject({ model: name })
      expect(asked?.[0]?.["messages"]).toEqual(messages)
      expect(asked?.[0]?.["tools"]).toEqual(tools)
    }
  })
})

tellAbsence()
