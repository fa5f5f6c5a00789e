import { describe, expect, it } from "@effect/vitest"
import type { ChatRequest } from "../../../src/domain/Chat.ts"
import type { Lowered } from "../../../src/providers/Dialect.ts"
import { anthropicMessages } from "../../../src/providers/protocols/AnthropicMessages.ts"
import { abilitiesOf } from "../../../src/providers/protocols/AnthropicMessagesModels.ts"
import { openAiChat } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import type { Frame } from "../../../src/providers/Provider.ts"
import { callOf } from "../Calls.ts"

type Fields = Readonly<Record<string, unknown>>

const usual = "claude-sonnet-4-5"
const old = anthropicMessages({ version: "2023-06-01" })

const lowered = (fields: Fields, model = usual, dialect = old, stream = false): Lowered => {
  const said = dialect.lower(callOf(model, fields), stream)
  if ("_tag" in said) throw new Error(`${said._tag}: ${said.message}`)
  return said
}

// JSON of the dialect under test, read by hand.
const bodyOf = (fields: Fields, model = usual, dialect = old): any => JSON.parse(lowered(fields, model, dialect).body)

const refusalOf = (fields: Fields, model = usual) => {
  const said = old.lower(callOf(model, fields), false)
  return "_tag" in said ? [said._tag, said.param, said.code] : said.body
}

const droppedOf = (fields: Fields, model = usual) => lowered(fields, model).dropped

const call = (id: string, name: string, input: string) => ({
  id,
  type: "function",
  function: { name, arguments: input }
})
const tool = (name: string, more: Fields = {}) => ({ type: "function", function: { name, ...more } })

const user = { role: "user", content: "hi" }

describe("a request to Anthropic", () => {
  it("has the model of the target, a limit and the text", () => {
    expect(bodyOf({})).toEqual({
      model: usual,
      max_tokens: 32_000,
      messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }]
    })
    expect(lowered({}).dropped).toBeUndefined()
  })

  it("is streamed when the flow wants a stream", () => {
    expect(JSON.parse(lowered({}, usual, old, true).body).stream).toBe(true)
  })

  it("says system and developer in order in one place", () => {
    const messages = [{ role: "system", content: "a" }, user, {
      role: "developer",
      content: [{ type: "text", text: "b" }]
    }]
    expect(bodyOf({ messages })).toMatchObject({
      system: [{ type: "text", text: "a" }, { type: "text", text: "b" }],
      messages: [{ role: "user" }]
    })
  })

  it("that has nothing but instructions asks them", () => {
    const said = bodyOf({ messages: [{ role: "system", content: "Say hi." }] })
    expect(said.system).toBeUndefined()
    expect(said.messages).toEqual([{ role: "user", content: [{ type: "text", text: "Say hi." }] }])
  })

  it("joins messages of one role, and leaves blank texts out", () => {
    const messages = [
      user,
      { role: "user", content: [{ type: "text", text: " " }, { type: "text", text: "there" }] },
      { role: "assistant", content: "" },
      { role: "assistant", content: "A" },
      { role: "user", content: "on" }
    ]
    expect(bodyOf({ messages }).messages).toEqual([
      { role: "user", content: [{ type: "text", text: "hi" }, { type: "text", text: "there" }] },
      { role: "assistant", content: [{ type: "text", text: "A" }] },
      { role: "user", content: [{ type: "text", text: "on" }] }
    ])
  })

  it("has no white space at the end of an answer that is to go on", () => {
    expect(bodyOf({ messages: [user, { role: "assistant", content: "One, two, " }] }).messages[1].content)
      .toEqual([{ type: "text", text: "One, two," }])
  })

  it("without any content is refused", () => {
    expect(refusalOf({ messages: [{ role: "user", content: "" }] })).toEqual(["InvalidRequest", "messages", undefined])
  })
})

