import { describe, expect, it } from "@effect/vitest"
import { geminiGenerate } from "../../../src/providers/protocols/GeminiGenerate.ts"
import { GenerateEvents } from "../../../src/providers/protocols/GeminiGenerateEvents.ts"
import * as OpaqueState from "../../../src/providers/protocols/OpaqueState.ts"
import { openAiChat } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { toReason } from "../../../src/providers/ProviderError.ts"
import { callOf } from "../Calls.ts"

// Requests and answers as they may come, read by hand.
type Loose = any

const pixel = "iVBORw0KGgo="
const question = { role: "user", content: "How deep is the harbour?" }

const lower = (fields: Loose, model = "gemini-2.5-flash", stream = false) => {
  const lowered = geminiGenerate.lower(callOf(model, fields), stream)
  if ("_tag" in lowered) throw new Error(`${lowered.param}: ${lowered.message}`)
  return { ...lowered, body: JSON.parse(lowered.body) }
}
const bodyOf = (fields: Loose, model?: string): Loose => lower(fields, model).body
const contentsOf = (messages: ReadonlyArray<Loose>, model?: string) => bodyOf({ messages }, model).contents
const configOf = (fields: Loose, model?: string) => bodyOf(fields, model).generationConfig

const refusalOf = (fields: Loose, model = "gemini-2.5-flash") => {
  const lowered = geminiGenerate.lower(callOf(model, fields), false)
  if (!("_tag" in lowered)) throw new Error("it was lowered")
  expect(lowered._tag).toBe("InvalidRequest")
  return lowered.param
}

const callOfTool = (id: string, name: string, text: string) => ({
  id,
  type: "function",
  function: { name, arguments: text }
})

