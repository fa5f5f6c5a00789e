/** One conversation with all that a conversation may have, and what it is in each dialect's words: written by hand from their documents. */
import { describe, expect, it } from "@effect/vitest"
import type { Dialect } from "../../../src/providers/Dialect.ts"
import { anthropicMessages, usualVersion } from "../../../src/providers/protocols/AnthropicMessages.ts"
import { bedrockConverse } from "../../../src/providers/protocols/BedrockConverse.ts"
import { geminiGenerate } from "../../../src/providers/protocols/GeminiGenerate.ts"
import { openAiChat } from "../../../src/providers/protocols/OpenAiChatDialect.ts"
import { callOf } from "../Calls.ts"

const png = "iVBORw0KGgo="
const pdf = "JVBERi0xLjQ="
const answerSchema = {
  type: "object",
  properties: { metres: { type: "number" } },
  required: ["metres"],
  additionalProperties: false
}
const inputSchema = { type: "object", properties: { harbour: { type: "string" } }, required: ["harbour"] }

const called = (id: string, harbour: string) => ({
  id,
  type: "function",
  function: { name: "get_tide", arguments: JSON.stringify({ harbour }) }
})

/** System, several turns, an image, a document, two calls at once with their results, and a question after them. */
const request = {
  messages: [
    { role: "system", content: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }] },
    { role: "developer", content: "Use metres." },
    { role: "user", content: "What is this?" },
    { role: "user", content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }] },
    { role: "assistant", content: "A harbour." },
    {
      role: "user",
      content: [
        { type: "file", file: { filename: "tide table.pdf", file_data: `data:application/pdf;base64,${pdf}` } },
        { type: "text", text: "And the tides?" }
      ]
    },
    { role: "assistant", content: "I shall ask.", tool_calls: [called("call_1", "Whitby"), called("call_2", "Hull")] },
    { role: "tool", tool_call_id: "call_1", content: "4.2 m" },
    { role: "tool", tool_call_id: "call_2", content: "{\"metres\":5}" },
    { role: "user", content: "Well?" }
  ],
  tools: [{ type: "function", function: { name: "get_tide", description: "The tide", parameters: inputSchema } }],
  tool_choice: "auto",
  response_format: { type: "json_schema", json_schema: { name: "depth", schema: answerSchema } },
  reasoning_effort: "low",
  max_completion_tokens: 9000,
  stop: "END"
}

const bodyOf = (dialect: Dialect, model: string, more: Readonly<Record<string, unknown>> = {}) => {
  const lowered = dialect.lower(callOf(model, { ...request, ...more }), false)
  if ("_tag" in lowered) throw new Error(lowered.message)
  return { ...lowered, body: JSON.parse(lowered.body) }
}

const anthropic = anthropicMessages({ version: usualVersion })

const anthropicTurns = [
  {
    role: "user",
    content: [
      { type: "text", text: "What is this?" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: png } }
    ]
  },
  { role: "assistant", content: [{ type: "text", text: "A harbour." }] },
  {
    role: "user",
    content: [
      {
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: pdf },
        title: "tide table.pdf"
      },
      { type: "text", text: "And the tides?" }
    ]
  },
  {
    role: "assistant",
    content: [
      { type: "text", text: "I shall ask." },
      { type: "tool_use", id: "call_1", name: "get_tide", input: { harbour: "Whitby" } },
      { type: "tool_use", id: "call_2", name: "get_tide", input: { harbour: "Hull" } }
    ]
  },
  {
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "call_1", content: "4.2 m" },
      { type: "tool_result", tool_use_id: "call_2", content: "{\"metres\":5}" },
      { type: "text", text: "Well?" }
    ]
  }
]

