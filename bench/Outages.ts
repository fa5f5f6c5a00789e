/** The flow over upstreams that fail as a function of time says, under virtual time, with every attempt and request on record. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { ChatRequest } from "../src/domain/Chat.ts"
import type { ChatCompletion } from "../src/domain/ChatAnswer.ts"
import * as E from "../src/domain/GatewayError.ts"
import * as Completion from "../src/gateway/Completion.ts"
import * as Decision from "../src/gateway/Decision.ts"
import * as Gateway from "../src/gateway/Gateway.ts"
import { Health } from "../src/gateway/Health.ts"
import type { Answer, Provider } from "../src/providers/Provider.ts"
import { Providers } from "../src/providers/Providers.ts"
import type { Transition } from "../src/testing/Report.ts"
import { heard } from "../src/testing/Transitions.ts"
import * as JsonText from "../src/validation/JsonText.ts"
import * as VirtualTime from "./VirtualTime.ts"

/** An answer that takes its time. */
interface Late {
  readonly takesMs: number
}

/** What the upstream makes of the request that came `atMs` after the start; `random` in [0, 1) is the upstream's own. */
export type Weather = (atMs: number, random: number) => E.Reason | Late | "ok"

export interface Upstream {
  readonly name: string
  readonly weather: Weather
}

export interface World {
  /** Asked in this order. */
  readonly upstreams: ReadonlyArray<Upstream>
  readonly seed: string
  readonly requests: number
  /** Arrivals a second, at random moments; `"at once"`: all at the start. */
  readonly rate: number | "at once"
  /** Whether the arrivals are as far from each other as the rate says, from a random moment on. */
  readonly isEven?: boolean
  readonly retry?: Gateway.GatewaySettings["retry"]
  readonly timeouts?: Gateway.GatewaySettings["timeouts"]
  readonly breaker?: Gateway.GatewaySettings["breaker"]
  /** Whether the breakers only count. */
  readonly isBreakerOff?: boolean
}

export interface Made {
  readonly atMs: number
  readonly endedAtMs: number
  /** Tag of the reason it failed with; undefined if it was answered. */
  readonly failure: string | undefined
  readonly provider: string | undefined
}

export interface Record {
  /** In the order of arrival. */
  readonly requests: ReadonlyArray<Made>
  /** Moments of the attempts on each upstream. */
  readonly attempts: ReadonlyMap<string, ReadonlyArray<number>>
  /** Of the circuits, in the order they happened. */
  readonly transitions: ReadonlyArray<Transition>
}

const request: ChatRequest = { model: "fast", messages: [{ role: "user", content: "hi" }] }
const scanned = JsonText.scan(JSON.stringify(request))
if (JsonText.isScanProblem(scanned)) throw new Error(scanned.message)
const source = scanned

const completion = (model: string): ChatCompletion => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model,
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: "hi", refusal: null }
  }]
})

const answer: Answer = { text: "{}", completion: completion("m"), usage: undefined, upstreamRequestId: undefined }

/** An answer takes 100 to 300 ms, a failure 20. */
const providerOf = ({ name, weather }: Upstream, attempts: Array<number>): Provider => ({
  name,
  kind: "simulated",
  models: [],
  complete: () =>
    Effect.withFiber((fiber) => {
      const random = fiber.getRef(Random.Random)
      return Effect.clockWith((clock) => {
        const atMs = clock.currentTimeMillisUnsafe()
        attempts.push(atMs)
        const outcome = weather(atMs, random.nextDoubleUnsafe())
        if (outcome !== "ok" && "takesMs" in outcome) return Effect.delay(Effect.succeed(answer), outcome.takesMs)
        return outcome === "ok"
          ? Effect.delay(Effect.succeed(answer), 100 + 200 * random.nextDoubleUnsafe())
          : Effect.delay(Effect.fail(E.gatewayError(outcome)), 20)
      })
    }),
  stream: () => Effect.die("the worlds of this bench do not stream")
})

/** Lives through the world: each request in a fiber of its own, open loop. */
export const live = (world: World): Record => {
  const attempts = new Map(world.upstreams.map(({ name }) => [name, new Array<number>()]))
  const providers = new Map(world.upstreams.map((one) => [one.name, providerOf(one, attempts.get(one.name) ?? [])]))
  const targets = world.upstreams.map(({ name }) => ({ provider: name, model: "m", weight: 1 }))
  const { breaker, retry, timeouts } = world
  const layer = Gateway.layer({ aliases: { fast: { strategy: "ordered", targets } }, retry, timeouts, breaker }).pipe(
    Layer.provide(Layer.succeed(Providers, Providers.of({ providers })))
  )
  const requests = new Array<Made>()

  const ask = Effect.fnUntraced(function*(index: number) {
    const { complete } = yield* Completion.Completion
    const decision = Decision.make(`req-${index}`)
    const atMs = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const result = yield* Effect.result(complete({ request, source, decision }))
    const endedAtMs = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    requests[index] = {
      atMs,
      endedAtMs,
      failure: result._tag === "Failure" ? result.failure.reason._tag : undefined,
      provider: decision.provider
    }
  })

  const story = Effect.gen(function*() {
    if (world.isBreakerOff === true) yield* (yield* Health).control({ action: "metrics-only" })
    const fibers = new Array<Fiber.Fiber<void>>()
    const pauseMs = (random: number) => {
      if (world.rate === "at once") return 0
      return (world.isEven === true ? 1 : -Math.log(1 - random)) * 1000 / world.rate
    }
    if (world.isEven === true) yield* Effect.sleep((yield* Random.next) * pauseMs(0))
    for (let index = 0; index < world.requests; index++) {
      fibers.push(yield* Effect.forkChild(ask(index)))
      if (world.rate !== "at once") yield* Effect.sleep(pauseMs(yield* Random.next))
    }
    for (const fiber of fibers) yield* Fiber.join(fiber)
  })
  const transitions = new Array<Transition>()
  VirtualTime.run(world.seed, Effect.orDie(heard(Effect.provide(story, layer), 0, transitions)))
  return { requests, attempts, transitions }
}

/** Blips of every kind for a share of the requests. */
export const flaky = (share: number): Weather => (_, random) =>
  random >= share
    ? "ok"
    : random < share / 3
    ? new E.UpstreamFailed({ message: "500", upstreamStatus: 500 })
    : random < share * 2 / 3
    ? new E.Overloaded({ message: "503", upstreamStatus: 503 })
    : new E.ConnectionReset({ message: "reset" })

/** Down between two moments, well before and after. */
export const down = (fromMs: number, toMs: number): Weather => (atMs) =>
  atMs >= fromMs && atMs < toMs ? new E.Overloaded({ message: "503", upstreamStatus: 503 }) : "ok"

export const healthy: Weather = () => "ok"