describe("where a request goes", () => {
  it("is the model's own path, with server-sent events for a stream", () => {
    expect(lower({}).path).toBe("/models/gemini-2.5-flash:generateContent")
    expect(lower({}, "gemini-2.5-flash", true).path).toBe(
      "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    )
  })

  it("is the path that the model is, where it is one", () => {
    expect(lower({}, "tunedModels/sea?x").path).toBe("/tunedModels/sea%3Fx:generateContent")
  })
})

describe("a model's name", () => {
  it("that leads out of the endpoint's path is refused", () => {
    const names = ["../../other/locations/x", "models/..", "a/./b", "/x", "models//x", "x/"]
    for (const name of names) expect(refusalOf({}, name)).toBe("model")
    expect(lower({}, "models/..%2f..").path).toBe("/models/..%252f..:generateContent")
  })
})

describe("a conversation", () => {
  it("has its instructions apart, in their order", () => {
    const { contents, systemInstruction } = bodyOf({
      messages: [
        { role: "system", content: "Be brief." },
        question,
        { role: "developer", content: [{ type: "text", text: "Use metres." }] }
      ]
    })
    expect(systemInstruction).toEqual({ parts: [{ text: "Be brief." }, { text: "Use metres." }] })
    expect(contents).toEqual([{ role: "user", parts: [{ text: "How deep is the harbour?" }] }])
  })

  it("is its instructions, where there is nothing else", () => {
    const { contents, systemInstruction } = bodyOf({ messages: [{ role: "system", content: "Tell a story." }] })
    expect(systemInstruction).toBeUndefined()
    expect(contents).toEqual([{ role: "user", parts: [{ text: "Tell a story." }] }])
  })

  it("takes turns: what one role says in a row is one content, and empty texts are left out", () => {
    expect(contentsOf([
      question,
      { role: "user", content: [{ type: "text", text: "" }, { type: "text", text: "At low tide?" }] },
      { role: "assistant", content: "4 m" },
      { role: "assistant", content: "" },
      { role: "assistant", content: null, refusal: "No more." },
      { role: "user", content: "And now?" }
    ])).toEqual([
      { role: "user", parts: [{ text: "How deep is the harbour?" }, { text: "At low tide?" }] },
      { role: "model", parts: [{ text: "4 m" }, { text: "No more." }] },
      { role: "user", parts: [{ text: "And now?" }] }
    ])
  })

  it("that says nothing at all is refused", () => {
    expect(refusalOf({ messages: [{ role: "user", content: "" }] })).toBe("messages")
  })

  it("has calls made at once in one content and their results in the next, with the functions' names", () => {
    expect(contentsOf([
      question,
      {
        role: "assistant",
        content: "Let me see.",
        tool_calls: [callOfTool("call_1", "tide", "{\"at\":\"Whitby\"}"), callOfTool("call_2", "wind", "")]
      },
      { role: "tool", tool_call_id: "call_1", content: "{\"metres\":4.2,\"station\":12345678901234567890}" },
      { role: "tool", tool_call_id: "call_2", content: "north" },
      { role: "user", content: "So?" }
    ])).toEqual([
      { role: "user", parts: [{ text: "How deep is the harbour?" }] },
      {
        role: "model",
        parts: [
          { text: "Let me see." },
          { functionCall: { id: "call_1", name: "tide", args: { at: "Whitby" } } },
          { functionCall: { id: "call_2", name: "wind", args: {} } }
        ]
      },
      {
        role: "user",
        parts: [
          {
            functionResponse: {
              id: "call_1",
              name: "tide",
              // A number that JavaScript cannot hold; see the next test.
              response: { metres: 4.2, station: Number("12345678901234567890") }
            }
          },
          { functionResponse: { id: "call_2", name: "wind", response: { result: "north" } } }
        ]
      },
      { role: "user", parts: [{ text: "So?" }] }
    ])
  })

  it("keeps the digits of big numbers in arguments and results", () => {
    const messages = [
      { role: "assistant", content: null, tool_calls: [callOfTool("1", "f", "{\"id\":12345678901234567891}")] },
      { role: "tool", tool_call_id: "1", content: "{\"id\":98765432109876543219}" }
    ]
    const lowered = geminiGenerate.lower(callOf("gemini-2.5-flash", { messages }), false)
    expect(lowered).toHaveProperty("body", expect.stringContaining("{\"id\":12345678901234567891}"))
    expect(lowered).toHaveProperty("body", expect.stringContaining("{\"id\":98765432109876543219}"))
  })

  it("wraps results that are no object and those with references, which Gemini would try to resolve", () => {
    const responses = ["[1,2]", "{\"$ref\":\"#/x\"}", "", "{\"a\":{\"b\":1}}"].map((content) =>
      contentsOf([
        { role: "assistant", content: null, tool_calls: [callOfTool("1", "f", "{}")] },
        { role: "tool", tool_call_id: "1", content }
      ])[1].parts[0].functionResponse.response
    )
    expect(responses).toEqual([{ result: "[1,2]" }, { result: "{\"$ref\":\"#/x\"}" }, { result: "" }, { a: { b: 1 } }])
  })

  it("sends what came with a result beside its text when all results are there", () => {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }
    const calls = [callOfTool("1", "look", "{}"), callOfTool("2", "hear", "{}")]
    expect(
      contentsOf([
        question,
        { role: "assistant", content: null, tool_calls: calls },
        { role: "tool", tool_call_id: "1", content: [{ type: "text", text: "this" }, image] },
        { role: "tool", tool_call_id: "2", content: "waves" },
        { role: "user", content: "Well?" }
      ]).slice(2)
    ).toEqual([
      {
        role: "user",
        parts: [
          { functionResponse: { id: "1", name: "look", response: { result: "this" } } },
          { functionResponse: { id: "2", name: "hear", response: { result: "waves" } } }
        ]
      },
      { role: "user", parts: [{ inlineData: { mimeType: "image/png", data: pixel } }, { text: "Well?" }] }
    ])
  })

  it("knows the calls of functions from before there were tools", () => {
    expect(
      contentsOf([
        question,
        { role: "assistant", content: null, function_call: { name: "tide", arguments: "{\"at\":1}" } },
        { role: "function", name: "tide", content: "4.2" }
      ]).slice(1)
    ).toEqual([
      { role: "model", parts: [{ functionCall: { name: "tide", args: { at: 1 } } }] },
      { role: "user", parts: [{ functionResponse: { name: "tide", response: { result: "4.2" } } }] }
    ])
  })

  it("is refused with the place of what Gemini cannot be told", () => {
    const says = (message: Loose) => refusalOf({ messages: [question, message] })
    const part = (one: Loose) => says({ role: "user", content: [{ type: "text", text: "x" }, one] })
    expect(says({ role: "tool", tool_call_id: "nobody", content: "x" })).toBe("messages[1].tool_call_id")
    expect(says({ role: "assistant", content: null, audio: { id: "a" } })).toBe("messages[1].audio")
    expect(says({ role: "assistant", content: null, tool_calls: [callOfTool("1", "f", "{")] }))
      .toBe("messages[1].tool_calls[0].function.arguments")
    expect(says({ role: "assistant", tool_calls: [{ id: "1", type: "custom", custom: { name: "f", input: "" } }] }))
      .toBe("messages[1].tool_calls[0]")
    expect(part({ type: "image_url", image_url: { url: "s3://bucket/x.png" } })).toBe(
      "messages[1].content[1].image_url.url"
    )
    expect(part({ type: "image_url", image_url: { url: "data:image/svg+xml,<svg/>" } })).toBe(
      "messages[1].content[1].image_url.url"
    )
    expect(part({ type: "file", file: { file_id: "file-1" } })).toBe("messages[1].content[1].file.file_id")
    expect(part({ type: "file", file: {} })).toBe("messages[1].content[1].file.file_data")
    expect(part({ type: "hologram" })).toBe("messages[1].content[1].type")
  })
})