describe("the calls of tools", () => {
  const conversation = [
    user,
    {
      role: "assistant",
      content: "Let me see.",
      tool_calls: [call("call_1", "tide", "{\"at\":12345678901234567890}"), call("functions.sea:0", "sea", "")]
    },
    { role: "user", content: "Be quick." },
    { role: "tool", tool_call_id: "functions.sea:0", content: "calm" },
    {
      role: "tool",
      tool_call_id: "call_1",
      content: [{ type: "text", text: "low" }, { type: "image_url", image_url: { url: "https://a/b.png" } }]
    }
  ]

  it("and their results come back in Anthropic's order, with ids that it takes and all digits", () => {
    const said = lowered({ messages: conversation }).body
    expect(said).toContain("{\"at\":12345678901234567890}")
    expect(JSON.parse(said).messages.slice(1)).toEqual([
      {
        role: "assistant",
        content: [
          { type: "text", text: "Let me see." },
          { type: "tool_use", id: "call_1", name: "tide", input: { at: Number("12345678901234567890") } },
          { type: "tool_use", id: "functions_sea_0", name: "sea", input: {} }
        ]
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "functions_sea_0", content: "calm" },
          {
            type: "tool_result",
            tool_use_id: "call_1",
            content: [{ type: "text", text: "low" }, { type: "image", source: { type: "url", url: "https://a/b.png" } }]
          },
          { type: "text", text: "Be quick." }
        ]
      }
    ])
  })

  it("without a result are refused, as OpenAI refuses them", () => {
    const open = conversation.slice(0, 2)
    expect(refusalOf({ messages: open })).toEqual(["InvalidRequest", "messages[1]", undefined])
    expect(refusalOf({ messages: [...open, { role: "assistant", content: "x" }] }))
      .toEqual(["InvalidRequest", "messages[2]", undefined])
  })

  it("that are answered without having been made are refused", () => {
    expect(refusalOf({ messages: [user, { role: "tool", tool_call_id: "x", content: "y" }] }))
      .toEqual(["InvalidRequest", "messages[1].tool_call_id", undefined])
  })

  it("whose arguments are no JSON are told all the same", () => {
    const messages = [user, { role: "assistant", tool_calls: [call("a", "f", "{bad")] }, {
      role: "tool",
      tool_call_id: "a",
      content: "no"
    }]
    expect(bodyOf({ messages }).messages[1].content[0].input).toEqual({ arguments: "{bad" })
  })
})

describe("tools", () => {
  const tools = [
    tool("a", { description: "A", parameters: { type: "object", properties: { x: { type: "string" } } } }),
    tool("b")
  ]

  it("have an input of the type object", () => {
    expect(bodyOf({ tools }).tools).toEqual([
      { name: "a", description: "A", input_schema: { type: "object", properties: { x: { type: "string" } } } },
      { name: "b", input_schema: { type: "object", properties: {} } }
    ])
  })

  it("that are strict get a schema that can be kept to", () => {
    const parameters = {
      type: "object",
      properties: { n: { type: "integer", minimum: 1, description: "How many" }, minimum: { type: "string" } },
      required: ["n"]
    }
    expect(bodyOf({ tools: [tool("a", { strict: true, parameters })] }).tools[0]).toEqual({
      name: "a",
      strict: true,
      input_schema: {
        type: "object",
        properties: { n: { type: "integer", description: "How many\n\n{minimum: 1}" }, minimum: { type: "string" } },
        required: ["n"],
        additionalProperties: false
      }
    })
  })

  it("that are strict are taken as they are by a model that keeps to no schema, which is told to the caller", () => {
    const parameters = { type: "object", properties: {} }
    const { body, dropped } = lowered({ tools: [tool("a", { strict: true, parameters })] }, "claude-3-5-haiku-20241022")
    expect(JSON.parse(body).tools).toEqual([{ name: "a", input_schema: parameters }])
    expect(dropped).toEqual(["strict"])
  })

  it("of Anthropic itself pass as they are", () => {
    const own = { type: "web_search_20250305", name: "web_search", max_uses: 2 }
    expect(bodyOf({ tools: [own] }).tools).toEqual([own])
  })

  for (
    const [choice, expected] of [
      ["auto", { type: "auto" }],
      ["none", { type: "none" }],
      ["required", { type: "any" }],
      [{ type: "function", function: { name: "a" } }, { type: "tool", name: "a" }]
    ] as const
  ) {
    it(`are chosen by ${JSON.stringify(choice)} as ${expected.type}`, () => {
      expect(bodyOf({ tools, tool_choice: choice }).tool_choice).toEqual(expected)
      expect(bodyOf({ tools, tool_choice: choice, parallel_tool_calls: false }).tool_choice)
        .toEqual(expected.type === "none" ? expected : { ...expected, disable_parallel_tool_use: true })
    })
  }

  it("may be called one at a time without any choice", () => {
    expect(bodyOf({ tools, parallel_tool_calls: false }).tool_choice)
      .toEqual({ type: "auto", disable_parallel_tool_use: true })
  })

  it("are cut to those that are allowed", () => {
    const allowed = { type: "allowed_tools", allowed_tools: { mode: "required", tools: [tool("b")] } }
    const said = bodyOf({ tools, tool_choice: allowed })
    expect([said.tools.map((one: Fields) => one["name"]), said.tool_choice]).toEqual([["b"], { type: "any" }])
  })

  it("that are not there are not spoken of", () => {
    const said = bodyOf({ tools: [], tool_choice: "none", parallel_tool_calls: false })
    expect([said.tools, said.tool_choice]).toEqual([undefined, undefined])
  })

  it("cannot be demanded of a model that must think first, which is told to the caller", () => {
    const said = lowered({ tools, tool_choice: "required" }, "claude-opus-5-5")
    expect([JSON.parse(said.body).tool_choice, said.dropped]).toEqual([{ type: "auto" }, ["tool_choice"]])
  })

  it("of the type custom, and functions, are refused", () => {
    expect(refusalOf({ tools: [{ type: "custom", custom: { name: "x" } }] }))
      .toEqual(["InvalidRequest", "tools[0]", "unsupported_parameter"])
    expect(refusalOf({ functions: [{ name: "x" }] })).toEqual(["InvalidRequest", "functions", "unsupported_parameter"])
  })
})

