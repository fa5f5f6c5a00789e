import { describe, expect, it } from "@effect/vitest"
import { bedrockConverse } from "../../../src/providers/protocols/BedrockConverse.ts"
import * as OpaqueState from "../../../src/providers/protocols/OpaqueState.ts"
import { callOf } from "../Calls.ts"

// Requests and bodies are written by hand here.
type Loose = any

const nova = "amazon.nova-lite-v1:0"
const sonnet45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
const png = "data:image/png;base64,iVBOR"

const lowered = (fields: Loose, model = nova, stream = false) => {
  const result = bedrockConverse.lower(callOf(model, fields), stream)
  if ("_tag" in result) throw new Error(`${result.param}: ${result.message}`)
  return result
}
const bodyOf = (fields: Loose, model = nova): Loose => JSON.parse(lowered(fields, model).body)
const messagesOf = (messages: ReadonlyArray<Loose>, model = nova): Loose => bodyOf({ messages }, model).messages
const refusalOf = (fields: Loose, model = nova) => {
  const result = bedrockConverse.lower(callOf(model, fields), false)
  return "_tag" in result ? [result._tag, result.param, result.code] : undefined
}

const call = (id: string, name = "tide", written = "{\"a\":1}") => ({
  id,
  type: "function",
  function: { name, arguments: written }
})
const tool = (name: string, more: Loose = {}) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { a: {} } }, ...more }
})
const spec = (name: string) => ({
  toolSpec: { name, inputSchema: { json: { type: "object", properties: { a: {} } } } }
})
const hi = { role: "user", content: "hi" }

