import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai"
import * as Gateway from "./Gateway.ts"

const prompt = "How deep is the harbour?"

let gateway: Gateway.Gateway
let provider: ReturnType<typeof createOpenAICompatible>

beforeAll(async () => {
  gateway = await Gateway.start()
  provider = createOpenAICompatible({ name: "breakwater", baseURL: gateway.url, includeUsage: true })
})

afterAll(() => gateway?.stop())

describe("the ai package", () => {
  it("generates text with usage", async () => {
    const { finishReason, text, usage } = await generateText({ model: provider("sim-fast"), prompt })
    expect(text).toContain(prompt)
    expect(finishReason).toBe("stop")
    expect(usage.totalTokens).toBeGreaterThan(0)
  })

  it("streams the same text in many parts, with usage", async () => {
    const whole = await generateText({ model: provider("sim-fast"), prompt })
    const result = streamText({ model: provider("sim-fast"), prompt })
    const parts: Array<string> = []
    for await (const part of result.textStream) parts.push(part)
    expect(parts.join("")).toBe(whole.text)
    expect(parts.length).toBeGreaterThan(20)
    expect(await result.finishReason).toBe("stop")
    expect((await result.usage).totalTokens).toBe(whole.usage.totalTokens)
  })

  it("keeps reasoning apart from the answer", async () => {
    const { reasoningText, text } = await generateText({ model: provider("sim-reasoning"), prompt })
    expect(reasoningText).toContain("honest")
    expect(text).not.toContain("honest")
  })

  it.for(["whole", "streamed"])("runs a tool and goes on with its result, %s", async (way) => {
    const tide = tool({
      inputSchema: jsonSchema<{ readonly harbour: string }>({
        type: "object",
        properties: { harbour: { type: "string", enum: ["Whitby"] } },
        required: ["harbour"]
      }),
      execute: ({ harbour }) => Promise.resolve(`4.2 m at ${harbour}`)
    })
    const options = { model: provider("sim-tools"), prompt, tools: { tide }, stopWhen: stepCountIs(3) }
    const text = way === "whole" ? (await generateText(options)).text : await streamText(options).text
    expect(text).toContain("4.2 m at Whitby")
  })

  it("reports an error answer with its status and the gateway's words", async () => {
    const failing = generateText({ model: provider("no-such-model"), prompt, maxRetries: 0 })
    const error = await failing.then(() => undefined, (error: unknown) => error)
    expect(APICallError.isInstance(error)).toBe(true)
    expect(error).toMatchObject({ statusCode: 404, message: expect.stringContaining("no-such-model") })
  })

  it("sees an error part, not a clean end, when a stream is cut", async () => {
    const errors: Array<unknown> = []
    const result = streamText({
      model: provider("sim-cut"),
      prompt,
      maxRetries: 0,
      onError: ({ error }) => {
        errors.push(error)
      }
    })
    const kinds: Array<string> = []
    for await (const part of result.fullStream) kinds.push(part.type)
    expect(kinds).toContain("text-delta")
    expect(kinds).toContain("error")
    expect(errors.length).toBe(1)
  })
})