describe("content", () => {
  const partsOf = (...content: ReadonlyArray<unknown>) =>
    bodyOf({ messages: [{ role: "user", content }] }).messages[0].content
  const image = (url: string) => ({ type: "image_url", image_url: { url } })
  const file = (fields: Fields) => ({ type: "file", file: fields })

  it("has images as base64 and as addresses", () => {
    expect(partsOf(image("data:image/jpg;base64,QUJD"), image("https://a/b.png"))).toEqual([
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "QUJD" } },
      { type: "image", source: { type: "url", url: "https://a/b.png" } }
    ])
  })

  it("has documents as base64, as text and as addresses", () => {
    expect(partsOf(
      file({ filename: "a.pdf", file_data: "data:application/pdf;base64,QUJD" }),
      file({ filename: "b.pdf", file_data: "QUJD" }),
      file({ filename: "c.txt", file_data: "data:text/plain;base64,aGk=" }),
      file({ file_data: "https://a/b.pdf" }),
      file({ file_data: "data:text/plain;charset=utf-8,high%20tide, 4.2%25" })
    )).toEqual([
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "QUJD" }, title: "a.pdf" },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "QUJD" }, title: "b.pdf" },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "hi" }, title: "c.txt" },
      { type: "document", source: { type: "url", url: "https://a/b.pdf" } },
      { type: "document", source: { type: "text", media_type: "text/plain", data: "high tide, 4.2%" } }
    ])
  })

  it("has files of Anthropic by id, with the feature that they need beside those of the file", () => {
    const dialect = anthropicMessages({ version: "2023-06-01", beta: "mine-1" })
    const said = lowered({ messages: [{ role: "user", content: [file({ file_id: "file_1" })] }] }, usual, dialect)
    expect(JSON.parse(said.body).messages[0].content)
      .toEqual([{ type: "document", source: { type: "file", file_id: "file_1" } }])
    expect(said.headers).toEqual({ "anthropic-beta": "mine-1,files-api-2025-04-14" })
  })

  for (
    const part of [
      image("data:image/tiff;base64,QUJD"),
      image("gs://bucket/a.png"),
      { type: "input_audio", input_audio: { data: "QUJD", format: "wav" } },
      file({ file_data: "data:application/zip;base64,QUJD" }),
      file({ file_data: "data:application/pdf,%PDF" }),
      file({ file_data: "data:text/plain,100%" }),
      file({ filename: "b.docx", file_data: "QUJD" }),
      { type: "video_url", video_url: { url: "https://a/b.mp4" } }
    ]
  ) {
    it(`that it does not take is refused: ${JSON.stringify(part).slice(0, 60)}`, () => {
      expect(refusalOf({ messages: [{ role: "user", content: [{ type: "text", text: "see" }, part] }] }))
        .toEqual(["InvalidRequest", "messages[0].content[1]", "unsupported_parameter"])
    })
  }

  it("has a mark of what to cache within a result on the result itself, where alone it may stand", () => {
    const cache_control = { type: "ephemeral" }
    const { messages } = JSON.parse(
      lowered({
        messages: [
          { role: "user", content: "?" },
          {
            role: "assistant",
            content: null,
            tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "" } }]
          },
          {
            role: "tool",
            tool_call_id: "c",
            content: [{ type: "text", text: "a", cache_control }, { type: "text", text: "b" }]
          }
        ]
      }).body
    )
    expect(messages[2].content).toEqual([{
      type: "tool_result",
      tool_use_id: "c",
      content: [{ type: "text", text: "a" }, { type: "text", text: "b" }],
      cache_control
    }])
  })

  it("may be marked for the cache on parts, messages, tools and the request", () => {
    const cache_control = { type: "ephemeral", ttl: "1h" }
    const said = bodyOf({
      cache_control,
      messages: [
        { role: "system", content: [{ type: "text", text: "a", cache_control }] },
        { role: "user", content: "b", cache_control },
        { role: "user", content: [{ type: "text", text: "c", prompt_cache_breakpoint: { mode: "explicit" } }] }
      ],
      tools: [{ ...tool("t"), cache_control }]
    })
    expect(said.cache_control).toEqual(cache_control)
    expect(said.system[0].cache_control).toEqual(cache_control)
    expect(said.messages[0].content.map((block: Fields) => block["cache_control"]))
      .toEqual([cache_control, { type: "ephemeral" }])
    expect(said.tools[0].cache_control).toEqual(cache_control)
  })
})

