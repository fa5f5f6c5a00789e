import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { createHash, createHmac } from "node:crypto"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import OpenAI from "openai"
import { type Asked, type CloudUpstream, start as startUpstream, type Told } from "../exchanges/CloudUpstream.ts"
import { eventFrame, exceptionFrame } from "../providers/AwsFrames.ts"
import * as Gateway from "./Gateway.ts"

const secret = "the/secret+of/this=test"
const session = "a-session-token"
const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
const stream = { "content-type": "application/vnd.amazon.eventstream" }
const json = { "content-type": "application/json" }

/** The signature that AWS would expect over what came, computed from what came alone. */
const expectedSignature = ({ body, headers, path }: Asked): string => {
  const [, scope = "", names = ""] = /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+),/
    .exec(headers.authorization ?? "") ?? []
  const [day = "", region = "", service = ""] = scope.split("/")
  const hash = (text: string) => createHash("sha256").update(text).digest("hex")
  const mac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()
  const lines = names.split(";").map((name) => `${name}:${String(headers[name])}\n`).join("")
  const twice = path.split("/").map((part) => encodeURIComponent(part)).join("/")
  const canonical = `POST\n${twice}\n\n${lines}\n${names}\n${hash(body)}`
  const text = `AWS4-HMAC-SHA256\n${String(headers["x-amz-date"])}\n${scope}\n${hash(canonical)}`
  let key = mac(`AWS4${secret}`, day)
  for (const part of [region, service, "aws4_request"]) key = mac(key, part)
  return mac(key, text).toString("hex")
}

const isSigned = (asked: Asked): boolean =>
  asked.headers.authorization?.endsWith(`Signature=${expectedSignature(asked)}`) === true &&
  asked.headers["x-amz-security-token"] === session

const thought = { reasoningContent: { reasoningText: { text: "Ask the gauge.", signature: "c2lnbmVk" } } }
const use = { toolUseId: "tooluse_1", name: "get_tide" }
const usage = { inputTokens: 10, outputTokens: 5, totalTokens: 15, cacheReadInputTokens: 4 }

const called = JSON.stringify({
  output: { message: { role: "assistant", content: [thought, { toolUse: { ...use, input: { harbour: "Whitby" } } }] } },
  stopReason: "tool_use",
  usage
})
const said = JSON.stringify({
  output: { message: { role: "assistant", content: [{ text: "4.2 m" }] } },
  stopReason: "end_turn",
  usage
})

const spoken = (...rest: ReadonlyArray<Buffer>): Told => ({
  headers: stream,
  pieces: [
    Buffer.concat([
      eventFrame("messageStart", { role: "assistant" }),
      eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "4.2" } })
    ]),
    ...rest
  ]
})
const ended = [
  eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text: " m" } }),
  eventFrame("messageStop", { stopReason: "end_turn" }),
  eventFrame("metadata", { usage, metrics: { latencyMs: 1 } })
]

const answer = (asked: Asked): Told => {
  const { authorization } = asked.headers
  if (asked.path.startsWith("/openai/v1/")) {
    const message = { role: "assistant", content: "mantle", refusal: null }
    const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }]
    return {
      headers: json,
      pieces: [JSON.stringify({ id: "m", object: "chat.completion", created: 1, model, choices })]
    }
  }
  if (authorization === "Bearer expired-key") return { status: 401, headers: json, pieces: ["{}"] }
  if (authorization !== "Bearer bedrock-key" && !isSigned(asked)) {
    return {
      status: 403,
      headers: { ...json, "x-amzn-errortype": "InvalidSignatureException:http://internal.amazon.com/coral/" },
      pieces: [JSON.stringify({ message: "The request signature we calculated does not match." })]
    }
  }
  if (asked.path.endsWith("/invoke")) {
    const { inputText } = JSON.parse(asked.body)
    if (inputText === "too long") {
      return {
        status: 400,
        headers: { ...json, "x-amzn-errortype": "ValidationException" },
        pieces: [JSON.stringify({ message: "Too many input tokens." })]
      }
    }
    return {
      headers: { ...json, "x-amzn-bedrock-input-token-count": "3" },
      pieces: [JSON.stringify({ embedding: [inputText.length, 0.5], inputTextTokenCount: 3 })]
    }
  }
  if (asked.path.includes("throttled")) return spoken(exceptionFrame("throttlingException", "Too many requests"))
  if (asked.path.endsWith("/converse-stream")) return spoken(...ended)
  const hasTools = asked.body.includes("toolConfig") && !asked.body.includes("toolResult")
  return { headers: { ...json, "x-amzn-requestid": "aws-1" }, pieces: [hasTools ? called : said] }
}

