import { afterAll, describe, expect, it } from "@effect/vitest"
import { envelopeFaults, errorOf, hello, post, postText } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

/** Deterministic random numbers (mulberry32). */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const user = { role: "user", content: "x" }
const notNumber: ReadonlyArray<unknown> = ["1", true, [], {}]
const notString: ReadonlyArray<unknown> = [1, true, [], {}]
const notBoolean: ReadonlyArray<unknown> = ["true", 1, [], {}]
const notArray: ReadonlyArray<unknown> = ["x", 1, true, {}]
const outside = (minimum: number, maximum: number) => [minimum - 0.01, maximum + 0.01, minimum - 100, maximum + 1000]

/** For each member: values that OpenAI's description refuses. */
const wrong: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  model: [...notString, null, "", "m".repeat(257)],
  messages: [...notArray, null, [], [null], ["hi"], [[]]],
  temperature: [...notNumber, ...outside(0, 2)],
  top_p: [...notNumber, ...outside(0, 1)],
  frequency_penalty: [...notNumber, ...outside(-2, 2)],
  presence_penalty: [...notNumber, ...outside(-2, 2)],
  n: [...notNumber, 0, 129, 1.5, -1],
  max_tokens: [...notNumber, 0, -5, 1.5],
  max_completion_tokens: [...notNumber, 0, -5, 1.5],
  top_logprobs: [...notNumber, -1, 21, 2.5, 3],
  seed: [...notNumber, 1.5],
  stop: [1, true, {}, [], ["a", "b", "c", "d", "e"], [1], [null]],
  stream: notBoolean,
  logprobs: notBoolean,
  store: notBoolean,
  parallel_tool_calls: notBoolean,
  stream_options: ["x", 1, [], { include_usage: true }],
  logit_bias: ["x", 1, [], { "50256": 101 }, { "50256": "1" }],
  user: notString,
  metadata: ["x", 1, [], { a: 1 }, { a: "x".repeat(513) }, { ["k".repeat(65)]: "v" }],
  safety_identifier: ["x".repeat(65), 1],
  response_format: ["json", 1, [], {}, { type: "xml" }, { type: "json_schema" }],
  reasoning_effort: ["extreme", 1, {}],
  verbosity: ["loud", 1],
  modalities: ["text", ["smell"], 1],
  audio: ["alloy", 1, {}, { voice: "alloy" }],
  prediction: ["x", {}, { type: "content" }, { type: "guess", content: "x" }],
  tools: [
    ...notArray,
    [null],
    [{}],
    [{ type: "function" }],
    [{ type: "function", function: {} }],
    [{ type: "function", function: { name: "a b" } }],
    [{ type: "function", function: { name: "f", parameters: "x" } }]
  ],
  tool_choice: ["always", 1, [], {}, { type: "function" }, { type: "function", function: {} }],
  functions: [...notArray, [], [{}]],
  function_call: ["always", 1, {}]
}

const wrongMessages: ReadonlyArray<unknown> = [
  {},
  { content: "x" },
  { role: "robot", content: "x" },
  { role: 1, content: "x" },
  { role: "user" },
  { role: "user", content: null },
  { role: "user", content: 1 },
  { role: "user", content: [] },
  { role: "user", content: [null] },
  { role: "user", content: ["x"] },
  { role: "user", content: [{}] },
  { role: "user", content: [{ type: "text" }] },
  { role: "user", content: [{ type: "text", text: 1 }] },
  { role: "user", content: [{ type: "image_url", image_url: "https://a" }] },
  { role: "user", content: [{ type: "image_url", image_url: { url: "ftp://a/b.png" } }] },
  { role: "user", content: [{ type: "image_url", image_url: { url: "https://a", detail: "ultra" } }] },
  { role: "user", content: [{ type: "image_url", image_url: { url: "http://127.1/" } }] },
  { role: "user", content: [{ type: "text", text: "x" }, { type: "image_url", image_url: { url: "http://[::1]/" } }] },
  { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/svg+xml;base64,PHN2Zz4=" } }] },
  { role: "user", content: [{ type: "video_url", video_url: { url: "http://metadata.google.internal/" } }] },
  { role: "user", content: [{ type: "input_audio", input_audio: { data: "x" } }] },
  { role: "user", content: [{ type: "file", file: "x" }] },
  { role: "system" },
  { role: "system", content: 3 },
  { role: "developer", content: {} },
  { role: "assistant" },
  { role: "assistant", content: null },
  { role: "assistant", content: 5 },
  { role: "assistant", tool_calls: [{}] },
  { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name: "f" } }] },
  { role: "tool", content: "x" },
  { role: "tool", content: "x", tool_call_id: 1 },
  { role: "tool", tool_call_id: "1" },
  { role: "function", content: "x" }
]

const wrongTexts: ReadonlyArray<string> = [
  "",
  " \n",
  "{",
  "}",
  "nul",
  "null",
  "[]",
  "1",
  "\"text\"",
  "{\"model\":}",
  "{'model':'x'}",
  "{\"model\":\"x\",}",
  "{\"model\":\"x\" \"messages\":[]}",
  "{\"model\":\"\u0001\"}",
  "{\"model\":\"x\",\"model\":\"y\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
]

interface Case {
  readonly name: string
  readonly text: string
  readonly param: string | undefined
}

const cases = (count: number): ReadonlyArray<Case> => {
  const random = seeded(20261122)
  const singles = Object.entries(wrong).flatMap(([member, values]) =>
    values.map((value): Case => ({
      name: `${member} = ${JSON.stringify(value).slice(0, 60)}`,
      text: JSON.stringify({ ...hello, [member]: value }),
      param: member
    }))
  )
  const messages = wrongMessages.map((message): Case => {
    // The fault may stand anywhere in a conversation.
    const before = Array.from({ length: Math.floor(random() * 4) }, () => user)
    return {
      name: `messages[${before.length}] = ${JSON.stringify(message).slice(0, 80)}`,
      text: JSON.stringify({ ...hello, messages: [...before, message, user] }),
      param: `messages[${before.length}]`
    }
  })
  const texts = wrongTexts.map((text): Case => ({ name: JSON.stringify(text).slice(0, 40), text, param: undefined }))
  const missing = ["model", "messages"].map((member): Case => ({
    name: `no ${member}`,
    text: JSON.stringify({ ...hello, [member]: undefined }),
    param: member
  }))
  const all = [...singles, ...messages, ...texts, ...missing]
  return all.map((entry) => ({ entry, order: random() })).sort((a, b) => a.order - b.order).slice(0, count)
    .map(({ entry }) => entry)
}

describe("malformed requests", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)
  const all = cases(200)

  it("are two hundred", () => {
    expect(all.length).toBe(200)
  })

  it.each(all)("$name is a 400 that says where and how, and asks no upstream", async ({ param, text }) => {
    const reply = await postText(server, text)
    expect(reply.status).toBe(400)
    expect(envelopeFaults(reply.text)).toEqual([])
    const { message, param: told } = errorOf(reply)
    expect(message.length).toBeGreaterThan(20)
    expect(message).toMatch(/expected|missing|not valid JSON|empty|must be|twice|more than once|duplicate/i)
    expect(message).not.toMatch(/undefined|\[object|RegExp|<filter>/)
    if (param !== undefined) {
      expect(told ?? "").toContain(param)
      expect(message).toContain(told)
    }
    expect(fake.asked.length).toBe(0)
  })

  it("a prompt is not echoed", async () => {
    const reply = await post(server, { model: "fast", messages: [{ role: "CANARY", content: "x" }], stop: "CANARY" })
    expect(reply.text).not.toContain("CANARY")
  })
})
