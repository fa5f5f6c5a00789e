/** A token that runs out in the middle of a run: one renewal for all whom the upstream rejects, and their requests go on. */
import { afterAll, beforeAll, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { gatewayError, UpstreamFailed } from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Decision from "../../src/gateway/Decision.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { openAiChat } from "../../src/providers/protocols/OpenAiChatDialect.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { makeWire } from "../../src/providers/Wire.ts"
import { commonHeaders } from "../../src/providers/WireRequest.ts"
import * as Credential from "../../src/resilience/Credential.ts"
import { ask, drain } from "../flow/Scripted.ts"
import { answer } from "./Answer.ts"
import { start, type Upstream } from "./Upstream.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start()
})
afterAll(() => upstream.close())

/** Where tokens come from. */
interface Issuer {
  token: string
  renewals: number
}

/** The flow over a provider whose token can be renewed, and one that needs none. */
const flow = (issuer: Issuer, renew: Effect.Effect<string, ReturnType<typeof gatewayError>>) => {
  const endpoint = (headers: Readonly<Record<string, string>>) => ({
    origin: new URL(upstream.url).origin,
    path: "/v1/chat/completions",
    headers: { ...commonHeaders, ...headers }
  })
  const wire = { dialect: openAiChat, kind: "openai-compatible" }
  const cloud = Effect.suspend(() =>
    makeWire({
      ...wire,
      name: "cloud",
      baseUrl: upstream.url,
      endpoints: [Effect.sync(() => endpoint({ authorization: `Bearer ${issuer.token}` }))],
      credentials: Credential.make({
        count: 1,
        refresh: () =>
          Effect.suspend(() => {
            issuer.renewals += 1
            return Effect.map(renew, (token) => void (issuer.token = token))
          })
      })
    })
  )
  const plain = Effect.suspend(() =>
    makeWire({ ...wire, name: "plain", baseUrl: upstream.url, endpoints: [Effect.sync(() => endpoint({}))] })
  )
  return Gateway.layer({
    aliases: {
      both: {
        strategy: "ordered",
        targets: [{ provider: "cloud", model: "401#both", weight: 1 }, { provider: "plain", model: "ok", weight: 1 }]
      }
    }
  }).pipe(Layer.provide(Layer.unwrap(Effect.sync(() => Providers.layer([cloud, plain])))))
}

/** What one caller is told, and in how many attempts. */
const told = Effect.fnUntraced(function*(model: string, stream: boolean) {
  const completion = yield* Completion
  const decision = Decision.make("renewal")
  const asked = { ...ask({ model, stream }), decision }
  const text = stream
    ? (yield* Effect.scoped(Effect.flatMap(completion.stream(asked), drain))).text
    : (yield* completion.complete(asked)).completion.choices[0]?.message.content
  return { text, attempts: decision.attempts.length, provider: decision.provider }
})

const tokensOf = (model: string) =>
  upstream.attemptsOf(model).map(({ headers }) => headers["authorization"]?.slice("Bearer ".length))

const cloud = Effect.flatMap(
  Health,
  ({ targets }) => Effect.map(targets, (all) => all.find(({ target }) => target.startsWith("cloud/")))
)

layer(Transport.layer({ connectTimeoutMs: 1000 }), { excludeTestServices: true })("a token that runs out", (it) => {
  it.effect("is renewed once, and the request goes on with the new one", () => {
    const issuer: Issuer = { token: "old", renewals: 0 }
    const model = "401-unless:new#one"
    return Effect.gen(function*() {
      expect(yield* told(`cloud/${model}`, false)).toEqual({ text: answer, attempts: 2, provider: "cloud" })
      expect([tokensOf(model), issuer.renewals]).toEqual([["old", "new"], 1])
      expect(yield* told(`cloud/${model}`, true)).toMatchObject({ text: answer, attempts: 1 })
      expect(yield* cloud).toMatchObject({ credentials: ["usable"], breaker: { state: "closed", failureRate: 0 } })
    }).pipe(Effect.provide(flow(issuer, Effect.succeed("new"))))
  })

  it.effect("under forty callers is renewed once for all of them, and none is refused", () => {
    const issuer: Issuer = { token: "first", renewals: 0 }
    const [before, after] = ["401-unless:first#many", "401-unless:second#many"]
    const callers = 40
    // The new one is there only when the old one has been rejected for every caller.
    const renew = Effect.as(
      Effect.promise(() => upstream.waitFor(() => tokensOf(after).length === callers)),
      "second"
    )
    return Effect.gen(function*() {
      expect(yield* told(`cloud/${before}`, false)).toMatchObject({ text: answer, attempts: 1 })
      const all = yield* Effect.forEach(
        Array.from({ length: callers }, (_, index) => index),
        (index) => told(`cloud/${after}`, index % 2 === 0),
        { concurrency: "unbounded" }
      )
      expect(all).toEqual(all.map(() => ({ text: answer, attempts: 2, provider: "cloud" })))
      expect(issuer.renewals).toBe(1)
      expect(tokensOf(after).filter((token) => token === "second").length).toBe(callers)
    }).pipe(Effect.provide(flow(issuer, renew)))
  })

  it.effect("and whose successor is rejected too is not renewed again: the next target answers", () => {
    const issuer: Issuer = { token: "old", renewals: 0 }
    return Effect.gen(function*() {
      expect(yield* told("both", true)).toEqual({ text: answer, attempts: 3, provider: "plain" })
      expect([tokensOf("401#both"), issuer.renewals]).toEqual([["old", "new"], 1])
      expect(yield* cloud).toMatchObject({ credentials: ["dead: rejected"] })
      expect(yield* told("both", false)).toEqual({ text: answer, attempts: 1, provider: "plain" })
    }).pipe(Effect.provide(flow(issuer, Effect.succeed("new"))))
  })

  it.effect("and cannot be renewed is one that is dead, and no 401 of the caller's", () => {
    const issuer: Issuer = { token: "old", renewals: 0 }
    const away = Effect.fail(gatewayError(new UpstreamFailed({ message: "away" })))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(told("cloud/401-unless:new#away", false))
      expect([error._tag === "GatewayError" && error.reason.status, issuer.renewals]).toEqual([502, 1])
      expect(tokensOf("401-unless:new#away")).toEqual(["old"])
    }).pipe(Effect.provide(flow(issuer, away)))
  })
})
