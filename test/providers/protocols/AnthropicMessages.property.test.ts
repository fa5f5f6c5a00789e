/** Whatever Anthropic, or who claims to be it, sends: no throw, and nothing but well-formed chunks with one end. */
import { describe, expect, it } from "@effect/vitest"
import { anthropicMessages } from "../../../src/providers/protocols/AnthropicMessages.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { makeRandom, pick } from "../Seeded.ts"

const rounds = process.env["BREAKWATER_FULL"] === "1" ? 100_000 : 2000
const timeout = 600_000

const dialect = anthropicMessages({ version: "2023-06-01" })
const fallback = { id: "chatcmpl-x", created: 1, model: "asked", nowMs: 0 }

type Random = () => number

const usage = { input_tokens: 3, cache_read_input_tokens: 1, cache_creation_input_tokens: 0, output_tokens: 5 }
const content = [
  { type: "thinking", thinking: "Hm.", signature: "c2ln" },
  { type: "redacted_thinking", data: "x" },
  { type: "text", text: "So." },
  { type: "tool_use", id: "toolu_1", name: "a", input: { x: 1 } }
]
const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content, stop_reason: "tool_use", usage }
const block = (index: number, content_block: unknown, ...deltas: ReadonlyArray<unknown>) => [
  { type: "content_block_start", index, content_block },
  ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
  { type: "content_block_stop", index }
]
const events: ReadonlyArray<unknown> = [
  { type: "message_start", message: { ...message, content: [], stop_reason: null } },
  { type: "ping" },
  ...block(
    0,
    { type: "thinking", thinking: "", signature: "" },
    { type: "thinking_delta", thinking: "Hm." },
    { type: "signature_delta", signature: "c2ln" }
  ),
  ...block(1, { type: "redacted_thinking", data: "x" }),
  ...block(2, { type: "text", text: "" }, { type: "text_delta", text: "So" }, { type: "text_delta", text: "." }),
  ...block(
    3,
    { type: "tool_use", id: "toolu_1", name: "a", input: {} },
    { type: "input_json_delta", partial_json: "{\"x\"" },
    { type: "input_json_delta", partial_json: ":1}" }
  ),
  { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage },
  { type: "message_stop" }
]

const odd: ReadonlyArray<unknown> = [
  null,
  0,
  -1,
  1e308,
  "",
  "constructor",
  "__proto__",
  [],
  [null],
  {},
  { type: "text" },
  { toString: 1 },
  true,
  "tool_use",
  "error",
  { type: "error", message: 5 }
]

/** The value with one of its members, somewhere in it, replaced, removed or said under another name. */
const mutated = (random: Random, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || random() < 0.1) return pick(random, odd)
  if (Array.isArray(value)) {
    const at = Math.floor(random() * value.length)
    return value.map((member, index) => index === at ? mutated(random, member) : member)
  }
  const entries = Object.entries(value)
  const at = Math.floor(random() * entries.length)
  return Object.fromEntries(entries.flatMap(([name, member], index) => {
    if (index !== at) return [[name, member]]
    if (random() < 0.2) return []
    return [[random() < 0.1 ? "__proto__" : name, random() < 0.5 ? pick(random, odd) : mutated(random, member)]]
  }))
}

const shuffled = (random: Random): ReadonlyArray<unknown> => {
  const list = [...events]
  for (let times = Math.floor(random() * 4); times > 0; times--) {
    const at = Math.floor(random() * list.length)
    const action = random()
    if (action < 0.6) list[at] = mutated(random, list[at])
    else if (action < 0.75) list.splice(at, 1)
    else if (action < 0.9) list.splice(at, 0, list[at])
    else [list[at], list[0]] = [list[0], list[at]]
  }
  return list
}

const play = (list: ReadonlyArray<unknown>) => {
  const machine = dialect.openStream({ includeUsage: true, fallback })
  const frames: Array<Frame> = []
  for (const event of list) machine.next({ event: "", data: JSON.stringify(event), bytes: undefined }, frames)
  machine.end(frames)
  return { machine, frames }
}

/** What is wrong with what was said. */
const flawsOf = ({ frames, machine }: ReturnType<typeof play>): ReadonlyArray<string> => {
  const flaws: Array<string> = []
  const hold = (isRight: boolean, what: string): void => {
    if (!isRight) flaws.push(what)
  }
  hold(machine.isDone !== (machine.failure !== undefined), "neither ended nor broken, or both")
  const chunks = frames.flatMap(({ bytes }) =>
    bytes === undefined ? [] : [JSON.parse(Buffer.from(bytes).toString("utf8", 6))]
  )
  const choices = chunks.flatMap((chunk) => chunk.choices)
  const ends = choices.filter(({ finish_reason: finish }) => finish !== null).length
  hold(ends === (machine.isComplete ? 1 : 0), `${ends} ends`)
  for (const [at, chunk] of chunks.entries()) {
    hold(typeof chunk.id === "string" && typeof chunk.model === "string", "no identity")
    const role = at === 0 && chunk.choices.length > 0 ? "assistant" : undefined
    hold(chunk.choices[0]?.delta.role === role, `role in event ${at}`)
  }
  for (const { delta } of choices) {
    for (const name of ["content", "reasoning_content", "refusal"]) {
      hold(delta[name] === undefined || delta[name] === null || typeof delta[name] === "string", name)
    }
    for (const call of delta.tool_calls ?? []) hold(typeof call.function.arguments === "string", "arguments")
  }
  return flaws
}

describe("a stream of Anthropic with anything in it", () => {
  it("ends well or is broken, and is well-formed up to there", { timeout }, () => {
    const random = makeRandom(11)
    for (let round = 0; round < rounds; round++) {
      const list = shuffled(random)
      const flaws = flawsOf(play(list))
      if (flaws.length > 0) expect({ list, flaws }).toEqual({ list, flaws: [] })
    }
  })

  it("says the same as the whole answer where nothing is wrong", () => {
    const { frames } = play(events)
    const read = dialect.readAnswer(JSON.stringify(message), fallback)
    if ("_tag" in read) throw new Error(read.message)
    const deltas = frames.flatMap(({ chunk }) => chunk.choices.map(({ delta }) => delta))
    const whole = read.completion.choices[0]?.message
    expect(deltas.map(({ content }) => content ?? "").join("")).toBe(whole?.content)
    expect(deltas.map(({ reasoning_content }) => reasoning_content ?? "").join("")).toBe(whole?.reasoning_content)
    const calls = deltas.flatMap(({ tool_calls }) => tool_calls ?? [])
    expect(calls.map((call) => call.function?.arguments).join("")).toBe(whole?.tool_calls?.[0]?.function?.arguments)
    expect(calls[0]?.id).toBe(whole?.tool_calls?.[0]?.id)
    expect(frames.findLast(({ usage }) => usage)?.usage).toEqual(read.usage)
  })
})

describe("a whole answer of Anthropic with anything in it", () => {
  it("is read or is broken", { timeout }, () => {
    const random = makeRandom(12)
    for (let round = 0; round < rounds; round++) {
      let value: unknown = message
      for (let times = Math.floor(random() * 4); times > 0; times--) value = mutated(random, value)
      const read = dialect.readAnswer(JSON.stringify(value) ?? "", fallback)
      if ("_tag" in read) continue
      const { choices, id, model } = JSON.parse(read.text)
      expect([typeof id, typeof model, choices.length]).toEqual(["string", "string", 1])
      expect(["stop", "length", "tool_calls", "content_filter"]).toContain(choices[0].finish_reason)
      for (const call of choices[0].message.tool_calls ?? []) JSON.parse(call.function.arguments)
    }
  })
})
