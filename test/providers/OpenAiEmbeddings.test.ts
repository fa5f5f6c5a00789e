import { describe, expect, it } from "@effect/vitest"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import { lower, readAnswer, toBase64 } from "../../src/providers/protocols/OpenAiEmbeddings.ts"
import { isScanProblem, scan } from "../../src/validation/JsonText.ts"

/** What the answer is read as; `asked` are members of the request. */
const read = (body: unknown, asked: Partial<EmbeddingRequest> = {}) =>
  readAnswer(
    typeof body === "string" ? body : JSON.stringify(body),
    { model: "upstream", request: { model: "alias", input: "x", ...asked } },
    0
  )

const bodyOf = (result: ReturnType<typeof read>) => {
  if ("_tag" in result) throw new Error(result.message)
  return JSON.parse(result.text)
}

const tagOf = (result: ReturnType<typeof read>) => "_tag" in result ? result._tag : "answer"

const entry = (embedding: unknown, index = 0) => ({ object: "embedding", index, embedding })
const list = (...data: ReadonlyArray<unknown>) => ({
  object: "list",
  data,
  model: "m",
  usage: { prompt_tokens: 1, total_tokens: 1 }
})

describe("a request for embeddings on its way up", () => {
  it("has another model and is else the caller's own text", () => {
    const text = `{ "input": ["ü", "\\u00fc"],  "model":"alias", "encoding_format":"base64", "late_chunking": true }`
    const source = scan(text)
    if (isScanProblem(source)) throw new Error(source.message)
    expect(lower(source, "a/b\"c")).toBe(text.replace(`"alias"`, `"a/b\\"c"`))
  })
})

describe("an answer with embeddings", () => {
  it("that has OpenAI's form is passed on to the letter", () => {
    const text = `{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[0.10,1e-7]}],"model":"m",
      "usage":{"prompt_tokens":8,"total_tokens":8},"id":"x"}`
    expect(read(text)).toEqual({
      text,
      model: "m",
      usage: { promptTokens: 8, completionTokens: 0, totalTokens: 8 }
    })
  })

  it("in base64 is passed on to the letter where it was asked for", () => {
    const text = JSON.stringify(list(entry("AACAPw==")))
    expect(read(text, { encoding_format: "base64" })).toMatchObject({ text })
  })

  it("of another size than was asked for says that nobody heeded the size, in either encoding", () => {
    const droppedOf = (embedding: unknown, dimensions: number | null, asked: Partial<EmbeddingRequest> = {}) => {
      const result = read(list(entry(embedding)), { dimensions, ...asked })
      return "_tag" in result ? result._tag : result.dropped
    }
    const vector = [1, -2.5, 0.5]
    expect([droppedOf(vector, 2), droppedOf(toBase64(vector), 4, { encoding_format: "base64" })]).toEqual([
      ["dimensions"],
      ["dimensions"]
    ])
    expect([droppedOf(vector, 3), droppedOf(toBase64(vector), 3, { encoding_format: "base64" })]).toEqual([
      undefined,
      undefined
    ])
    expect(droppedOf(vector, null)).toBeUndefined()
  })

  it("in numbers becomes base64 where that was asked for, and the other way round", () => {
    const vector = [1, -2.5, 0.000030517578125]
    expect(bodyOf(read(list(entry(vector)), { encoding_format: "base64" })).data[0].embedding).toBe(toBase64(vector))
    for (const asked of [{}, { encoding_format: "float" }, { encoding_format: null }] as const) {
      expect(bodyOf(read(list(entry(toBase64(vector))), asked)).data[0].embedding).toEqual(vector)
    }
  })

  it("writes base64 as OpenAI does: 32-bit floats, little end first", () => {
    expect(toBase64([1])).toBe("AACAPw==")
    expect(new Float32Array(new Uint8Array(Buffer.from(toBase64([0.1, -3]), "base64")).buffer)).toEqual(
      new Float32Array([0.1, -3])
    )
  })

  it("gets the members that OpenAI's form has, and keeps all others", () => {
    const body = {
      data: [{ embedding: [1] }, { embedding: [2], extra: 7 }],
      usage: { prompt_tokens: 3 },
      provider: "p"
    }
    expect(bodyOf(read(body, { input: ["x", "y"] }))).toEqual({
      object: "list",
      model: "upstream",
      data: [entry([1]), { ...entry([2], 1), extra: 7 }],
      usage: { prompt_tokens: 3, total_tokens: 3 },
      provider: "p"
    })
  })

  it("without a use has none made up, and one that counts nothing is dropped", () => {
    const { usage: _, ...silent } = list(entry([1]))
    expect(read(silent)).toMatchObject({ usage: undefined, text: JSON.stringify(silent) })
    for (const usage of [null, {}, "3", { prompt_tokens: "3" }]) {
      const result = read({ ...silent, usage })
      expect([result, "usage" in bodyOf(result)]).toMatchObject([{ usage: undefined }, false])
    }
  })

  it("tells what the host says that it costs", () => {
    const said = { ...list(entry([1])), usage: { prompt_tokens: 7, total_tokens: 7, cost: 1.4e-7 } }
    expect(read(said)).toMatchObject({ usage: { reportedCost: 140_000 } })
  })

  it.each([
    ["what is no JSON", "<html>"],
    ["no object", [1]],
    ["no data", { object: "list" }],
    ["no vectors", list()],
    ["more vectors than inputs", list(entry([1]), entry([2], 1))],
    ["a vector of nothing", list(entry([]))],
    ["a vector of texts", list(entry(["1"]))],
    ["an entry without a vector", list({ object: "embedding", index: 0 })],
    ["an entry that is none", list(null)],
    ["what is no base64", list(entry("§§§§"))],
    ["half a float", list(entry("AACA"))]
  ])("with %s is malformed", (_, body) => {
    expect(tagOf(read(body))).toBe("MalformedAnswer")
  })

  it("with fewer vectors than inputs is malformed, whatever the inputs are", () => {
    for (const input of [["x", "y"], [[1], [2]]] as const) {
      expect(tagOf(read(list(entry([1])), { input }))).toBe("MalformedAnswer")
    }
    expect(tagOf(read(list(entry([1])), { input: [1, 2] }))).toBe("answer")
  })

  it("that is an error in disguise is that error", () => {
    const error = { message: "slow down", type: "rate_limit_error", code: "rate_limit_exceeded" }
    expect(tagOf(read({ error }))).toBe("RateLimited")
    expect(tagOf(read({ object: "error", message: "boom", code: 500 }))).toBe("UpstreamFailed")
  })
})