describe("a part", () => {
  const partsOf = (...content: ReadonlyArray<Loose>) => contentsOf([{ role: "user", content }])[0].parts

  it("that is an image goes along where it is data, and as its address where it is one", () => {
    const image = (url: string) => ({ type: "image_url", image_url: { url } })
    expect(partsOf(
      image(`data:image/webp;base64,${pixel}`),
      image(`data:;base64,${pixel}`),
      image("https://host.example/a/sea.PNG?size=2"),
      image("https://host.example/sea"),
      image("gs://bucket/sea.jpg")
    )).toEqual([
      { inlineData: { mimeType: "image/webp", data: pixel } },
      { inlineData: { mimeType: "image/jpeg", data: pixel } },
      { fileData: { mimeType: "image/png", fileUri: "https://host.example/a/sea.PNG?size=2" } },
      { fileData: { fileUri: "https://host.example/sea" } },
      { fileData: { mimeType: "image/jpeg", fileUri: "gs://bucket/sea.jpg" } }
    ])
  })

  it("that is a document goes along with its type, from its data or its name", () => {
    const file = (fields: Loose) => ({ type: "file", file: fields })
    expect(partsOf(
      file({ filename: "a.pdf", file_data: `data:application/pdf;base64,${pixel}` }),
      file({ filename: "notes.md", file_data: pixel }),
      file({ file_data: pixel }),
      file({ file_id: "https://generativelanguage.googleapis.com/v1beta/files/abc" })
    )).toEqual([
      { inlineData: { mimeType: "application/pdf", data: pixel } },
      { inlineData: { mimeType: "text/markdown", data: pixel } },
      { inlineData: { mimeType: "application/pdf", data: pixel } },
      { fileData: { fileUri: "https://generativelanguage.googleapis.com/v1beta/files/abc" } }
    ])
  })

  it("that is sound or video goes along with its type", () => {
    expect(partsOf(
      { type: "input_audio", input_audio: { data: pixel, format: "mp3" } },
      { type: "input_audio", input_audio: { data: pixel, format: "wav" } },
      { type: "video_url", video_url: { url: "https://www.youtube.com/watch?v=x" } }
    )).toEqual([
      { inlineData: { mimeType: "audio/mpeg", data: pixel } },
      { inlineData: { mimeType: "audio/wav", data: pixel } },
      { fileData: { fileUri: "https://www.youtube.com/watch?v=x" } }
    ])
  })
})

describe("tools", () => {
  const parameters = { $defs: { a: { type: "string" } }, type: "object", additionalProperties: false }
  const tide = { type: "function", function: { name: "tide", description: "Depth", parameters, strict: true } }
  const wind = { type: "function", function: { name: "wind" } }

  it("are declared with their JSON Schema as it is", () => {
    expect(bodyOf({ tools: [tide, wind] })).toMatchObject({
      tools: [{
        functionDeclarations: [
          { name: "tide", description: "Depth", parametersJsonSchema: parameters },
          { name: "wind" }
        ]
      }]
    })
  })

  it("of Google's own and functions of the older form are declared as well", () => {
    expect(bodyOf({ tools: [{ type: "google_search" }, wind, { type: "codeExecution", codeExecution: {} }] }).tools)
      .toEqual([{ functionDeclarations: [{ name: "wind" }] }, { googleSearch: {} }, { codeExecution: {} }])
    expect(bodyOf({ functions: [{ name: "wind" }], function_call: { name: "wind" } })).toMatchObject({
      tools: [{ functionDeclarations: [{ name: "wind" }] }],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["wind"] } }
    })
  })

  it("that Gemini cannot have are refused", () => {
    expect(refusalOf({ tools: [wind, { type: "custom", custom: { name: "x" } }] })).toBe("tools[1].type")
    expect(refusalOf({ tools: [wind], tool_choice: { type: "custom", custom: { name: "x" } } })).toBe("tool_choice")
  })

  it("are chosen as the caller says", () => {
    const choose = (choice: Loose) => bodyOf({ tools: [tide, wind], tool_choice: choice }).toolConfig
    expect(choose(undefined)).toBeUndefined()
    const one = { type: "function", function: { name: "tide" } }
    const expected: ReadonlyArray<readonly [Loose, Loose]> = [
      ["auto", { mode: "AUTO" }],
      ["none", { mode: "NONE" }],
      ["required", { mode: "ANY" }],
      ["any", { mode: "ANY" }],
      [one, { mode: "ANY", allowedFunctionNames: ["tide"] }],
      [{ type: "allowed_tools", allowed_tools: { mode: "required", tools: [one] } }, {
        mode: "ANY",
        allowedFunctionNames: ["tide"]
      }],
      [{ type: "allowed_tools", allowed_tools: { mode: "auto", tools: [one] } }, {
        mode: "VALIDATED",
        allowedFunctionNames: ["tide"]
      }]
    ]
    for (const [choice, mode] of expected) expect(choose(choice)).toEqual({ functionCallingConfig: mode })
  })

  it("are not chosen from where there are none", () => {
    const { toolConfig, tools } = bodyOf({ tool_choice: "auto", tools: [] })
    expect([tools, toolConfig]).toEqual([undefined, undefined])
  })
})

