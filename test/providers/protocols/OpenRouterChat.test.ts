import { describe, expect, it } from "@effect/vitest"
import { carry } from "../../../src/providers/protocols/OpaqueState.ts"
import { openAi } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import { openRouterChat } from "../../../src/providers/protocols/OpenRouterChat.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { callOf } from "../Calls.ts"

const claude = "anthropic/claude-sonnet-4.5"
const gemini = "google/gemini-3-flash-preview"

const bodyOf = (model: string, fields: object, dialect = openRouterChat): string => {
  const lowered = dialect.lower(callOf(model, { ...fields }), false)
  if ("_tag" in lowered) throw new Error(lowered.message)
  return lowered.body
}

const call = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })
const asked = (calls: ReadonlyArray<object>, more = {}) => ({
  messages: [
    { role: "user", content: "?" },
    { role: "assistant", content: null, tool_calls: calls, ...more },
    { role: "tool", tool_call_id: "c", content: "4.2 m" }
  ]
})
const answerIn = (body: string) => JSON.parse(body).messages[1]

const text = { type: "reasoning.text", format: "anthropic-claude-v1", index: 0 }
const thought = { ...text, text: "Let me look.", signature: "c2ln" }
const sealed = (id: string) => ({
  type: "reasoning.encrypted",
  data: `sealed ${id}`,
  format: "google-gemini-v1",
  id,
  index: 0
})
const packed = (model: string, ...details: ReadonlyArray<object>) => carry("c", "o", JSON.stringify({ model, details }))

const fallback = { id: "a", created: 1, model: claude, nowMs: 0 }

/** Messages of the next request, after the answer as a plain client kept it. */
const next = (model: string, calls: ReadonlyArray<object>) => answerIn(bodyOf(model, asked(calls)))

const chunk = (model: string, delta: object, finish_reason: string | null = null) =>
  JSON.stringify({
    id: "a",
    object: "chat.completion.chunk",
    created: 1,
    model,
    choices: [{ index: 0, delta, finish_reason }]
  })

/** What a client gets of these deltas, event by event, and the calls that it puts together. */
const streamed = (model: string, deltas: ReadonlyArray<object>, after: ReadonlyArray<string> = []) => {
  const machine = openRouterChat.openStream({ includeUsage: false, fallback: { ...fallback, model } })
  const events = [...deltas.map((delta) => chunk(model, delta)), chunk(model, {}, "tool_calls"), ...after, "[DONE]"]
  const steps = events.map((data) => {
    const frames: Array<Frame> = []
    machine.next({ event: "", data, bytes: Buffer.from(`data: ${data}\n\n`) }, frames)
    return frames
  })
  const calls = steps.flat().flatMap(({ chunk }) => chunk.choices[0]?.delta.tool_calls ?? [])
    .filter(({ id }) => id !== undefined)
  const finishes = steps.flat().flatMap(({ chunk }) => chunk.choices[0]?.finish_reason ?? [])
  const sent = steps.flat().map(({ bytes }) => Buffer.from(bytes ?? []).toString()).join("")
  return { steps, calls, finishes, sent, isDone: machine.isDone }
}

describe("a request to OpenRouter", () => {
  it("has what its model thought before the calls, and OpenRouter's own ids", () => {
    const body = bodyOf(claude, asked([call(packed(claude, thought)), call("d")]))
    expect(answerIn(body)).toMatchObject({ reasoning_details: [thought], tool_calls: [{ id: "c" }, { id: "d" }] })
  })

  it("has it though a client kept pieces of it", () => {
    const kept = { reasoning_details: [{ ...text, text: "Let" }, { ...text, text: " me" }] }
    expect(answerIn(bodyOf(claude, asked([call(packed(claude, thought))], kept))).reasoning_details).toEqual([thought])
    expect(answerIn(bodyOf(claude, asked([call("c")], kept))).reasoning_details).toEqual(kept.reasoning_details)
  })

  it("has no thoughts of another model or provider", () => {
    for (const id of [packed("openai/gpt-5", thought), carry("c", "a", "[]"), carry("c", "o", "no JSON")]) {
      expect(answerIn(bodyOf(claude, asked([call(id)])))).not.toHaveProperty("reasoning_details")
      expect(answerIn(bodyOf(claude, asked([call(id)]))).tool_calls[0].id).toBe("c")
    }
  })

  it("says to Gemini 3 that a call was not its own, and to no other", () => {
    const foreign = [{ ...sealed("c"), data: "skip_thought_signature_validator" }]
    for (const id of ["c", packed(claude, thought), carry("c", "g", "sig")]) {
      expect(answerIn(bodyOf(gemini, asked([call(id), call("d")]))).reasoning_details).toEqual(foreign)
    }
    expect(answerIn(bodyOf("google/gemini-2.5-pro", asked([call("c")])))).not.toHaveProperty("reasoning_details")
    const kept = { reasoning_details: [sealed("c")] }
    expect(answerIn(bodyOf(gemini, asked([call("c")], kept)))).toMatchObject(kept)
  })

  it("goes up to the letter where no id brings anything", () => {
    for (const fields of [{}, asked([call("c")]), { messages: [{ role: "assistant", content: "a" }] }]) {
      expect(bodyOf(claude, fields)).toBe(bodyOf(claude, fields, openAi))
    }
  })
})

