import { describe, expect, it } from "@effect/vitest"
import { Api } from "breakwater"
import { Effect, Redacted, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { makeFake } from "../server/Fake.ts"
import { listen } from "../server/Socket.ts"

/** A client made of the contract alone, against a gateway that knows one key. */
const clientOf = (fake: ReturnType<typeof makeFake>, key = "bw-1") =>
  Effect.flatMap(
    listen(fake, [], { keys: [{ name: "mine", key: Redacted.make("bw-1") }] }),
    (baseUrl) =>
      HttpApiClient.make(Api, {
        baseUrl,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(key))
      })
  )

const messages = [{ role: "user", content: "Hello" }] as const

describe("a client made of the contract", () => {
  it.live("asks for a whole answer and gets it typed", () =>
    Effect.gen(function*() {
      const client = yield* clientOf(makeFake())
      const answer = yield* client.completions.create({ payload: { model: "fast", messages } })
      expect(Stream.isStream(answer) ? "a stream" : answer.choices[0]?.message.content).toBe("Hello")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("asks for a stream and gets its events up to the end mark", () =>
    Effect.gen(function*() {
      const client = yield* clientOf(makeFake())
      const answer = yield* client.completions.create({ payload: { model: "fast", messages, stream: true } })
      if (!Stream.isStream(answer)) return expect.fail("no stream")
      const events = yield* Stream.runCollect(answer)
      expect(events.map(({ data }) => data === "[DONE]" ? data : JSON.parse(data).choices[0].delta.content)).toEqual([
        "Hel",
        "lo",
        "[DONE]"
      ])
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("reads models and health", () =>
    Effect.gen(function*() {
      const client = yield* clientOf(makeFake())
      expect((yield* client.models.list()).data.map(({ id }) => id)).toContain("fast")
      expect((yield* client.models.retrieve({ params: { id: "fast" } })).owned_by).toBe("breakwater")
      expect((yield* client.health.overall()).status).toBe("warn")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("gets a refusal as a typed failure with the whole envelope", () =>
    Effect.gen(function*() {
      const client = yield* clientOf(makeFake(), "wrong")
      const failure = yield* Effect.flip(client.models.list())
      expect(failure).toMatchObject({ error: { type: "invalid_request_error", code: "invalid_api_key", param: null } })
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