describe("the form of the answer", () => {
  const schema = { type: "object", properties: { city: { type: "string", maxLength: 9 } }, required: ["city"] }
  const response_format = { type: "json_schema", json_schema: { name: "place", schema, strict: true } }

  it("is a schema where the model keeps to one", () => {
    expect(bodyOf({ response_format }).output_config).toEqual({
      format: {
        type: "json_schema",
        schema: {
          type: "object",
          properties: { city: { type: "string", description: "{maxLength: 9}" } },
          required: ["city"],
          additionalProperties: false
        }
      }
    })
  })

  it("is asked for where it does not, which is told to the caller", () => {
    for (
      const [fields, model] of [[{ response_format }, "claude-3-7-sonnet-20250219"], [{
        response_format: { type: "json_object" }
      }, usual]] as const
    ) {
      const said = lowered(fields, model)
      expect(JSON.parse(said.body).output_config).toBeUndefined()
      expect(JSON.parse(said.body).system[0].text).toMatch(/^Answer with one JSON object/)
      expect(said.dropped).toEqual(["response_format"])
    }
  })
})

describe("reasoning", () => {
  const thinking = (reasoning_effort: string, model: string, more: Fields = {}) => {
    const { max_tokens, output_config, thinking } = bodyOf({ reasoning_effort, ...more }, model)
    return { max_tokens, effort: output_config?.effort, thinking }
  }

  it("is a budget on models that have no efforts", () => {
    expect(thinking("medium", usual))
      .toEqual({ max_tokens: 32_000, effort: undefined, thinking: { type: "enabled", budget_tokens: 8192 } })
  })

  it("has a budget within the caller's limit, which is raised only where it has no room at all", () => {
    expect(thinking("high", usual, { max_completion_tokens: 5000 }))
      .toMatchObject({ max_tokens: 5000, thinking: { budget_tokens: 4000 } })
    expect(thinking("high", usual, { max_tokens: 100 })).toMatchObject({
      max_tokens: 1124,
      thinking: { budget_tokens: 1024 }
    })
  })

  it("is an effort on models that have them, as near as they have it", () => {
    expect(thinking("minimal", "claude-opus-4-6")).toMatchObject({ effort: "low", thinking: { type: "adaptive" } })
    expect(thinking("xhigh", "claude-opus-4-6").effort).toBe("high")
    expect(thinking("max", "claude-opus-4-6").effort).toBe("max")
    expect(thinking("max", "claude-sonnet-4-6").effort).toBe("high")
    expect(thinking("xhigh", "claude-opus-4-8")).toMatchObject({
      effort: "xhigh",
      thinking: { type: "adaptive", display: "summarized" }
    })
  })

  it("is off where it is not wanted, as far as that goes", () => {
    expect(thinking("none", usual).thinking).toBeUndefined()
    expect(thinking("none", "claude-opus-4-7").thinking).toBeUndefined()
    expect(thinking("none", "claude-sonnet-5").thinking).toEqual({ type: "disabled" })
    expect(thinking("none", "claude-fable-5")).toMatchObject({ effort: "low", thinking: undefined })
    expect(droppedOf({ reasoning_effort: "none" }, "claude-fable-5")).toEqual(["reasoning_effort"])
  })

  it("cannot be had of old models, nor beside a demanded tool, nor without the thoughts before a call", () => {
    expect(droppedOf({ reasoning_effort: "low" }, "claude-3-5-haiku-20241022")).toEqual(["reasoning_effort"])
    expect(droppedOf({ reasoning_effort: "low", tools: [tool("a")], tool_choice: "required" })).toEqual([
      "reasoning_effort"
    ])
    const messages = [user, { role: "assistant", tool_calls: [call("a", "f", "{}")] }, {
      role: "tool",
      tool_call_id: "a",
      content: "1"
    }]
    expect(droppedOf({ reasoning_effort: "low", messages })).toEqual(["reasoning_effort"])
    expect(droppedOf({ reasoning_effort: "low", messages }, "claude-opus-4-8")).toBeUndefined()
    const thinking_blocks = [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }]
    const first = { role: "assistant", thinking_blocks, tool_calls: [call("z", "f", "{}")] }
    const begun = [user, first, { role: "tool", tool_call_id: "z", content: "0" }, ...messages.slice(1)]
    expect(droppedOf({ reasoning_effort: "low", messages: begun })).toBeUndefined()
  })

  it("cannot be had with a budget where the last answer is to be gone on with and does not begin with thoughts", () => {
    const messages = [user, { role: "assistant", content: "The tide" }]
    expect(lowered({ reasoning_effort: "low", messages })).toMatchObject({ dropped: ["reasoning_effort"] })
    expect(bodyOf({ reasoning_effort: "low", messages }).thinking).toBeUndefined()
    const thinking_blocks = [{ type: "thinking", thinking: "Hm.", signature: "c2ln" }]
    const thought = [user, { role: "assistant", thinking_blocks, content: "The tide" }]
    expect(droppedOf({ reasoning_effort: "low", messages: thought })).toBeUndefined()
    expect(droppedOf({ reasoning_effort: "low", messages: [...messages, user] })).toBeUndefined()
  })

  it("passes as it is where the caller speaks Anthropic's own way", () => {
    const own = { type: "enabled", budget_tokens: 2000 }
    expect(bodyOf({ thinking: own }).thinking).toEqual(own)
  })
})

