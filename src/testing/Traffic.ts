/**
 * Callers under a test clock: requests arrive at a rate, go through the whole flow, and what each of them saw becomes a report.
 * Breakers are heard through the event that the gateway logs, so that any gateway can be driven.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import type { ChatRequest } from "../domain/Chat.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import { Completion } from "../gateway/Completion.ts"
import * as Decision from "../gateway/Decision.ts"
import { Routes } from "../gateway/Route.ts"
import { millis, type Span } from "../providers/Scenario.ts"
import * as JsonText from "../validation/JsonText.ts"
import * as Report from "./Report.ts"
import * as Transitions from "./Transitions.ts"

export interface TrafficSettings {
  /** What callers put in `model`; default the first alias of the gateway. */
  readonly model?: string
  readonly requestsPerSecond: number
  /** How long requests keep coming; those under way are waited for. */
  readonly for: Span
  /** Streams instead of whole answers, each read to its end as fast as it comes. Default false. */
  readonly stream?: boolean
  /** `even` = all gaps alike; `random` = exponential gaps with the same mean, drawn from `Random`. Default `even`. */
  readonly arrivals?: "even" | "random"
  /** The callers' own bound on a whole request, as in `x-request-timeout-ms`; default none, then the gateway's rules. */
  readonly timeout?: Span
  /** Length of a slice of the report. Default 1 s. */
  readonly slice?: Span
  /** How long the requests under way are waited for after the last has come. Default 20 m. */
  readonly patience?: Span
}

const sourceOf = (request: ChatRequest): Effect.Effect<JsonText.JsonText> =>
  Effect.suspend(() => {
    const source = JsonText.scan(JSON.stringify(request))
    return JsonText.isScanProblem(source) ? Effect.die(source.message) : Effect.succeed(source)
  })

interface Callers {
  readonly settings: TrafficSettings
  readonly startedAtMs: number
  readonly samples: Array<Report.Sample>
  sent: number
  /** One caller's request, to its end. */
  readonly ask: (decision: Decision.Decision) => Effect.Effect<void, GatewayError>
}

const callersOf = Effect.fnUntraced(function*(settings: TrafficSettings) {
  const completion = yield* Completion
  const { aliases } = yield* Routes
  const model = settings.model ?? aliases.keys().next().value
  if (model === undefined) return yield* Effect.die("traffic needs a model: the gateway has no alias")
  if (!(settings.requestsPerSecond > 0)) return yield* Effect.die("traffic needs requestsPerSecond above 0")
  const stream = settings.stream === true
  const messages = [{ role: "user", content: "What holds back the sea?" }] as const
  const request: ChatRequest = stream ? { model, messages, stream } : { model, messages }
  const source = yield* sourceOf(request)
  const timeoutMs = settings.timeout === undefined ? undefined : millis(settings.timeout)
  const ask = (decision: Decision.Decision): Effect.Effect<void, GatewayError> => {
    const asked = { request, source, decision, timeoutMs }
    if (!stream) return Effect.asVoid(completion.complete(asked))
    return Effect.scoped(Effect.flatMap(
      completion.stream(asked),
      (answer) => Pull.catchDone(Effect.forever(answer.pull, { disableYield: true }), () => Effect.void)
    ))
  }
  const callers: Callers = { settings, startedAtMs: yield* Clock.currentTimeMillis, samples: [], sent: 0, ask }
  return callers
})

const call = ({ ask, samples, startedAtMs }: Callers, number: number): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const nowMs = clock.currentTimeMillisUnsafe()
    const atMs = nowMs - startedAtMs
    const decision = Decision.make(`rehearsal-${number}`, nowMs)
    const note = (error: string | undefined) =>
      Effect.sync(() => {
        samples.push({ atMs, endedAtMs: clock.currentTimeMillisUnsafe() - startedAtMs, error, decision })
      })
    return Effect.matchEffect(ask(decision), {
      onSuccess: () => note(undefined),
      onFailure: ({ reason }) => note(reason._tag)
    })
  })

/** Sends everybody at their time and waits for all of them. */
const send = Effect.fnUntraced(function*(callers: Callers) {
  const { settings, startedAtMs } = callers
  const gapMs = 1000 / settings.requestsPerSecond
  const forMs = millis(settings.for)
  const fibers: Array<Fiber.Fiber<void>> = []
  let dueMs = 0
  while (dueMs < forMs) {
    const waitMs = startedAtMs + dueMs - (yield* Clock.currentTimeMillis)
    if (waitMs > 0) yield* Effect.sleep(waitMs)
    callers.sent += 1
    fibers.push(yield* Effect.forkChild(call(callers, callers.sent)))
    dueMs = settings.arrivals === "random"
      ? dueMs - Math.log(1 - (yield* Random.next)) * gapMs
      : callers.sent * gapMs
  }
  yield* Fiber.awaitAll(fibers)
})

/** Moves a test clock until the fiber has ended or patience has; under any other clock it waits. */
const pass = Effect.fnUntraced(function*(fiber: Fiber.Fiber<void>, { patience = "20m", ...settings }: TrafficSettings) {
  const clock = yield* Effect.clockWith(Effect.succeed)
  const patienceMs = millis(patience)
  const forMs = millis(settings.for)
  if (!("adjust" in clock)) {
    yield* Effect.timeoutOption(Fiber.await(fiber), forMs + patienceMs)
  } else {
    yield* TestClock.adjust(forMs)
    for (let waitedMs = 0; waitedMs < patienceMs && fiber.pollUnsafe() === undefined; waitedMs += 1000) {
      yield* TestClock.adjust(1000)
    }
  }
  yield* Fiber.interrupt(fiber)
})

/**
 * Drives a gateway: thousands of requests in a moment under a `TestClock`, which it moves itself; under the live clock it takes
 * as long as it says. Dies of
 * settings without sense: no model named and no alias, a rate that is not above 0.
 */
export const traffic = Effect.fnUntraced(function*(settings: TrafficSettings) {
  const callers = yield* callersOf(settings)
  const transitions: Array<Report.Transition> = []
  const { samples, startedAtMs } = callers
  const fiber = yield* Effect.forkChild(Transitions.heard(send(callers), startedAtMs, transitions))
  yield* pass(fiber, settings)
  return Report.make({
    startedAtMs,
    requests: callers.sent,
    sliceMs: millis(settings.slice ?? "1s"),
    samples,
    transitions
  })
})