describe("what a request asks for beside its conversation", () => {
  it("is said in Gemini's words", () => {
    expect(configOf({
      max_completion_tokens: 99,
      max_tokens: 5,
      temperature: 1.5,
      top_p: 0.5,
      top_k: 40,
      stop: ["END", "FIN"],
      seed: 7,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      n: 2,
      logprobs: true,
      top_logprobs: 3
    })).toEqual({
      maxOutputTokens: 99,
      temperature: 1.5,
      topP: 0.5,
      topK: 40,
      stopSequences: ["END", "FIN"],
      seed: 7,
      presencePenalty: 0.5,
      frequencyPenalty: -0.5,
      candidateCount: 2,
      responseLogprobs: true,
      logprobs: 3
    })
    expect(configOf({ stop: "" })).toEqual({})
    expect(configOf({ max_tokens: 5, stop: "END", n: 1 })).toEqual({ maxOutputTokens: 5, stopSequences: ["END"] })
  })

  it("is a form of the answer, with its schema as it is", () => {
    const schema = { type: "object", properties: { a: { $ref: "#/$defs/b" } } }
    expect(configOf({ response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema } } }))
      .toEqual({ responseMimeType: "application/json", responseJsonSchema: schema })
    expect(configOf({ response_format: { type: "json_object" } })).toEqual({ responseMimeType: "application/json" })
    expect(configOf({ response_format: { type: "text" } })).toEqual({})
  })

  it("is images as well as text, and no sound", () => {
    expect(configOf({ modalities: ["text", "image"] })).toEqual({ responseModalities: ["TEXT", "IMAGE"] })
    expect(configOf({ modalities: ["text"] })).toEqual({})
    expect(refusalOf({ modalities: ["text", "audio"] })).toBe("modalities[1]")
  })

  it("is thinking, by a budget up to Gemini 2.5 and by a level from Gemini 3 on, never by both", () => {
    const thinking = (model: string, effort: string) => configOf({ reasoning_effort: effort }, model).thinkingConfig
    expect(thinking("gemini-2.5-flash", "none")).toEqual({ thinkingBudget: 0, includeThoughts: false })
    expect(thinking("gemini-2.5-pro", "none")).toEqual({ thinkingBudget: 128, includeThoughts: false })
    expect(thinking("gemini-2.5-pro", "low")).toEqual({ thinkingBudget: 1024, includeThoughts: true })
    expect(thinking("gemini-2.5-flash", "medium")).toEqual({ thinkingBudget: 8192, includeThoughts: true })
    expect(thinking("gemini-2.5-flash", "max")).toEqual({ thinkingBudget: 24_576, includeThoughts: true })
    expect(thinking("gemini-3-flash-preview", "none")).toEqual({ thinkingLevel: "MINIMAL", includeThoughts: false })
    expect(thinking("gemini-3-pro-preview", "minimal")).toEqual({ thinkingLevel: "LOW", includeThoughts: true })
    expect(thinking("gemini-3-pro-preview", "medium")).toEqual({ thinkingLevel: "HIGH", includeThoughts: true })
    expect(thinking("gemini-3.1-pro", "medium")).toEqual({ thinkingLevel: "MEDIUM", includeThoughts: true })
    expect(thinking("gemini-flash-latest", "xhigh")).toEqual({ thinkingLevel: "HIGH", includeThoughts: true })
    expect(configOf({ reasoning_effort: "default" })).toEqual({})
  })

  it("is Google's own settings under the names of its compatible endpoint", () => {
    const safety = [{ category: "HARM_CATEGORY_HATE_SPEECH", threshold: "BLOCK_NONE" }]
    expect(bodyOf({ safety_settings: safety, cached_content: "cachedContents/1", service_tier: "flex" })).toMatchObject(
      { safetySettings: safety, cachedContent: "cachedContents/1", serviceTier: "flex" }
    )
  })

  it("is named where it cannot be said, and nothing is where all of it can", () => {
    expect(lower({ temperature: 1, service_tier: "auto", store: false, parallel_tool_calls: true }).dropped)
      .toBeUndefined()
    expect(
      lower({
        user: "u",
        logit_bias: { 1: 1 },
        seed: 2 ** 40,
        service_tier: "scale",
        parallel_tool_calls: false,
        tools: [{ type: "function", function: { name: "f", strict: true } }],
        of_another_host: 1
      }).dropped
    ).toEqual(["user", "logit_bias", "of_another_host", "strict", "parallel_tool_calls", "seed", "service_tier"])
    expect(lower({ reasoning_effort: "low" }, "gemini-2.0-flash").dropped).toEqual(["reasoning_effort"])
    expect(lower({ logprobs: true }, "gemini-2.5-flash", true)).toMatchObject({
      body: { generationConfig: {} },
      dropped: ["logprobs"]
    })
  })
})