describe("parameters", () => {
  it("that have a word go by it", () => {
    expect(bodyOf({ max_tokens: 5, stop: "END", user: "u", safety_identifier: "s", service_tier: "default", top_k: 3 }))
      .toMatchObject({
        max_tokens: 5,
        stop_sequences: ["END"],
        metadata: { user_id: "s" },
        service_tier: "standard_only",
        top_k: 3
      })
  })

  it("have the model's own limit where it is known and the caller has none", () => {
    const dialect = anthropicMessages({ version: "2023-06-01", maxOutput: () => 64_000 })
    expect(bodyOf({}, usual, dialect).max_tokens).toBe(64_000)
    expect(bodyOf({ max_tokens: 7 }, usual, dialect).max_tokens).toBe(7)
  })

  it("of sampling follow what the model takes", () => {
    expect(bodyOf({ temperature: 0.5, top_p: 0.9 }, "claude-3-7-sonnet")).toMatchObject({
      temperature: 0.5,
      top_p: 0.9
    })
    expect(bodyOf({ temperature: 0.5, top_p: 1 }).top_p).toBeUndefined()
    expect(droppedOf({ temperature: 0.5, top_p: 1 })).toBeUndefined()
    expect(droppedOf({ temperature: 0.5, top_p: 0.9 })).toEqual(["top_p"])
    expect(lowered({ temperature: 1.5 })).toMatchObject({ dropped: ["temperature"] })
    expect(bodyOf({ temperature: 1.5 }).temperature).toBe(1)
    expect(bodyOf({ temperature: 0 }, "claude-opus-4-7").temperature).toBeUndefined()
    expect(droppedOf({ temperature: 0 }, "claude-opus-4-7")).toEqual(["temperature"])
    expect(droppedOf({ temperature: 1, top_p: 1 }, "claude-opus-4-7")).toBeUndefined()
    expect(droppedOf({ temperature: 0, reasoning_effort: "low" })).toEqual(["temperature"])
  })

  it("of sampling are gone in the newer version", () => {
    const newer = anthropicMessages({ version: "2026-10-21" })
    const said = lowered({ temperature: 0.5 }, usual, newer)
    expect([JSON.parse(said.body).temperature, said.dropped]).toEqual([undefined, ["temperature"]])
    const usualValues = lowered({ temperature: 1, top_p: 1, top_k: 40 }, usual, newer)
    expect(JSON.parse(usualValues.body)).not.toHaveProperty("temperature")
    expect(JSON.parse(usualValues.body)).not.toHaveProperty("top_p")
    expect(usualValues.dropped).toEqual(["top_k"])
  })

  it("in answers that have files are refused in the newer version, before anybody is asked", () => {
    const document = { type: "document", source: { type: "text", media_type: "text/plain", data: "tides" } }
    const messages = [
      { role: "user", content: [{ type: "text", text: "Read.", citations: [{ type: "char_location" }] }, document] },
      { role: "assistant", content: [{ type: "text", text: "This:" }, document] },
      { role: "user", content: "Go on." }
    ]
    const turns = JSON.parse(lowered({ messages }).body).messages
    expect(turns[1].content).toContainEqual(document)
    const newer = anthropicMessages({ version: "2026-10-21" })
    const call = callOf(usual, { messages })
    expect(newer.lower(call, false)).toMatchObject({ param: "messages", code: "unsupported_parameter" })
    const asked = lowered(
      { messages: [messages[0], { role: "assistant", content: "This." }, messages[2]] },
      usual,
      newer
    )
    // Citations of a text of the caller's are refused by it, and sent to neither.
    expect(JSON.parse(asked.body).messages[0].content).toEqual([{ type: "text", text: "Read." }, document])
  })

  it("that it has no words for are named, unless they say nothing", () => {
    expect(droppedOf({
      frequency_penalty: 0.5,
      presence_penalty: 0,
      seed: 1,
      logprobs: false,
      logit_bias: {},
      service_tier: "flex",
      stop: [" ", "x"],
      store: false,
      metadata: null,
      "odd\nname": 1
    })).toEqual(["stop", "service_tier", "frequency_penalty", "seed", "odd_name"])
  })

  it("are named up to twenty", () => {
    expect(droppedOf(Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`x${at}`, 1])))).toHaveLength(20)
  })

  it("that ask for several answers are refused", () => {
    expect(refusalOf({ n: 2 })).toEqual(["InvalidRequest", "n", "unsupported_parameter"])
  })
})

