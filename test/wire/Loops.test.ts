/**
 * Loops of tools as the usual clients run them, through the real gateway and against every dialect: the model asks for two tools at
 * once, gets what they say, and answers. The upstream refuses what does not fit together, and state that is not its own.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { AIMessage, AIMessageChunk, HumanMessage, ToolMessage } from "@langchain/core/messages"
import { ChatOpenAI } from "@langchain/openai"
import * as Agents from "@openai/agents"
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai"
import OpenAI from "openai"
import type { Part, Saying, Trouble } from "../dialects/Meaning.ts"
import { type DialectName, goodKey, type Heard, start, states, type Upstream } from "../dialects/Upstream.ts"
import * as Gateway from "./Gateway.ts"

const models: Readonly<Record<DialectName, string>> = {
  openai: "gpt-fake",
  anthropic: "claude-sonnet-4-5",
  gemini: "gemini-3-fake",
  bedrock: "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
}
const names: ReadonlyArray<DialectName> = ["openai", "anthropic", "gemini", "bedrock"]

const prompt = "How high is the tide at Whitby and at Hull?"
const harbours = ["Whitby", "Hull"] as const
const parameters = {
  type: "object",
  properties: { harbour: { type: "string" } },
  required: ["harbour"],
  additionalProperties: false
} as const
const heightAt = (harbour: string): string => `${harbour.length}.5 m`

const resultsIn = ({ meaning }: Heard): ReadonlyArray<unknown> =>
  meaning.turns.at(-1)?.parts.flatMap((part) => part.kind === "result" ? [part.value] : []) ?? []

/** Two calls, then what they came to. */
const tideModel = (heard: Heard): Saying => {
  const results = resultsIn(heard)
  if (results.length > 0) return { text: `The tides are ${results.join(" and ")}.` }
  const state = states[heard.dialect]
  return {
    thought: { text: "I shall ask the gauges.", state },
    calls: harbours.map((harbour, at) => ({
      id: `toolu_${at}`,
      name: "get_tide",
      input: { harbour },
      ...(at === 0 ? { state } : {})
    }))
  }
}

let answer: (heard: Heard) => Saying | Trouble = tideModel
let upstream: Upstream
let gateway: Gateway.Gateway

beforeAll(async () => {
  upstream = await start((heard) => answer(heard))
  const provider = (dialect: DialectName, kind: string, more = {}) => ({
    [dialect]: { kind, baseUrl: upstream.baseUrl(dialect), apiKey: goodKey, ...more }
  })
  const target = (dialect: DialectName) => ({ provider: dialect, model: models[dialect] })
  gateway = await Gateway.start({
    providers: {
      ...provider("openai", "openai-compatible"),
      ...provider("anthropic", "anthropic"),
      ...provider("gemini", "gemini"),
      ...provider("bedrock", "bedrock", { region: "us-east-1" })
    },
    models: {
      ...Object.fromEntries(names.map((name) => [`tides-of-${name}`, { targets: [target(name)] }])),
      whoever: { targets: [target("anthropic"), target("gemini"), target("openai")] }
    },
    defaults: { retry: { base: "5ms", throttleBase: "5ms" } }
  })
  Agents.setTracingDisabled(true)
  Agents.setOpenAIAPI("chat_completions")
  Agents.setDefaultOpenAIClient(new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 }))
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

/** What a client is, in these tests: something that runs the whole loop and has a text in the end. */
type Client = (model: string, stream: boolean) => Promise<string>

/** The first call ends after the second, so that only its place says which is which. */
const tideTool = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return async (harbour: string): Promise<string> => {
    if (harbour === harbours[1]) resolve()
    else await promise
    return heightAt(harbour)
  }
}

const withAi: Client = async (model, stream) => {
  const getTide = tideTool()
  const options = {
    model: createOpenAICompatible({ name: "breakwater", baseURL: gateway.url }).chatModel(model),
    prompt,
    tools: {
      get_tide: tool({
        inputSchema: jsonSchema<{ readonly harbour: string }>(parameters),
        execute: ({ harbour }) => getTide(harbour)
      })
    },
    providerOptions: { breakwater: { reasoningEffort: "low" } },
    stopWhen: stepCountIs(3),
    maxRetries: 0
  }
  return stream ? await streamText(options).text : (await generateText(options)).text
}

