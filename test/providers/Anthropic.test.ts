import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createServer, type IncomingHttpHeaders } from "node:http"
import * as Anthropic from "../../src/providers/Anthropic.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { type Listening, listening } from "../wire/Listening.ts"
import { callOf, streamOf } from "./Calls.ts"

const usage = { input_tokens: 3, output_tokens: 2 }
const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-haiku-4-5",
  content: [{ type: "text", text: "Nine." }],
  stop_reason: "end_turn",
  usage
}

const asked: Array<{ readonly path: string | undefined; readonly headers: IncomingHttpHeaders }> = []

/** Takes every key but `dead`; `huge` is an event without end, `cut` a stream without one. */
const server = createServer((request, response) => {
  asked.push({ path: request.url, headers: request.headers })
  const parts: Array<Buffer> = []
  request.on("data", (part) => parts.push(part)).on("end", () => {
    const { model } = JSON.parse(Buffer.concat(parts).toString())
    const isRefused = request.headers["x-api-key"] === "dead"
    const error = { type: "error", error: { type: "authentication_error", message: "invalid x-api-key" } }
    if (model === "cut" || model === "huge") {
      response.writeHead(200, { "content-type": "text/event-stream", "request-id": "req_2" })
      response.write(`event: message_start\ndata: ${JSON.stringify({ type: "message_start", message })}\n\n`)
      const delta = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Ni" } }
      response.end(model === "cut" ? `data: ${JSON.stringify(delta)}\n\n` : `data: ${"x".repeat(1_100_000)}`)
      return
    }
    response.writeHead(isRefused ? 401 : 200, { "content-type": "application/json", "request-id": "req_1" })
      .end(JSON.stringify(isRefused ? error : message))
  })
})

let upstream: Listening
beforeAll(async () => {
  upstream = await listening(server)
})
afterAll(() => upstream.close())

const make = (options: Partial<Anthropic.AnthropicOptions> = {}) =>
  Anthropic.make({ name: "claude", baseUrl: upstream.url, ...options })

layer(Transport.layer({ connectTimeoutMs: 1000 }), { excludeTestServices: true })("Anthropic", (it) => {
  it.effect("sends its version, its key and the headers of the file to the Messages API", () =>
    Effect.gen(function*() {
      const one = yield* make({
        apiKeys: [Redacted.make("k")],
        version: "2026-10-21",
        headers: { "Anthropic-Beta": "b" }
      })
      const answer = yield* one.complete(callOf("claude-haiku-4-5"))
      expect(answer.completion.choices[0]?.message.content).toBe("Nine.")
      expect(answer.upstreamRequestId).toBe("req_1")
      expect(asked.at(-1)).toMatchObject({
        path: "/v1/messages",
        headers: { "x-api-key": "k", "anthropic-version": "2026-10-21", "anthropic-beta": "b" }
      })
    }))

  for (const [written, path] of [["/v1/", "/v1/messages"], ["/anthropic", "/anthropic/v1/messages"]]) {
    it.effect(`is found at ${path} where its address ends with ${written}`, () =>
      Effect.gen(function*() {
        const one = yield* make({ baseUrl: upstream.url + written })
        yield* one.complete(callOf("claude-haiku-4-5"))
        expect(asked.at(-1)?.path).toBe(path)
        expect(asked.at(-1)?.headers).not.toHaveProperty("x-api-key")
        expect(asked.at(-1)?.headers).toMatchObject({ "anthropic-version": "2023-06-01" })
      }))
  }

  it.effect("is at Anthropic's own address where nothing is said", () =>
    Effect.gen(function*() {
      const one = yield* Anthropic.make({ name: "claude" })
      expect([one.kind, one.server]).toEqual(["anthropic", { address: "api.anthropic.com", port: 443 }])
    }))

  it.effect("goes on to the next key when one is refused", () =>
    Effect.gen(function*() {
      const one = yield* make({ apiKeys: [Redacted.make("dead"), Redacted.make("alive")] })
      const refused = yield* Effect.flip(one.complete(callOf("claude-haiku-4-5")))
      expect(refused.reason._tag).toBe("CredentialRejected")
      yield* one.complete(callOf("claude-haiku-4-5"))
      expect(asked.at(-1)?.headers["x-api-key"]).toBe("alive")
    }))

  it.effect("makes a stream of a whole answer where it sends one", () =>
    Effect.gen(function*() {
      const read = yield* streamOf(yield* make(), callOf("claude-haiku-4-5", { stream: true }))
      expect([read.content, read.error]).toEqual(["Nine.", undefined])
      expect(read.frames.findLast((frame) => frame.usage)?.usage?.promptTokens).toBe(3)
    }))

  it.effect("fails where its stream is cut, and tells what it had used", () =>
    Effect.gen(function*() {
      const read = yield* streamOf(yield* make(), callOf("cut", { stream: true }))
      expect([read.content, read.error?.reason._tag]).toEqual(["Ni", "StreamInterrupted"])
      expect(read.frames.findLast((frame) => frame.usage)?.usage?.promptTokens).toBe(3)
    }))

  it.effect("fails where an event has no end", () =>
    Effect.gen(function*() {
      const read = yield* streamOf(yield* make(), callOf("huge", { stream: true }))
      expect(read.error?.reason._tag).toBe("MalformedAnswer")
    }))

  it.effect("sends nothing where the request cannot be said, or not in full to a caller who minds", () =>
    Effect.gen(function*() {
      const one = yield* make()
      const before = asked.length
      const many = yield* Effect.flip(one.complete(callOf("claude-haiku-4-5", { n: 2 })))
      const call = callOf("claude-haiku-4-5", { seed: 1 })
      const strict = yield* Effect.flip(one.complete({ ...call, parameters: "reject" }))
      expect([many, strict].map(({ reason }) => [reason._tag, reason.param, reason.errorCode])).toEqual([
        ["InvalidRequest", "n", "unsupported_parameter"],
        ["InvalidRequest", "seed", "unsupported_parameter"]
      ])
      expect(asked.length).toBe(before)
      expect((yield* one.complete(call)).dropped).toEqual(["seed"])
    }))

  it.effect("is a Layer of its own", () =>
    Effect.gen(function*() {
      const { providers } = yield* Effect.provide(Providers, Anthropic.layer({ name: "claude", models: ["m"] }))
      expect(providers.get("claude")?.models).toEqual(["m"])
    }))
})
