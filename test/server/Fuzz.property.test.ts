import { afterAll, describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { runs } from "../providers/Seeded.ts"
import { envelopeFaults, post, postText } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const options = runs(1000, 20_000)

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

const seldom = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/** One change of a request; what it is done to is taken from what is there. */
const mutations = fc.record({
  container: fc.nat(500),
  own: fc.nat(30),
  /** Another name than one that is there. */
  name: seldom(fc.constantFrom(...memberNames)),
  action: fc.constantFrom("remove", "put", "repeat", "reverse", "put"),
  value: fc.oneof(fc.constantFrom(...values), fc.jsonValue(), fc.string({ unit: "binary" }))
})
type Mutation = typeof mutations extends fc.Arbitrary<infer M> ? M : never

const mutate = (request: unknown, { action, container, name, own, value }: Mutation): void => {
  const all = containers(request)
  const target = all[container % all.length]
  if (target === undefined) return
  const names = Object.keys(target)
  const member = name ?? names[own % Math.max(1, names.length)] ?? "x"
  if (action === "remove") Reflect.deleteProperty(target, member)
  else if (!Array.isArray(target)) define(target, member, structuredClone(value))
  else if (action === "repeat") target.push(structuredClone(target[0] ?? value))
  else if (action === "reverse") target.reverse()
  else target[own % (target.length + 1)] = structuredClone(value)
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

const requests = fc.record({
  seed: fc.constantFrom(...seeds),
  mutations: fc.array(mutations, { minLength: 1, maxLength: 4 }),
  /** What is done to its text, and where, in parts of a million. */
  damage: seldom(fc.tuple(fc.constantFrom(...damages), fc.nat(999_999))),
  headers: fc.constantFrom(...headerSets)
})

const bodyOf = ({ damage, mutations, seed }: typeof requests extends fc.Arbitrary<infer R> ? R : never): string => {
  const request = structuredClone(seed)
  for (const mutation of mutations) mutate(request, mutation)
  const whole = JSON.stringify(request)
  return damage === undefined ? whole : damage[0](whole, Math.floor(whole.length * damage[1] / 1_000_000))
}

describe("a request that was mutated at random", () => {
  const fake = makeFake()
  const server = makeServer(fake)
  afterAll(server.dispose)

  it("is answered, or refused in the envelope, but never a failure of ours", { timeout: 600_000 }, async () => {
    const seen = new Map<number, number>()
    const property = fc.asyncProperty(requests, async (request) => {
      const reply = await postText(server, bodyOf(request), request.headers)
      seen.set(reply.status, (seen.get(reply.status) ?? 0) + 1)
      const isFine = reply.status === 200
      expect([200, 400, 413, 415]).toContain(reply.status)
      expect(reply.headers.get("x-request-id")).toMatch(/^[\x21-\x7e]{1,128}$/)
      if (isFine) return
      expect(envelopeFaults(reply.text)).toEqual([])
      expect(reply.text).not.toMatch(/\bat .*\.ts:\d+|node_modules|SchemaError|undefined|\[object/)
    })
    await fc.assert(property, options)
    // Both outcomes are common, else the mutations would be too mild or too wild to mean anything.
    expect(seen.get(200)).toBeGreaterThan(options.numRuns / 50)
    expect(seen.get(400)).toBeGreaterThan(options.numRuns / 4)
  })

  it("leaves the process as it was", async () => {
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
    expect(Reflect.ownKeys(Object.prototype)).not.toContain("x")
    expect((await post(server, seeds[0])).status).toBe(200)
  })
})