let upstream: CloudUpstream
let gateway: Gateway.Gateway
let client: OpenAI
let folder: string

beforeAll(async () => {
  upstream = await startUpstream(answer)
  folder = mkdtempSync(join(tmpdir(), "breakwater-bedrock-"))
  const tokenFile = join(folder, "token")
  writeFileSync(tokenFile, "bedrock-key\n")
  const aws = { kind: "bedrock", region: "eu-central-1", baseUrl: upstream.url }
  const keys = { accessKeyId: "AKIDTEST", secretAccessKey: secret, sessionToken: session }
  gateway = await Gateway.start({
    providers: {
      signed: { ...aws, ...keys },
      wrong: { ...aws, ...keys, secretAccessKey: "another" },
      keyed: { ...aws, apiKey: "bedrock-key" },
      filed: { ...aws, tokenFile },
      mantle: { kind: "bedrock-mantle", baseUrl: `${upstream.url}/openai/v1`, apiKey: "bedrock-key" }
    },
    models: {
      tide: { targets: [{ provider: "signed", model }] },
      vectors: {
        targets: [{ provider: "signed", model }, { provider: "signed", model: "amazon.titan-embed-text-v2:0" }]
      }
    },
    defaults: { retry: { attempts: 1 } }
  })
  client = new OpenAI({ baseURL: gateway.url, apiKey: "any", maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
  rmSync(folder, { recursive: true, force: true })
})

const question = { role: "user", content: "How deep is the harbour?" } as const
const tools = [{
  type: "function",
  function: { name: "get_tide", parameters: { type: "object", properties: {} } }
}] as const

describe("Bedrock behind the openai package", () => {
  it("is asked with AWS's signature over the path and the body as they come", async () => {
    const data = await client.chat.completions.create({ model: "tide", messages: [question], max_tokens: 50 })
    expect(data.choices[0]?.message.content).toBe("4.2 m")
    expect(data.usage).toMatchObject({ prompt_tokens: 14, prompt_tokens_details: { cached_tokens: 4 } })
    const asked = upstream.asked.at(-1)
    expect(asked?.path).toBe("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse")
    expect(asked?.headers.authorization).toMatch(/Credential=AKIDTEST\/\d{8}\/eu-central-1\/bedrock\/aws4_request,/)
    expect(JSON.parse(asked?.body ?? "")).toEqual({
      messages: [{ role: "user", content: [{ text: "How deep is the harbour?" }] }],
      inferenceConfig: { maxTokens: 50 }
    })
  })

  it("streams", async () => {
    const chunks = await client.chat.completions
      .create({ model: "tide", messages: [question], stream: true, stream_options: { include_usage: true } })
    const texts: Array<string> = []
    let total: number | undefined
    for await (const { choices, usage } of chunks) {
      texts.push(choices[0]?.delta.content ?? "")
      total = usage?.total_tokens ?? total
    }
    expect([texts.join(""), total]).toEqual(["4.2 m", 19])
    expect(upstream.asked.at(-1)?.headers.accept).toBe("application/vnd.amazon.eventstream")
  })

  it("gets its signed thoughts back with the results of its tools", async () => {
    const first = await client.chat.completions.create({ model: "tide", messages: [question], tools: [...tools] })
    const message = first.choices[0]?.message
    const [call] = message?.tool_calls ?? []
    if (message === undefined || call?.type !== "function") throw new Error("no function was called")
    expect(first.choices[0]?.finish_reason).toBe("tool_calls")
    expect(call.function).toEqual({ name: "get_tide", arguments: "{\"harbour\":\"Whitby\"}" })
    const result = { role: "tool", tool_call_id: call.id, content: "4.2 m" } as const
    await client.chat.completions.create({ model: "tide", messages: [question, message, result], tools: [...tools] })
    expect(JSON.parse(upstream.asked.at(-1)?.body ?? "").messages.slice(1)).toEqual([
      { role: "assistant", content: [thought, { toolUse: { ...use, input: { harbour: "Whitby" } } }] },
      { role: "user", content: [{ toolResult: { toolUseId: "tooluse_1", content: [{ text: "4.2 m" }] } }] }
    ])
  })

  it("that rejects the signature is the gateway's own trouble, and the secret is in no word of it", async () => {
    const failure = await client.chat.completions.create({ model: `wrong/${model}`, messages: [question] })
      .catch((error: unknown) => error)
    if (!(failure instanceof OpenAI.APIError)) throw new Error("no failure")
    expect([failure.status, failure.code]).toEqual([502, "upstream_credentials_rejected"])
    expect(failure.message).not.toMatch(/another|AKIDTEST/)
  })

  it("that breaks off within a stream ends it with an error", async () => {
    const chunks = await client.chat.completions
      .create({ model: "signed/throttled", messages: [question], stream: true })
    const read = async () => {
      let text = ""
      for await (const { choices } of chunks) text += choices[0]?.delta.content ?? ""
      return text
    }
    await expect(read()).rejects.toMatchObject({ code: "rate_limit_exceeded" })
  })

  it("makes vectors of several texts with a signature over each, and passes over a model that makes none", async () => {
    const before = upstream.asked.length
    const { data, response } = await client.embeddings
      .create({ model: "vectors", input: ["a", "bc"], user: "u-1" }).withResponse()
    expect(data.data.map(({ embedding }) => Array.from(embedding))).toEqual([[1, 0.5], [2, 0.5]])
    expect(data.usage).toEqual({ prompt_tokens: 6, total_tokens: 6 })
    expect(response.headers.get("x-breakwater-model")).toBe("amazon.titan-embed-text-v2:0")
    expect(response.headers.get("x-breakwater-dropped-params")).toBe("user")
    const asked = upstream.asked.slice(before)
    const path = "/model/amazon.titan-embed-text-v2%3A0/invoke"
    expect(asked.map((one) => [one.path, isSigned(one)])).toEqual([[path, true], [path, true]])
    const { recent } = await gateway.monitoring()
    expect(recent.find(({ alias }) => alias === "vectors")).toMatchObject({
      skipped: [{ target: `signed/${model}`, why: "no embeddings" }],
      dropped_parameters: ["user"]
    })
  })

  it("counts what the other texts used where one is refused", async () => {
    const input = [...Array.from({ length: 15 }, () => "a"), "too long"]
    await expect(client.embeddings.create({ model: "vectors", input })).rejects.toMatchObject({ status: 400 })
    const { recent } = await gateway.monitoring()
    expect(recent.find(({ alias, error }) => alias === "vectors" && error !== undefined)).toMatchObject({
      attempts: [{ outcome: expect.not.stringMatching("ok"), input_tokens: 45, output_tokens: 0 }]
    })
  })

  it("refuses tokens where texts are asked for, and models that make no vectors", async () => {
    const tokens = client.embeddings.create({ model: "vectors", input: [1, 2] })
    await expect(tokens).rejects.toMatchObject({ status: 400, param: "input", code: "unsupported_parameter" })
    const chat = client.embeddings.create({ model: "tide", input: "a" })
    await expect(chat).rejects.toMatchObject({ status: 400, param: "model", code: "embeddings_not_supported" })
  })

  it("takes a Bedrock API key as a bearer", async () => {
    const data = await client.chat.completions.create({ model: `keyed/${model}`, messages: [question] })
    expect(data.choices[0]?.message.content).toBe("4.2 m")
    expect(upstream.asked.at(-1)?.headers["x-amz-date"]).toBeUndefined()
  })

  it("takes a key from a file, and the next one there once the upstream refuses it", async () => {
    const ask = () => client.chat.completions.create({ model: `filed/${model}`, messages: [question] })
    const write = (key: string) => {
      writeFileSync(join(folder, "new"), key)
      renameSync(join(folder, "new"), join(folder, "token"))
    }
    expect((await ask()).choices[0]?.message.content).toBe("4.2 m")
    write("expired-key")
    await gateway.says(/breakwater\.credential\.renewed/)
    write("bedrock-key")
    const before = upstream.asked.length
    // The caller hears nothing of the key that has expired: what stands in the file by then is taken.
    expect((await ask()).choices[0]?.message.content).toBe("4.2 m")
    expect(upstream.asked.slice(before).map(({ headers }) => headers.authorization)).toEqual([
      "Bearer expired-key",
      "Bearer bedrock-key"
    ])
    expect(gateway.output()).not.toMatch(/expired-key|bedrock-key/)
  })

  it("answers in OpenAI's own dialect at its other address", async () => {
    const data = await client.chat.completions.create({ model: "mantle/openai.gpt-oss-20b", messages: [question] })
    expect(data.choices[0]?.message.content).toBe("mantle")
    expect(upstream.asked.at(-1)).toMatchObject({
      path: "/openai/v1/chat/completions",
      headers: { authorization: "Bearer bedrock-key" }
    })
  })
})