const fallback = { id: "chatcmpl-x", created: 1, model: "asked", nowMs: 0 }

const answerOf = (parts: ReadonlyArray<Loose>, fields: Loose = {}, candidate: Loose = {}) => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0, ...candidate }],
  usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 3, totalTokenCount: 8 },
  modelVersion: "gemini-2.5-flash-001",
  responseId: "r1",
  ...fields
})

const read = (answer: Loose, model = fallback.model) => {
  const result = geminiGenerate.readAnswer(JSON.stringify(answer), { ...fallback, model })
  if ("_tag" in result) throw new Error(result._tag)
  return result
}
const messageOf = (answer: Loose, model?: string): Loose => read(answer, model).completion.choices[0]?.message
const tagOf = (answer: Loose) => {
  const result = geminiGenerate.readAnswer(typeof answer === "string" ? answer : JSON.stringify(answer), fallback)
  return "_tag" in result ? result._tag : `finished: ${result.completion.choices[0]?.finish_reason}`
}

const play = (events: ReadonlyArray<Loose>, choices?: number) => {
  const machine = geminiGenerate.openStream({ includeUsage: true, choices, fallback })
  const frames: Array<Frame> = []
  for (const data of events) {
    machine.next({ event: "", data: typeof data === "string" ? data : JSON.stringify(data), bytes: undefined }, frames)
  }
  const isComplete = machine.isComplete
  machine.end(frames)
  return { machine, isComplete, frames, chunks: frames.map(({ chunk }): Loose => chunk) }
}

const call = (name: string, more: Loose = {}, id?: string) => ({ functionCall: { name, args: { a: 1 }, id }, ...more })

describe("the signature of a thought", () => {
  const answer = answerOf([call("tide", { thoughtSignature: "c2ln+/==" }), call("wind")])

  const model = "gemini-3-flash-preview"

  it("goes out in the id of its call and comes back with it, and only with its own call", () => {
    const { tool_calls: calls } = messageOf(answer, model)
    const [first, second] = calls
    expect(first.id).toMatch(/^[\w-]+$/)
    expect(OpaqueState.idOf(first.id)).toBe("call_r1_0_0")
    expect(second.id).toBe("call_r1_0_1")
    const [, said, results] = contentsOf([
      question,
      { role: "assistant", content: null, tool_calls: calls },
      { role: "tool", tool_call_id: first.id, content: "4" },
      { role: "tool", tool_call_id: second.id, content: "N" }
    ], model)
    expect(said.parts).toEqual([
      { functionCall: { id: "call_r1_0_0", name: "tide", args: { a: 1 } }, thoughtSignature: "c2ln+/==" },
      { functionCall: { id: "call_r1_0_1", name: "wind", args: { a: 1 } } }
    ])
    expect(results.parts.map((part: Loose) => part.functionResponse.id)).toEqual(["call_r1_0_0", "call_r1_0_1"])
  })

  it("is carried by a stream as well", () => {
    const { chunks } = play([answer])
    const ids = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []).flatMap(({ id }) => id ?? [])
    expect(ids.map((id: string) => OpaqueState.stateOf(id, "g", fallback.model))).toEqual(["c2ln+/==", undefined])
  })

  it("is taken from where Google's compatible endpoint puts it", () => {
    const told = { ...callOfTool("1", "f", "{}"), extra_content: { google: { thought_signature: "sig" } } }
    expect(contentsOf([question, { role: "assistant", content: null, tool_calls: [told] }])[1].parts[0])
      .toMatchObject({ thoughtSignature: "sig" })
  })

  it.each([
    ["provider", OpaqueState.carry("toolu_1", "a", "{\"thinking\":[]}")],
    ["of its models", OpaqueState.carry("toolu_1", "g", "c2ln", "gemini-3-flash-preview")]
  ])("of another %s is left out, and Gemini 3 is told that the call was not its own", (_, id) => {
    const foreign = callOfTool(id, "f", "{}")
    const signatureOf = (model: string) => {
      const messages = [
        question,
        { role: "assistant", content: null, tool_calls: [foreign] },
        { role: "tool", tool_call_id: foreign.id, content: "x" }
      ]
      const [, said, result] = contentsOf(messages, model)
      expect(said.parts[0].functionCall.id).toBe("toolu_1")
      expect(result.parts[0].functionResponse).toMatchObject({ id: "toolu_1", name: "f" })
      return said.parts[0].thoughtSignature
    }
    expect(signatureOf("gemini-2.5-flash")).toBeUndefined()
    expect(signatureOf("gemini-3-pro-preview")).toBe("skip_thought_signature_validator")
    expect(signatureOf("gemini-flash-latest")).toBe("skip_thought_signature_validator")
  })

  it("does not reach a provider of OpenAI's dialect", () => {
    const { tool_calls: calls } = messageOf(answer)
    const messages = [question, { role: "assistant", content: null, tool_calls: calls }, {
      role: "tool",
      tool_call_id: calls[0].id,
      content: "4"
    }]
    const lowered = openAiChat.lower(callOf("gpt", { messages }), false)
    if ("_tag" in lowered) throw new Error(lowered.message)
    expect(JSON.parse(lowered.body).messages.slice(1)).toMatchObject([
      { tool_calls: [{ id: "call_r1_0_0" }, { id: "call_r1_0_1" }] },
      { tool_call_id: "call_r1_0_0" }
    ])
  })

  it("is no matter for the images of earlier answers, which come back as well", () => {
    const images = [{ type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }]
    expect(contentsOf([question, { role: "assistant", content: "Here.", images }])[1].parts)
      .toEqual([{ text: "Here." }, { inlineData: { mimeType: "image/png", data: pixel } }])
  })

  it("is not needed for the id that Gemini gave to be kept", () => {
    expect(messageOf(answerOf([call("tide", {}, "75a235hd")])).tool_calls[0].id).toBe("75a235hd")
  })
})

