import { describe, expect, it } from "@effect/vitest"
import { Chat, LanguageModel, type Prompt, Tool, Toolkit } from "effect/ai"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { StreamInterrupted } from "../../src/domain/GatewayError.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { WebSearch } from "../../src/gateway/HostedTool.ts"
import * as BreakwaterLanguageModel from "../../src/gateway/LanguageModel.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import { layerTraced, type Seen } from "../flow/Traced.ts"
import { type Saying, told } from "./Told.ts"

const atOnce = { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY }

/** One target is down, the other one plays the model of the same name. */
const failingOver = (model: string) => ({
  strategy: "ordered" as const,
  targets: [{ provider: "a", model: "sim-down", weight: 1 }, { provider: "b", model, weight: 1 }]
})

const gateway = Gateway.layer({
  aliases: { fast: failingOver("sim-fast"), tools: failingOver("sim-tools"), vision: failingOver("sim-vision") },
  retry: { attempts: 1 }
}).pipe(Layer.provide(Providers.layer([Simulated.make("a", atOnce), Simulated.make("b", atOnce)])))

const simulated = (model: string) => BreakwaterLanguageModel.model(model).pipe(Layer.provide(gateway))

/** A model that says these answers, and the requests it got. */
const saying = (...sayings: Parameters<typeof told>) => {
  const { asked, gateway } = told(...sayings)
  return { asked, model: BreakwaterLanguageModel.model("told").pipe(Layer.provide(gateway)) }
}

const Weather = Tool.make("weather", {
  description: "The weather of a city",
  parameters: Schema.Struct({ city: Schema.String, days: Schema.optionalKey(Schema.Int) }),
  success: Schema.Struct({ degrees: Schema.Int })
})

/** The toolkit, and the cities it was asked for. */
const weather = () => {
  const cities: Array<string> = []
  const toolkit = Toolkit.make(Weather)
  const layer = toolkit.toLayer({
    weather: ({ city }) =>
      Effect.sync(() => {
        cities.push(city)
        return { degrees: 21 }
      })
  })
  return { cities, layer, toolkit }
}

const call = (id: string, city: string) => ({
  id,
  type: "function",
  function: { name: "weather", arguments: JSON.stringify({ city }) }
})

const typesOf = (parts: ReadonlyArray<{ readonly type: string }>) => parts.map(({ type }) => type)

