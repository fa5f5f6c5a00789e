import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Reasons from "../../src/domain/GatewayError.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask, chatPath, envelopeFaults, errorOf, hello, post, postText } from "./Client.ts"
import { makeFake, makeServer } from "./Fake.ts"

const fields = { message: "what happened" }
const reasons: ReadonlyArray<Reasons.Reason> = [
  new Reasons.InvalidRequest(fields),
  new Reasons.Unauthorized(fields),
  new Reasons.Forbidden(fields),
  new Reasons.ModelNotFound(fields),
  new Reasons.RouteNotFound(fields),
  new Reasons.PayloadTooLarge(fields),
  new Reasons.UpstreamRefused(fields),
  new Reasons.ContextLengthExceeded(fields),
  new Reasons.ContentFiltered(fields),
  new Reasons.RateLimited({ ...fields, upstreamStatus: 429 }),
  new Reasons.QuotaExhausted(fields),
  new Reasons.CredentialRejected(fields),
  new Reasons.UpstreamModelMissing(fields),
  new Reasons.Overloaded(fields),
  new Reasons.UpstreamFailed(fields),
  new Reasons.UpstreamUnreachable(fields),
  new Reasons.ConnectionReset(fields),
  new Reasons.UpstreamTimedOut(fields),
  new Reasons.MalformedAnswer(fields),
  new Reasons.StreamInterrupted(fields),
  new Reasons.DeadlineExceeded(fields),
  new Reasons.InternalFailure(fields)
]

