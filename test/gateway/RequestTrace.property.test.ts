/** Under random failures: no span is an orphan or stays open, and the tokens of the calls are those that providers reported. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Tracer from "effect/Tracer"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { AnswerStream, Frame, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { ask } from "../flow/Scripted.ts"
import { callers, layerTraced, type Seen } from "../flow/Traced.ts"
import { makeRandom, pick } from "../providers/Seeded.ts"

const failures: ReadonlyArray<() => E.Reason> = [
  () => new E.Overloaded({ message: "busy" }),
  () => new E.UpstreamUnreachable({ message: "gone" }),
  () => new E.MalformedAnswer({ message: "odd" }),
  () => new E.RateLimited({ message: "slow down", retryAfterMs: 1 }),
  () => new E.StreamInterrupted({ message: "cut" }),
  () => new E.InvalidRequest({ message: "bad" })
]

const frame = (id: string, content: string, finish: string | null, tokens: number | undefined): Frame => {
  const chunk = {
    id,
    object: "chat.completion.chunk" as const,
    created: 1,
    model: "m",
    choices: [{ index: 0, delta: { content }, finish_reason: finish }]
  }
  return {
    bytes: new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`),
    chunk,
    isContent: content !== "",
    isTerminal: finish !== null,
    usage: tokens === undefined
      ? undefined
      : { promptTokens: tokens, completionTokens: 2 * tokens, totalTokens: 3 * tokens }
  }
}

/** A provider that fails as the seed wants; `reported` is told the tokens of each attempt, the newest count of each. */
const providerOf = (name: string, random: () => number, reported: Map<number, number>): Provider => {
  let attempts = reported.size
  const fails = () => random() < 0.5
  return {
    name,
    kind: "scripted",
    models: [],
    complete: () =>
      Effect.suspend(() => {
        if (fails()) return Effect.fail(E.gatewayError(pick(random, failures)()))
        const tokens = Math.floor(random() * 1000)
        reported.set(1e6 * (name.charCodeAt(0)) + attempts++, tokens)
        const { chunk, usage } = frame("whole", "", "stop", tokens)
        const message = { role: "assistant", content: "x", refusal: null }
        const choices = [{ index: 0, finish_reason: "stop", logprobs: null, message }]
        const completion = { ...chunk, object: "chat.completion" as const, choices }
        return Effect.succeed({ text: JSON.stringify(completion), completion, usage, upstreamRequestId: undefined })
      }),
    stream: () =>
      Effect.suspend(() => {
        if (fails()) return Effect.fail(E.gatewayError(pick(random, failures)()))
        const key = 1e6 * (name.charCodeAt(0)) + attempts++
        const ending = random() < 0.4 ? pick(random, failures)() : undefined
        const length = 1 + Math.floor(random() * 5)
        let at = 0
        const pull: AnswerStream["pull"] = Effect.suspend((): AnswerStream["pull"] => {
          at++
          if (at > length) return ending === undefined ? Cause.done() : Effect.fail(E.gatewayError(ending))
          const tokens = random() < 0.5 || (at === length && ending === undefined) ? at * 10 : undefined
          if (tokens !== undefined) reported.set(key, tokens)
          const isLast = at === length && ending === undefined
          // Some say what the prompt was before their first word, and then may have no word.
          const word = at === 1 && !isLast && key % 2 === 0 ? "" : "word "
          return Effect.succeed([frame(`${name}-${key}`, word, isLast ? "stop" : null, tokens)] as const)
        })
        const opened: AnswerStream = { pull, stop: () => {}, nudge: () => {}, upstreamRequestId: undefined }
        return Effect.succeed(opened)
      })
  }
}

const sum = (spans: ReadonlyArray<Seen>, name: string): number =>
  spans.reduce((total, { attributes }) => total + Number(attributes[name] ?? 0), 0)