describe("a model's name", () => {
  it("says how it thinks, whatever stands around it", () => {
    const named = (...names: ReadonlyArray<string>) => names.map((name) => abilitiesOf(name).thinking)
    expect(named("claude-3-5-haiku-20241022", "claude-2")).toEqual(["none", "none"])
    expect(
      named("claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514", "claude-sonnet-4@20250514", "claude-haiku-4-5")
    )
      .toEqual(["budget", "budget", "budget", "budget"])
    expect(named("anthropic.claude-opus-4-6-v1:0", "claude-opus-5", "claude-haiku-5-5", "claude-mythos-preview"))
      .toEqual(["adaptive", "adaptive", "adaptive", "adaptive"])
    expect(abilitiesOf("glm-5")).toMatchObject({ thinking: "budget", sampling: "all" })
  })
})

describe("the use of an answer", () => {
  it("has the searches that Anthropic made itself", () => {
    const searchesOf = (requests: number) => {
      const usage = { input_tokens: 3, output_tokens: 5, server_tool_use: { web_search_requests: requests } }
      const content = [{ type: "text", text: "So." }]
      const answer = {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: usual,
        content,
        stop_reason: "end_turn",
        usage
      }
      const read = old.readAnswer(JSON.stringify(answer), { id: "x", created: 1, model: "asked", nowMs: 0 })
      return "_tag" in read ? read : read.usage?.searches
    }
    expect([searchesOf(2), searchesOf(0)]).toEqual([2, undefined])
  })
})