describe("an answer", () => {
  it("is told apart into text, thinking, calls and images", () => {
    const inlineData = { mimeType: "image/png", data: pixel }
    expect(messageOf(answerOf([
      { text: "Hm.", thought: true },
      { text: "See " },
      { executableCode: { code: "1" } },
      { text: "this." },
      { inlineData },
      call("f")
    ]))).toEqual({
      role: "assistant",
      content: "See this.",
      refusal: null,
      reasoning_content: "Hm.",
      images: [{ type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }],
      tool_calls: [{ id: "call_r1_0_0", type: "function", function: { name: "f", arguments: "{\"a\":1}" } }]
    })
  })

  it("ends as Gemini says that it did, and with calls wherever there are any", () => {
    const said = (finishReason: string, parts: ReadonlyArray<Loose> = [{ text: "x" }]) =>
      tagOf(answerOf(parts, {}, { finishReason }))
    expect(said("STOP")).toBe("finished: stop")
    expect(said("STOP", [call("f")])).toBe("finished: tool_calls")
    expect(said("MAX_TOKENS")).toBe("finished: length")
    const filters = ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"]
    for (const reason of filters) expect(said(reason)).toBe("finished: content_filter")
    expect(said("OTHER")).toBe("finished: stop")
    expect(said("SOMETHING_NEW")).toBe("finished: stop")
    const failures = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"]
    for (const reason of failures) expect(said(reason, [])).toBe("UpstreamFailed")
  })

  it("to a prompt that was blocked is empty and filtered", () => {
    const answer = {
      promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
      usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 }
    }
    expect(read(answer)).toMatchObject({
      completion: { choices: [{ message: { content: "" }, finish_reason: "content_filter" }] },
      usage: { promptTokens: 9, completionTokens: 0 }
    })
    const { chunks, machine } = play([answer])
    expect(machine.failure).toBeUndefined()
    expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual(["content_filter", undefined])
  })

  it("without a candidate, without a word or without sense is none", () => {
    expect(tagOf("no json")).toBe("MalformedAnswer")
    expect(tagOf({})).toBe("MalformedAnswer")
    expect(tagOf({ candidates: [] })).toBe("MalformedAnswer")
    expect(tagOf({ candidates: [1] })).toBe("MalformedAnswer")
    const thought = { usageMetadata: { promptTokenCount: 5, thoughtsTokenCount: 20, totalTokenCount: 25 } }
    expect(tagOf(answerOf([], thought))).toBe("MalformedAnswer")
    expect(play([answerOf([], thought)]).machine.failure?._tag).toBe("MalformedAnswer")
  })

  it("that is an error in disguise is that error", () => {
    const error = { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" }
    expect(tagOf({ error })).toBe("Overloaded")
    expect(tagOf([{ error }])).toBe("Overloaded")
  })

  it("counts thinking as part of the completion and the cache as part of the prompt", () => {
    const usageMetadata = {
      promptTokenCount: 100,
      toolUsePromptTokenCount: 10,
      cachedContentTokenCount: 60,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 160,
      promptTokensDetails: [{ modality: "TEXT", tokenCount: 50 }, { modality: "AUDIO", tokenCount: 40 }, {
        modality: "IMAGE",
        tokenCount: 10
      }],
      serviceTier: "flex"
    }
    const { completion, usage } = read(answerOf([{ text: "x" }], { usageMetadata }))
    expect(usage).toEqual({
      promptTokens: 110,
      completionTokens: 50,
      totalTokens: 160,
      cachedTokens: 60,
      reasoningTokens: 30,
      audioPromptTokens: 40,
      imagePromptTokens: 10,
      serviceTier: "flex"
    })
    expect(completion).toMatchObject({ service_tier: "flex" })
    expect(read(answerOf([{ text: "x" }], { usageMetadata: { ...usageMetadata, serviceTier: "standard" } })).usage)
      .not.toHaveProperty("serviceTier")
  })

  it("counts the searches that it is grounded in, and a map as one", () => {
    const grounded = (groundingMetadata: Loose) => read(answerOf([{ text: "x" }], {}, { groundingMetadata })).usage
    expect(grounded({})).not.toHaveProperty("searches")
    expect(grounded({ webSearchQueries: ["a", "b"], groundingChunks: [{ web: { uri: "https://a" } }] }))
      .toMatchObject({ searches: 2 })
    expect(grounded({ groundingChunks: [{ maps: { placeId: "1" } }] })).toMatchObject({ searches: 1 })
  })

  it("has the log probabilities that were asked for", () => {
    const logprobsResult = {
      chosenCandidates: [{ token: "é", logProbability: -0.5 }],
      topCandidates: [{ candidates: [{ token: "é", logProbability: -0.5 }, { token: "e", logProbability: -1 }] }]
    }
    expect(read(answerOf([{ text: "é" }], {}, { logprobsResult })).completion.choices[0]?.logprobs).toEqual({
      content: [{
        token: "é",
        logprob: -0.5,
        bytes: [195, 169],
        top_logprobs: [
          { token: "é", logprob: -0.5, bytes: [195, 169] },
          { token: "e", logprob: -1, bytes: [101] }
        ]
      }],
      refusal: null
    })
  })

  it("has all candidates that were asked for", () => {
    const [one] = answerOf([{ text: "a" }]).candidates
    const { choices } = read(answerOf([], { candidates: [one, { ...one, index: 1 }] })).completion
    expect(choices.map(({ index, message }) => [index, message.content])).toEqual([[0, "a"], [1, "a"]])
  })
})

