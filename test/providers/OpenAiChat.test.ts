import { describe, expect, it } from "@effect/vitest"
import { lower, readAnswer } from "../../src/providers/protocols/OpenAiChat.ts"
import { ChatStream } from "../../src/providers/protocols/OpenAiChatStream.ts"
import type { Frame } from "../../src/providers/Provider.ts"
import type { JsonText } from "../../src/validation/JsonText.ts"
import { isScanProblem, scan } from "../../src/validation/JsonText.ts"

const source = (text: string): JsonText => {
  const scanned = scan(text)
  if (isScanProblem(scanned)) throw new Error(scanned.message)
  return scanned
}
const fallback = { id: "chatcmpl-x", created: 5, model: "asked", nowMs: 0 }

describe("lower", () => {
  it("replaces the model alone", () => {
    const text = "{\"seed\": 12345678901234567890, \"model\":\"a\",\"x\":1.0}"
    expect(lower(source(text), "b\"", false)).toBe(text.replace("\"a\"", "\"b\\\"\""))
  })
  it("asks every stream for usage and keeps its other options", () => {
    expect(lower(source("{\"model\":\"a\",\"stream\":true}"), "b", true))
      .toBe("{\"stream_options\":{\"include_usage\":true},\"model\":\"b\",\"stream\":true}")
    const options = "{\"include_obfuscation\":false,\"include_usage\":false}"
    expect(lower(source(`{"stream_options":${options},"stream":true,"model":"a"}`), "b", true))
      .toBe(
        "{\"stream_options\":{\"include_obfuscation\":false,\"include_usage\":true},\"stream\":true,\"model\":\"b\"}"
      )
    expect(lower(source("{\"model\":\"a\",\"stream\":true,\"stream_options\":null}"), "b", true))
      .toBe("{\"model\":\"b\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
  })
  it("says what the flow wants where the text says otherwise", () => {
    expect(lower(source("{\"model\":\"a\",\"stream\":true}"), "a", false)).toBe("{\"model\":\"a\",\"stream\":false}")
  })
})

const message = { role: "assistant", content: "hi", refusal: null }
const choice = { index: 0, message, finish_reason: "stop", logprobs: null }
const whole = { id: "a", object: "chat.completion", created: 1, model: "m", choices: [choice] }
const read = (value: unknown) => {
  const result = readAnswer(typeof value === "string" ? value : JSON.stringify(value), fallback)
  return "_tag" in result ? result._tag : JSON.parse(result.text)
}
const withMessage = (changes: object, finish = "stop") =>
  read({ ...whole, choices: [{ ...choice, message: { ...message, ...changes }, finish_reason: finish }] }).choices[0]

describe("readAnswer", () => {
  it("gives a right answer back as it came", () => {
    const text = JSON.stringify({ odd: [1], ...whole }, null, 2).replace("[", "[12345678901234567890, ")
    expect(readAnswer(text, fallback)).toMatchObject({ text })
  })
  it("supplies what is missing", () => {
    expect(read({ choices: [{ message: { content: "x" } }] })).toEqual({
      id: "chatcmpl-x",
      object: "chat.completion",
      created: 5,
      model: "asked",
      choices: [{ index: 0, finish_reason: "stop", logprobs: null, message: { ...message, content: "x" } }]
    })
  })
  it("keeps integers beyond 2^53 in an answer that it repairs", () => {
    const text =
      "{\"big\":12345678901234567890,\"neg\":-9007199254740993,\"choices\":[{\"message\":{\"content\":\"x\"}}]}"
    const result = readAnswer(text, fallback)
    expect("text" in result && result.text).toMatch(/^\{"big":12345678901234567890,"neg":-9007199254740993,/)
  })
  it("puts tool calls right: text arguments, an object for none, their finish_reason", () => {
    const calls = (called: object) => withMessage({ content: null, tool_calls: [{ id: "c", function: called }] })
    for (
      const [written, text] of [["", "{}"], [undefined, "{}"], [{ a: 1 }, "{\"a\":1}"], ["{\"a\":2}", "{\"a\":2}"]]
    ) {
      const seen = calls({ name: "f", arguments: written })
      expect(seen.message.tool_calls).toEqual([{ id: "c", type: "function", function: { name: "f", arguments: text } }])
      expect(seen.finish_reason).toBe("tool_calls")
    }
  })
  it("turns content parts into text and thinking, and reasoning into one name", () => {
    const parts = [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }, { type: "text", text: "so" }]
    expect(withMessage({ content: parts }).message).toMatchObject({ content: "so", reasoning_content: "hm" })
    expect(withMessage({ reasoning: "hm" }).message).toEqual({ ...message, reasoning_content: "hm" })
  })
  it("is malformed where every choice stopped without a word and no tokens were counted", () => {
    const told = (message: object, finish_reason: string | undefined, completion_tokens?: number) => {
      const usage = completion_tokens === undefined
        ? {}
        : { usage: { prompt_tokens: 1, completion_tokens, total_tokens: 1 + completion_tokens } }
      const read = readAnswer(
        JSON.stringify({
          choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }],
          ...usage
        }),
        fallback
      )
      return "_tag" in read ? read._tag : "answer"
    }
    for (const message of [{}, { content: "" }, { content: null, tool_calls: [], annotations: [] }]) {
      for (const tokens of [undefined, 0]) expect(told(message, "stop", tokens)).toBe("MalformedAnswer")
      expect(told(message, undefined)).toBe("MalformedAnswer")
      expect(told(message, "stop", 1)).toBe("answer")
      expect(told(message, "length", 0)).toBe("answer")
      expect(told(message, "content_filter")).toBe("answer")
    }
    expect(told({ content: "x" }, "stop", 0)).toBe("answer")
    expect(told({ reasoning_content: "x" }, "stop")).toBe("answer")
    expect(told({ refusal: "no" }, "stop")).toBe("answer")
    expect(told({ audio: { id: "a" } }, "stop")).toBe("answer")
  })

  it("is malformed for what is no answer, and the error for one in disguise", () => {
    for (const value of ["", "<html>", "[]", "null", {}, { choices: [] }, { choices: [1] }, { choices: [{}] }]) {
      expect(read(value)).toBe("MalformedAnswer")
    }
    expect(read({ error: { message: "x", code: 429 } })).toBe("RateLimited")
    expect(read({ error: "x" })).toBe("UpstreamFailed")
  })
})