describe("the door of Effect AI", () => {
  it.effect("a text comes from the target that works, and the answer says from which", () =>
    Effect.gen(function*() {
      const answer = yield* LanguageModel.generateText({ prompt: "hello" })
      expect(answer.text).toContain("hello")
      expect(answer.finishReason).toBe("stop")
      expect(answer.content.at(-1)?.metadata.breakwater).toMatchObject({
        provider: "b",
        model: "sim-fast",
        attempts: 2
      })
    }).pipe(Effect.provide(simulated("fast"))))

  it.effect("a stream comes from the target that works, each of its texts opened and closed", () =>
    Effect.gen(function*() {
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "hello" }))
      const types = typesOf(parts).filter((type, at, all) => type !== all[at - 1])
      expect(types).toEqual(["response-metadata", "text-start", "text-delta", "text-end", "finish"])
      expect(parts.map((part) => part.type === "text-delta" ? part.delta : "").join("")).toContain("hello")
      const end = parts.at(-1)
      expect(end?.type === "finish" && end.usage.outputTokens.total).toBeGreaterThan(0)
      expect(end?.metadata.breakwater).toMatchObject({ provider: "b", attempts: 2 })
    }).pipe(Effect.provide(simulated("fast"))))

  it.effect("an object keeps to its schema, which went out as OpenAI's strict format", () => {
    const Plan = Schema.Struct({ title: Schema.String, note: Schema.optionalKey(Schema.String) })
    const { asked, model } = saying({ message: { content: "{\"title\":\"tide\",\"note\":null}" } })
    return Effect.gen(function*() {
      const { value } = yield* LanguageModel.generateObject({ prompt: "plan", schema: Plan, objectName: "a plan/1" })
      expect(value).toEqual({ title: "tide" })
      expect(asked[0]?.response_format).toMatchObject({
        type: "json_schema",
        json_schema: {
          name: "a_plan_1",
          strict: true,
          schema: { type: "object", required: ["title", "note"], additionalProperties: false }
        }
      })
    }).pipe(Effect.provide(model))
  })

  it.effect("an image made of bytes arrives with its type read from them", () => {
    const gif = Uint8Array.from([0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 2, 0, 3, 0, 0, 0, 0])
    const prompt: Prompt.RawInput = [{
      role: "user",
      content: [{ type: "text", text: "what is it?" }, { type: "file", mediaType: "image/*", data: gif }]
    }]
    return Effect.gen(function*() {
      expect((yield* LanguageModel.generateText({ prompt })).text).toContain("image/gif, 13 bytes, 2×3")
    }).pipe(Effect.provide(simulated("vision")))
  })

  it.effect("thoughts, text, who answered and what it took are parts of the response", () => {
    const { model } = saying({
      message: { content: "42", reasoning_content: "hm" },
      usage: {
        promptTokens: 10,
        completionTokens: 8,
        totalTokens: 18,
        cachedTokens: 4,
        cacheWriteTokens: 1,
        reasoningTokens: 5
      }
    })
    return Effect.gen(function*() {
      const answer = yield* LanguageModel.generateText({ prompt: "?" })
      expect(answer.reasoningText).toBe("hm")
      expect(answer.content[0]).toMatchObject({ type: "response-metadata", id: "chatcmpl-told", modelId: "told-2026" })
      expect(answer.usage.inputTokens).toEqual({ total: 10, uncached: 5, cacheRead: 4, cacheWrite: 1 })
      expect(answer.usage.outputTokens).toEqual({ total: 8, text: 3, reasoning: 5 })
      expect(answer.content.at(-1)?.metadata.breakwater).toMatchObject({ provider: "told", model: "told-1" })
    }).pipe(Effect.provide(model))
  })

  it.effect("an answer has no time where its host says one that there is not", () => {
    const { model } = saying({ message: { content: "42" }, created: 1_700_000_000_000_000 })
    return Effect.gen(function*() {
      const { content: [first] } = yield* LanguageModel.generateText({ prompt: "?" })
      expect([first?.type, first?.type === "response-metadata" && first.timestamp]).toEqual([
        "response-metadata",
        undefined
      ])
    }).pipe(Effect.provide(model))
  })

  it.effect("streamed thoughts end where the text begins", () => {
    const { model } = saying({
      deltas: [{ reasoning_content: "h" }, { reasoning_content: "m" }, { content: "42" }],
      finish: "length"
    })
    return Effect.gen(function*() {
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "?" }))
      expect(typesOf(parts)).toEqual([
        "response-metadata",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-end",
        "finish"
      ])
      const end = parts.at(-1)
      expect(end?.type === "finish" && end.reason).toBe("length")
    }).pipe(Effect.provide(model))
  })

  it.effect("a refusal is the text of the answer, and ends it as filtered", () => {
    const { asked, model } = saying({ message: { refusal: "I won't" } })
    return Effect.gen(function*() {
      const chat = yield* Chat.empty
      const answer = yield* chat.generateText({ prompt: "?" })
      expect([answer.text, answer.finishReason]).toEqual(["I won't", "content-filter"])
      yield* chat.generateText({ prompt: "please" })
      expect(asked[1]?.messages[1]).toEqual({ role: "assistant", content: null, refusal: "I won't" })
    }).pipe(Effect.provide(model))
  })

  it.effect("thoughts are not told to the model again unless the layer says so", () => {
    const { asked, gateway } = told({ message: { content: "42", reasoning_content: "hm" } })
    const talk = Effect.gen(function*() {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "?" })
      yield* chat.generateText({ prompt: "sure?" })
    })
    return Effect.gen(function*() {
      yield* Effect.provide(talk, BreakwaterLanguageModel.layer("told"))
      yield* Effect.provide(talk, BreakwaterLanguageModel.layer("told", { thoughtsInHistory: true }))
      expect([asked[1]?.messages[1], asked[3]?.messages[1]]).toEqual([
        { role: "assistant", content: "42" },
        { role: "assistant", content: "42", reasoning_content: "hm" }
      ])
      expect(asked[3]).not.toHaveProperty("thoughtsInHistory")
    }).pipe(Effect.provide(gateway))
  })

  it.effect("pages that were cited and images that were made are parts, in a stream, too", () => {
    const more = {
      annotations: [{ type: "url_citation", url_citation: { url: "https://example.com/a", title: "A" } }, {
        type: "url_citation",
        url_citation: { url: "no address" }
      }],
      images: [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }]
    }
    const { model } = saying({ message: { content: "see", ...more } }, {
      deltas: [{ content: "see" }, { content: "", ...more }]
    })
    return Effect.gen(function*() {
      const whole = (yield* LanguageModel.generateText({ prompt: "?" })).content
      const streamed = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "?" }))
      for (const parts of [whole, streamed]) {
        const found = parts.filter(({ type }) => type === "source" || type === "file")
        expect(found).toMatchObject([
          { sourceType: "url", url: new URL("https://example.com/a"), title: "A" },
          { mediaType: "image/png", data: Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]) }
        ])
      }
    }).pipe(Effect.provide(model))
  })

  it.effect("parameters come from the layer, and from the program before that", () => {
    const { asked, gateway } = told({ message: { content: "ok" } })
    const model = BreakwaterLanguageModel.layer("told", { temperature: 0.5, seed: 7 }).pipe(Layer.provide(gateway))
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "?" }).pipe(
        Effect.provideService(BreakwaterLanguageModel.CurrentParameters, { temperature: 0 })
      )
      expect(asked[0]).toMatchObject({ model: "told", temperature: 0, seed: 7 })
      expect(asked[0]).not.toHaveProperty("tools")
    }).pipe(Effect.provide(model))
  })
})