describe("a stream", () => {
  it("counts searches whichever event tells of them", () => {
    const groundingMetadata = { webSearchQueries: ["a"] }
    const first = answerOf([{ text: "a" }], {}, { finishReason: undefined, groundingMetadata })
    const { frames } = play([first, answerOf([{ text: "b" }])])
    expect(frames.flatMap((frame) => frame.usage ?? [])).toMatchObject([{ completionTokens: 3, searches: 1 }])
  })

  it("tells its use once, the last that it was told, with the end", () => {
    const usage = (count: number) => ({
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: count, totalTokenCount: 5 + count }
    })
    const { chunks, frames, isComplete } = play([
      answerOf([{ text: "a" }], usage(1), { finishReason: undefined }),
      answerOf([{ text: "b" }], usage(2))
    ])
    expect(isComplete).toBe(true)
    expect(frames.flatMap((frame) => frame.usage ?? [])).toMatchObject([{ completionTokens: 2 }])
    expect(frames.map(({ isContent, isTerminal }) => [isContent, isTerminal])).toEqual([
      [true, false],
      [true, false],
      [false, true],
      [false, true]
    ])
    expect(chunks.at(-1)).toMatchObject({ id: "r1", model: "gemini-2.5-flash-001", choices: [] })
  })

  it("of several candidates is over when all are", () => {
    const event = (index: number, text: string, finishReason?: string) =>
      answerOf([{ text }], {}, { index, finishReason })
    const events = [event(0, "a"), event(1, "b"), event(1, "B", "STOP"), event(0, "A", "STOP")]
    const { chunks, frames, isComplete } = play(events, 2)
    expect(isComplete).toBe(true)
    const textOf = (index: number) =>
      chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index)
        .map((choice) => choice.delta.content ?? "").join("")
    expect([textOf(0), textOf(1)]).toEqual(["aA", "bB"])
    expect(frames.map(({ isTerminal }) => isTerminal)).toEqual([false, false, false, false, false, true, true])
    expect(play(events.slice(0, 3), 2).machine.failure?._tag).toBe("StreamInterrupted")
    expect(play([event(0, "a", "STOP")], 2).machine.failure).toBeUndefined()
  })

  it("ends in the error that comes within it", () => {
    const error = {
      code: 429,
      message: "Quota exceeded.",
      status: "RESOURCE_EXHAUSTED",
      details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "46s" }]
    }
    const { frames, machine } = play([answerOf([{ text: "a" }], {}, { finishReason: undefined }), { error }])
    expect(frames).toHaveLength(1)
    expect(machine.failure).toMatchObject({ _tag: "RateLimited", retryAfterMs: 46_000 })
  })

  it("ends in an error that stands behind its events as it is, wherever its bytes are split", () => {
    const error = { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" }
    const event = `data: ${JSON.stringify(answerOf([{ text: "a" }], {}, { finishReason: undefined }))}\r\n\r\n`
    const failureOf = (stray: string, size: number) => {
      const bytes = Buffer.from(event + stray)
      const parser = new GenerateEvents()
      const machine = geminiGenerate.openStream({ includeUsage: true, fallback })
      const frames: Array<Frame> = []
      for (let at = 0; at < bytes.length; at += size) {
        for (const one of parser.push(bytes.subarray(at, at + size))) machine.next(one, frames)
      }
      for (const one of parser.end()) machine.next(one, frames)
      machine.end(frames)
      expect(frames).toHaveLength(1)
      return machine.failure?._tag
    }
    for (const text of [JSON.stringify({ error }), JSON.stringify([{ error }], null, 2)]) {
      for (const size of [1, 7, 64, 10_000]) {
        expect(failureOf(text, size)).toBe("Overloaded")
        expect(failureOf(`${text}\r\n\r\n`, size)).toBe("Overloaded")
      }
    }
    expect(failureOf("{\"error\": {", 64)).toBe("StreamInterrupted")
    expect(failureOf("x".repeat(200_000), 10_000)).toBe("StreamInterrupted")
  })

  it("breaks off where the model stumbles", () => {
    expect(play([answerOf([], {}, { finishReason: "MALFORMED_FUNCTION_CALL" })]).machine.failure?._tag)
      .toBe("UpstreamFailed")
  })

  it("passes two events over that are no JSON, and no third", () => {
    const good = answerOf([{ text: "a" }])
    expect(play(["{", "[", good]).machine).toMatchObject({ skippedEvents: 2, failure: undefined })
    expect(play(["{", "[", "x", good]).machine.failure?._tag).toBe("MalformedAnswer")
  })
})