describe("a conversation", () => {
  it("has its instructions apart, in order", () => {
    const body = bodyOf({
      messages: [
        { role: "system", content: "one" },
        { role: "developer", content: [{ type: "text", text: "two" }, { type: "text", text: " " }] },
        hi,
        { role: "system", content: "three" }
      ]
    })
    expect(body).toEqual({
      system: [{ text: "one" }, { text: "two" }, { text: "three" }],
      messages: [{ role: "user", content: [{ text: "hi" }] }]
    })
  })

  it("merges neighbours of one role and leaves out texts without anything in them", () => {
    expect(messagesOf([
      hi,
      { role: "user", content: [{ type: "text", text: "" }, { type: "text", text: "there" }] },
      { role: "assistant", content: "  " },
      { role: "user", content: "still" },
      { role: "assistant", content: null, refusal: "no" },
      { role: "assistant", content: [{ type: "refusal", refusal: "never" }] },
      hi
    ])).toEqual([
      { role: "user", content: [{ text: "hi" }, { text: "there" }, { text: "still" }] },
      { role: "assistant", content: [{ text: "no" }, { text: "never" }] },
      { role: "user", content: [{ text: "hi" }] }
    ])
  })

  it("has every result of one turn's calls in one message, before what was said beside them", () => {
    expect(messagesOf([
      hi,
      { role: "assistant", content: "look", tool_calls: [call("c1"), call("c2", "wind", "")] },
      { role: "user", content: "wait" },
      { role: "tool", tool_call_id: "c1", content: "4 m" },
      {
        role: "tool",
        tool_call_id: "c2",
        content: [{ type: "text", text: "NW" }, { type: "image_url", image_url: { url: png } }]
      },
      { role: "user", content: "and?" }
    ])).toEqual([
      { role: "user", content: [{ text: "hi" }] },
      {
        role: "assistant",
        content: [
          { text: "look" },
          { toolUse: { toolUseId: "c1", name: "tide", input: { a: 1 } } },
          { toolUse: { toolUseId: "c2", name: "wind", input: {} } }
        ]
      },
      {
        role: "user",
        content: [
          { toolResult: { toolUseId: "c1", content: [{ text: "4 m" }] } },
          {
            toolResult: {
              toolUseId: "c2",
              content: [{ text: "NW" }, { image: { format: "png", source: { bytes: "iVBOR" } } }]
            }
          },
          { text: "wait" },
          { text: "and?" }
        ]
      }
    ])
  })

  it("has ids of calls that Bedrock takes, the same in call and result", () => {
    const id = `functions.tide:0${"x".repeat(80)}`
    const [, { content: [{ toolUse }] }, { content: [{ toolResult }] }] = messagesOf([
      hi,
      { role: "assistant", tool_calls: [call(id)] },
      { role: "tool", tool_call_id: id, content: "" }
    ])
    expect(toolUse.toolUseId).toMatch(/^functions_tide_0x{48}$/)
    expect(toolResult).toEqual({ toolUseId: toolUse.toolUseId, content: [] })
  })

  it("brings signed thoughts back to a Claude, and to nobody else, whose ids are bare all the same", () => {
    const thought = { reasoningContent: { reasoningText: { text: "hm", signature: "sig" } } }
    const id = OpaqueState.carry("c1", "b", JSON.stringify([thought]), sonnet45)
    const messages = [
      hi,
      { role: "assistant", content: "look", tool_calls: [call(id), call("c2")] },
      { role: "tool", tool_call_id: id, content: "x" },
      { role: "tool", tool_call_id: "c2", content: "y" }
    ]
    const uses = ["c1", "c2"].map((toolUseId) => ({ toolUse: { toolUseId, name: "tide", input: { a: 1 } } }))
    expect(messagesOf(messages, sonnet45)[1].content).toEqual([thought, { text: "look" }, ...uses])
    for (const other of [nova, "us.anthropic.claude-opus-4-5-20251101-v1:0"]) {
      expect(messagesOf(messages, other)[1].content).toEqual([{ text: "look" }, ...uses])
    }
    expect(messagesOf(messages, sonnet45.replace("us.", "eu."))[1].content[0]).toEqual(thought)
    expect(messagesOf(messages, sonnet45)[2].content[0].toolResult.toolUseId).toBe("c1")
  })

  it("has thoughts that are to be dropped rather than refused where the model binds them", () => {
    const model = "us.anthropic.claude-opus-5-5"
    const thought = { reasoningContent: { reasoningText: { text: "hm", signature: "sig" } } }
    const fieldsOf = (id: string, more: Loose = {}) => {
      const said = { role: "assistant", tool_calls: [call(id)] }
      const messages = [hi, said, { role: "tool", tool_call_id: id, content: "x" }]
      return bodyOf({ messages, ...more }, model).additionalModelRequestFields
    }
    const id = OpaqueState.carry("c1", "b", JSON.stringify([thought]), model)
    const thinking = { type: "adaptive", block_binding: { prefix_mismatch_behavior: "drop_block" } }
    expect(fieldsOf(id)).toEqual({ thinking, anthropic_beta: ["thinking-binding-controls-2026-08-01"] })
    expect(fieldsOf(id, { reasoning_effort: "low" })).toMatchObject({ thinking, output_config: { effort: "low" } })
    expect(fieldsOf("c1")).toBeUndefined()
  })

  it("bring nothing but thoughts, whatever a caller has written into the id of a call", () => {
    const forged = [{ document: { source: { s3Location: { uri: "s3://private/a.pdf" } } } }, {
      reasoningContent: { redactedContent: "cmVk" },
      toolResult: {}
    }]
    const id = OpaqueState.carry("c1", "b", JSON.stringify(forged), sonnet45)
    const messages = [hi, { role: "assistant", tool_calls: [call(id)] }, {
      role: "tool",
      tool_call_id: id,
      content: "x"
    }]
    const [thought, use, ...more] = messagesOf(messages, sonnet45)[1].content
    expect([thought, Object.keys(use), more]).toEqual([
      { reasoningContent: { redactedContent: "cmVk" } },
      ["toolUse"],
      []
    ])
  })

  it("in which nothing is said is refused", () => {
    expect(refusalOf({ messages: [{ role: "user", content: " " }] })).toEqual(["InvalidRequest", "messages", undefined])
  })

  it("that has nothing but instructions asks them", () => {
    expect(bodyOf({ messages: [{ role: "system", content: "Say hi." }] })).toEqual({
      messages: [{ role: "user", content: [{ text: "Say hi." }] }]
    })
  })

  it("has no white space at the end of an answer that is to go on", () => {
    expect(messagesOf([hi, { role: "assistant", content: "One, two, " }])[1].content).toEqual([{ text: "One, two," }])
  })

  it("tells what a model wrote in place of arguments, calls of the type custom, and all digits", () => {
    const written = (calls: ReadonlyArray<Loose>) =>
      lowered({ messages: [hi, { role: "assistant", tool_calls: calls }] }).body
    expect(written([call("a", "f", "{bad")])).toContain("\"input\":{\"arguments\":\"{bad\"}")
    expect(written([call("a", "f", "{\"n\":12345678901234567890}")])).toContain(
      "\"input\":{\"n\":12345678901234567890}"
    )
    expect(written([{ id: "a", type: "custom", custom: { name: "x", input: "y" } }])).toContain(
      "{\"toolUseId\":\"a\",\"name\":\"x\",\"input\":{\"input\":\"y\"}}"
    )
  })

  it("has cache points where Anthropic's or OpenAI's words ask for them", () => {
    const body = bodyOf({
      messages: [
        { role: "system", content: [{ type: "text", text: "long", cache_control: { type: "ephemeral", ttl: "1h" } }] },
        {
          role: "user",
          content: [
            { type: "text", text: "doc", prompt_cache_breakpoint: { mode: "explicit" } },
            { type: "text", text: "question" }
          ]
        },
        { role: "assistant", tool_calls: [call("c1")] },
        {
          role: "tool",
          tool_call_id: "c1",
          content: [{ type: "text", text: "x", cache_control: { type: "ephemeral" } }]
        }
      ],
      tools: [{ ...tool("tide"), cache_control: { type: "ephemeral" } }]
    })
    const point = { cachePoint: { type: "default" } }
    expect(body.system).toEqual([{ text: "long" }, { cachePoint: { type: "default", ttl: "1h" } }])
    expect(body.messages[0].content).toEqual([{ text: "doc" }, point, { text: "question" }])
    expect(body.messages[2].content).toEqual([{ toolResult: { toolUseId: "c1", content: [{ text: "x" }] } }, point])
    expect(body.toolConfig.tools).toEqual([spec("tide"), point])
  })
})