const play = (payloads: ReadonlyArray<unknown>, includeUsage = true) => {
  const machine = new ChatStream({ includeUsage, fallback })
  const frames: Array<Frame> = []
  for (const payload of payloads) {
    const data = typeof payload === "string" ? payload : JSON.stringify(payload)
    machine.next({ event: "", data, bytes: Buffer.from(`data: ${data}\n\n`) }, frames)
  }
  machine.end(frames)
  const sent = frames.flatMap(({ bytes }) => bytes === undefined ? [] : [Buffer.from(bytes).toString()])
  return { machine, frames, sent, chunks: sent.map((text) => JSON.parse(text.slice(6))) }
}
const chunk = (delta: object, finish: string | null = null, more: object = {}) => ({
  id: "a",
  object: "chat.completion.chunk",
  created: 1,
  model: "m",
  choices: [{ index: 0, delta, finish_reason: finish }],
  usage: null,
  ...more
})
const role = chunk({ role: "assistant", content: "" })
const finish = chunk({}, "stop")
const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
const totals = chunk({}, null, { choices: [], usage })
const call = (entry: object) => chunk({ tool_calls: [entry] })
const callsOf = (payloads: ReadonlyArray<unknown>) =>
  play([role, ...payloads, finish]).chunks.flatMap((one) => one.choices).flatMap((one) => one.delta.tool_calls ?? [])