describe("one conversation with everything in it", () => {
  it("is the caller's own in OpenAI's dialect", () => {
    const { body, dropped } = bodyOf(openAiChat, "gpt")
    expect(body).toEqual({ ...request, model: "gpt" })
    expect(dropped).toBeUndefined()
  })

  it("is said in Anthropic's words", () => {
    const { body, dropped } = bodyOf(anthropic, "claude-sonnet-4-5")
    expect(body).toEqual({
      model: "claude-sonnet-4-5",
      max_tokens: 9000,
      system: [
        { type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } },
        { type: "text", text: "Use metres." }
      ],
      messages: anthropicTurns,
      tools: [{ name: "get_tide", description: "The tide", input_schema: inputSchema }],
      tool_choice: { type: "auto" },
      output_config: { format: { type: "json_schema", schema: answerSchema } },
      stop_sequences: ["END"]
    })
    // The calls that are answered came without a signed thought, and then it may not think.
    expect(dropped).toEqual(["reasoning_effort"])
  })

  it("is said to a Claude that decides by itself how long it thinks", () => {
    const { body } = bodyOf(anthropic, "claude-opus-4-7")
    expect(body).toMatchObject({
      messages: anthropicTurns,
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: "low", format: { type: "json_schema", schema: answerSchema } }
    })
  })

  it.each(
    [
      ["gemini-2.5-flash", { thinkingBudget: 1024, includeThoughts: true }, undefined],
      ["gemini-3-flash", { thinkingLevel: "LOW", includeThoughts: true }, "skip_thought_signature_validator"]
    ] as const
  )("is said in the words of %s", (model, thinkingConfig, thoughtSignature) => {
    const { body, dropped, path } = bodyOf(geminiGenerate, model)
    expect(path).toBe(`/models/${model}:generateContent`)
    expect(body).toEqual({
      systemInstruction: { parts: [{ text: "Be brief." }, { text: "Use metres." }] },
      contents: [
        { role: "user", parts: [{ text: "What is this?" }, { inlineData: { mimeType: "image/png", data: png } }] },
        { role: "model", parts: [{ text: "A harbour." }] },
        {
          role: "user",
          parts: [{ inlineData: { mimeType: "application/pdf", data: pdf } }, { text: "And the tides?" }]
        },
        {
          role: "model",
          parts: [
            { text: "I shall ask." },
            {
              functionCall: { id: "call_1", name: "get_tide", args: { harbour: "Whitby" } },
              ...(thoughtSignature === undefined ? {} : { thoughtSignature })
            },
            { functionCall: { id: "call_2", name: "get_tide", args: { harbour: "Hull" } } }
          ]
        },
        {
          role: "user",
          parts: [
            { functionResponse: { id: "call_1", name: "get_tide", response: { result: "4.2 m" } } },
            { functionResponse: { id: "call_2", name: "get_tide", response: { metres: 5 } } }
          ]
        },
        { role: "user", parts: [{ text: "Well?" }] }
      ],
      tools: [{
        functionDeclarations: [{ name: "get_tide", description: "The tide", parametersJsonSchema: inputSchema }]
      }],
      toolConfig: { functionCallingConfig: { mode: "AUTO" } },
      generationConfig: {
        maxOutputTokens: 9000,
        stopSequences: ["END"],
        responseMimeType: "application/json",
        responseJsonSchema: answerSchema,
        thinkingConfig
      }
    })
    expect(dropped).toEqual(["cache_control"])
  })

  it("is said in Bedrock's words", () => {
    const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    const { body, dropped, path } = bodyOf(bedrockConverse, model)
    expect(path).toBe(`/model/${encodeURIComponent(model)}/converse`)
    const schemaText = body.outputConfig.textFormat.structure.jsonSchema.schema
    expect(JSON.parse(schemaText)).toEqual(answerSchema)
    expect(body).toEqual({
      system: [{ text: "Be brief." }, { cachePoint: { type: "default" } }, { text: "Use metres." }],
      messages: [
        { role: "user", content: [{ text: "What is this?" }, { image: { format: "png", source: { bytes: png } } }] },
        { role: "assistant", content: [{ text: "A harbour." }] },
        {
          role: "user",
          content: [
            { document: { format: "pdf", name: "tide table", source: { bytes: pdf } } },
            { text: "And the tides?" }
          ]
        },
        {
          role: "assistant",
          content: [
            { text: "I shall ask." },
            { toolUse: { toolUseId: "call_1", name: "get_tide", input: { harbour: "Whitby" } } },
            { toolUse: { toolUseId: "call_2", name: "get_tide", input: { harbour: "Hull" } } }
          ]
        },
        {
          role: "user",
          content: [
            { toolResult: { toolUseId: "call_1", content: [{ text: "4.2 m" }] } },
            { toolResult: { toolUseId: "call_2", content: [{ text: "{\"metres\":5}" }] } },
            { text: "Well?" }
          ]
        }
      ],
      inferenceConfig: { maxTokens: 9000, stopSequences: ["END"] },
      toolConfig: {
        tools: [{ toolSpec: { name: "get_tide", description: "The tide", inputSchema: { json: inputSchema } } }]
      },
      outputConfig: {
        textFormat: { type: "json_schema", structure: { jsonSchema: { name: "depth", schema: schemaText } } }
      }
    })
    expect(dropped).toEqual(["reasoning_effort"])
  })

  it("is thought about where no call waits for its results any more", () => {
    const messages = [...request.messages, { role: "assistant", content: "Five." }, { role: "user", content: "Sure?" }]
    const thinking = { type: "enabled", budget_tokens: 4096 }
    expect(bodyOf(anthropic, "claude-sonnet-4-5", { messages })).toMatchObject({ body: { thinking } })
    expect(bodyOf(bedrockConverse, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", { messages }))
      .toMatchObject({ body: { additionalModelRequestFields: { thinking } } })
  })
})