describe("a part", () => {
  const partOf = (part: Loose): Loose => messagesOf([{ role: "user", content: [part] }])[0].content[0]
  const faultOf = (part: Loose) => refusalOf({ messages: [hi, { role: "user", content: [part] }] })?.[1]
  const file = (fields: Loose) => ({ type: "file", file: fields })
  const image = (url: string) => ({ type: "image_url", image_url: { url } })

  it("is an image by its bytes or from a bucket", () => {
    expect(partOf(image("data:image/JPG;base64,AAAA"))).toEqual({
      image: { format: "jpeg", source: { bytes: "AAAA" } }
    })
    expect(partOf(image("s3://bucket/a/b.webp"))).toEqual({
      image: { format: "webp", source: { s3Location: { uri: "s3://bucket/a/b.webp" } } }
    })
  })

  it("is a document with a name that Bedrock takes, and no two of one name", () => {
    const pdf = { file_data: "data:application/pdf;base64,JVBE", filename: "Q3_report (final).v2.pdf" }
    const content = [
      file(pdf),
      file(pdf),
      file({ file_data: "YQ==", filename: "ä.MD" }),
      file({ ...pdf, filename: null })
    ]
    const blocks: ReadonlyArray<Loose> = messagesOf([{ role: "user", content }])[0].content.slice(0, -1)
    expect(blocks.map(({ document }) => [document.format, document.name])).toEqual([
      ["pdf", "Q3 report (final) v2"],
      ["pdf", "Q3 report (final) v2 (2)"],
      ["md", "document"],
      ["pdf", "document (2)"]
    ])
    expect(blocks[0].document.source).toEqual({ bytes: "JVBE" })
  })

  it("that is a document has a text beside it, which Bedrock demands: its name where nothing else is said", () => {
    const pdf = file({ file_data: "data:application/pdf;base64,JVBE", filename: "tides.pdf" })
    const document = { document: { format: "pdf", name: "tides", source: { bytes: "JVBE" } } }
    const said = (...content: ReadonlyArray<Loose>) => messagesOf([{ role: "user", content }])[0].content
    expect(said(pdf)).toEqual([document, { text: "tides" }])
    expect(said(pdf, { type: "text", text: " " })).toEqual([document, { text: "tides" }])
    expect(said({ type: "text", text: "Sum up." }, pdf)).toEqual([{ text: "Sum up." }, document])
    expect(messagesOf([{ role: "user", content: [pdf] }, { role: "user", content: "Sum up." }])[0].content)
      .toEqual([document, { text: "Sum up." }])
  })

  it("is sound", () => {
    expect(partOf({ type: "input_audio", input_audio: { data: "UklG", format: "wav" } })).toEqual({
      audio: { format: "wav", source: { bytes: "UklG" } }
    })
  })

  it("that Bedrock cannot be told is refused with its place", () => {
    const url = "messages[1].content[0].image_url.url"
    expect(faultOf(image("https://a.example/b.png"))).toBe(url)
    expect(faultOf(image("data:image/tiff;base64,AA"))).toBe(url)
    expect(faultOf(image("data:image/png,notbase64"))).toBe(url)
    expect(faultOf(file({ file_id: "file-1" }))).toBe("messages[1].content[0].file")
    expect(faultOf(file({ file_data: "AA", filename: "a.exe" }))).toBe("messages[1].content[0].file")
    expect(faultOf({ type: "input_audio", input_audio: { data: "A", format: "midi" } }))
      .toBe("messages[1].content[0].input_audio.format")
    expect(faultOf({ type: "hologram" })).toBe("messages[1].content[0].type")
  })

  it("of an earlier turn that Bedrock cannot be told is refused likewise", () => {
    expect(refusalOf({ messages: [hi, { role: "function", name: "f", content: "x" }] })?.[1]).toBe("messages[1].role")
    expect(refusalOf({ messages: [hi, { role: "assistant", audio: { id: "a" } }] })?.[1]).toBe("messages[1].audio")
  })
})