describe("errors of the contract", () => {
  const fake = makeFake()
  const server = makeServer(fake, { limits: { ...defaultServerSettings.limits, body: 2000, depth: 10, messages: 3 } })
  afterAll(server.dispose)

  for (const stream of [false, true]) {
    for (const reason of reasons) {
      it(`${reason._tag} is OpenAI's envelope, ${stream ? "also before a stream" : "not to be repeated"}`, async () => {
        fake.fail = reason
        const reply = await post(server, { ...hello, stream })
        fake.fail = undefined
        expect(reply.status).toBe(reason.status)
        expect(envelopeFaults(reply.text)).toEqual([])
        expect(errorOf(reply)).toEqual({
          message: "what happened",
          type: reason.type,
          param: null,
          code: reason.errorCode
        })
        expect(reply.headers.get("content-type")).toBe("application/json")
        expect(reply.headers.get("x-should-retry")).toBe("false")
        expect(reply.headers.get("x-breakwater-attempts")).toBe("1")
        expect(reply.headers.get("x-breakwater-provider")).toBe("openai")
        expect(reply.headers.get("x-breakwater-model")).toBe("upstream-model")
      })
    }
  }

  it("a refusal of our own moment may be repeated", async () => {
    for (
      const reason of [
        new Reasons.Draining(fields),
        new Reasons.QueueFull(fields),
        new Reasons.CircuitOpen(fields),
        new Reasons.RateLimited(fields)
      ]
    ) {
      fake.fail = reason
      expect((await post(server, hello)).headers.get("x-should-retry")).toBeNull()
    }
    fake.fail = undefined
  })

  it("a known pause is told in seconds and in milliseconds", async () => {
    fake.fail = new Reasons.RateLimited({ ...fields, retryAfterMs: 1200 })
    const reply = await post(server, hello)
    fake.fail = undefined
    expect(reply.headers.get("retry-after")).toBe("2")
    expect(reply.headers.get("retry-after-ms")).toBe("1200")
  })

  it("a failure says how long to wait or that waiting is no use, never both", async () => {
    for (const reason of reasons) {
      // Each reason is a class of its own with the same fields.
      const Same = reason.constructor as new(fields: Reasons.ReasonFields) => Reasons.Reason
      fake.fail = new Same({ ...fields, upstreamStatus: 429, retryAfterMs: 3000 })
      const { headers } = await post(server, hello)
      expect([reason._tag, headers.has("retry-after"), headers.has("retry-after-ms")]).toEqual([
        reason._tag,
        !headers.has("x-should-retry"),
        !headers.has("x-should-retry")
      ])
    }
    fake.fail = undefined
  })

  it("an upstream's pause is passed on with the leave to come back after it", async () => {
    for (const Same of [Reasons.RateLimited, Reasons.Overloaded, Reasons.UpstreamFailed]) {
      fake.fail = new Same({ ...fields, upstreamStatus: 429, retryAfterMs: 3000 })
      const { headers } = await post(server, hello)
      expect([headers.get("retry-after"), headers.get("x-should-retry")]).toEqual(["3", null])
    }
    fake.fail = undefined
  })

  it("a defect is a 500 that tells nothing of itself", async () => {
    fake.defect = new Error("secret detail")
    const reply = await post(server, hello)
    fake.defect = undefined
    expect(reply.status).toBe(500)
    expect(errorOf(reply).code).toBe("internal_error")
    expect(reply.text).not.toContain("secret")
    expect(envelopeFaults(reply.text)).toEqual([])
    expect(reply.headers.get("x-request-id")).not.toBeNull()
  })

  it("an answer before any attempt names no provider", async () => {
    const reply = await post(server, {})
    expect(reply.status).toBe(400)
    expect(reply.headers.get("x-breakwater-provider")).toBeNull()
    expect(reply.headers.get("x-breakwater-model")).toBeNull()
  })

  it("an unknown route is a 404 in the envelope", async () => {
    const reply = await ask(server, "/v2/nothing")
    expect(reply.status).toBe(404)
    expect(envelopeFaults(reply.text)).toEqual([])
  })

  it("a path that cannot be decoded is a 404 in the envelope", async () => {
    const reply = await ask(server, "/%zz")
    expect(reply.status).toBe(404)
    expect(envelopeFaults(reply.text)).toEqual([])
  })

  it("a route is answered the same however its path is written", async () => {
    const first = await post(server, hello)
    for (const path of [`${chatPath}?a=b`, `${chatPath}/`, "//V1/chat/Completions"]) {
      const headers = { "content-type": "application/json" }
      const reply = await ask(server, path, { method: "POST", body: JSON.stringify(hello), headers })
      expect([reply.status, reply.text]).toEqual([200, first.text])
    }
  })

  it("a base URL without /v1, with two of them or with another host's path is told which route is meant", async () => {
    for (
      const path of ["/chat/completions", "/v1/v1/chat/completions/", "/openai/deployments/x/chat/completions?a=b"]
    ) {
      const reply = await ask(server, path, { method: "POST", body: "{}" })
      expect(reply.status).toBe(404)
      expect(errorOf(reply).message).toContain("Is /v1/chat/completions meant?")
    }
    expect(errorOf(await ask(server, "/models")).message).toContain("Is /v1/models meant?")
    expect(errorOf(await ask(server, "/nothing")).message).toBe(
      "There is no such route. GET /docs shows what there is."
    )
  })

  it("a wrong method is a 405 that names the right ones", async () => {
    const reply = await ask(server, chatPath)
    expect(reply.status).toBe(405)
    expect(reply.headers.get("allow")).toBe("POST")
    expect(envelopeFaults(reply.text)).toEqual([])
    expect((await ask(server, "/v1/models", { method: "DELETE" })).headers.get("allow")).toBe("GET, HEAD")
  })

  it("another media type is a 415, a missing one and a +json one pass", async () => {
    const body = JSON.stringify(hello)
    const reply = await postText(server, body, { "content-type": "text/plain" })
    expect(reply.status).toBe(415)
    expect(envelopeFaults(reply.text)).toEqual([])
    expect((await postText(server, body, { "content-type": "application/vnd.openai+json; charset=utf-8" })).status)
      .toBe(200)
    expect((await postText(server, body, { "content-type": "application/jsonp" })).status).toBe(415)
  })

  it("another charset than UTF-8 is a 415 that names it", async () => {
    const body = JSON.stringify(hello)
    const type = (charset: string) => ({ "content-type": `application/json; charset=${charset}` })
    for (const charset of ["iso-8859-1", "\"utf-16\"", "utf-8x", "utf-7; x=y"]) {
      const reply = await postText(server, body, type(charset))
      expect(reply.status).toBe(415)
      expect(errorOf(reply).message).toContain(`'${charset.replace(/"|;.*/g, "")}'`)
    }
    for (const charset of ["UTF-8", "\"utf-8\"", "us-ascii", "utf8", "utf-8; x=y"]) {
      expect((await postText(server, body, type(charset))).status).toBe(200)
    }
  })

  it("a coded body is a 415 that names the coding, identity passes", async () => {
    for (const coding of ["gzip", "br", "identity, gzip"]) {
      const reply = await post(server, hello, { "content-encoding": coding })
      expect(reply.status).toBe(415)
      expect(envelopeFaults(reply.text)).toEqual([])
      expect(errorOf(reply).message).toContain(`'${coding}'`)
    }
    expect((await post(server, hello, { "content-encoding": "identity" })).status).toBe(200)
  })

  it("bytes that are not UTF-8 are a 400, a byte order mark passes", async () => {
    const send = (bytes: ReadonlyArray<Uint8Array>) =>
      server.handler(
        new Request(`http://127.0.0.1:8000${chatPath}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: Buffer.concat(bytes)
        })
      )
    const [before = "", after = ""] = JSON.stringify(hello).split("Hello")
    for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
      const response = await send([Buffer.from(before), Uint8Array.from(bad), Buffer.from(after)])
      const text = await response.text()
      expect(response.status).toBe(400)
      expect(envelopeFaults(text)).toEqual([])
      expect(JSON.parse(text).error.code).toBe("invalid_utf8")
    }
    expect((await send([Uint8Array.of(0xef, 0xbb, 0xbf), Buffer.from(JSON.stringify(hello))])).status).toBe(200)
  })

  it("a body over the limit is a 413", async () => {
    const reply = await post(server, { ...hello, user: "x".repeat(3000) })
    expect(reply.status).toBe(413)
    expect(envelopeFaults(reply.text)).toEqual([])
  })

  it("a body over the limit without a declared length is a 413 too", async () => {
    const response = await server.handler(
      new Request(`http://127.0.0.1:8000${chatPath}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: new Blob([JSON.stringify({ ...hello, user: "x".repeat(3000) })]).stream(),
        duplex: "half"
      })
    )
    expect(response.status).toBe(413)
    expect(envelopeFaults(await response.text())).toEqual([])
  })

  it("nesting and the number of messages have limits that are told", async () => {
    let deep: unknown = "bottom"
    for (let level = 0; level < 12; level++) deep = [deep]
    expect(errorOf(await post(server, { ...hello, extra: deep })).code).toBe("too_deep")
    const reply = await post(server, { ...hello, messages: [1, 2, 3, 4].map(() => hello.messages[0]) })
    expect(errorOf(reply).param).toBe("messages")
    expect(errorOf(reply).message).toContain("at most 3 messages, got 4")
  })

  it("a member that stands twice is refused by name", async () => {
    const reply = await postText(server, `{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}`)
    expect(reply.status).toBe(400)
    expect(errorOf(reply)).toMatchObject({
      param: "model",
      code: "duplicate_member",
      message: "The member \"model\" stands twice in the request. Send it once."
    })
  })

  it("malformed JSON is told with its line and column", async () => {
    const reply = await postText(server, "{\n  \"model\": fast\n}")
    expect(errorOf(reply).code).toBe("invalid_json")
    expect(errorOf(reply).message).toContain("Line 2, column 12")
  })
})