describe("an answer of OpenRouter", () => {
  it("has its thoughts in the id of the first call", () => {
    const message = {
      role: "assistant",
      content: "",
      reasoning_details: [thought, { type: "reasoning.encrypted" }],
      tool_calls: [call("c"), call("d")]
    }
    const read = openRouterChat.readAnswer(
      JSON.stringify({ choices: [{ index: 0, message, finish_reason: "tool_calls" }] }),
      fallback
    )
    if ("_tag" in read) throw new Error(read.message)
    const calls = read.completion.choices[0]?.message.tool_calls ?? []
    expect(JSON.parse(read.text).choices[0].message.tool_calls).toEqual(calls)
    expect(next(claude, calls)).toMatchObject({ reasoning_details: [thought], tool_calls: [{ id: "c" }, { id: "d" }] })
  })

  it("has them when it is streamed in pieces, the signature last", () => {
    const pieces = [{ ...text, text: "Let me" }, { ...text, text: " look." }, { ...text, signature: "c2ln" }]
    const { calls, steps } = streamed(claude, [
      ...pieces.map((piece) => ({ content: "", reasoning_details: [piece] })),
      { tool_calls: [{ index: 0, ...call("c") }] },
      { reasoning_details: [{ ...text, index: 1, text: "And there." }] },
      { tool_calls: [{ index: 1, ...call("d") }] }
    ])
    expect(next(claude, calls)).toMatchObject({
      reasoning_details: [thought, { ...text, index: 1, text: "And there." }],
      tool_calls: [{ id: "c" }, { id: "d" }]
    })
    expect(steps[3]).toHaveLength(1)
  })

  it.each([
    ["with the call", [{ reasoning_details: [sealed("c")], tool_calls: [{ index: 0, ...call("c") }] }], []],
    ["behind the call", [{ tool_calls: [{ index: 0, ...call("c") }] }, { reasoning_details: [sealed("c")] }], []],
    ["behind its end", [{ tool_calls: [{ index: 0, ...call("c") }] }], [
      chunk(gemini, { reasoning_details: [sealed("c")] }, "tool_calls")
    ]]
  ])("has the seal of Gemini that comes %s", (_, deltas, after) => {
    const { calls, finishes, isDone } = streamed(gemini, deltas, after)
    expect(next(gemini, calls)).toMatchObject({ reasoning_details: [sealed("c")], tool_calls: [{ id: "c" }] })
    expect([finishes, isDone]).toEqual([["tool_calls"], true])
  })

  it("has Gemini's calls though they are not sealed, in their order", () => {
    const { calls, finishes } = streamed("google/gemini-2.5-flash", [
      { content: "I look." },
      { tool_calls: [{ index: 0, ...call("c") }] },
      { tool_calls: [{ index: 1, ...call("d") }] }
    ])
    expect([calls.map(({ id }) => id), finishes]).toEqual([["c", "d"], ["tool_calls"]])
  })

  it("is the same to the letter as of any other host where nothing was thought", () => {
    const deltas = [{ role: "assistant", content: "" }, { content: "a" }, { content: "b" }, {
      tool_calls: [{ index: 0, ...call("c") }]
    }]
    const machine = openAi.openStream({ includeUsage: false, fallback })
    const frames: Array<Frame> = []
    for (const data of [...deltas.map((delta) => chunk(claude, delta)), chunk(claude, {}, "tool_calls"), "[DONE]"]) {
      machine.next({ event: "", data, bytes: Buffer.from(`data: ${data}\n\n`) }, frames)
    }
    expect(streamed(claude, deltas).sent).toBe(frames.map(({ bytes }) => Buffer.from(bytes ?? []).toString()).join(""))
  })
})