describe("tools", () => {
  const toolsOf = (fields: Loose, model = nova) => {
    const { body, dropped } = lowered(fields, model)
    return { config: JSON.parse(body).toolConfig, dropped }
  }

  it("are specifications with a schema always", () => {
    const { config } = toolsOf({
      tools: [
        tool("a", { description: "does a" }),
        { type: "function", function: { name: "b", description: "" } },
        { type: "function", function: { name: "c", parameters: { properties: {} } } }
      ]
    })
    expect(config.tools.map((each: Loose) => each.toolSpec)).toEqual([
      { ...spec("a").toolSpec, description: "does a" },
      { name: "b", inputSchema: { json: { type: "object", properties: {} } } },
      { name: "c", inputSchema: { json: { type: "object", properties: {} } } }
    ])
  })

  it("are chosen in Bedrock's words", () => {
    const tools = [tool("a"), tool("b")]
    const choiceOf = (choice: Loose) => toolsOf({ tools, tool_choice: choice }).config
    expect(choiceOf("auto").toolChoice).toBeUndefined()
    expect(choiceOf("required").toolChoice).toEqual({ any: {} })
    expect(choiceOf("any").toolChoice).toEqual({ any: {} })
    expect(choiceOf({ type: "function", function: { name: "b" } }).toolChoice).toEqual({ tool: { name: "b" } })
    const allowed = (mode: string) => choiceOf({ type: "allowed_tools", allowed_tools: { mode, tools: [tool("b")] } })
    expect(allowed("required")).toEqual({ tools: [spec("b")], toolChoice: { any: {} } })
    expect(allowed("auto")).toEqual({ tools: [spec("b")] })
    expect(choiceOf("none")).toBeUndefined()
  })

  it("that are not offered any more are named where the conversation has calls of them", () => {
    const messages = [hi, { role: "assistant", tool_calls: [call("c1")] }, {
      role: "tool",
      tool_call_id: "c1",
      content: "x"
    }]
    const bare = { toolSpec: { name: "tide", inputSchema: { json: { type: "object" } } } }
    expect(toolsOf({ messages })).toEqual({ config: { tools: [bare] }, dropped: undefined })
    expect(toolsOf({ messages, tools: [], tool_choice: "auto" })).toEqual({
      config: { tools: [bare] },
      dropped: undefined
    })
    expect(toolsOf({ messages, tools: [tool("tide"), tool("wind")], tool_choice: "none" })).toEqual({
      config: { tools: [spec("tide")] },
      dropped: ["tool_choice"]
    })
    expect(toolsOf({ messages, tools: [tool("wind")] }).config).toEqual({ tools: [spec("wind")] })
  })

  it("are not mentioned where there are none", () => {
    expect(toolsOf({ tools: [], tool_choice: "required" })).toEqual({ config: undefined, dropped: undefined })
  })

  it("are strict where the model knows the word, else that is named", () => {
    const tools = [tool("a", { strict: true })]
    expect(toolsOf({ tools }, sonnet45).config.tools[0].toolSpec).toMatchObject({
      strict: true,
      inputSchema: { json: { additionalProperties: false } }
    })
    expect(toolsOf({ tools })).toEqual({ config: { tools: [spec("a")] }, dropped: ["strict"] })
  })

  it("may be called together, and that they may not is named as not said", () => {
    expect(toolsOf({ tools: [tool("a")], parallel_tool_calls: false }).dropped).toEqual(["parallel_tool_calls"])
  })

  it("of another kind are refused", () => {
    expect(refusalOf({ tools: [tool("a"), { type: "custom", custom: { name: "x" } }] })?.[1]).toBe("tools[1].type")
    expect(refusalOf({ tools: [tool("a")], tool_choice: { type: "custom", custom: { name: "x" } } })?.[1])
      .toBe("tool_choice")
    expect(refusalOf({ functions: [{ name: "f" }] })?.[1]).toBe("functions")
  })
})

