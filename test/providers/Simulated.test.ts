import { describe, expect, it } from "@effect/vitest"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Cause, Clock, Effect, Exit, Fiber, Pull } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { ChatCompletionStream } from "openai/lib/ChatCompletionStream"
import type { Frame, Provider, ProviderCall } from "../../src/providers/Provider.ts"
import { make } from "../../src/providers/Simulated.ts"

type Body = Record<string, unknown>

const callOf = (model: string, body: Body = {}): ProviderCall => {
  const messages = [{ role: "user", content: "How deep is the harbour?" }] as const
  const whole = { model, messages, ...body }
  return {
    source: { text: JSON.stringify(whole), members: new Map() },
    request: { model, messages: whole.messages },
    model,
    requestId: "req-1"
  }
}

// Tests look into answers as clients do: as untyped JSON.
const parsed = (text: string) => JSON.parse(text)
const dataOf = (frame: Frame) => parsed(new TextDecoder().decode(frame.bytes).slice("data: ".length))

interface Read {
  readonly frames: Array<Frame>
  readonly times: Array<number>
}

/** Pulls to the end into `read`, so that what came before a stall is seen too. */
const readInto = (read: Read, provider: Provider, call: ProviderCall) =>
  Effect.scoped(Effect.gen(function*() {
    const stream = yield* provider.stream(call)
    while (true) {
      const exit = yield* Effect.exit(stream.pull)
      if (Exit.isSuccess(exit)) {
        const now = yield* Clock.currentTimeMillis
        for (const frame of exit.value) {
          read.frames.push(frame)
          read.times.push(now)
        }
      } else {
        if (Pull.isDoneCause(exit.cause)) return
        return yield* Effect.failCause(exit.cause)
      }
    }
  }))

/** Runs under the test clock until it ends, or for a simulated hour. */
const play = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    yield* TestClock.adjust("1 hour")
    const exit = fiber.pollUnsafe()
    if (exit === undefined) yield* Fiber.interrupt(fiber)
    return exit === undefined ? undefined : yield* exit
  })

const streamed = (provider: Provider, call: ProviderCall) =>
  Effect.gen(function*() {
    const read: Read = { frames: [], times: [] }
    const exit = yield* play(readInto(read, provider, call))
    const failure = exit !== undefined && Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return { ...read, isOver: exit !== undefined, failure }
  })

const answered = (provider: Provider, call: ProviderCall) =>
  Effect.gen(function*() {
    const exit = yield* play(provider.complete(call))
    if (exit === undefined || Exit.isFailure(exit)) return yield* Effect.die("no answer")
    return { answer: exit.value, body: parsed(exit.value.text) }
  })

const failureOf = (provider: Provider, call: ProviderCall) =>
  Effect.map(Effect.flip(provider.complete(call)), (error) => error.reason)

const contentOf = (frames: ReadonlyArray<Frame>, index = 0): string =>
  frames.flatMap((frame) => frame.bytes === undefined ? [] : dataOf(frame).choices)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? "").join("")

const tool = (name: string, parameters: unknown) => ({ type: "function", function: { name, parameters } })
const weather = tool("get_weather", {
  type: "object",
  properties: {
    city: { type: "string", minLength: 3 },
    unit: { type: "string", enum: ["C", "F"] },
    days: { type: "integer", minimum: 1, maximum: 7 }
  },
  required: ["city", "unit", "days"],
  additionalProperties: false
})
const clock = tool("get_time", { type: "object", properties: {} })