describe("an error of Gemini's", () => {
  const reasonOf = (status: number, error: Loose) => toReason("gemini", { status, body: { error }, nowMs: 0 })
  const tag = (code: number, status: string, message = "", details: ReadonlyArray<Loose> = []) =>
    reasonOf(code, { code, status, message, details })._tag

  it("is a rejected credential where the details say so, whatever the words", () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }]
    expect(tag(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", details))
      .toBe("CredentialRejected")
    expect(tag(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", details))
      .toBe("CredentialRejected")
    expect(tag(403, "PERMISSION_DENIED", "Consumer has been suspended.", [{ reason: "CONSUMER_SUSPENDED" }]))
      .toBe("CredentialRejected")
    expect(tag(400, "FAILED_PRECONDITION", "User location is not supported for the API use."))
      .toBe("CredentialRejected")
  })

  it("is the caller's where a file is refused, though it reads like one of the credential", () => {
    expect(tag(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."))
      .toBe("UpstreamRefused")
    expect(tag(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)")).toBe("UpstreamRefused")
  })

  it("goes by its status else", () => {
    expect(tag(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")).toBe("UpstreamRefused")
    expect(tag(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."))
      .toBe("ContextLengthExceeded")
    expect(tag(403, "PERMISSION_DENIED")).toBe("CredentialRejected")
    expect(tag(404, "NOT_FOUND", "models/x is not found")).toBe("UpstreamModelMissing")
    expect(tag(500, "INTERNAL")).toBe("UpstreamFailed")
    expect(tag(503, "UNAVAILABLE", "The model is overloaded.")).toBe("Overloaded")
    expect(tag(504, "DEADLINE_EXCEEDED")).toBe("UpstreamTimedOut")
    expect(tag(429, "RESOURCE_EXHAUSTED", "No capacity", [{ reason: "MODEL_CAPACITY_EXHAUSTED" }])).toBe("Overloaded")
  })

  it("says how long to wait, unless no waiting helps", () => {
    const exhausted = (quotaId: string) =>
      reasonOf(429, {
        code: 429,
        status: "RESOURCE_EXHAUSTED",
        message: "You exceeded your current quota.",
        details: [
          { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [{ quotaId }] },
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "6.5s" }
        ]
      })
    expect(exhausted("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"))
      .toMatchObject({ _tag: "RateLimited", retryAfterMs: 6500 })
    expect(exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier")._tag).toBe("QuotaExhausted")
  })
})