describe("a parameter", () => {
  it("goes where Converse has a place for it", () => {
    expect(bodyOf({
      max_completion_tokens: 7,
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      stop: ["END", " "],
      service_tier: "flex",
      guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "1" },
      additionalModelRequestFields: { top_k: 5 }
    })).toEqual({
      messages: [{ role: "user", content: [{ text: "hi" }] }],
      inferenceConfig: { maxTokens: 7, temperature: 0.5, topP: 0.9, stopSequences: ["END"] },
      serviceTier: { type: "flex" },
      guardrailConfig: { guardrailIdentifier: "g", guardrailVersion: "1" },
      additionalModelRequestFields: { top_k: 5 }
    })
  })

  it("that says nothing is nowhere", () => {
    const { body, dropped } = lowered({
      frequency_penalty: 0,
      presence_penalty: 0,
      logprobs: false,
      store: false,
      n: 1,
      seed: null,
      service_tier: "auto",
      response_format: { type: "text" },
      modalities: ["text"],
      stream_options: null
    })
    expect([JSON.parse(body), dropped]).toEqual([
      { messages: [{ role: "user", content: [{ text: "hi" }] }] },
      undefined
    ])
  })

  it("that Converse has no words for is left out and named", () => {
    const { dropped } = lowered({
      seed: 0,
      logit_bias: { 1: 2 },
      user: "u",
      temperature: 1.5,
      stop: "",
      service_tier: "scale",
      response_format: { type: "json_object" },
      enable_thinking: true
    })
    expect(dropped?.toSorted()).toEqual([
      "enable_thinking",
      "logit_bias",
      "response_format",
      "seed",
      "service_tier",
      "stop",
      "temperature",
      "user"
    ])
  })

  it("that would make another answer is refused", () => {
    expect(refusalOf({ n: 2 })).toEqual(["InvalidRequest", "n", "unsupported_parameter"])
    expect(refusalOf({ modalities: ["text", "audio"] })).toEqual([
      "InvalidRequest",
      "modalities",
      "unsupported_parameter"
    ])
  })

  it("for a schema is the schema's text", () => {
    const schema = { type: "object", properties: {} }
    const format = { type: "json_schema", json_schema: { name: "Tide", schema, strict: true, description: "of today" } }
    const outputConfig = {
      textFormat: {
        type: "json_schema",
        structure: { jsonSchema: { name: "Tide", description: "of today", schema: JSON.stringify(schema) } }
      }
    }
    expect(bodyOf({ response_format: format }, "minimax.minimax-m2").outputConfig).toEqual(outputConfig)
  })

  it("for a schema is cut to what a Claude keeps to", () => {
    const schema = { type: "object", properties: { a: { type: "string", maxLength: 9 } } }
    const format = { type: "json_schema", json_schema: { name: "Tide", schema } }
    const { jsonSchema } = bodyOf({ response_format: format }, sonnet45).outputConfig.textFormat.structure
    expect(JSON.parse(jsonSchema.schema)).toEqual({
      type: "object",
      properties: { a: { type: "string", description: "{maxLength: 9}" } },
      additionalProperties: false
    })
  })

  it("for JSON is asked for where nobody keeps to it, which is named", () => {
    const schema = { type: "object", properties: {} }
    const formats = [
      [{ type: "json_object" }, sonnet45],
      [{ type: "json_schema", json_schema: { name: "Tide", schema } }, nova],
      [{ type: "json_schema", json_schema: { name: "Tide", schema } }, "anthropic.claude-3-haiku-20240307-v1:0"]
    ] as const
    for (const [format, model] of formats) {
      const { body, dropped } = lowered({ response_format: format }, model)
      expect(dropped).toEqual(["response_format"])
      expect(JSON.parse(body).outputConfig).toBeUndefined()
      expect(JSON.parse(body).system[0].text).toMatch(/^Answer with one JSON object/)
    }
  })

  it("of sampling is what the Claude at hand takes of it", () => {
    const sampled = (model: string, fields: Loose = {}) => {
      const { body, dropped } = lowered({ temperature: 0.3, top_p: 0.9, ...fields }, model)
      const { temperature, topP } = JSON.parse(body).inferenceConfig ?? {}
      return { temperature, topP, dropped }
    }
    expect(sampled("anthropic.claude-3-haiku-20240307-v1:0")).toEqual({
      temperature: 0.3,
      topP: 0.9,
      dropped: undefined
    })
    expect(sampled(sonnet45)).toEqual({ temperature: 0.3, topP: undefined, dropped: ["top_p"] })
    expect(sampled("anthropic.claude-opus-4-7")).toEqual({
      temperature: undefined,
      topP: undefined,
      dropped: ["temperature", "top_p"]
    })
    expect(sampled("anthropic.claude-opus-4-7", { temperature: 1, top_p: 1 }).dropped).toBeUndefined()
  })
})