describe("sim", () => {
  it.effect("mentions the user's last message in forty to sixty words", () =>
    Effect.gen(function*() {
      const { answer, body } = yield* answered(make("s"), callOf("sim"))
      const content: string = body.choices[0].message.content
      expect(content).toContain("How deep is the harbour?")
      expect(content.split(" ").length).toBeGreaterThanOrEqual(35)
      expect(content.split(" ").length).toBeLessThanOrEqual(60)
      expect(body.choices[0].finish_reason).toBe("stop")
      expect(answer.usage).toMatchObject({ promptTokens: 6, completionTokens: Math.ceil(content.length / 4) })
    }))

  it.effect("gives the same answer, ids and timing for the same request and seed", () =>
    Effect.gen(function*() {
      const first = yield* streamed(make("s"), callOf("sim"))
      const start = yield* Clock.currentTimeMillis
      const second = yield* streamed(make("s"), callOf("sim"))
      expect(second.frames.map((frame) => frame.chunk.id)).toEqual(first.frames.map((frame) => frame.chunk.id))
      expect(contentOf(second.frames)).toBe(contentOf(first.frames))
      expect(second.times.map((time) => time - start)).toEqual(first.times)
    }))

  it.effect("gives another id for another seed, of the provider or of the request", () =>
    Effect.gen(function*() {
      const ids = [
        (yield* answered(make("s"), callOf("sim"))).body.id,
        (yield* answered(make("s", { seed: 1 }), callOf("sim"))).body.id,
        (yield* answered(make("s"), callOf("sim", { seed: 1 }))).body.id
      ]
      expect(new Set(ids).size).toBe(3)
    }))

  it.effect("streams what it answers whole", () =>
    Effect.gen(function*() {
      const { body } = yield* answered(make("s"), callOf("sim"))
      const { frames } = yield* streamed(make("s"), callOf("sim"))
      expect(contentOf(frames)).toBe(body.choices[0].message.content)
    }))

  it.effect("sends its first token after 120 ms and then sixty a second", () =>
    Effect.gen(function*() {
      const { frames, times } = yield* streamed(make("s"), callOf("sim"))
      const content = times.filter((_, index) => frames[index]?.isContent)
      expect(content[0]).toBe(120)
      expect(content[60]).toBe(1120)
    }))

  it.effect("answers whole within 300 ms and takes `created` from the clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(5_000_000)
      const fiber = yield* Effect.forkChild(make("s").complete(callOf("sim")))
      yield* TestClock.adjust(119)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(181)
      expect(parsed((yield* Fiber.join(fiber)).text).created).toBe(5000)
    }))

  it.effect("sends the usage chunk only when asked, and tells the gateway always", () =>
    Effect.gen(function*() {
      const unasked = (yield* streamed(make("s"), callOf("sim"))).frames
      const asked = (yield* streamed(make("s"), callOf("sim", { stream_options: { include_usage: true } }))).frames
      expect(unasked.at(-1)).toMatchObject({ bytes: undefined, usage: { promptTokens: 6 } })
      expect(dataOf(asked.at(-1) ?? expect.fail())).toMatchObject({ choices: [], usage: { prompt_tokens: 6 } })
      expect(asked.slice(0, -1).every((frame) => dataOf(frame).usage === null)).toBe(true)
    }))

  it.effect("begins with the role, ends with the finish reason, and only then is terminal", () =>
    Effect.gen(function*() {
      const { frames } = yield* streamed(make("s"), callOf("sim"))
      expect(dataOf(frames[0] ?? expect.fail()).choices[0].delta).toMatchObject({ role: "assistant", content: "" })
      expect(frames[0]?.isContent).toBe(false)
      expect(frames.map((frame) => frame.isTerminal).indexOf(true)).toBe(frames.length - 2)
      expect(dataOf(frames.at(-2) ?? expect.fail()).choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" })
    }))

  it.effect("stops at max_completion_tokens or max_tokens with finish_reason length", () =>
    Effect.gen(function*() {
      for (const limit of ["max_completion_tokens", "max_tokens"]) {
        const { body } = yield* answered(make("s"), callOf("sim", { [limit]: 5 }))
        expect(body).toMatchObject({ choices: [{ finish_reason: "length" }], usage: { completion_tokens: 5 } })
        expect(body.choices[0].message.content).toHaveLength(20)
      }
    }))

  it.effect("ends before a stop text", () =>
    Effect.gen(function*() {
      const { body } = yield* answered(make("s"), callOf("sim", { stop: ["nowhere", "harbour"] }))
      expect(body.choices[0].message.content).toMatch(/How deep is the $/)
      expect(body.choices[0].finish_reason).toBe("stop")
    }))

  it.effect("gives n choices, interleaved in a stream, with one terminal event", () =>
    Effect.gen(function*() {
      const call = callOf("sim", { n: 3 })
      const { body } = yield* answered(make("s"), call)
      const { frames } = yield* streamed(make("s"), call)
      expect(body.choices.map((choice: Body) => choice["index"])).toEqual([0, 1, 2])
      for (const index of [0, 1, 2]) {
        expect(contentOf(frames, index)).toBe(body.choices[index].message.content)
      }
      const content = frames.filter((frame) => frame.isContent).slice(0, 3)
      expect(content.map((frame) => dataOf(frame).choices[0].index)).toEqual([0, 1, 2])
      expect(frames.filter((frame) => frame.isTerminal && frame.usage === undefined)).toHaveLength(1)
    }))

  it.effect("never splits a character", () =>
    Effect.gen(function*() {
      const messages = [{ role: "user", content: "🌊🌊🌊 ünïcode 🌊" }]
      const { frames } = yield* streamed(make("s"), callOf("sim", { messages }))
      expect(contentOf(frames)).toContain("🌊🌊🌊 ünïcode 🌊")
    }))
})