describe("tools through the door of Effect AI", () => {
  it.effect("a chat goes on with the results of its tools until the model has its answer", () => {
    const { cities, layer, toolkit } = weather()
    return Effect.gen(function*() {
      const chat = yield* Chat.empty
      const first = yield* chat.generateText({ prompt: "How warm is it?", toolkit })
      expect([first.finishReason, first.toolCalls.length, cities.length]).toEqual(["tool-calls", 1, 1])
      const last = yield* chat.generateText({ prompt: [], toolkit })
      expect(last.text).toBe("The tools answered: “{\"degrees\":21}”.")
    }).pipe(Effect.provide([layer, simulated("tools")]))
  })

  it.effect("calls side by side keep their ids, to the letter, and their results follow them", () => {
    const { cities, layer, toolkit } = weather()
    const { asked, model } = saying(
      {
        message: { tool_calls: [call("toolu_1__bw1aq1YqLk", "Oslo"), call("toolu_2", "Rome")] },
        finish: "tool_calls"
      },
      { message: { content: "warm" } }
    )
    return Effect.gen(function*() {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "?", toolkit })
      expect((yield* chat.generateText({ prompt: [], toolkit })).text).toBe("warm")
      expect(cities).toEqual(["Oslo", "Rome"])
      expect(asked[1]?.messages.slice(1)).toEqual([
        {
          role: "assistant",
          content: null,
          tool_calls: [call("toolu_1__bw1aq1YqLk", "Oslo"), call("toolu_2", "Rome")]
        },
        { role: "tool", tool_call_id: "toolu_1__bw1aq1YqLk", content: "{\"degrees\":21}" },
        { role: "tool", tool_call_id: "toolu_2", content: "{\"degrees\":21}" }
      ])
    }).pipe(Effect.provide([layer, model]))
  })

  const streamed: Saying = {
    deltas: [
      { tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "weather", arguments: "" } }] },
      { tool_calls: [{ index: 0, function: { arguments: "{\"city\":" } }] },
      { tool_calls: [{ index: 0, function: { arguments: "\"Oslo\"}" } }] },
      { tool_calls: [{ index: 1, id: "c2", type: "function", function: { name: "weather", arguments: "" } }] },
      { tool_calls: [{ index: 1, function: { arguments: "{\"city\":\"Rome\"}" } }] }
    ],
    finish: "tool_calls"
  }

  it.effect("streamed calls show their parameters as they come, and run when the answer is whole", () => {
    const { cities, layer, toolkit } = weather()
    return Effect.gen(function*() {
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "?", toolkit }))
      expect(typesOf(parts)).toEqual([
        "response-metadata",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-end",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-end",
        "tool-call",
        "tool-call",
        "tool-result",
        "tool-result",
        "finish"
      ])
      expect(cities).toEqual(["Oslo", "Rome"])
    }).pipe(Effect.provide([layer, saying(streamed).model]))
  })

  it.effect("no tool runs for an answer that breaks off", () => {
    const { cities, layer, toolkit } = weather()
    const { model } = saying({ ...streamed, broken: new StreamInterrupted({ message: "cut" }) })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt: "?", toolkit })))
      expect(error.reason).toMatchObject({
        _tag: "InternalProviderError",
        metadata: { breakwater: { reason: "StreamInterrupted" } }
      })
      expect(cities).toEqual([])
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("the choice of a tool is told in OpenAI's words", () => {
    const { layer, toolkit } = weather()
    const { asked, model } = saying({ message: { content: "no" } })
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "?", toolkit })
      yield* LanguageModel.generateText({ prompt: "?", toolkit, toolChoice: "required" })
      yield* LanguageModel.generateText({ prompt: "?", toolkit, toolChoice: { tool: "weather" } })
      yield* LanguageModel.generateText({ prompt: "?", toolkit, toolChoice: { mode: "required", oneOf: ["weather"] } })
      expect(asked.map((request) => request.tool_choice)).toEqual([
        "auto",
        "required",
        { type: "function", function: { name: "weather" } },
        "required"
      ])
      expect(asked[0]?.tools).toMatchObject([{
        type: "function",
        function: {
          name: "weather",
          description: "The weather of a city",
          parameters: { type: "object", required: ["city"] }
        }
      }])
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("parameters are an object with its members, though a class or nothing stands for them", () => {
    class Place
      extends Schema.Class<Place>("places/Place")({ port: Schema.String, near: Schema.Array(Schema.String) })
    {}
    const toolkit = Toolkit.make(Tool.make("go", { parameters: Place }), Tool.make("stop"))
    const layer = toolkit.toLayer({ go: () => Effect.void, stop: () => Effect.void })
    const { asked, model } = saying({ message: { content: "no" } })
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "?", toolkit })
      expect(asked[0]?.tools).toMatchObject([
        {
          function: { parameters: { type: "object", properties: { port: {}, near: {} }, required: ["port", "near"] } }
        },
        { function: { parameters: { type: "object", properties: {} } } }
      ])
      expect(asked[0]?.tools?.[0]).not.toHaveProperty("function.parameters.$ref")
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("a strict tool is sent in the strict shape, and its null is an absent parameter again", () => {
    const seen: Array<unknown> = []
    const toolkit = Toolkit.make(Weather.annotate(Tool.Strict, true))
    const layer = toolkit.toLayer({
      weather: (parameters) =>
        Effect.sync(() => {
          seen.push(parameters)
          return { degrees: 21 }
        })
    })
    const { asked, model } = saying({
      message: {
        tool_calls: [{
          id: "c1",
          type: "function",
          function: { name: "weather", arguments: "{\"city\":\"Oslo\",\"days\":null}" }
        }]
      },
      finish: "tool_calls"
    })
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "?", toolkit })
      expect(asked[0]?.tools).toMatchObject([{
        function: { strict: true, parameters: { required: ["city", "days"], additionalProperties: false } }
      }])
      expect(seen).toEqual([{ city: "Oslo" }])
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("arguments that are no JSON are an error, or a text for the program that wants to see them", () => {
    const { layer, toolkit } = weather()
    const { model } = saying({
      message: { tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: "{\"city" } }] },
      finish: "tool_calls"
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "?", toolkit }))
      expect(error.reason).toMatchObject({ _tag: "ToolParameterValidationError", toolName: "weather" })
      const deferred = yield* LanguageModel.generateText({
        prompt: "?",
        toolkit,
        disableToolCallResolution: true,
        toolCallValidation: "deferred"
      })
      expect(deferred.toolCalls[0]?.params).toBe("{\"city")
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("a search of the web is told as OpenAI's dialect has it, beside the tools with handlers", () => {
    const { layer } = weather()
    const toolkit = Toolkit.make(Weather, WebSearch({ search_context_size: "medium" }))
    const { asked, model } = saying({ message: { content: "no" } })
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "?", toolkit })
      yield* LanguageModel.generateText({ prompt: "?", toolkit: Toolkit.make(WebSearch({})) })
      expect(asked[0]).toMatchObject({
        tools: [{ function: { name: "weather" } }],
        tool_choice: "auto",
        web_search_options: { search_context_size: "medium" }
      })
      expect(asked[1]).toMatchObject({ web_search_options: {} })
      expect(asked[1]).not.toHaveProperty("tool_choice")
    }).pipe(Effect.provide([layer, model]))
  })

  it.effect("a tool that one provider runs itself is refused before anybody is asked", () => {
    const search = Tool.providerDefined({
      id: "openai.web_search",
      customName: "OpenAiWebSearch",
      providerName: "web_search",
      success: Schema.Unknown
    })()
    const { asked, model } = saying({ message: { content: "no" } })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "?", toolkit: Toolkit.make(search) }))
      expect(error.reason).toMatchObject({ _tag: "ToolConfigurationError", toolName: "OpenAiWebSearch" })
      expect(asked).toEqual([])
    }).pipe(Effect.provide(model))
  })
})