describe("an effort", () => {
  const thinkingOf = (model: string, effort: string, fields: Loose = {}) => {
    const { body, dropped } = lowered({ reasoning_effort: effort, ...fields }, model)
    const { additionalModelRequestFields: said, inferenceConfig } = JSON.parse(body)
    return { said, maxTokens: inferenceConfig?.maxTokens, dropped }
  }
  const nothing = { said: undefined, maxTokens: undefined, dropped: undefined }

  it("is an effort for a Claude that decides by itself", () => {
    expect(thinkingOf("us.anthropic.claude-sonnet-4-6", "high").said).toEqual({
      thinking: { type: "adaptive" },
      output_config: { effort: "high" }
    })
    expect(thinkingOf("us.anthropic.claude-sonnet-4-6", "none")).toEqual(nothing)
  })

  it("is a budget for one before that, within the limit or over it", () => {
    const enabled = (budget: number) => ({ thinking: { type: "enabled", budget_tokens: budget } })
    expect(thinkingOf(sonnet45, "minimal")).toEqual({ ...nothing, said: enabled(1024) })
    expect(thinkingOf(sonnet45, "medium")).toEqual({ ...nothing, said: enabled(8192), maxTokens: 32_000 })
    expect(thinkingOf("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "high"))
      .toEqual({ ...nothing, said: enabled(6553), maxTokens: 8192 })
    expect(thinkingOf(sonnet45, "high", { max_tokens: 5000 })).toEqual({
      ...nothing,
      said: enabled(4000),
      maxTokens: 5000
    })
    expect(thinkingOf(sonnet45, "high", { max_tokens: 100 })).toEqual({
      ...nothing,
      said: enabled(1024),
      maxTokens: 1124
    })
  })

  it("beside which a tool is demanded, or whose thoughts were lost, is named as not said", () => {
    const dropped = { ...nothing, dropped: ["reasoning_effort"] }
    expect(thinkingOf(sonnet45, "low", { tools: [tool("a")], tool_choice: "required" })).toEqual(dropped)
    const messages = [hi, { role: "assistant", tool_calls: [call("c")] }, {
      role: "tool",
      tool_call_id: "c",
      content: "x"
    }]
    expect(thinkingOf(sonnet45, "low", { messages })).toEqual(dropped)
    expect(thinkingOf(sonnet45, "low", { messages: [...messages, { role: "assistant", content: "so" }, hi] }).said)
      .toBeDefined()
  })

  it("is named as not said where the last answer is to be gone on with", () => {
    const messages = [hi, { role: "assistant", content: "The tide" }]
    expect(thinkingOf(sonnet45, "low", { messages })).toEqual({ ...nothing, dropped: ["reasoning_effort"] })
    expect(thinkingOf(sonnet45, "low", { messages: [...messages, hi] }).said).toBeDefined()
  })

  it("is said in a loop of tools whose first call has its thoughts", () => {
    const thought = { reasoningContent: { reasoningText: { text: "hm", signature: "sig" } } }
    const first = OpaqueState.carry("c1", "b", JSON.stringify([thought]), sonnet45)
    const loop = (id: string) => [
      hi,
      { role: "assistant", tool_calls: [call(id)] },
      { role: "tool", tool_call_id: id, content: "x" },
      { role: "assistant", tool_calls: [call("c2")] },
      { role: "tool", tool_call_id: "c2", content: "y" }
    ]
    expect(thinkingOf(sonnet45, "low", { messages: loop(first) }).said).toBeDefined()
    expect(thinkingOf(sonnet45, "low", { messages: loop("c1") }).dropped).toEqual(["reasoning_effort"])
  })

  it("turns a Claude's sampling off", () => {
    expect(lowered({ reasoning_effort: "low", temperature: 0.2 }, sonnet45).dropped).toEqual(["temperature"])
  })

  it("has the words of other families", () => {
    expect(thinkingOf("openai.gpt-oss-120b-1:0", "xhigh").said).toEqual({ reasoning_effort: "high" })
    expect(thinkingOf("us.amazon.nova-2-lite-v1:0", "minimal").said).toEqual({
      reasoningConfig: { type: "enabled", maxReasoningEffort: "low" }
    })
    expect(thinkingOf("us.amazon.nova-2-lite-v1:0", "none").said).toEqual({ reasoningConfig: { type: "disabled" } })
    expect(thinkingOf(nova, "none")).toEqual(nothing)
    expect(thinkingOf(nova, "high")).toEqual({ ...nothing, dropped: ["reasoning_effort"] })
    expect(thinkingOf("anthropic.claude-3-haiku-20240307-v1:0", "high").dropped).toEqual(["reasoning_effort"])
  })

  it("is not said where it is not asked for", () => {
    expect(thinkingOf(sonnet45, "default")).toEqual(nothing)
  })
})

describe("a model's name", () => {
  it("is encoded into the path, colons and slashes of an ARN too", () => {
    const arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
    expect(lowered({}, arn).path).toBe(
      "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0/converse"
    )
  })

  it("is followed by the way of asking, which has its own kind of answer", () => {
    expect(lowered({}, nova, true)).toMatchObject({
      path: "/model/amazon.nova-lite-v1%3A0/converse-stream",
      headers: { accept: "application/vnd.amazon.eventstream" }
    })
    expect(lowered({}, nova).headers).toBeUndefined()
  })
})

describe("thoughts in a stream", () => {
  const streamed = (events: ReadonlyArray<readonly [string, Loose]>): ReadonlyArray<Loose> => {
    const machine = bedrockConverse.openStream({
      includeUsage: false,
      fallback: { id: "c", created: 1, model: "m", nowMs: 0 }
    })
    const out: Parameters<typeof machine.next>[1] = []
    for (const [event, payload] of events) machine.next({ event, data: JSON.stringify(payload), bytes: undefined }, out)
    return out.map(({ chunk }) => chunk.choices[0]?.delta)
  }
  const thinks = (contentBlockIndex: number, reasoningContent: Loose) =>
    ["contentBlockDelta", { contentBlockIndex, delta: { reasoningContent } }] as const
  const calls = (contentBlockIndex: number, toolUseId: string) =>
    ["contentBlockStart", { contentBlockIndex, start: { toolUse: { toolUseId, name: "tide" } } }] as const
  const carriedBy = (deltas: ReadonlyArray<Loose>): ReadonlyArray<Loose> =>
    deltas.flatMap((delta) => delta?.tool_calls ?? []).filter(({ id }) => id !== undefined)
      .map(({ id }) => [OpaqueState.idOf(id), JSON.parse(OpaqueState.stateOf(id, "b", "m") ?? "null")])

  it("are read, and where they are signed or sealed they come with the next call", () => {
    const deltas = streamed([
      thinks(0, { text: "Let me " }),
      thinks(0, { text: "see" }),
      thinks(0, { signature: "si" }),
      thinks(0, { signature: "g" }),
      thinks(1, { redactedContent: "cmVk" }),
      calls(2, "t1"),
      calls(3, "t2"),
      thinks(4, { text: "more", signature: "x" }),
      calls(5, "t3")
    ])
    expect(deltas.map((delta) => delta?.reasoning_content ?? "").join("|")).toMatch(/^Let me \|see\|.*more/)
    expect(carriedBy(deltas)).toEqual([
      ["t1", [
        { reasoningContent: { reasoningText: { text: "Let me see", signature: "sig" } } },
        { reasoningContent: { redactedContent: "cmVk" } }
      ]],
      ["t2", null],
      ["t3", [{ reasoningContent: { reasoningText: { text: "more", signature: "x" } } }]]
    ])
  })

  it("that nobody signed stay where they are", () => {
    expect(carriedBy(streamed([thinks(0, { text: "hm" }), calls(1, "t1")]))).toEqual([["t1", null]])
  })
})
