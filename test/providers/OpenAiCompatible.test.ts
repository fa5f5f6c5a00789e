import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { once } from "node:events"
import { createServer } from "node:http"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { answer, unicodeAnswer } from "../faults/Answer.ts"
import type { Upstream } from "../faults/Upstream.ts"
import { start } from "../faults/Upstream.ts"
import { callOf, streamOf } from "./Calls.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start({ scale: 100 })
})
afterAll(() => upstream.close())

const provider = (...keys: ReadonlyArray<string>) =>
  OpenAiCompatible.make({
    name: "faulty",
    baseUrl: upstream.url,
    apiKeys: keys.map((key) => Redacted.make(key)),
    headers: { "X-Extra": "1" }
  })

const complete = (model: string, fields = {}) =>
  Effect.flatMap(provider(), (one) => one.complete(callOf(model, fields)))
const stream = (model: string, fields = {}) =>
  Effect.flatMap(provider(), (one) => streamOf(one, callOf(model, { stream: true, ...fields })))
const reasonOf = (model: string) => Effect.map(Effect.flip(complete(model)), ({ reason }) => reason)

layer(Transport.layer({ connectTimeoutMs: 1000 }), { excludeTestServices: true })("OpenAiCompatible", (it) => {
  it.effect("answers with the upstream's own text", () =>
    Effect.gen(function*() {
      const seen = yield* complete("ok")
      expect(seen.completion.choices[0]?.message.content).toBe(answer)
      expect(JSON.parse(seen.text)).toEqual(seen.completion)
      expect(seen.usage?.totalTokens).toBeGreaterThan(0)
    }))

  it.effect("keeps of the upstream's request id 128 characters", () =>
    Effect.gen(function*() {
      const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x" } }]
      const server = createServer((request, response) => {
        response.writeHead(200, { "content-type": "application/json", "x-request-id": "r".repeat(4000) })
        request.resume().on("end", () => response.end(JSON.stringify({ id: "1", created: 1, model: "m", choices })))
      }).listen(0, "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.promise(() => once(server, "listening"))
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      const one = yield* OpenAiCompatible.make({ name: "wordy", baseUrl: `http://127.0.0.1:${port}/v1`, apiKeys: [] })
      const seen = yield* one.complete(callOf("m"))
      expect(seen.upstreamRequestId).toBe("r".repeat(128))
    }))

  it.effect("sends the caller's text with the model replaced, its key and its headers", () =>
    Effect.gen(function*() {
      const one = yield* provider("secret-key")
      yield* one.complete(callOf("ok#sent", { seed: 7 }))
      const [attempt] = upstream.attemptsOf("ok#sent")
      expect(attempt?.body).toBe(
        "{\"model\":\"ok#sent\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"seed\":7}"
      )
      expect(attempt?.headers).toMatchObject({ authorization: "Bearer secret-key", "x-extra": "1" })
    }))

  it.effect("takes a key that HTTP cannot carry for a rejected one, and then uses the next", () =>
    Effect.gen(function*() {
      const one = yield* provider("broken\n", "good")
      const { reason } = yield* Effect.flip(one.complete(callOf("ok#broken-key")))
      expect(reason._tag).toBe("CredentialRejected")
      expect(reason.message).not.toContain("broken")
      yield* one.complete(callOf("ok#broken-key"))
      expect(upstream.attemptsOf("ok#broken-key")[0]?.headers).toMatchObject({ authorization: "Bearer good" })
    }))

  it.effect("asks for usage in every stream and keeps it to itself where the caller did not ask", () =>
    Effect.gen(function*() {
      const seen = yield* stream("ok#unasked")
      expect(seen.error).toBeUndefined()
      expect(seen.content).toBe(answer)
      expect(seen.sent).not.toContain("usage")
      expect(seen.frames.at(-1)).toMatchObject({ bytes: undefined, usage: { totalTokens: expect.any(Number) } })
      expect(JSON.parse(upstream.attemptsOf("ok#unasked")[0]?.body ?? "")).toMatchObject({
        stream_options: { include_usage: true }
      })
    }))

  it.effect("passes usage once where the caller asked", () =>
    Effect.gen(function*() {
      const seen = yield* stream("ok#asked", { stream: true, stream_options: { include_usage: true } })
      expect(seen.sent.match(/"usage":\{/g)).toHaveLength(1)
      expect(seen.frames.slice(0, -1).every(({ bytes }) => Buffer.from(bytes ?? []).includes("\"usage\":null"))).toBe(
        true
      )
      expect(seen.frames.at(-1)?.chunk.choices).toEqual([])
    }))

  const whole = [
    "byte-by-byte",
    "one-write",
    "crlf",
    "cr",
    "mixed-ends",
    "bom",
    "multi-line",
    "no-space",
    "fields",
    "comments-then-ok:3:10",
    "no-done",
    "done-then-more",
    "done-then-open",
    "duplicate-end",
    "malformed:1",
    "wrong-content-type",
    "close-delimited",
    "half-close",
    "early-hints"
  ]
  for (const scenario of whole) {
    it.effect(`reads a stream of the kind ${scenario} whole`, () =>
      Effect.gen(function*() {
        const seen = yield* stream(scenario)
        expect([seen.content, seen.error]).toEqual([answer, undefined])
        expect(seen.frames.flatMap(({ chunk }) => chunk.choices).filter((choice) => choice.finish_reason)).toHaveLength(
          1
        )
      }))
  }

  it.effect("joins characters that were cut apart", () =>
    Effect.gen(function*() {
      expect((yield* stream("utf8-split")).content).toBe(unicodeAnswer)
    }))

  const broken = {
    "cut:40": "StreamInterrupted",
    "fin-cut:40": "StreamInterrupted",
    "clean-cut:40": "StreamInterrupted",
    "done-cut:40": "StreamInterrupted",
    "tool-cut:4": "StreamInterrupted",
    "malformed:3": "MalformedAnswer",
    "big-line:2000000": "MalformedAnswer",
    "empty-stream": "StreamInterrupted",
    "error-after:20": "UpstreamFailed",
    "error-first:anthropic": "Overloaded",
    "error-first:coded": "RateLimited",
    "error-first:response-failed": "UpstreamFailed"
  }
  for (const [scenario, tag] of Object.entries(broken)) {
    it.effect(`ends a stream of the kind ${scenario} with ${tag}`, () =>
      Effect.gen(function*() {
        const seen = yield* stream(scenario)
        expect(seen.error?.reason._tag).toBe(tag)
        expect(answer.startsWith(seen.content)).toBe(true)
        expect(seen.sent).not.toMatch(/"finish_reason":"/)
      }))
  }

  const refused = {
    "400": "UpstreamRefused",
    "401": "CredentialRejected",
    "403": "CredentialRejected",
    "404": "UpstreamModelMissing",
    "429": "RateLimited",
    "429-quota": "QuotaExhausted",
    "429-spend-limit": "QuotaExhausted",
    "500": "UpstreamFailed",
    "503": "Overloaded",
    "529": "Overloaded",
    "context-length": "ContextLengthExceeded",
    "content-filter": "ContentFiltered",
    "html:200": "MalformedAnswer",
    "html:502": "UpstreamFailed",
    "204": "MalformedAnswer",
    "302": "UpstreamFailed",
    "malformed-json": "MalformedAnswer",
    "truncated-json": "MalformedAnswer",
    "empty-choices": "MalformedAnswer",
    "wrong-shape": "MalformedAnswer",
    "json-error-200": "UpstreamFailed",
    "gzip-mismatch": "MalformedAnswer",
    "garbage": "MalformedAnswer",
    "huge-headers": "MalformedAnswer",
    "reset-before-headers": "ConnectionReset",
    "fin-before-headers": "ConnectionReset",
    "reset-mid-headers": "ConnectionReset",
    "content-length-short": "StreamInterrupted",
    "cut-bytes:100": "StreamInterrupted"
  }
  for (const [scenario, tag] of Object.entries(refused)) {
    it.effect(`fails a request for ${scenario} with ${tag}`, () =>
      Effect.gen(function*() {
        expect((yield* reasonOf(scenario))._tag).toBe(tag)
      }))
  }

  it.effect("tells how long to wait", () =>
    Effect.gen(function*() {
      expect((yield* reasonOf("429-retry-after:2")).retryAfterMs).toBe(2000)
      expect((yield* reasonOf("429-hint:ms-and-hour:9:50")).retryAfterMs).toBe(50)
      expect((yield* reasonOf("429-hint:nan")).retryAfterMs).toBeUndefined()
      expect((yield* reasonOf("429-hint:past")).retryAfterMs).toBeUndefined()
    }))

  it.effect("changes to the next key when one is refused", () =>
    Effect.gen(function*() {
      const one = yield* provider("first", "second")
      yield* Effect.flip(one.complete(callOf("401-once#keys")))
      yield* one.complete(callOf("401-once#keys"))
      const keys = upstream.attemptsOf("401-once#keys").map(({ headers }) => headers["authorization"])
      expect(keys).toEqual(["Bearer first", "Bearer second"])
    }))
})
