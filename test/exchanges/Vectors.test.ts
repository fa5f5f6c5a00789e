/** Embeddings of the dialects that are no OpenAI's, over loopback: what is asked, and what the answers are read as. */
import { afterAll, afterEach, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Kinds from "../../src/providers/Kinds.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { vectorsCallOf, vectorsOf } from "../providers/Calls.ts"
import { tellAbsence } from "./Absent.ts"
import { type Asked, type CloudUpstream, start, type Told } from "./CloudUpstream.ts"
import { exchangesOf, isPresent, makeValidator } from "./Recorded.ts"

// Written JSON, read by hand.
type Loose = any

const json = { "content-type": "application/json" }

/** A vector that tells which text it is of. */
const vectorOf = (text: string): ReadonlyArray<number> => [text.length, 0.1, -2.5]

const told = (body: unknown, headers: Readonly<Record<string, string>> = {}): Told => ({
  headers: { ...json, ...headers },
  pieces: [JSON.stringify(body)]
})

const counted = (tokens: number) => ({
  "x-amzn-bedrock-input-token-count": String(tokens),
  "x-amzn-requestid": "aws-1"
})

const cloud = ({ body, path }: Asked): Told => {
  const asked: Loose = JSON.parse(body)
  if (path.endsWith(":batchEmbedContents")) {
    const embeddings = asked.requests.map((one: Loose) => ({ values: vectorOf(one.content.parts[0].text) }))
    return told({ embeddings, ...(path.includes("-2:") ? { usageMetadata: { promptTokenCount: 7 } } : {}) })
  }
  if (path.endsWith(":predict")) {
    const statistics = { token_count: 4, truncated: false }
    return told({
      predictions: asked.instances.map(({ content }: Loose) => ({
        embeddings: { statistics, values: vectorOf(content) }
      }))
    })
  }
  if (path.endsWith(":embedContent")) {
    const embedding = { values: vectorOf(asked.content.parts[0].text) }
    return told({ embedding, usageMetadata: { promptTokenCount: 5 }, truncated: false })
  }
  if (path.includes("titan")) return told({ embedding: vectorOf(asked.inputText), inputTextTokenCount: 3 }, counted(3))
  if (path.includes("nova")) {
    const { value } = asked.singleEmbeddingParams.text
    return told({ embeddings: [{ embeddingType: "TEXT", embedding: vectorOf(value) }] }, counted(6))
  }
  const vectors = asked.texts.map(vectorOf)
  return told(
    { id: "c", texts: asked.texts, embeddings: path.includes("v4") ? { float: vectors } : vectors },
    counted(9)
  )
}

let answer = cloud
let upstream: CloudUpstream
beforeAll(async () => {
  upstream = await start((asked) => answer(asked))
})
afterEach(() => {
  answer = cloud
})
afterAll(() => upstream.close())

const key = Redacted.make("a-key")
const settings = (kind: "gemini" | "vertex" | "bedrock"): Kinds.ProviderSettings =>
  kind === "vertex"
    ? {
      kind: "gemini",
      baseUrl: `${upstream.url}/v1/projects/p/locations/global/publishers/google`,
      apiKeys: [key]
    }
    : {
      kind,
      baseUrl: kind === "gemini" ? `${upstream.url}/v1beta` : upstream.url,
      apiKeys: [key],
      region: "eu-west-1"
    }

const embed = Effect.fnUntraced(function*(
  kind: Parameters<typeof settings>[0],
  ...call: Parameters<typeof vectorsCallOf>
) {
  const provider = yield* Kinds.make("it", settings(kind))
  const before = upstream.asked.length
  const read = yield* vectorsOf(provider, vectorsCallOf(...call))
  const asked = upstream.asked.slice(before).map(({ body, path }) => ({ path, body: JSON.parse(body) }))
  return { read, asked, body: JSON.parse(read.text) as Loose }
})

const refusal = (...options: Parameters<typeof embed>) =>
  Effect.map(Effect.flip(embed(...options)), (error) => "reason" in error ? error.reason : expect.fail("no reason"))

const vectorsIn = (body: Loose): ReadonlyArray<unknown> => body.data.map(({ embedding }: Loose) => embedding)

layer(Transport.layer(), { excludeTestServices: true })("embeddings", (it) => {
  it.effect("of the Gemini API are asked for in one batch", () =>
    Effect.gen(function*() {
      const { asked, body, read } = yield* embed("gemini", "gemini-embedding-001", ["a", "bc"], {
        dimensions: 768,
        task_type: "RETRIEVAL_QUERY"
      })
      const one = {
        model: "models/gemini-embedding-001",
        taskType: "RETRIEVAL_QUERY",
        outputDimensionality: 768
      }
      expect(asked).toEqual([{
        path: "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        body: {
          requests: [
            { ...one, content: { parts: [{ text: "a" }] } },
            { ...one, content: { parts: [{ text: "bc" }] } }
          ]
        }
      }])
      expect(vectorsIn(body)).toEqual([vectorOf("a"), vectorOf("bc")])
      expect([body.object, body.model, body.usage, read.usage]).toEqual([
        "list",
        "gemini-embedding-001",
        undefined,
        undefined
      ])
    }))

  it.effect("of the newer Gemini models say what they used, as OpenAI's schema has it", () =>
    Effect.gen(function*() {
      const { body, read } = yield* embed("gemini", "gemini-embedding-2", "a")
      expect(body.usage).toEqual({ prompt_tokens: 7, total_tokens: 7 })
      expect(read.usage).toEqual({ promptTokens: 7, completionTokens: 0, totalTokens: 7 })
      if (isPresent) expect(makeValidator("embedding-response")(body)).toEqual([])
    }))

  it.effect("of more texts than a batch has are in the order of the texts", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 250 }, (_, at) => "x".repeat(at + 1))
      const { asked, body } = yield* embed("gemini", "gemini-embedding-2", texts)
      expect(asked.map(({ body }) => body.requests.length).sort()).toEqual([100, 100, 50])
      expect(vectorsIn(body)).toEqual(texts.map(vectorOf))
      expect(body.data.map(({ index }: Loose) => index)).toEqual(texts.map((_, at) => at))
      expect(body.usage.prompt_tokens).toBe(21)
    }))

  it.effect("of Vertex AI are predictions, and are never cut", () =>
    Effect.gen(function*() {
      const path = (model: string) => `/v1/projects/p/locations/global/publishers/google/models/${model}`
      const older = yield* embed("vertex", "text-embedding-005", ["a", "bc"], { dimensions: 64 })
      expect(older.asked).toEqual([{
        path: path("text-embedding-005:predict"),
        body: {
          instances: [{ content: "a" }, { content: "bc" }],
          parameters: { autoTruncate: false, outputDimensionality: 64 }
        }
      }])
      expect([vectorsIn(older.body), older.body.usage.prompt_tokens]).toEqual([[vectorOf("a"), vectorOf("bc")], 8])
      const single = yield* embed("vertex", "gemini-embedding-001", ["a", "bc"])
      expect(single.asked.map(({ body }) => body.instances.length)).toEqual([1, 1])
      expect([vectorsIn(single.body), single.body.usage.prompt_tokens]).toEqual([[vectorOf("a"), vectorOf("bc")], 8])
      const newer = yield* embed("vertex", "gemini-embedding-2", ["a", "bc"], { dimensions: 64 })
      expect(newer.asked.map(({ path }) => path)).toEqual(Array(2).fill(path("gemini-embedding-2:embedContent")))
      expect(newer.asked[0]?.body).toEqual({
        content: { parts: [{ text: "a" }] },
        outputDimensionality: 64,
        autoTruncate: false
      })
      expect([vectorsIn(newer.body), newer.body.usage.prompt_tokens]).toEqual([[vectorOf("a"), vectorOf("bc")], 10])
    }))

  it.effect("of Titan are asked for one by one and counted together", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 20 }, (_, at) => "x".repeat(at + 1))
      const { asked, body, read } = yield* embed("bedrock", "amazon.titan-embed-text-v2:0", texts, { dimensions: 256 })
      expect(asked.length).toBe(20)
      expect(asked[0]).toEqual({
        path: "/model/amazon.titan-embed-text-v2%3A0/invoke",
        body: { inputText: "x", dimensions: 256 }
      })
      expect(vectorsIn(body)).toEqual(texts.map(vectorOf))
      expect([read.usage?.promptTokens, read.upstreamRequestId]).toEqual([60, "aws-1"])
    }))

  it.effect("of Cohere go up together, with what the vectors are for", () =>
    Effect.gen(function*() {
      const { asked, body, read } = yield* embed("bedrock", "us.cohere.embed-v4:0", ["a", "bc"], { dimensions: 512 })
      expect(asked).toEqual([{
        path: "/model/us.cohere.embed-v4%3A0/invoke",
        body: { texts: ["a", "bc"], input_type: "search_document", truncate: "NONE", output_dimension: 512 }
      }])
      expect([vectorsIn(body), read.usage?.promptTokens]).toEqual([[vectorOf("a"), vectorOf("bc")], 9])
      const older = yield* embed("bedrock", "cohere.embed-english-v3", "a", {
        dimensions: 1024,
        input_type: "search_query"
      })
      expect(older.asked[0]?.body).toEqual({ texts: ["a"], input_type: "search_query", truncate: "NONE" })
      expect(vectorsIn(older.body)).toEqual([vectorOf("a")])
    }))

  it.effect("of Nova, of the older Titan and of an inference profile are in words of their own", () =>
    Effect.gen(function*() {
      const nova = yield* embed("bedrock", "amazon.nova-2-multimodal-embeddings-v1:0", "a", { dimensions: 384 })
      expect(nova.asked[0]?.body).toEqual({
        taskType: "SINGLE_EMBEDDING",
        singleEmbeddingParams: {
          embeddingPurpose: "GENERIC_INDEX",
          embeddingDimension: 384,
          text: { truncationMode: "NONE", value: "a" }
        }
      })
      expect([vectorsIn(nova.body), nova.read.usage?.promptTokens]).toEqual([[vectorOf("a")], 6])
      const titan = yield* embed("bedrock", "amazon.titan-embed-text-v1", "a")
      expect(titan.asked[0]?.body).toEqual({ inputText: "a" })
      const image = yield* embed("bedrock", "amazon.titan-embed-image-v1", "a", { dimensions: 256 })
      expect(image.asked[0]?.body).toEqual({ inputText: "a", embeddingConfig: { outputEmbeddingLength: 256 } })
      const profile = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.cohere.embed-v4:0"
      expect((yield* embed("bedrock", profile, "a")).asked[0]?.path).toBe(
        `/model/${encodeURIComponent(profile)}/invoke`
      )
    }))

  it.effect("are 32-bit floats in base64 where that was asked for", () =>
    Effect.gen(function*() {
      for (const [kind, model] of [["gemini", "gemini-embedding-2"], ["bedrock", "cohere.embed-v4:0"]] as const) {
        const { body } = yield* embed(kind, model, ["abc"], { encoding_format: "base64" })
        const bytes = Buffer.from(body.data[0].embedding, "base64")
        expect([0, 4, 8].map((at) => bytes.readFloatLE(at))).toEqual([3, Math.fround(0.1), -2.5])
      }
    }))

  it.effect("of tokens cannot be had, nor of a size that a model does not make: nobody is asked", () =>
    Effect.gen(function*() {
      const before = upstream.asked.length
      for (const input of [[1, 2], [[1], [2]]] as const) {
        for (const [kind, model] of [["gemini", "gemini-embedding-2"], ["bedrock", "cohere.embed-v4:0"]] as const) {
          const reason = yield* refusal(kind, model, input)
          expect([reason.status, reason.param, reason.errorCode]).toEqual([400, "input", "unsupported_parameter"])
        }
      }
      for (const model of ["amazon.titan-embed-text-v1", "cohere.embed-english-v3"]) {
        expect((yield* refusal("bedrock", model, "a", { dimensions: 256 })).param).toBe("dimensions")
      }
      expect((yield* refusal("bedrock", "amazon.nova-pro-v1:0", "a")).param).toBe("model")
      expect((yield* refusal("gemini", "../embedding", "a")).param).toBe("model")
      expect(upstream.asked.length).toBe(before)
    }))

  it.effect("are made by models whose names say so, as far as the kind tells", () =>
    Effect.gen(function*() {
      const made: Readonly<Record<Parameters<typeof settings>[0], ReadonlyArray<string>>> = {
        gemini: ["gemini-embedding-001", "models/gemini-embedding-2", "text-embedding-004"],
        vertex: ["gemini-embedding-001", "text-multilingual-embedding-002"],
        bedrock: ["amazon.titan-embed-g1-text-02", "global.cohere.embed-v4:0", "cohere.embed-multilingual-v3"]
      }
      const others = [
        "gemini-3-pro",
        "multimodalembedding@001",
        "anthropic.claude-opus-4-6-v1",
        "amazon.nova-2-lite-v1:0"
      ]
      for (const kind of ["gemini", "vertex", "bedrock"] as const) {
        const { embeds } = yield* Kinds.make("it", settings(kind))
        expect([...made[kind], ...others].filter((model) => embeds?.(model))).toEqual(made[kind])
      }
    }))

  it.effect("name what the upstream was not told, or are refused for it", () =>
    Effect.gen(function*() {
      const { asked, read } = yield* embed("gemini", "gemini-embedding-2", "a", { user: "u-1" })
      expect(read.dropped).toEqual(["user"])
      expect(JSON.stringify(asked)).not.toContain("u-1")
      const provider = yield* Kinds.make("it", settings("bedrock"))
      const call = vectorsCallOf("cohere.embed-v4:0", "a", { user: "u-1" })
      const { reason } = yield* Effect.flip(vectorsOf(provider, { ...call, parameters: "reject" }))
      expect([reason.status, reason.param]).toEqual([400, "user"])
    }))

  it.effect("are none where an answer has too few, none, or what is no vector", () =>
    Effect.gen(function*() {
      const broken: ReadonlyArray<unknown> = [
        {},
        "no JSON",
        { embeddings: [] },
        { embeddings: [{ values: [1] }, { values: [1] }] },
        { embeddings: [{ values: [] }] },
        { embeddings: [{ values: ["1"] }] },
        { embeddings: [null] }
      ]
      for (const body of broken) {
        answer = () => told(body)
        expect((yield* refusal("gemini", "gemini-embedding-2", "a"))._tag).toBe("MalformedAnswer")
      }
    }))

  const refusing = (asked: Asked): Told =>
    asked.body.includes("\"bad\"")
      ? {
        status: 429,
        headers: { ...json, "x-amzn-errortype": "ThrottlingException" },
        pieces: [JSON.stringify({ message: "Too many requests" })]
      }
      : cloud(asked)

  it.effect("fail as a whole with the first part that does", () =>
    Effect.gen(function*() {
      answer = refusing
      const texts = Array.from({ length: 12 }, (_, at) => at === 5 ? "bad" : "good")
      expect((yield* refusal("bedrock", "amazon.titan-embed-text-v2:0", texts))._tag).toBe("RateLimited")
    }))

  const usedBy = (...options: Parameters<typeof embed>) =>
    Effect.map(Effect.flip(embed(...options)), (error) => "used" in error ? error.used : undefined)
  const inputOf = (promptTokens: number) => ({ promptTokens, completionTokens: 0, totalTokens: promptTokens })

  it.effect("that fail in one part tell what the others used, each in its upstream's words", () =>
    Effect.gen(function*() {
      answer = refusing
      const texts = [...Array.from({ length: 15 }, () => "good"), "bad"]
      const told = [
        ["bedrock", "amazon.titan-embed-text-v2:0", 15 * 3],
        ["bedrock", "amazon.nova-2-multimodal-embeddings-v1:0", 15 * 6],
        ["vertex", "gemini-embedding-001", 15 * 4],
        ["vertex", "gemini-embedding-2", 15 * 5]
      ] as const
      for (const [kind, model, tokens] of told) {
        expect(yield* usedBy(kind, model, texts)).toEqual({ usage: inputOf(tokens), isUntold: false })
      }
      const hundreds = [...Array.from({ length: 200 }, () => "good"), "bad"]
      expect(yield* usedBy("gemini", "gemini-embedding-2", hundreds)).toEqual({ usage: inputOf(14), isUntold: false })
      expect(yield* usedBy("gemini", "gemini-embedding-001", hundreds)).toEqual({ usage: undefined, isUntold: true })
    }))

  it.effect("that fail tell nothing where no part was answered", () =>
    Effect.gen(function*() {
      answer = refusing
      expect(yield* usedBy("bedrock", "amazon.titan-embed-text-v2:0", ["bad", "bad"])).toBe(undefined)
      expect(yield* usedBy("bedrock", "amazon.titan-embed-text-v2:0", "bad")).toBe(undefined)
    }))

  it.effect("send no part after one has failed", () =>
    Effect.gen(function*() {
      answer = refusing
      const before = upstream.asked.length
      const used = yield* usedBy("bedrock", "amazon.titan-embed-text-v2:0", Array.from({ length: 64 }, () => "bad"))
      expect([used, upstream.asked.length - before]).toEqual([undefined, 8])
    }))

  it.effect("keep the limit of an attempt over all of their parts", () =>
    Effect.gen(function*() {
      const provider = yield* Kinds.make("it", settings("bedrock"))
      const call = vectorsCallOf("amazon.titan-embed-text-v2:0", ["a", "b"])
      let handedOver = 0
      let calledOff = 0
      const patient = yield* vectorsOf(provider, {
        ...call,
        limit: () => {
          handedOver += 1
          return () => void (calledOff += 1)
        }
      })
      expect([patient.usage?.promptTokens, handedOver, calledOff]).toEqual([6, 1, 1])
      const refused = yield* Effect.flip(embed("bedrock", "amazon.nova-pro-v1:0", "a"))
      if (!("reason" in refused)) return expect.fail("no reason")
      const { reason } = yield* Effect.flip(vectorsOf(provider, {
        ...call,
        limit: (stop) => {
          stop(refused)
          return () => undefined
        }
      }))
      expect(reason).toBe(refused.reason)
    }))

  for (const { name, request, response } of exchangesOf("gemini--embeddings--")) {
    it.effect(`reads the recorded ${name}`, () =>
      Effect.gen(function*() {
        answer = () => ({ status: response.status, headers: json, pieces: [JSON.stringify(response.body)] })
        const [one]: Loose = request.body["requests"]
        const model = "nonexistent-embedding"
        const { reason } = yield* Effect.flip(
          vectorsOf(
            yield* Kinds.make("it", settings("gemini")),
            vectorsCallOf(model, one.content.parts[0].text, {
              task_type: one.taskType
            })
          )
        )
        expect([reason._tag, reason.upstreamStatus]).toEqual(["UpstreamModelMissing", 404])
        expect(JSON.parse(upstream.asked.at(-1)?.body ?? "")).toEqual({
          requests: [{ ...one, model: `models/${model}` }]
        })
      }))
  }
})

tellAbsence()