describe("signed thoughts", () => {
  const fallback = { id: "chatcmpl-x", created: 1, model: usual, nowMs: 0 }
  const thought = { type: "thinking", thinking: "Hm.", signature: "c2ln" }
  const hidden = { type: "redacted_thinking", data: "ZGF0YQ==" }
  const calls = [
    { type: "tool_use", id: "toolu_1", name: "a", input: { x: 1 } },
    { type: "tool_use", id: "toolu_2", name: "b", input: {} }
  ]
  const usage = { input_tokens: 3, output_tokens: 5 }
  const content = [thought, hidden, { type: "text", text: "So." }, calls[0], { ...thought, thinking: "" }, calls[1]]
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: usual,
    content,
    stop_reason: "tool_use",
    usage
  }

  const whole = (model = usual) => {
    const read = old.readAnswer(JSON.stringify(message), { ...fallback, model })
    if ("_tag" in read) throw new Error(read.message)
    return read.completion.choices[0]?.message.tool_calls ?? []
  }

  const streamed = () => {
    const machine = old.openStream({ includeUsage: false, fallback })
    const frames: Array<Frame> = []
    const say = (value: unknown) => machine.next({ event: "", data: JSON.stringify(value), bytes: undefined }, frames)
    say({ type: "message_start", message: { ...message, content: [] } })
    for (const [index, block] of content.entries()) {
      const { signature, ...unsigned } = { signature: "", ...block }
      say({
        type: "content_block_start",
        index,
        content_block: signature === "" ? block : { ...unsigned, thinking: "" }
      })
      if ("thinking" in unsigned) {
        say({ type: "content_block_delta", index, delta: { type: "thinking_delta", thinking: unsigned.thinking } })
        say({ type: "content_block_delta", index, delta: { type: "signature_delta", signature } })
      }
      say({ type: "content_block_stop", index })
    }
    say({ type: "message_delta", delta: { stop_reason: "tool_use" }, usage })
    say({ type: "message_stop" })
    return frames.flatMap(({ chunk }) => chunk.choices[0]?.delta.tool_calls ?? []).filter(({ id }) => id !== undefined)
  }

  const answered = (ids: ReadonlyArray<string>, more: Fields = {}) => ({
    messages: [
      user,
      {
        role: "assistant",
        content: "So.",
        tool_calls: [call(ids[0] ?? "", "a", "{\"x\":1}"), call(ids[1] ?? "", "b", "{}")]
      },
      ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: "done" }))
    ],
    ...more
  })

  for (const [how, made] of [["a whole answer", whole], ["a stream", streamed]] as const) {
    it(`of ${how} come back to Anthropic from a client that keeps ids alone`, () => {
      const ids = made().map(({ id }) => id ?? "")
      expect(ids.every((id) => /^toolu_\d__bw1a[\w-]+$/.test(id))).toBe(true)
      const said = bodyOf(answered(ids, { reasoning_effort: "low" }))
      expect(said.messages[1].content).toEqual(content)
      expect(said.messages[2].content.map((block: Fields) => block["tool_use_id"])).toEqual(["toolu_1", "toolu_2"])
      expect(said.thinking).toMatchObject({ type: "enabled" })
    })
  }

  it("are cut off for another provider", () => {
    const ids = whole().map(({ id }) => id)
    const said = openAiChat.lower(callOf("gpt", answered(ids)), false)
    if ("_tag" in said) throw new Error(said.message)
    const messages: ChatRequest["messages"] = JSON.parse(said.body).messages
    expect(messages.slice(1)).toMatchObject([
      { tool_calls: [{ id: "toolu_1" }, { id: "toolu_2" }] },
      { tool_call_id: "toolu_1" },
      { tool_call_id: "toolu_2" }
    ])
    expect(said.body).not.toContain("__bw1")
  })

  it("that were tampered with, or are another's, are left out", () => {
    const [first = "", second = ""] = whole().map(({ id }) => id)
    const ids = [`${first.slice(0, 20)}!!!`.replaceAll("!", "A"), second.replace("__bw1a", "__bw1g")]
    expect(bodyOf(answered(ids)).messages[1].content).toEqual([{ type: "text", text: "So." }, ...calls])
  })

  it("are not given to another model, which would refuse the request for them", () => {
    const ids = whole().map(({ id }) => id ?? "")
    for (const other of ["claude-opus-4-5", "claude-sonnet-4-5-20250929", "MiniMax-M2"]) {
      expect(bodyOf(answered(ids), other).messages[1].content).toEqual([{ type: "text", text: "So." }, ...calls])
    }
    expect(droppedOf(answered(ids, { reasoning_effort: "low" }), "claude-opus-4-5")).toEqual(["reasoning_effort"])
  })

  it("are to be dropped rather than refused where a model binds them to what stands before them", () => {
    const binding = { block_binding: { prefix_mismatch_behavior: "drop_block" } }
    for (const model of ["claude-fable-5-1", "claude-opus-5-5", "claude-haiku-5-5"]) {
      const ids = whole(model).map(({ id }) => id ?? "")
      const said = lowered(answered(ids), model)
      expect(JSON.parse(said.body).messages[1].content).toEqual(content)
      expect(JSON.parse(said.body).thinking).toEqual({ type: "adaptive", ...binding })
      expect(said.headers).toEqual({ "anthropic-beta": "thinking-binding-controls-2026-08-01" })
      expect(bodyOf(answered(ids, { reasoning_effort: "low" }), model).thinking).toMatchObject(binding)
      expect(lowered(answered(["toolu_1", "toolu_2"]), model).headers).toBeUndefined()
      expect(bodyOf(answered(["toolu_1", "toolu_2"]), model).thinking).toBeUndefined()
      const own = { type: "adaptive", display: "summarized" }
      expect(bodyOf(answered(ids, { thinking: own }), model).thinking).toEqual(own)
    }
    expect(lowered(answered(whole("claude-opus-5").map(({ id }) => id ?? "")), "claude-opus-5").headers).toBeUndefined()
  })

  it("stay away from a model that binds them and is not to think", () => {
    const thoughtsIn = (model: string): ReadonlyArray<Fields> =>
      bodyOf(answered(whole(model).map(({ id }) => id ?? ""), { reasoning_effort: "none" }), model).messages[1].content
        .filter(({ type }: Fields) => type === "thinking")
    expect(["claude-sonnet-5-5", "claude-fable-5-1", "claude-sonnet-5"].map((model) => thoughtsIn(model).length))
      .toEqual([0, 2, 2])
  })

  it("are taken from the message of a caller who keeps what he does not know", () => {
    const messages = [user, {
      role: "assistant",
      content: "So.",
      thinking_blocks: [thought],
      tool_calls: [call("t", "a", "")]
    }, {
      role: "tool",
      tool_call_id: "t",
      content: "done"
    }]
    expect(bodyOf({ messages }).messages[1].content[0]).toEqual(thought)
  })
})

