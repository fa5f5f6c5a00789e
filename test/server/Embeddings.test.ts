import { afterAll, describe, expect, it } from "@effect/vitest"
import { UpstreamFailed, UpstreamRefused } from "../../src/domain/GatewayError.ts"
import { ask, envelopeFaults, errorOf } from "./Client.ts"
import { makeFake, makeServer, vectorsText } from "./Fake.ts"

const fake = makeFake()
const server = makeServer(fake)
afterAll(server.dispose)

const postText = (body: string, headers: Record<string, string> = {}) =>
  ask(server, "/v1/embeddings", { method: "POST", body, headers: { "content-type": "application/json", ...headers } })
const post = (body: unknown, headers: Record<string, string> = {}) => postText(JSON.stringify(body), headers)

const hello = { model: "vectors", input: "Hello" }

const whole: ReadonlyArray<readonly [string, unknown]> = [
  ["a text", "x"],
  ["texts", ["x", "y"]],
  ["2048 texts", Array.from({ length: 2048 }, () => "x")],
  ["tokens", [1, 2, 3]],
  ["2048 tokens", Array.from({ length: 2048 }, (_, at) => at)],
  ["arrays of tokens", [[1, 2], [3]]],
  ["more than 2048 tokens in one of several", [Array.from({ length: 8191 }, (_, at) => at)]]
]

/** What is wrong, and the member that the answer must name. */
const wrong: ReadonlyArray<readonly [string, Record<string, unknown>, string]> = [
  ["no model", { model: undefined }, "model"],
  ["an address of its own", { api_base: "http://127.0.0.1/" }, "api_base"],
  ["a model of no name", { model: "" }, "model"],
  ["a model that is a number", { model: 3 }, "model"],
  ["a model of 257 characters", { model: "m".repeat(257) }, "model"],
  ["no input", { input: undefined }, "input"],
  ["an input of null", { input: null }, "input"],
  ["an empty text", { input: "" }, "input"],
  ["no inputs", { input: [] }, "input"],
  ["2049 inputs", { input: Array.from({ length: 2049 }, () => "x") }, "input"],
  ["an empty text among others", { input: ["x", ""] }, "input[1]"],
  ["null among texts", { input: ["x", null] }, "input[1]"],
  ["an object for an input", { input: [{}] }, "input[0]"],
  ["an object for the input", { input: {} }, "input"],
  ["a number for the input", { input: 5 }, "input"],
  ["texts and tokens", { input: ["x", 1] }, "input"],
  ["tokens and arrays of tokens", { input: [1, [1]] }, "input"],
  ["half a token", { input: [1.5] }, "input[0]"],
  ["a negative token", { input: [-1] }, "input[0]"],
  ["no tokens in an array", { input: [[1], []] }, "input[1]"],
  ["a text in an array of tokens", { input: [[1, "x"]] }, "input[0][1]"],
  ["0 dimensions", { dimensions: 0 }, "dimensions"],
  ["half a dimension", { dimensions: 1.5 }, "dimensions"],
  ["dimensions in words", { dimensions: "many" }, "dimensions"],
  ["an unknown encoding", { encoding_format: "int8" }, "encoding_format"],
  ["a user of no text", { user: 1 }, "user"]
]

const wrongTexts = [
  "",
  "{",
  "[]",
  "null",
  `"text"`,
  `{"model":"x","input":"y",}`,
  `{"model":"x","model":"z","input":"y"}`,
  `{"model":"x","input":${"[".repeat(100)}${"]".repeat(100)}}`
]

describe("a request for embeddings", () => {
  it("is answered with the upstream's own text and the headers of a completion", async () => {
    const reply = await post(hello)
    expect([reply.status, reply.text]).toEqual([200, vectorsText])
    expect(reply.headers.get("x-breakwater-provider")).toBe("openai")
    expect(reply.headers.get("x-breakwater-attempts")).toBe("1")
    expect(reply.headers.get("content-type")).toBe("application/json")
  })

  it.each(whole)("may have for its input %s", async (_, input) => {
    const reply = await post({ ...hello, input })
    expect([reply.status, reply.text]).toEqual([200, vectorsText])
    expect(fake.embedded.at(-1)?.request.input).toEqual(input)
  })

  it("keeps what only some provider knows in its text", async () => {
    await post({ ...hello, input_type: "query", dimensions: null })
    expect(fake.embedded.at(-1)?.source.text).toBe(
      `{"model":"vectors","input":"Hello","input_type":"query","dimensions":null}`
    )
  })

  it.each(wrong)("with %s is a 400 that names the member", async (_, members, param) => {
    const before = fake.embedded.length
    const reply = await post({ ...hello, ...members })
    expect([reply.status, errorOf(reply)]).toEqual([400, expect.objectContaining({ param })])
    expect(envelopeFaults(reply.text)).toEqual([])
    expect(errorOf(reply).message).not.toContain("messages")
    expect(fake.embedded.length).toBe(before)
  })

  it.each(wrongTexts)("of the text %s is a 400 in the envelope", async (text) => {
    const reply = await postText(text)
    expect(reply.status).toBe(400)
    expect(envelopeFaults(reply.text)).toEqual([])
    expect(errorOf(reply).message).not.toContain("messages")
  })

  it("that is too large is a 413, of another type a 415, with a foreign timeout a 400", async () => {
    const large = await post(hello, { "content-length": String(1024 ** 3) })
    const other = await post(hello, { "content-type": "text/plain" })
    const wish = await post(hello, { "x-request-timeout-ms": "5s" })
    expect([large.status, other.status, wish.status]).toEqual([413, 415, 400])
    expect([large, other, wish].flatMap(({ text }) => envelopeFaults(text))).toEqual([])
  })

  it("is a 405 with another method", async () => {
    const reply = await ask(server, "/v1/embeddings")
    expect([reply.status, reply.headers.get("allow")]).toEqual([405, "POST"])
  })

  it("fails in the envelope, with the member that the upstream named", async () => {
    fake.fail = new UpstreamRefused({ message: "too many dimensions", param: "dimensions", upstreamStatus: 400 })
    const refused = await post(hello)
    fake.fail = new UpstreamFailed({ message: "down", upstreamStatus: 500 })
    const failed = await post(hello)
    fake.fail = undefined
    expect([refused.status, errorOf(refused)]).toEqual([
      400,
      { message: "too many dimensions", type: "invalid_request_error", param: "dimensions", code: null }
    ])
    expect([failed.status, errorOf(failed).code]).toEqual([502, "upstream_error"])
    expect(failed.headers.get("x-should-retry")).toBe("false")
  })
})
