import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import OpenAI from "openai"
import * as Gateway from "./Gateway.ts"

let gateway: Gateway.Gateway
let client: OpenAI

const target = (model: string, capabilities: Readonly<Record<string, unknown>> = {}) => ({
  provider: "simulated",
  model,
  capabilities
})

beforeAll(async () => {
  gateway = await Gateway.start({
    models: {
      seeing: { targets: [target("sim-fast", { vision: false }), target("sim-vision", { vision: true })] },
      long: { targets: [target("sim-context", { context: 4000 }), target("sim-fast", { context: 100_000 })] },
      short: { targets: [target("sim-context", { context: 4000 }), target("sim-fast", { context: 4000 })] }
    }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
})

afterAll(() => gateway?.stop())

const ask = async (model: string, content: OpenAI.ChatCompletionUserMessageParam["content"]) => {
  const { response } = await client.chat.completions.create({ model, messages: [{ role: "user", content }] })
    .withResponse()
  return [response.headers.get("x-breakwater-model"), response.headers.get("x-breakwater-attempts")]
}

describe("what a model can do", () => {
  it("decides who gets a request with an image", async () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } } as const
    expect(await ask("seeing", "no image")).toEqual(["sim-fast", "1"])
    expect(await ask("seeing", [image])).toEqual(["sim-vision", "1"])
    await gateway.says(/"breakwater\.skipped":\["simulated\/sim-fast=no vision"\]/)
  })

  it("sends a request that was too long to a model that is larger, streamed or not", async () => {
    expect(await ask("long", "x")).toEqual(["sim-fast", "2"])
    const stream = await client.chat.completions.create({
      model: "long",
      stream: true,
      messages: [{ role: "user", content: "x" }]
    })
    const said: Array<string> = []
    for await (const chunk of stream) said.push(chunk.choices[0]?.delta.content ?? "")
    expect(said.join("")).toContain("x")
  })

  it("sends it to no model that is not larger", async () => {
    await expect(ask("short", "x")).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" })
  })

  it("stands in the list of models", async () => {
    const models: Array<OpenAI.Model> = []
    for await (const model of client.models.list()) models.push(model)
    expect(models.find(({ id }) => id === "seeing")).toMatchObject({
      owned_by: "breakwater",
      capabilities: { vision: true },
      targets: ["simulated/sim-fast", "simulated/sim-vision"]
    })
    expect(await client.models.retrieve("long")).toMatchObject({ id: "long", context_window: 100_000 })
  })
})
