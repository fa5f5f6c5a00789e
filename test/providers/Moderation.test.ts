import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import type { Provider } from "../../src/providers/Provider.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { type Listening, listening } from "../wire/Listening.ts"
import { callOf, vectorsCallOf, vectorsOf } from "./Calls.ts"

/** Refuses everything: with the status that the model is called, and a code after it. */
let host: Listening
beforeAll(async () => {
  host = await listening(createServer(async (request, response) => {
    let body = ""
    for await (const piece of request.setEncoding("utf8")) body += String(piece)
    const [status, code] = String(JSON.parse(body).model).split(" ")
    response.writeHead(Number(status), { "content-type": "application/json" }).end(JSON.stringify({ error: { code } }))
  }))
})
afterAll(() => host.close())

const compatible = () =>
  OpenAiCompatible.make({ name: "one", apiKeys: [Redacted.make("sk-test")], baseUrl: `${host.url}/v1` })

const reasonOf = ({ moderate }: Provider, model: string) =>
  moderate === undefined
    ? Effect.die(new Error("it has no moderation"))
    : Effect.map(Effect.flip(moderate({ model, input: ["a"] })), ({ reason }) => reason._tag)

const statesOf = ({ credentials }: Provider) =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => credentials?.states(nowMs))

layer(Transport.layer(), { excludeTestServices: true })("a moderation", (it) => {
  it.effect("that rejects the key, or has no money for it, leaves the key usable for chat", () =>
    Effect.gen(function*() {
      const provider = yield* compatible()
      expect(yield* reasonOf(provider, "401")).toBe("CredentialRejected")
      expect(yield* reasonOf(provider, "403")).toBe("CredentialRejected")
      expect(yield* reasonOf(provider, "429 insufficient_quota")).toBe("QuotaExhausted")
      expect(yield* statesOf(provider)).toEqual(["usable"])
      yield* Effect.flip(provider.complete(callOf("401")))
      expect(yield* statesOf(provider)).toEqual(["dead: rejected"])
    }))
})

layer(Transport.layer(), { excludeTestServices: true })("vectors", (it) => {
  it.effect("whose model the key may not use leave it usable for chat with another", () =>
    Effect.gen(function*() {
      const provider = yield* compatible()
      expect((yield* Effect.flip(vectorsOf(provider, vectorsCallOf("401", "a")))).reason._tag).toBe(
        "CredentialRejected"
      )
      expect([yield* statesOf(provider), provider.credentials?.death("401", 0)]).toEqual([["usable"], "rejected"])
    }))
})
