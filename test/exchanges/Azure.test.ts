import { afterAll, beforeAll, describe, expect, it as test, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AzureOpenAi from "../../src/providers/AzureOpenAi.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { callOf, streamOf, vectorsCallOf, vectorsOf } from "../providers/Calls.ts"
import { tellAbsence } from "./Absent.ts"
import { type CloudUpstream, start } from "./CloudUpstream.ts"
import { ofChunks, ofMessage } from "./Conversation.ts"
import { type Exchange, exchanges, isStream, sseOf } from "./Recorded.ts"

// Recorded JSON, read by hand.
type Loose = any

const recorded = exchanges.filter(({ name }) => name.startsWith("azure-"))
const whole = JSON.stringify({
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "gpt",
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: "hi", refusal: null }
  }]
})

const vectors = JSON.stringify({ model: "ada", data: [{ embedding: [0.5] }], usage: { prompt_tokens: 1 } })

/** What is answered where nothing recorded comes next. */
let otherwise = whole
/** What is answered next. */
let next: Exchange | undefined
let upstream: CloudUpstream
beforeAll(async () => {
  upstream = await start(() => {
    if (next === undefined) return { headers: { "content-type": "application/json" }, pieces: [otherwise] }
    const { body, headers, status } = next.response
    const type = isStream(next) ? "text/event-stream" : "application/json"
    return {
      status,
      headers: { "content-type": headers["content-type"] ?? type, "apim-request-id": "apim-1" },
      pieces: isStream(next) ? [sseOf(next)] : [JSON.stringify(body)]
    }
  })
})
afterAll(() => upstream.close())

const apiKey = Redacted.make("azure-key")
const asked = Effect.fnUntraced(function*(
  options: Omit<AzureOpenAi.AzureOpenAiOptions, "name" | "baseUrl">,
  path = "",
  model = "my deployment"
) {
  next = undefined
  const provider = yield* AzureOpenAi.make({ name: "azure", baseUrl: upstream.url + path, ...options })
  const answer = yield* provider.complete(callOf(model))
  expect(answer.completion.choices[0]?.message.content).toBe("hi")
  const last = upstream.asked.at(-1)
  if (last === undefined) throw new Error("nobody asked")
  return last
})