const withLangChain: Client = async (model, stream) => {
  const getTide = tideTool()
  const chat = new ChatOpenAI({
    model,
    apiKey: "none",
    configuration: { baseURL: gateway.url },
    modelKwargs: { reasoning_effort: "low" },
    maxRetries: 0
  }).bindTools([{ type: "function", function: { name: "get_tide", parameters } }])
  const ask = async (messages: ReadonlyArray<HumanMessage | AIMessage | ToolMessage>): Promise<AIMessage> => {
    if (!stream) return chat.invoke([...messages])
    let whole: AIMessageChunk | undefined
    for await (const chunk of await chat.stream([...messages])) {
      whole = whole === undefined
        ? chunk
        : whole.concat(chunk)
    }
    if (whole === undefined) throw new Error("nothing was said")
    return whole
  }
  const messages: Array<HumanMessage | AIMessage | ToolMessage> = [new HumanMessage(prompt)]
  const said = await ask(messages)
  const results = await Promise.all(
    (said.tool_calls ?? []).map(async ({ args, id = "" }) =>
      new ToolMessage({ content: await getTide(args["harbour"]), tool_call_id: id })
    )
  )
  messages.push(said, ...results)
  return (await ask(messages)).text
}

const withAgents: Client = async (model, stream) => {
  const getTide = tideTool()
  const agent = new Agents.Agent({
    name: "Harbour master",
    model,
    modelSettings: { reasoning: { effort: "low" } },
    tools: [Agents.tool({
      name: "get_tide",
      description: "The height of the tide",
      parameters: { ...parameters, required: [...parameters.required] },
      // What the schema above says.
      execute: (input) => getTide((input as { readonly harbour: string }).harbour)
    })]
  })
  if (!stream) return (await Agents.run(agent, prompt)).finalOutput ?? ""
  const result = await Agents.run(agent, prompt, { stream: true })
  await result.completed
  return result.finalOutput ?? ""
}

/** What the upstream must have seen in its own dialect when it was asked again. */
const expectedTurns = (dialect: DialectName, ids: ReadonlyArray<string>) => {
  const state = states[dialect]
  const hasThought = dialect === "anthropic" || dialect === "bedrock"
  const thought: ReadonlyArray<Part> = hasThought ? [{ kind: "thought", text: "I shall ask the gauges.", state }] : []
  return [
    { role: "user", parts: [{ kind: "text", text: prompt }] },
    {
      role: "assistant",
      parts: [
        ...thought,
        ...harbours.map((harbour, at) => ({
          kind: "call",
          id: ids[at],
          name: "get_tide",
          input: { harbour },
          ...(dialect === "gemini" && at === 0 ? { state } : {})
        }))
      ]
    },
    { role: "user", parts: harbours.map((harbour, at) => ({ kind: "result", id: ids[at], value: heightAt(harbour) })) }
  ]
}

const callIdsIn = ({ meaning }: Heard): ReadonlyArray<string> =>
  meaning.turns.flatMap(({ parts }) => parts.flatMap((part) => part.kind === "call" ? [part.id] : []))

const ways = [["whole", false], ["streamed", true]] as const

describe.each([["ai", withAi], ["@langchain/openai", withLangChain], ["@openai/agents", withAgents]] as const)(
  "a loop of tools with %s",
  (_, client) => {
    describe.each(names)("before %s", (dialect) => {
      it.each(ways)("comes to its answer with both results in their place, %s", async (_, stream) => {
        answer = tideModel
        const before = upstream.heard.length
        expect(await client(`tides-of-${dialect}`, stream)).toBe("The tides are 6.5 m and 4.5 m.")
        const heard = upstream.heard.slice(before)
        expect(heard.map((one) => [one.dialect, one.model, one.stream])).toEqual(
          Array.from({ length: 2 }, () => [dialect, models[dialect], stream])
        )
        const [first, second] = heard
        if (first === undefined || second === undefined) throw new Error("nobody asked")
        expect(first.meaning.callable).toEqual(["get_tide"])
        expect(heard.map(({ meaning }) => meaning.thinks)).toEqual([true, true])
        const ids = callIdsIn(second)
        // Gemini gives its calls no ids, so theirs are the gateway's own.
        if (dialect === "gemini") expect(new Set(ids).size).toBe(2)
        else expect(ids).toEqual(["toolu_0", "toolu_1"])
        expect(second.meaning.turns).toEqual(expectedTurns(dialect, ids))
      })
    })
  }
)

const call = (id: string, harbour: string, state?: string) => ({
  id,
  name: "get_tide",
  input: { harbour },
  ...(state === undefined ? {} : { state })
})