describe("the models with a trouble", () => {
  it.effect("sim-fast waits for nothing", () =>
    Effect.gen(function*() {
      const answer = yield* make("s").complete(callOf("sim-fast"))
      const read: Read = { frames: [], times: [] }
      yield* readInto(read, make("s"), callOf("sim-fast"))
      expect(contentOf(read.frames)).toBe(parsed(answer.text).choices[0].message.content)
      expect(read.times.every((time) => time === 0)).toBe(true)
    }))

  it.effect("sim-slow sends its first token after three seconds", () =>
    Effect.gen(function*() {
      expect((yield* streamed(make("s"), callOf("sim-slow"))).times[0]).toBe(3000)
    }))

  it.effect("sim-flaky fails every third attempt, alternating 500 and 503", () =>
    Effect.gen(function*() {
      const provider = make("s", { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY })
      const seen: Array<string> = []
      for (let attempt = 1; attempt <= 6; attempt++) {
        seen.push(
          yield* Effect.match(provider.complete(callOf("sim-flaky")), {
            onFailure: (error) => `${error.reason._tag} ${error.reason.upstreamStatus}`,
            onSuccess: () => "ok"
          })
        )
      }
      expect(seen).toEqual(["ok", "ok", "UpstreamFailed 500", "ok", "ok", "Overloaded 503"])
    }))

  it.effect("sim-rate-limited refuses the first try of every two and names a second", () =>
    Effect.gen(function*() {
      const provider = make("s")
      for (let round = 0; round < 2; round++) {
        expect(yield* failureOf(provider, callOf("sim-rate-limited"))).toMatchObject({
          _tag: "RateLimited",
          retryAfterMs: 1000,
          upstreamStatus: 429
        })
        expect((yield* answered(provider, callOf("sim-rate-limited"))).body.object).toBe("chat.completion")
      }
    }))

  it.effect("sim-down, sim-context and an unknown model always fail, each with its reason", () =>
    Effect.gen(function*() {
      const provider = make("s")
      expect(yield* failureOf(provider, callOf("sim-down"))).toMatchObject({ _tag: "Overloaded", upstreamStatus: 503 })
      expect(yield* failureOf(provider, callOf("sim-context"))).toMatchObject({ _tag: "ContextLengthExceeded" })
      expect(yield* failureOf(provider, callOf("gpt-4"))).toMatchObject({
        _tag: "UpstreamModelMissing",
        message: expect.stringContaining("no model \"gpt-4\"; its models are sim, sim-fast")
      })
    }))

  it.effect("sim-cut breaks off in the middle of its text", () =>
    Effect.gen(function*() {
      const whole = (yield* streamed(make("s"), callOf("sim"))).frames
      const { failure, frames } = yield* streamed(make("s"), callOf("sim-cut"))
      expect(failure).toMatchObject({ reason: { _tag: "StreamInterrupted" } })
      expect(frames.length).toBeGreaterThan(whole.length / 4)
      expect(frames.some((frame) => frame.isTerminal)).toBe(false)
      const exit = yield* play(make("s").complete(callOf("sim-cut")))
      expect(exit !== undefined && Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({
        reason: { _tag: "ConnectionReset" }
      })
    }))

  it.effect("sim-stall sends ten tokens and then nothing", () =>
    Effect.gen(function*() {
      const { frames, isOver } = yield* streamed(make("s"), callOf("sim-stall"))
      expect([frames.filter((frame) => frame.isContent).length, isOver]).toEqual([10, false])
      expect(yield* play(make("s").complete(callOf("sim-stall")))).toBeUndefined()
    }))

  it.effect("sim-silent never answers", () =>
    Effect.gen(function*() {
      expect(yield* play(make("s").complete(callOf("sim-silent")))).toBeUndefined()
      expect((yield* streamed(make("s"), callOf("sim-silent"))).isOver).toBe(false)
    }))

  it.effect("sim-filter ends with content_filter", () =>
    Effect.gen(function*() {
      const { body } = yield* answered(make("s"), callOf("sim-filter"))
      expect(body.choices[0].finish_reason).toBe("content_filter")
    }))
})

describe("the models with a talent", () => {
  it.effect("sim-tools calls the first function with arguments that satisfy its schema", () =>
    Effect.gen(function*() {
      const { body } = yield* answered(make("s"), callOf("sim-tools", { tools: [weather] }))
      const [choice] = body.choices
      expect([choice.finish_reason, choice.message.content]).toEqual(["tool_calls", null])
      expect(choice.message.tool_calls[0].function.name).toBe("get_weather")
      const valid = new Ajv2020().compile(weather.function.parameters ?? {})
      expect(valid(parsed(choice.message.tool_calls[0].function.arguments))).toBe(true)
    }))

  it.effect("sim-tools calls two in parallel unless parallel_tool_calls is false", () =>
    Effect.gen(function*() {
      const tools = [weather, clock]
      const many = yield* answered(make("s"), callOf("sim-tools", { tools }))
      const one = yield* answered(make("s"), callOf("sim-tools", { tools, parallel_tool_calls: false }))
      const calls: Array<{ readonly id: string }> = many.body.choices[0].message.tool_calls
      expect(new Set(calls.map((call) => call.id)).size).toBe(2)
      expect(one.body.choices[0].message.tool_calls).toHaveLength(1)
    }))

  it.effect("sim-tools streams each call as one head and its arguments under one index", () =>
    Effect.gen(function*() {
      const call = callOf("sim-tools", { tools: [weather, clock] })
      const { body } = yield* answered(make("s"), call)
      const { frames } = yield* streamed(make("s"), call)
      const deltas = frames.slice(0, -1).flatMap((frame) => dataOf(frame).choices[0].delta.tool_calls ?? [])
      for (const [index, whole] of body.choices[0].message.tool_calls.entries()) {
        const own = deltas.filter((delta) => delta.index === index)
        expect(own.filter((delta) => "id" in delta || "type" in delta || "name" in delta.function)).toHaveLength(1)
        expect(own[0]).toMatchObject({ id: whole.id, type: "function", function: { name: whole.function.name } })
        expect(own.map((delta) => delta.function.arguments).join("")).toBe(whole.function.arguments)
      }
      expect(dataOf(frames[0] ?? expect.fail()).choices[0].delta).toMatchObject({ role: "assistant", content: null })
      expect(frames[0]?.isContent).toBe(true)
      expect(dataOf(frames.at(-2) ?? expect.fail()).choices[0].finish_reason).toBe("tool_calls")
    }))

  it.effect("sim-tools obeys tool_choice", () =>
    Effect.gen(function*() {
      const ask = (tool_choice: unknown) =>
        answered(make("s"), callOf("sim-tools", { tools: [weather, clock], tool_choice }))
      expect((yield* ask("none")).body.choices[0].finish_reason).toBe("stop")
      const named = (yield* ask({ type: "function", function: { name: "get_time" } })).body.choices[0].message
      expect(named.tool_calls).toMatchObject([{ function: { name: "get_time", arguments: "{}" } }])
    }))

  it.effect("sim-tools quotes the results once they are there", () =>
    Effect.gen(function*() {
      const messages = [
        { role: "user", content: "Weather?" },
        { role: "assistant", content: null, tool_calls: [] },
        { role: "tool", tool_call_id: "call_1", content: "17 degrees" },
        { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "noon" }] }
      ]
      const { body } = yield* answered(make("s"), callOf("sim-tools", { tools: [weather], messages }))
      expect(body.choices[0].message.content).toBe("The tools answered: “17 degrees” and “noon”.")
    }))

  it.effect("sim-reasoning thinks first, and its usage says how much", () =>
    Effect.gen(function*() {
      const { answer, body } = yield* answered(make("s"), callOf("sim-reasoning"))
      const { frames } = yield* streamed(make("s"), callOf("sim-reasoning"))
      const deltas = frames.slice(1, -2).map((frame) => dataOf(frame).choices[0].delta)
      const thought = deltas.filter((delta) => delta.reasoning_content !== undefined)
      expect(thought.map((delta) => delta.reasoning_content).join("")).toBe(body.choices[0].message.reasoning_content)
      expect(deltas.slice(0, thought.length)).toEqual(thought)
      expect(answer.usage?.reasoningTokens).toBe(thought.length)
      expect(body.usage.completion_tokens_details.reasoning_tokens).toBe(thought.length)
    }))

  it.effect("sim-json answers with the smallest instance of the schema, `{}` for json_object", () =>
    Effect.gen(function*() {
      const schema = {
        type: "object",
        properties: { name: { type: "string" }, tags: { type: "array", items: { type: "string" } } },
        required: ["name", "tags"]
      }
      const response_format = { type: "json_schema", json_schema: { name: "thing", schema } }
      const shaped = yield* answered(make("s"), callOf("sim-json", { response_format }))
      expect(parsed(shaped.body.choices[0].message.content)).toEqual({ name: "", tags: [] })
      const free = yield* answered(make("s"), callOf("sim-json", { response_format: { type: "json_object" } }))
      expect(free.body.choices[0].message.content).toBe("{}")
    }))
})