layer(Transport.layer(), { excludeTestServices: true })("AzureOpenAi", (it) => {
  it.effect("without a version asks the v1 address, where the body names the deployment", () =>
    Effect.gen(function*() {
      const { body, headers, path } = yield* asked({ auth: { apiKeys: [apiKey] } })
      expect(path).toBe("/openai/v1/chat/completions")
      expect(JSON.parse(body)).toMatchObject({ model: "my deployment" })
      expect(headers).toMatchObject({ "api-key": "azure-key", "x-stainless-lang": "js" })
      expect(headers["user-agent"]).toMatch(/^AzureOpenAI\/JS /)
      expect(headers.authorization).toBeUndefined()
    }))

  it.effect("with a version names the deployment in the path", () =>
    Effect.gen(function*() {
      const options = { auth: { apiKeys: [apiKey] as const }, apiVersion: "2024-10-21" }
      const paths = yield* Effect.forEach(["", "/", "/openai/"], (path) => asked(options, path))
      expect(new Set(paths.map(({ path }) => path))).toEqual(
        new Set(["/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"])
      )
    }))

  it.effect("takes an address that goes further as it is", () =>
    Effect.gen(function*() {
      const options = { auth: { apiKeys: [apiKey] as const }, apiVersion: "preview" }
      expect((yield* asked(options, "/openai/v1")).path).toBe("/openai/v1/chat/completions?api-version=preview")
      expect((yield* asked(options, "/models")).path).toBe("/models/chat/completions?api-version=preview")
      expect((yield* asked(options, "/openai/deployments/one")).path)
        .toBe("/openai/deployments/one/chat/completions?api-version=preview")
    }))

  it.effect("asks for vectors beside chat, with the deployment and the version where they belong", () =>
    Effect.gen(function*() {
      const pathOf = Effect.fnUntraced(function*(path: string, apiVersion?: string) {
        const options = {
          name: "azure",
          baseUrl: upstream.url + path,
          auth: { apiKeys: [apiKey] as const },
          apiVersion
        }
        next = undefined
        otherwise = vectors
        const provider = yield* AzureOpenAi.make(options)
        const answer = yield* vectorsOf(provider, vectorsCallOf("my deployment", "hi"))
        otherwise = whole
        expect(JSON.parse(answer.text).data[0].embedding).toEqual([0.5])
        expect(answer.usage?.servedModel).toBe("ada")
        return upstream.asked.at(-1)?.path
      })
      expect(yield* pathOf("")).toBe("/openai/v1/embeddings")
      expect(yield* pathOf("", "1")).toBe("/openai/deployments/my%20deployment/embeddings?api-version=1")
      expect(yield* pathOf("/models", "1")).toBe("/models/embeddings?api-version=1")
    }))

  it.effect("sends a token of Entra as a bearer, and headers of the operator's over all", () =>
    Effect.gen(function*() {
      const entraToken = Redacted.make("entra-token")
      const { headers } = yield* asked({ auth: { entraToken }, headers: { "X-Mine": "2", "user-agent": "me" } })
      expect(headers).toMatchObject({ authorization: "Bearer entra-token", "x-mine": "2", "user-agent": "me" })
      expect(headers["api-key"]).toBeUndefined()
    }))

  it.effect("asks with the next key once one is rejected", () =>
    Effect.gen(function*() {
      next = recorded.find(({ response }) => response.status === 401)
      if (next === undefined) return
      const keys = [Redacted.make("dead"), Redacted.make("alive")] as const
      const provider = yield* AzureOpenAi.make({ name: "a", baseUrl: upstream.url, auth: { apiKeys: keys } })
      expect((yield* Effect.flip(provider.complete(callOf("m")))).reason._tag).toBe("CredentialRejected")
      next = undefined
      yield* provider.complete(callOf("m"))
      expect(upstream.asked.slice(-2).map(({ headers }) => headers["api-key"])).toEqual(["dead", "alive"])
    }))

  for (const exchange of recorded) {
    it.effect(`reads the recorded ${exchange.name}`, () =>
      Effect.gen(function*() {
        const { response } = exchange
        next = exchange
        const provider = yield* AzureOpenAi.make({ name: "a", baseUrl: upstream.url, auth: { apiKeys: [apiKey] } })
        if (response.status !== 200) {
          const { reason } = yield* Effect.flip(provider.complete(callOf("m")))
          expect(reason.upstreamStatus).toBe(response.status)
        } else if (isStream(exchange)) {
          const fields = { stream: true, stream_options: { include_usage: true } }
          const read = yield* streamOf(provider, callOf("m", fields))
          expect(read.error).toBeUndefined()
          const chunks = sseOf(exchange).split("\n\n").flatMap((frame): ReadonlyArray<Loose> =>
            frame === "" || frame.includes("[DONE]") ? [] : [JSON.parse(frame.slice(6))]
          )
          expect(ofChunks(read.frames.map(({ chunk }) => chunk))).toEqual(ofChunks(chunks))
          expect(read.frames.every(({ chunk }) => chunk.id !== "")).toBe(true)
          const used = read.frames.flatMap(({ usage }) => usage ?? [])
          expect(used.map(({ servedModel }) => servedModel)).toEqual(used.map(() => chunks.at(-1)?.model))
        } else {
          const answer = yield* provider.complete(callOf("m"))
          // Recorded JSON, read by hand.
          const body = response.body as Loose
          expect(ofMessage(answer.completion.choices[0])).toEqual(ofMessage(body.choices[0]))
          expect(answer.usage?.totalTokens).toBe(body.usage.total_tokens)
          expect(answer.usage?.servedModel).toBe(body.model)
          expect(answer.upstreamRequestId).toBe("apim-1")
        }
      }))
  }
})

const filtered = {
  error: {
    message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    type: null,
    param: "prompt",
    code: "content_filter",
    status: 400,
    innererror: {
      code: "ResponsibleAIPolicyViolation",
      content_filter_result: { hate: { filtered: true, severity: "high" } }
    }
  }
}

describe("an error of Azure's", () => {
  const told: ReadonlyArray<readonly [string, number, unknown]> = [
    ["ContentFiltered", 400, filtered],
    ["ContentFiltered", 400, { error: { ...filtered.error, code: null, message: "No." } }],
    ["CredentialRejected", 401, { statusCode: 401, message: "Unauthorized. Access token is missing or expired." }],
    ["CredentialRejected", 403, { error: { code: "AccessDenied", message: "Virtual Network/Firewall rules." } }],
    ["UpstreamModelMissing", 404, { error: { code: "DeploymentNotFound", message: "None." } }],
    ["RateLimited", 429, { error: { code: "429", message: "Requests have exceeded the token rate limit." } }],
    ["UpstreamTimedOut", 408, { error: { code: "Timeout", message: "The operation was timeout." } }]
  ]
  for (const [tag, status, body] of told) {
    test(`is ${tag}: ${JSON.stringify(body).slice(0, 60)}`, () => {
      expect(toReason("openai", { status, headers: {}, body, nowMs: 0 })._tag).toBe(tag)
    })
  }
})

tellAbsence()
