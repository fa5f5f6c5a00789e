import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import OpenAI from "openai"
import { embeddings as recorded, type Exchange, isPresent, makeValidator } from "../exchanges/Recorded.ts"
import * as Gateway from "./Gateway.ts"

const vector = [0.25, -0.5, 1]

/** What the upstream is asked: path and body, in the order of the requests. */
const asked: Array<{ readonly path: string; readonly body: Record<string, unknown> }> = []

/** Answers with what was recorded under the model's name, or like hosts that know no base64. */
const answerTo = (body: Record<string, unknown>): readonly [status: number, body: unknown] => {
  const exchange = recorded.find(({ name }) => name === body["model"])
  if (exchange !== undefined) return [exchange.response.status, exchange.response.body]
  switch (body["model"]) {
    case "floats-only":
      return [200, { data: [{ embedding: vector }], usage: { prompt_tokens: 2 } }]
    case "short":
      return [200, { object: "list", data: [], model: "short" }]
    case "down":
      return [503, { error: { message: "no capacity", type: "server_error", param: null, code: null } }]
    default:
      return [400, { error: { message: "too many dimensions", type: "invalid_request_error", param: "dimensions" } }]
  }
}

let upstream: Server
let gateway: Gateway.Gateway
let client: OpenAI

beforeAll(async () => {
  upstream = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    asked.push({ path: request.url ?? "", body })
    if (body.model === "silent") return
    const [status, answer] = answerTo(body)
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer))
  }).listen(0, "127.0.0.1")
  await once(upstream, "listening")
  const address = upstream.address()
  const port = typeof address === "object" ? address?.port : 0
  const target = (model: string) => ({ provider: "upstream", model })
  gateway = await Gateway.start({
    providers: {
      upstream: { kind: "openai-compatible", baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: "none" },
      official: { kind: "openai", baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: "sk-test" }
    },
    models: {
      search: { targets: [target("down"), { provider: "simulated", model: "sim-fast" }] },
      slow: {
        targets: [target("silent"), { provider: "simulated", model: "sim-fast" }],
        timeouts: { answer: "300ms" }
      },
      exact: { targets: [target("floats-only")], parameters: "reject" },
      thin: { targets: [target("short"), { provider: "simulated", model: "sim-fast" }] }
    },
    defaults: { retry: { base: "5ms", throttleBase: "5ms" } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "none", maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  upstream?.closeAllConnections()
  upstream?.close()
})

const post = async (body: Readonly<Record<string, unknown>>) => {
  const answer = await fetch(`${gateway.url}/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

const similarity = (left: ReadonlyArray<number>, right: ReadonlyArray<number>): number =>
  left.reduce((sum, value, at) => sum + value * (right[at] ?? 0), 0)

describe("the openai package: embeddings", () => {
  it("are read, although it asks for base64 by itself", async () => {
    const { data, model, usage } = await client.embeddings.create({
      model: "sim-fast",
      input: ["The harbour is deep", "the deep harbour", "oranges and lemons"],
      dimensions: 512
    })
    expect([data.length, model, data[0]?.embedding.length]).toEqual([3, "sim-fast", 512])
    expect(usage.prompt_tokens).toBeGreaterThan(3)
    const [first = [], second = [], third = []] = data.map(({ embedding }) => Array.from(embedding))
    expect(similarity(first, first)).toBeCloseTo(1, 5)
    expect(similarity(first, second)).toBeGreaterThan(similarity(first, third))
  })

  it("are the same in base64, as numbers, and the next time", async () => {
    const plain = await client.embeddings.create({ model: "sim-fast", input: "x", encoding_format: "float" })
    const coded = await client.embeddings.create({ model: "sim-fast", input: "x" })
    expect(Array.from(coded.data[0]?.embedding ?? [])).toEqual(plain.data[0]?.embedding)
  })

  it("come from the next target when the first is down, and say so", async () => {
    const { data, response } = await client.embeddings.create({ model: "search", input: "x" }).withResponse()
    expect(data.data[0]?.embedding.length).toBe(256)
    expect(response.headers.get("x-breakwater-model")).toBe("sim-fast")
    expect(response.headers.get("x-breakwater-attempts")).toBe("3")
  })

  it("come from the next target when the first stays silent for longer than an answer may take", async () => {
    const { response } = await client.embeddings.create({ model: "slow", input: "x" }).withResponse()
    expect(response.headers.get("x-breakwater-model")).toBe("sim-fast")
    expect(response.headers.get("x-breakwater-attempts")).toBe("2")
  })

  it("come from the next target when the first has too few of them", async () => {
    const { data, response } = await client.embeddings.create({ model: "thin", input: ["x", "y"] }).withResponse()
    expect(data.data.map(({ index }) => index)).toEqual([0, 1])
    expect(response.headers.get("x-breakwater-model")).toBe("sim-fast")
  })

  it("are what was meant where the host knows no base64", async () => {
    const { data, model, usage } = await client.embeddings.create({ model: "upstream/floats-only", input: "x" })
    expect(Array.from(data[0]?.embedding ?? [])).toEqual(vector)
    expect([model, data[0]?.object, usage.total_tokens]).toEqual(["floats-only", "embedding", 2])
  })

  it("say where the host did not heed their size, and are refused where the alias would rather have none", async () => {
    const asking = { input: "x", dimensions: vector.length + 1 }
    const told = await post({ model: "upstream/floats-only", ...asking })
    expect([told.status, told.headers.get("x-breakwater-dropped-params")]).toEqual([200, "dimensions"])
    const refused = await post({ model: "exact", ...asking })
    expect([refused.status, JSON.parse(refused.text).error]).toMatchObject([400, {
      code: "unsupported_parameter",
      param: "dimensions"
    }])
    const heeded = await post({ model: "exact", input: "x", dimensions: vector.length })
    expect([heeded.status, heeded.headers.get("x-breakwater-dropped-params")]).toEqual([200, null])
  })

  it("are refused with the member that the upstream named", async () => {
    const refused = client.embeddings.create({ model: "upstream/else", input: "x", dimensions: 9 })
    await expect(refused).rejects.toMatchObject({ status: 400, param: "dimensions", type: "invalid_request_error" })
  })

  it("are asked for beside chat, in the caller's own text", async () => {
    for (const provider of ["upstream", "official"]) {
      asked.length = 0
      await post({ model: `${provider}/floats-only`, input: [1, 2], encoding_format: "float", input_type: "query" })
      expect(asked).toEqual([{
        path: "/v1/embeddings",
        body: { model: "floats-only", input: [1, 2], encoding_format: "float", input_type: "query" }
      }])
    }
  })
})

const faults = isPresent ? makeValidator("embedding-response") : undefined

/** OpenAI's schema has vectors as numbers only. */
const asNumbers = (text: string) => {
  const body = JSON.parse(text)
  return {
    ...body,
    data: body.data.map((entry: { readonly embedding: unknown }) => ({
      ...entry,
      embedding: typeof entry.embedding === "string" ? [] : entry.embedding
    }))
  }
}

describe.skipIf(!isPresent)("through the gateway, recorded embeddings", () => {
  it.each(recorded)("of $name are passed on as they came", async ({ name, request, response }: Exchange) => {
    const { headers, status, text } = await post({ ...request.body, model: `upstream/${name}` })
    expect(status).toBe(200)
    const body = JSON.parse(text)
    const was = response.body as typeof body
    expect(body.data.map((entry: { embedding: unknown }) => entry.embedding)).toEqual(
      was.data.map((entry: { embedding: unknown }) => entry.embedding)
    )
    expect([body.model, body.usage]).toEqual([was.model, was.usage])
    expect(faults?.(asNumbers(text))).toEqual([])
    if (was.data.every((entry: { index?: number }) => entry.index !== undefined)) {
      expect(text).toBe(JSON.stringify(response.body))
    }
    const cost = was.usage.cost === undefined ? null : "0.00000014"
    expect(headers.get("x-breakwater-cost-usd")).toBe(cost)
  })
})