describe("traces of the door of Effect AI", () => {
  const usageOf = (spans: ReadonlyArray<Seen>) =>
    spans.filter(({ attributes }) => "gen_ai.usage.input_tokens" in attributes || "gen_ai.operation.name" in attributes)

  const above = (spans: ReadonlyArray<Seen>, of: Seen | undefined): ReadonlyArray<string> => {
    const parent = spans.find(({ spanId }) => spanId === of?.parent)
    return parent === undefined ? [] : [parent.name, ...above(spans, parent)]
  }

  it.effect("a text is one call of gen_ai, below the span of Effect AI", () => {
    const spans: Array<Seen> = []
    return Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "hello" })
      const calls = usageOf(spans).filter(({ ended }) => ended() === "ok")
      expect(calls.map(({ name }) => name)).toEqual(["chat sim-fast"])
      expect(above(spans, calls[0])).toEqual(["breakwater.route fast", "Ai.complete", "LanguageModel.generateText"])
    }).pipe(Effect.provide(Layer.provideMerge(simulated("fast"), layerTraced(spans))))
  })

  it.effect("so is a stream", () => {
    const spans: Array<Seen> = []
    return Effect.gen(function*() {
      yield* Stream.runDrain(LanguageModel.streamText({ prompt: "hello" }))
      const calls = usageOf(spans).filter(({ ended }) => ended() === "ok")
      expect(calls.map(({ name }) => name)).toEqual(["chat sim-fast"])
      expect(above(spans, calls[0])).toEqual(["breakwater.route fast", "LanguageModel.streamText"])
      expect(spans.every((span) => span.isOver())).toBe(true)
    }).pipe(Effect.provide(Layer.provideMerge(simulated("fast"), layerTraced(spans))))
  })
})