describe("ChatStream", () => {
  it("passes right frames as the upstream's bytes", () => {
    const right = [role, chunk({ content: "hi" }), finish, totals]
    expect(play([...right, "[DONE]"]).sent).toEqual(right.map((one) => `data: ${JSON.stringify(one)}\n\n`))
  })
  it("tells content, end and usage of a frame", () => {
    expect(
      play([role, chunk({ content: "hi" }), finish, totals]).frames.map((frame) => [
        frame.isContent,
        frame.isTerminal,
        frame.usage?.totalTokens
      ])
    ).toEqual([[false, false, undefined], [true, false, undefined], [false, true, undefined], [false, true, 3]])
  })
  it("says no usage where it was not asked for, and keeps it for us", () => {
    const { frames, sent } = play([role, finish, totals], false)
    expect(sent.join("")).not.toContain("usage")
    expect(frames.at(-1)).toMatchObject({ bytes: undefined, usage: { totalTokens: 3 } })
  })
  it("says usage once and last, wherever and however often it came", () => {
    const early = chunk({ content: "x" }, null, { usage: { ...usage, total_tokens: 2 } })
    for (
      const tail of [[{ ...finish, usage }], [finish, totals, totals], [{ ...finish, usage }, totals], [totals, finish]]
    ) {
      const { chunks } = play([role, early, ...tail, "[DONE]"])
      expect(chunks.filter((one) => one.usage !== null)).toEqual([chunks.at(-1)])
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage })
    }
    expect(play([role, { ...finish, usage: undefined, x_groq: { id: "r", usage } }]).chunks.at(-1)).toMatchObject({
      usage
    })
  })
  it("gives every chunk one id and time, and the first delta its role", () => {
    const { chunks } = play([
      { choices: [], id: "", object: "", prompt_filter_results: [] },
      chunk({ content: "a" }, null, { id: "first", created: 7 }),
      chunk({ content: "b", role: "assistant" }, null, { id: "second", created: 8 }),
      finish
    ])
    expect(chunks.map(({ created, id }) => `${id} ${created}`)).toEqual(["first 7", "first 7", "first 7"])
    expect(chunks.map((one) => one.choices[0].delta)).toEqual([
      { role: "assistant", content: "a" },
      { content: "b" },
      {}
    ])
  })
  it("numbers tool calls from 0 and says id, type and name once", () => {
    expect(callsOf([
      call({ index: 1, id: "c", type: "function", function: { name: "f", arguments: "" } }),
      call({ index: 1, id: "c", type: "function", function: { name: "f", arguments: "{}" } })
    ])).toEqual([
      { index: 0, id: "c", type: "function", function: { name: "f", arguments: "" } },
      { index: 0, function: { arguments: "{}" } }
    ])
  })
  it("takes calls apart that share an index or have none", () => {
    const whole = (id: string, index?: number) =>
      call({ index, id, type: "function", function: { name: id, arguments: "{}" } })
    for (const payloads of [[whole("f", 0), whole("g", 0)], [whole("f"), whole("g")]]) {
      expect(callsOf(payloads).map(({ function: { name }, index }) => `${index} ${name}`)).toEqual(["0 f", "1 g"])
    }
  })
  it("keeps a call together whose id changes or never comes", () => {
    expect(
      callsOf([
        call({ index: 0, id: "a", type: "function", function: { name: "f", arguments: "{" } }),
        call({ index: 0, id: "b", function: { arguments: "}" } })
      ]).map(({ index }) => index)
    ).toEqual([0, 0])
    expect(callsOf([call({ function: { name: "f", arguments: "{" } }), call({ function: { arguments: "}" } })]))
      .toEqual([
        { index: 0, id: "call_a_0_0", type: "function", function: { name: "f", arguments: "{" } },
        { index: 0, function: { arguments: "}" } }
      ])
  })
  it("writes arguments as text, {} for none, before the finish_reason tool_calls", () => {
    const { chunks } = play([role, call({ index: 0, id: "c", type: "function", function: { name: "f" } }), finish])
    expect(
      chunks.slice(1).map(({ choices: [one] }) => [one.delta.tool_calls?.[0].function.arguments, one.finish_reason])
    )
      .toEqual([["", null], ["{}", null], [undefined, "tool_calls"]])
    expect(callsOf([call({ index: 0, id: "c", function: { name: "f", arguments: { a: 1 } } })])[0].function.arguments)
      .toBe("{\"a\":1}")
  })
  it("calls reasoning by one name", () => {
    expect(play([role, chunk({ reasoning: "hm" }), finish]).chunks[1].choices[0].delta).toEqual({
      reasoning_content: "hm"
    })
  })
  it("says each choice's finish_reason once and nothing after it", () => {
    expect(play([role, finish, chunk({ content: "more" }), finish, "[DONE]", chunk({ content: "x" })]).chunks)
      .toHaveLength(2)
  })
  it("skips two events that are not JSON and gives up at the third", () => {
    expect(play([role, "{", "x", finish]).machine.isDone).toBe(true)
    const { machine, sent } = play([role, "{", "x", "[", chunk({ content: "late" })])
    expect([machine.failure?._tag, sent.length]).toEqual(["MalformedAnswer", 1])
  })
  it("is an interruption without a finish_reason, with and without [DONE]", () => {
    expect(play([role, chunk({ content: "x" })]).machine.failure?._tag).toBe("StreamInterrupted")
    expect(play([role, chunk({ content: "x" }), "[DONE]"]).machine.failure?._tag).toBe("StreamInterrupted")
  })
  it("is an interruption while a choice that was asked for has not begun", () => {
    const two = (payloads: ReadonlyArray<unknown>) => {
      const machine = new ChatStream({ includeUsage: true, choices: 2, fallback })
      const frames: Array<Frame> = []
      for (const payload of payloads) {
        const data = typeof payload === "string" ? payload : JSON.stringify(payload)
        machine.next({ event: "", data, bytes: undefined }, frames)
      }
      const isTerminal = frames.some((frame) => frame.isTerminal)
      machine.end(frames)
      return [isTerminal, machine.failure?._tag]
    }
    const second = { ...finish, choices: [{ index: 1, delta: { content: "x" }, finish_reason: "stop" }] }
    expect(two([role, finish])).toEqual([false, "StreamInterrupted"])
    expect(two([role, finish, second])).toEqual([true, undefined])
    // Upstreams that know one choice only.
    expect(two([role, finish, "[DONE]"])).toEqual([false, undefined])
    expect(two([role, finish, totals])).toEqual([true, undefined])
  })
  it("supplies a finish_reason where totals and [DONE] say that the answer was whole", () => {
    expect(play([role, chunk({ content: "x" }), totals, "[DONE]"]).chunks.slice(-2)).toMatchObject([
      { choices: [{ finish_reason: "stop" }], usage: null },
      { choices: [], usage }
    ])
  })
  it("is the error that an event holds, in any of its forms", () => {
    const failing = (payload: unknown) => play([role, payload, finish]).machine.failure?._tag
    expect(failing({ error: { message: "x", type: "server_error" } })).toBe("UpstreamFailed")
    expect(failing({ error: "text" })).toBe("UpstreamFailed")
    expect(failing({ type: "error", error: { type: "overloaded_error" } })).toBe("Overloaded")
    expect(failing(chunk({}, "error"))).toBe("UpstreamFailed")
  })
  it("keeps integers beyond 2^53 in a frame that it rewrites", () => {
    const data = JSON.stringify(chunk({ content: "x", role: "assistant" })).replace(
      "{",
      "{\"big\":12345678901234567890,"
    )
    expect(play([role, data]).sent[1]).toContain("12345678901234567890")
  })
})
