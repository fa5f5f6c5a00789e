/** Recorded answers cut anywhere, through the whole flow: what is not whole never looks whole. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as OpenAi from "../../src/providers/OpenAi.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { encodeFrames } from "../../src/server/EventFrames.ts"
import { CurrentExchange } from "../../src/server/Exchange.ts"
import * as OpenStreams from "../../src/server/OpenStreams.ts"
import { ask } from "../flow/Scripted.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"
import { exchanges, isPresent, isStream, sseOf } from "./Recorded.ts"
import { makeUpstream, type Reply } from "./Upstream.ts"

/** Cuts of each form: of streams, and of whole answers. */
const rounds = process.env["BREAKWATER_FULL"] === "1" ? 100_000 : 300
/** Who speaks the dialect. */
const names = ["compatible", "openai"]

const upstream = () => {
  let next: Reply = { contentType: "", pieces: [], ending: "end" }
  const { layer, state } = makeUpstream(() => next)
  const baseUrl = "http://127.0.0.1:1/v1"
  const provider = Providers.layer([
    OpenAiCompatible.make({ name: "compatible", baseUrl, models: ["m"] }),
    OpenAi.make({ name: "openai", baseUrl, apiKeys: [Redacted.make("key")], models: ["m"] })
  ])
  const never = 1_000_000_000
  const flow = Gateway.layer({
    retry: { attempts: 1 },
    breaker: { minimumCalls: never, consecutiveFailures: never }
  }).pipe(Layer.provide(provider), Layer.provide(layer), Layer.merge(OpenStreams.layer({ keepAlive: 15_000 })))
  return { flow, state, answerWith: (reply: Reply) => void (next = reply) }
}

/** Everything that the caller of a stream would read; undefined where the answer is an error before it begins. */
const streamed = Effect.fnUntraced(function*(name: string, n: number) {
  const completion = yield* Completion
  const streams = yield* OpenStreams.OpenStreams
  const answer = yield* Effect.exit(completion.stream(ask({ model: `${name}/m`, stream: true, n })))
  if (Exit.isFailure(answer)) return undefined
  const exchange = yield* CurrentExchange
  const log = { isEnabled: () => false, event: () => {} }
  const pull = encodeFrames(answer.value, yield* streams.open(answer.value), exchange, log)
  const decoder = new TextDecoder()
  let text = ""
  while (true) {
    const pieces = yield* Effect.exit(pull)
    if (Exit.isSuccess(pieces)) { for (const piece of pieces.value) text += decoder.decode(piece, { stream: true }) }
    else if (pieces.cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))) {
      return text
    } else return yield* Effect.failCause(pieces.cause)
  }
}, Effect.scoped)

const whole = Effect.fnUntraced(function*(name: string) {
  const completion = yield* Completion
  const exit = yield* Effect.exit(completion.complete(ask({ model: `${name}/m` })))
  return Exit.isSuccess(exit) ? exit.value.text : undefined
})

const events = (text: string): ReadonlyArray<string> => text.split("\n\n").filter((event) => event !== "")

/** What says something of the answer, without usage and the end. */
const spoken = (text: string): ReadonlyArray<string> =>
  events(text).filter((event) => event !== "data: [DONE]" && JSON.parse(event.slice(6)).choices?.length > 0)

/** Cut into at most three reads. */
const split = (random: () => number, bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const at = [random(), random()].map((part) => Math.floor(part * bytes.length)).sort((left, right) => left - right)
  const [first = 0, second = 0] = at
  return [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
    .filter((piece) => piece.length > 0)
}

interface Recorded {
  readonly name: string
  readonly bytes: Uint8Array
  readonly contentType: string
  readonly n: number
}

const recorded = exchanges.filter(({ response }) => response.status === 200).map((exchange): Recorded => ({
  name: exchange.name,
  bytes: Buffer.from(isStream(exchange) ? sseOf(exchange) : JSON.stringify(exchange.response.body)),
  contentType: isStream(exchange) ? "text/event-stream" : "application/json",
  n: Number(exchange.request.body["n"] ?? 1)
}))

const forms = ["text/event-stream", "application/json"]

describe.skipIf(!isPresent)("an answer that is cut anywhere", () => {
  it.effect.each(forms)("is never a success unless it is whole (%s)", (form) => {
    const some = recorded.filter(({ contentType }) => contentType === form)
    const { answerWith, flow, state } = upstream()
    return Effect.gen(function*() {
      const random = makeRandom(5)
      const run = (one: Recorded, asStream: boolean, name = "compatible") =>
        asStream ? streamed(name, one.n) : whole(name)
      const baselines = new Map<string, string | undefined>()
      for (const one of some) {
        answerWith({ contentType: one.contentType, pieces: [one.bytes], ending: "end" })
        baselines.set(`${one.name} true`, yield* run(one, true))
        baselines.set(`${one.name} false`, yield* run(one, false))
      }
      const seen = { refused: 0, broken: 0, whole: 0 }
      for (let round = 0; round < rounds; round++) {
        const one = pick(random, some)
        const asStream = form === "text/event-stream" || random() < 0.3
        // One in fifty is not cut at all, so that a whole answer is met too.
        const at = random() < 0.02 ? one.bytes.length : Math.floor(random() * one.bytes.length)
        const ending = random() < 0.5 ? "end" : "reset"
        answerWith({ contentType: one.contentType, pieces: split(random, one.bytes.subarray(0, at)), ending })
        const text = yield* run(one, asStream, pick(random, names))
        const baseline = baselines.get(`${one.name} ${asStream}`) ?? ""
        const what = `${one.name} cut at ${at} of ${one.bytes.length} by ${ending}`
        if (text === undefined) seen.refused++
        else if (!asStream || events(text).at(-1) === "data: [DONE]") {
          seen.whole++
          if (asStream) expect([what, spoken(text)]).toEqual([what, spoken(baseline)])
          else expect([what, text]).toEqual([what, baseline])
        } else {
          seen.broken++
          const said = events(text)
          expect([what, text.includes("[DONE]")]).toEqual([what, false])
          expect([what, said.map((event) => JSON.parse(event.slice(6)).error !== undefined)])
            .toEqual([what, said.map((_, index) => index === said.length - 1)])
          expect([what, spoken(baseline).slice(0, said.length - 1)]).toEqual([what, said.slice(0, -1)])
        }
      }
      expect(state.open).toBe(0)
      // All must have been met, or this shows nothing; what came whole is either whole or refused.
      const met = form === "text/event-stream" ? [seen.refused, seen.broken, seen.whole] : [seen.refused, seen.whole]
      expect(Math.min(...met)).toBeGreaterThan(0)
    }).pipe(Effect.provide(flow))
  }, 900_000)
})