describe("an answer of Anthropic", () => {
  const fallback = { id: "chatcmpl-x", created: 1, model: "asked", nowMs: 0 }
  const read = (value: unknown) => {
    const said = old.readAnswer(typeof value === "string" ? value : JSON.stringify(value), fallback)
    return "_tag" in said ? said._tag : JSON.parse(said.text).choices[0]
  }
  const message = {
    type: "message",
    content: [],
    stop_reason: "end_turn",
    usage: { input_tokens: 1, output_tokens: 0 }
  }

  it("that is none is called so", () => {
    expect(read("<html>")).toBe("MalformedAnswer")
    expect(read({})).toBe("MalformedAnswer")
    expect(read(message)).toBe("MalformedAnswer")
    expect(read({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })).toBe("Overloaded")
  })

  it("that is a refusal is a filtered one in its words", () => {
    const refusal = { ...message, stop_reason: "refusal", stop_details: { type: "refusal", explanation: "No." } }
    expect(read(refusal)).toMatchObject({ finish_reason: "content_filter", message: { content: null, refusal: "No." } })
  })

  it("keeps all digits of a call's arguments", () => {
    const text =
      "{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"n\":12345678901234567890}}],\"stop_reason\":\"tool_use\"}"
    expect(read(text).message.tool_calls[0].function.arguments).toBe("{\"n\":12345678901234567890}")
  })

  for (
    const [said, finish] of [["pause_turn", "stop"], ["model_context_window_exceeded", "length"], [
      "constructor",
      "stop"
    ]]
  ) {
    it(`that ends with ${said} ends with ${finish}`, () => {
      expect(read({ ...message, content: [{ type: "text", text: "x" }], stop_reason: said }).finish_reason).toBe(finish)
    })
  }

  it("that is streamed has {} for a call without arguments, and passes over what nobody knows", () => {
    const machine = old.openStream({ includeUsage: false, fallback })
    const frames: Array<Frame> = []
    const say = (value: unknown) => machine.next({ event: "", data: JSON.stringify(value), bytes: undefined }, frames)
    say({ type: "message_start", message })
    say({ type: "ping" })
    say({
      type: "content_block_start",
      index: 0,
      content_block: { type: "server_tool_use", id: "s", name: "web", input: {} }
    })
    say({ type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: "{\"q\":1}" } })
    say({ type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "t", name: "f", input: {} } })
    say({ type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: "" } })
    say({ type: "content_block_delta", index: 1, delta: { type: "brand_new_delta" } })
    say({ type: "brand_new_event" })
    say({ type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } })
    expect([machine.isComplete, machine.isDone]).toEqual([true, false])
    machine.end(frames)
    expect([machine.isDone, machine.failure]).toEqual([true, undefined])
    const calls = frames.flatMap(({ chunk }) => chunk.choices[0]?.delta.tool_calls ?? [])
    expect(calls).toEqual([
      { index: 0, id: "t", type: "function", function: { name: "f", arguments: "" } },
      { index: 0, function: { arguments: "{}" } }
    ])
  })
})