/** One request under a seed: its spans and what was reported. */
const run = Effect.fnUntraced(function*(seed: number) {
  const random = makeRandom(seed)
  const reported = new Map<number, number>()
  const spans: Array<Seen> = []
  const providers = ["a", "b", "c"].map((name) => providerOf(name, random, reported))
  const flow = Gateway.layer({
    aliases: {
      fast: {
        strategy: "ordered",
        targets: providers.map(({ name }) => ({ provider: name, model: `${name}-model`, weight: 1 })),
        onInterrupted: pick(random, ["error", "resume", "buffer"] as const)
      }
    },
    retry: { baseMs: 1, throttleBaseMs: 1, maxMs: 2 }
  }).pipe(
    Layer.provide(Layer.succeed(Providers, { providers: new Map(providers.map((one) => [one.name, one])) })),
    Layer.provideMerge(layerTraced(spans))
  )
  const isStream = random() < 0.7
  const request = ask(isStream ? { stream: true } : {})
  const asked = Effect.gen(function*() {
    const completion = yield* Completion
    if (!isStream) return yield* Effect.asVoid(completion.complete(request))
    const stream = yield* completion.stream(request)
    yield* Pull.catchDone(Effect.forever(stream.pull), () => Effect.void)
  })
  yield* Effect.scoped(Effect.exit(asked)).pipe(Effect.provide(flow), Effect.provideContext(callers(true)))
  return { spans, tokens: Array.from(reported.values()).reduce((total, each) => total + each, 0) }
})

describe("the spans of a request", () => {
  it.live("add up and hang together, whatever fails", () =>
    Effect.gen(function*() {
      let failed = 0
      for (let seed = 1; seed <= 300; seed++) {
        const { spans, tokens } = yield* run(seed)
        const calls = spans.filter(({ attributes }) => "gen_ai.operation.name" in attributes)
        const [route, ...others] = spans.filter(({ name }) => name.startsWith("breakwater.route"))
        expect(others, `seed ${seed}`).toEqual([])
        expect(route?.parent, `seed ${seed}`).toBe("b7ad6b7169203331")
        expect(calls.every(({ parent }) => parent === route?.spanId), `seed ${seed}`).toBe(true)
        expect(spans.every((span) => span.isOver()), `seed ${seed}`).toBe(true)
        expect(new Set(spans.map(({ traceId }) => traceId)).size, `seed ${seed}`).toBe(1)
        expect(sum(calls, "gen_ai.usage.input_tokens"), `seed ${seed}`).toBe(tokens)
        expect(sum(calls, "gen_ai.usage.output_tokens"), `seed ${seed}`).toBe(2 * tokens)
        if (calls.length > 1) failed++
      }
      expect(failed).toBeGreaterThan(50)
    }), 60_000)
})

describe("a request is not traced", () => {
  const spansOf = (context: ReturnType<typeof callers>, layer: (spans: Array<Seen>) => Layer.Layer<never>) =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const provider = providerOf("a", () => 0.9, new Map())
      const flow = Gateway.layer().pipe(
        Layer.provide(Layer.succeed(Providers, { providers: new Map([["a", provider]]) })),
        Layer.provideMerge(layer(spans))
      )
      const { decision, ...request } = ask({ model: "a/m" })
      const asked = Effect.flatMap(Completion, (completion) => completion.complete({ ...request, decision }))
      yield* asked.pipe(Effect.provide(flow), Effect.provideContext(context))
      return { spans, decision }
    })

  it.effect("where its caller does not sample", () =>
    Effect.gen(function*() {
      const { decision, spans } = yield* spansOf(callers(false), layerTraced)
      expect([spans, decision.trace]).toEqual([[], undefined])
    }))

  it.effect("where nobody looks, which is where no tracer is", () =>
    Effect.gen(function*() {
      const { decision } = yield* spansOf(callers(true), () => Layer.succeed(Tracer.Tracer, Tracer.nativeTracer))
      expect(decision.trace).toBeUndefined()
    }))
})