const pixel = {
  png: "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAC0lEQVR4nGNggAIAAAkAAftSuKkAAAAASUVORK5CYII=",
  gif: Buffer.from("GIF89a\x04\x00\x05\x00", "latin1").toString("base64"),
  jpeg: Buffer.from("ffd8ffe000040000ffc0000b080007000601011100", "hex").toString("base64"),
  webp: Buffer.concat([
    Buffer.from("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00", "latin1"),
    Buffer.from([8, 0, 0, 9, 0, 0])
  ]).toString("base64")
}

describe("sim-vision", () => {
  const describeAll = (urls: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const content = urls.map((url) => ({ type: "image_url", image_url: { url } }))
      const { body } = yield* answered(make("s"), callOf("sim-vision", { messages: [{ role: "user", content }] }))
      return body.choices[0].message.content
    })

  it.effect("reads type, bytes and size of PNG, GIF, JPEG and WebP from the data itself", () =>
    Effect.gen(function*() {
      const text = yield* describeAll(Object.entries(pixel).map(([type, data]) => `data:image/${type};base64,${data}`))
      expect(text).toBe(
        `Image 1: image/png, ${Buffer.from(pixel.png, "base64").length} bytes, 2×3. ` +
          "Image 2: image/gif, 10 bytes, 4×5. Image 3: image/jpeg, 21 bytes, 6×7. Image 4: image/webp, 30 bytes, 9×10."
      )
    }))

  it.effect("names a remote image by its host and does not trip over a broken one", () =>
    Effect.gen(function*() {
      expect(yield* describeAll(["https://example.com/a.png", "data:image/png;base64,AAAA", "nonsense"])).toBe(
        "Image 1: remote image at example.com, not fetched. Image 2: image/png, 3 bytes, size unknown. Image 3: unreadable image."
      )
    }))
})

