import { afterAll, describe, expect, it } from "@effect/vitest"
import { makeRandom, pick } from "../providers/Seeded.ts"
import { ask, chatPath, envelopeFaults } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

/** A full run takes more requests. */
const rounds = process.env["BREAKWATER_FULL"] === "1" ? 20_000 : 1000

const call = { id: "call_1", type: "function", function: { name: "tide", arguments: "{\"place\":\"Brest\"}" } }

/** Sound requests that between them have every member that is checked. */
const seeds: ReadonlyArray<unknown> = [
  { model: "fast", messages: [{ role: "user", content: "Hello" }] },
  {
    model: "fast",
    messages: [
      { role: "system", content: "s", name: "n" },
      {
        role: "user",
        content: [{ type: "text", text: "t" }, { type: "image_url", image_url: { url: "https://a/b.png" } }]
      },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "call_1", content: "4 m" },
      {
        role: "user",
        content: [{ type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" } }]
      },
      { role: "user", content: [{ type: "input_audio", input_audio: { data: "AA", format: "wav" } }] }
    ],
    tools: [{
      type: "function",
      function: { name: "tide", parameters: { type: "object", properties: { place: {} } } }
    }],
    tool_choice: { type: "function", function: { name: "tide" } },
    parallel_tool_calls: true
  },
  {
    model: "openai/upstream-model",
    messages: [{ role: "developer", content: "d" }, { role: "user", content: "u" }],
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.5,
    top_p: 1,
    max_completion_tokens: 10,
    n: 1,
    stop: ["a", "b"],
    seed: 1,
    logit_bias: { 1: 1 },
    logprobs: true,
    top_logprobs: 2,
    user: "u",
    metadata: { a: "b" },
    response_format: { type: "json_schema", json_schema: { name: "f", schema: { type: "object" } } },
    modalities: ["text"],
    prediction: { type: "content", content: "x" },
    service_tier: "auto",
    store: false
  }
]

const nested = (levels: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

const values: ReadonlyArray<unknown> = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -0,
  9007199254740992,
  "",
  " ",
  "x",
  "\u0000",
  "\u202e",
  "\ud800",
  "\u{e0041}",
  "__proto__",
  "../../etc/passwd",
  "' OR 1=1 --",
  "<script>",
  "${jndi:ldap://a}",
  "a.exe",
  "\r\nx: y",
  "😀",
  "a".repeat(5000),
  [],
  {},
  [null],
  [[]],
  { type: "text" },
  { role: "tool" },
  { toString: 1 },
  { length: -1 },
  { next: 1 },
  nested(10),
  nested(200)
]

const memberNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "then",
  "length",
  "",
  "\u0000",
  "😀",
  "api_base",
  "apiKey",
  "extra_headers",
  "model",
  "messages",
  "stream",
  "tools",
  "functions",
  "stop",
  "metadata",
  "content",
  "role",
  "type"
]

/** Every object and array below a value, itself included. */
const containers = (value: unknown, found: Array<object> = []): Array<object> => {
  if (typeof value !== "object" || value === null || found.length > 500) return found
  found.push(value)
  for (const member of Object.values(value)) containers(member, found)
  return found
}

const define = (target: object, name: string, value: unknown): void =>
  void Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })

const mutate = (request: unknown, random: () => number): void => {
  const target = pick(random, containers(request))
  const names = Object.keys(target)
  const name = names.length === 0 || random() < 0.3 ? pick(random, memberNames) : pick(random, names)
  const choice = random()
  if (choice < 0.2) Reflect.deleteProperty(target, name)
  else if (choice < 0.4 && Array.isArray(target)) target.push(structuredClone(target[0] ?? pick(random, values)))
  else if (choice < 0.5 && Array.isArray(target)) target.reverse()
  else if (Array.isArray(target)) {
    target[Math.floor(random() * (target.length + 1))] = structuredClone(pick(random, values))
  } else define(target, name, structuredClone(pick(random, values)))
}

const damages: ReadonlyArray<(text: string, at: number) => string> = [
  (text, at) => text.slice(0, at),
  (text, at) => text.slice(at),
  (text, at) => `${text.slice(0, at)}${text.slice(at + 1)}`,
  (text, at) => `${text.slice(0, at)}\u0000${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}\\u0000${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}"${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}\\${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}{${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}1e999${text.slice(at)}`,
  (text, at) => `${text.slice(0, at)}${"[".repeat(500)}${text.slice(at)}`,
  (text) => `\ufeff${text}`,
  (text) => text + text,
  (text) => text.replace("{", "{\"model\":\"x\","),
  (text) => text.replaceAll(":", "::"),
  (text) => text.replace(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
]

const headerSets: ReadonlyArray<Readonly<Record<string, string>>> = [
  {},
  {},
  {},
  {},
  { "content-type": "application/json; charset=utf-8" },
  { "content-type": "text/plain" },
  { "content-encoding": "gzip" },
  { "x-request-id": "../../a b" },
  { "x-request-timeout-ms": "1e9" },
  { "x-breakwater-priority": "constructor" },
  { authorization: "Bearer __proto__" },
  { traceparent: "00-zz-zz-zz" },
  { expect: "100-continue" }
]

describe("a request that was mutated at random", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)

  it(
    `is answered, or refused in the envelope, but never a failure of ours, ${rounds} times`,
    { timeout: 600_000 },
    async () => {
      const random = makeRandom(20261123)
      const seen = new Map<number, number>()
      for (let round = 0; round < rounds; round++) {
        const request = structuredClone(pick(random, seeds))
        for (let times = Math.floor(random() * 4); times >= 0; times--) mutate(request, random)
        const whole = JSON.stringify(request)
        const body = random() < 0.25 ? pick(random, damages)(whole, Math.floor(random() * whole.length)) : whole
        const headers = pick(random, headerSets)
        const reply = await ask(server, chatPath, {
          method: "POST",
          body,
          headers: { "content-type": "application/json", ...headers }
        })
        seen.set(reply.status, (seen.get(reply.status) ?? 0) + 1)
        const isFine = reply.status === 200
        expect({
          round,
          body: body.slice(0, 500),
          status: reply.status,
          isNamed: /^[\x21-\x7e]{1,128}$/.test(reply.headers.get("x-request-id") ?? ""),
          faults: isFine ? [] : envelopeFaults(reply.text),
          leaks: /\bat .*\.ts:\d+|node_modules|SchemaError|undefined|\[object/.exec(isFine ? "" : reply.text)
        }).toMatchObject({
          status: expect.toSatisfy((status: number) => [200, 400, 413, 415].includes(status)),
          isNamed: true,
          faults: [],
          leaks: null
        })
      }
      // Both outcomes are common, else the mutations would be too mild or too wild to mean anything.
      expect(seen.get(200)).toBeGreaterThan(rounds / 50)
      expect(seen.get(400)).toBeGreaterThan(rounds / 4)
      expect(Object.getPrototypeOf({})).toBe(Object.prototype)
      expect(Reflect.ownKeys(Object.prototype)).not.toContain("x")
    }
  )
})