/** Each provider asks for another harbour, and OpenAI has heard enough; who is down says so. */
const conversing = (down: ReadonlySet<DialectName>) => (heard: Heard): Saying | Trouble => {
  const { dialect } = heard
  if (down.has(dialect)) return { status: dialect === "anthropic" ? 529 : 503, message: "All is too much." }
  const state = states[dialect]
  const thought = { text: `It is ${dialect} that thinks.`, state }
  if (dialect === "anthropic" && heard.meaning.turns.length === 1) {
    return { thought, calls: [call("toolu_0", "Whitby"), call("toolu_1", "Hull")] }
  }
  return dialect === "gemini"
    ? { thought, calls: [call("", "Leith", state)] }
    : { text: `${dialect} has heard enough.` }
}

type Message = OpenAI.ChatCompletionMessageParam

/** A client that keeps nothing but what OpenAI documents. */
const plainClient = (stream: boolean) => {
  const client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
  const tools = [{ type: "function", function: { name: "get_tide", parameters } }] as const
  return async (messages: ReadonlyArray<Message>) => {
    const asked = { model: "whoever", messages: [...messages], tools: [...tools], reasoning_effort: "low" as const }
    const answer = stream
      ? await client.chat.completions.stream(asked).finalChatCompletion()
      : await client.chat.completions.create(asked)
    const { content = null, tool_calls: calls = [] } = answer.choices[0]?.message ?? {}
    const kept = calls.flatMap((one) =>
      one.type === "function"
        ? [{
          id: one.id,
          type: one.type,
          function: { name: one.function.name, arguments: one.function.arguments }
        }]
        : []
    )
    const results = kept.map(({ function: { arguments: written }, id }): Message => ({
      role: "tool",
      tool_call_id: id,
      content: heightAt(JSON.parse(written).harbour)
    }))
    const said: Message = { role: "assistant", content, ...(kept.length === 0 ? {} : { tool_calls: kept }) }
    return { content, messages: [...messages, said, ...results] }
  }
}

const partsOf = (heard: Heard | undefined, turn: number): ReadonlyArray<Part> => heard?.meaning.turns[turn]?.parts ?? []

describe("a conversation with tools whose provider goes down in its middle", () => {
  it.each(ways)("goes on with the next one, without the state of the last, and back again, %s", async (_, stream) => {
    const down = new Set<DialectName>()
    answer = conversing(down)
    const ask = plainClient(stream)
    const before = upstream.heard.length
    const lastOf = (dialect: DialectName) => upstream.heard.slice(before).findLast((one) => one.dialect === dialect)

    const first = await ask([{ role: "user", content: prompt }])
    down.add("anthropic")
    const second = await ask(first.messages)
    expect(partsOf(lastOf("gemini"), 1)).toEqual([
      // Google's word for what another model has called.
      { kind: "call", ...call("toolu_0", "Whitby", "skip_thought_signature_validator") },
      { kind: "call", ...call("toolu_1", "Hull") }
    ])
    expect(partsOf(lastOf("gemini"), 2)).toEqual([
      { kind: "result", id: "toolu_0", value: "6.5 m" },
      { kind: "result", id: "toolu_1", value: "4.5 m" }
    ])

    down.add("gemini")
    const third = await ask(second.messages)
    expect(third.content).toBe("openai has heard enough.")
    const heardByOpenAi = lastOf("openai")
    const [leith] = partsOf(heardByOpenAi, 3)
    if (leith?.kind !== "call") throw new Error("Gemini's call did not reach OpenAI")
    expect(heardByOpenAi?.asked.body).not.toContain("__bw")
    expect(heardByOpenAi?.meaning.turns.map(({ parts }) => parts)).toEqual([
      [{ kind: "text", text: prompt }],
      [{ kind: "call", ...call("toolu_0", "Whitby") }, { kind: "call", ...call("toolu_1", "Hull") }],
      [{ kind: "result", id: "toolu_0", value: "6.5 m" }, { kind: "result", id: "toolu_1", value: "4.5 m" }],
      [{ kind: "call", ...call(leith.id, "Leith") }],
      [{ kind: "result", id: leith.id, value: "5.5 m" }]
    ])

    down.clear()
    const again = await ask([...third.messages, { role: "user", content: "Thank you. And now?" }])
    expect(again.content).toBe("anthropic has heard enough.")
    expect(partsOf(lastOf("anthropic"), 1)).toEqual([
      { kind: "thought", text: "It is anthropic that thinks.", state: states.anthropic },
      { kind: "call", ...call("toolu_0", "Whitby") },
      { kind: "call", ...call("toolu_1", "Hull") }
    ])
    expect(partsOf(lastOf("anthropic"), 3)).toEqual([{ kind: "call", ...call(leith.id, "Leith") }])
  })
})