const specFolder = join(import.meta.dirname, "../../../shared/fixtures/openai-spec")

/** The fixture's schema, with the nulls that OpenAI itself sends allowed. */
const validatorOf = (name: string): ValidateFunction => {
  const schema = parsed(readFileSync(join(specFolder, `${name}.schema.json`), "utf8"))
  schema.properties.system_fingerprint = { type: ["string", "null"] }
  return new Ajv2020({ strict: false, allErrors: true }).compile(schema)
}

describe.skipIf(!existsSync(specFolder))("OpenAI's own schemas (skipped where the fixtures are absent)", () => {
  const answering = [
    "sim",
    "sim-fast",
    "sim-slow",
    "sim-tools",
    "sim-vision",
    "sim-json",
    "sim-reasoning",
    "sim-filter"
  ]
  const options = { n: 2, tools: [weather, clock], stream_options: { include_usage: true } }

  it.effect.each(answering)("%s answers validly", (model) =>
    Effect.gen(function*() {
      const valid = validatorOf("chat-completion-response")
      const { body } = yield* answered(make("s"), callOf(model, options))
      expect(valid(body) || valid.errors).toBe(true)
    }))

  it.effect.each(answering)("%s streams valid chunks", (model) =>
    Effect.gen(function*() {
      const valid = validatorOf("chat-completion-chunk")
      const { frames } = yield* streamed(make("s"), callOf(model, options))
      expect(frames.length).toBeGreaterThan(5)
      for (const frame of frames) expect(valid(dataOf(frame)) || valid.errors).toBe(true)
      expect(new Set(frames.map((frame) => `${dataOf(frame).id} ${dataOf(frame).created}`)).size).toBe(1)
    }))
})

describe("the openai package", () => {
  it.effect.each(["sim", "sim-tools", "sim-filter"])(
    "accumulates the stream of %s to the whole answer",
    (model) =>
      Effect.gen(function*() {
        const call = callOf(model, { tools: [weather, clock], stream_options: { include_usage: true } })
        const { body } = yield* answered(make("s"), call)
        const { frames } = yield* streamed(make("s"), call)
        const lines = ReadableStream.from(frames.map((frame) => `${JSON.stringify(dataOf(frame))}\n`))
        const bytes = lines.pipeThrough(new TextEncoderStream())
        const read = yield* Effect.promise(() => ChatCompletionStream.fromReadableStream(bytes).finalChatCompletion())
        expect(read.choices[0]?.finish_reason).toBe(body.choices[0].finish_reason)
        expect(read.choices[0]?.message).toMatchObject(body.choices[0].message)
        expect(read.usage).toEqual(body.usage)
      })
  )
})
