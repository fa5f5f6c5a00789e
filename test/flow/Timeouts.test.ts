/** The five named limits, and what a stream may hold before its first content; the upstream is the real reading of a body. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import { Targets } from "../../src/gateway/Target.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { encodeFrames } from "../../src/server/EventFrames.ts"
import { CurrentExchange } from "../../src/server/Exchange.ts"
import * as OpenStreams from "../../src/server/OpenStreams.ts"
import { makeUpstream, type Reply } from "../exchanges/Upstream.ts"
import { ask, flow, type Script, script } from "./Scripted.ts"

/** How a request ends and when, in milliseconds. */
const endOf = (stream: boolean, scripts: ReadonlyArray<Script>, timeouts: Record<string, number>) =>
  Effect.gen(function*() {
    const completion = yield* Completion
    const request = ask({ stream })
    const run = stream
      ? Effect.scoped(Effect.flatMap(completion.stream(request), (answer) => Effect.forever(answer.pull)))
      : completion.complete(request)
    const fiber = yield* Effect.forkChild(run)
    yield* TestClock.adjust("20 minutes")
    const exit = yield* Fiber.await(fiber)
    const failure = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
    const reason = failure === undefined || Cause.isDone(failure) ? "none" : failure.reason._tag
    return { reason, attempts: request.decision.attempts.map(({ endedAtMs, outcome }) => [outcome, endedAtMs]) }
  }).pipe(Effect.provide(flow(scripts, { timeouts })))

describe("a named limit", () => {
  it.effect("connect: a connection that is not opened in time sends the request elsewhere at once", () =>
    Effect.gen(function*() {
      const slow = new E.UpstreamTimedOut({ message: "Connecting to the upstream took too long." })
      const { attempts } = yield* endOf(false, [script("a", { afterMs: 5000, play: slow }), script("b", "ok")], {})
      expect(attempts).toEqual([["UpstreamTimedOut", 5000], ["ok", 5000]])
    }))

  it.effect("firstToken: a stream without content by then is given up", () =>
    Effect.gen(function*() {
      const a = script("a", { words: [""], end: "stall" })
      const { attempts } = yield* endOf(true, [a, script("b", "ok")], { firstTokenMs: 7000 })
      expect(attempts[0]).toEqual(["UpstreamTimedOut", 7000])
    }))

  it.effect("answer: a whole answer that is not there by then is given up", () =>
    Effect.gen(function*() {
      const { attempts } = yield* endOf(false, [script("a", "silent"), script("b", "ok")], { answerMs: 8000 })
      expect(attempts[0]).toEqual(["UpstreamTimedOut", 8000])
    }))

  it.effect("idle: a stream that falls silent after its first content ends", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["x"], end: "stall" })
      expect(yield* endOf(true, [a], { idleMs: 9000 })).toEqual({
        reason: "UpstreamTimedOut",
        attempts: [["UpstreamTimedOut", 9000]]
      })
    }))

  it.effect("idle: events without content do not feed it", () =>
    Effect.gen(function*() {
      const words = ["x", ...Array.from({ length: 20 }, () => ({ afterMs: 1000 }))]
      const a = script("a", { words, end: "stall" })
      expect(yield* endOf(true, [a], { idleMs: 9000 })).toEqual({
        reason: "UpstreamTimedOut",
        attempts: [["UpstreamTimedOut", 9000]]
      })
      const b = script("b", {
        words: ["x", { afterMs: 5000 }, { afterMs: 3000 }, "y", { afterMs: 8000 }, "z"],
        end: "clean"
      })
      expect((yield* endOf(true, [b], { idleMs: 9000 })).reason).toBe("none")
    }))

  it.effect("total: nothing outlives it, whatever else is allowed", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["x"], end: "stall" })
      expect(yield* endOf(true, [a], { idleMs: 60_000, totalMs: 11_000 })).toEqual({
        reason: "DeadlineExceeded",
        attempts: [["DeadlineExceeded", 11_000]]
      })
      expect((yield* endOf(false, [script("a", "silent")], { totalMs: 11_000 })).reason).toBe("DeadlineExceeded")
    }))
})

describe("the last hope", () => {
  const fresh = (): readonly [Script, Script] => [script("a", { afterMs: 3000, play: "ok" }), script("b", "ok")]

  /** What becomes of a request that is asked after the target `b` was brought into a state. */
  const told = (
    stream: boolean,
    scripts: ReadonlyArray<Script>,
    before: Effect.Effect<unknown, never, Health | Targets>
  ) =>
    Effect.gen(function*() {
      yield* before
      const completion = yield* Completion
      const request = ask({ stream })
      const run = stream
        ? Effect.asVoid(Effect.scoped(Effect.flatMap(completion.stream(request), (answer) => answer.pull)))
        : Effect.asVoid(completion.complete(request))
      const fiber = yield* Effect.forkChild(Effect.exit(run))
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(fiber)
      const attempts = request.decision.attempts.map(({ endedAtMs, outcome, startedAtMs, target }) =>
        `${target} ${outcome} after ${(endedAtMs ?? 0) - startedAtMs}`
      )
      return { isAnswered: Exit.isSuccess(exit), attempts }
    }).pipe(Effect.provide(flow(scripts, { timeouts: { firstTokenMs: 1000, answerMs: 1000, totalMs: 10_000 } })))

  const forceOpen = Effect.flatMap(
    Health,
    ({ control }) => Effect.orDie(control({ action: "open", target: "b/b-model" }))
  )
  const cool = Effect.gen(function*() {
    const { guards } = yield* (yield* Targets).named("b", "b-model")
    guards.cooldown.note("b-model", yield* Effect.clockWith((clock) => clock.currentTimeMillis), 60_000, "RateLimited")
  })

  it.effect("has the rest of the request where the circuit of the next target is open", () =>
    Effect.gen(function*() {
      for (const stream of [true, false]) {
        expect(yield* told(stream, fresh(), forceOpen))
          .toEqual({ isAnswered: true, attempts: ["a/a-model ok after 3000"] })
      }
    }))

  it.effect("has the rest of the request where the next target has asked for a pause", () =>
    Effect.gen(function*() {
      expect(yield* told(true, fresh(), cool)).toEqual({ isAnswered: true, attempts: ["a/a-model ok after 3000"] })
    }))

  it.effect("is no hope before the last while the next target could answer", () =>
    Effect.gen(function*() {
      expect(yield* told(true, fresh(), Effect.void)).toEqual({
        isAnswered: true,
        attempts: ["a/a-model UpstreamTimedOut after 1000", "b/b-model ok after 0"]
      })
    }))

  it.effect("may be the second of three", () =>
    Effect.gen(function*() {
      const [slow, b] = fresh()
      const first = script("first", new E.UpstreamUnreachable({ message: "refused" }))
      expect(yield* told(true, [first, slow, b], forceOpen)).toEqual({
        isAnswered: true,
        attempts: ["first/first-model UpstreamUnreachable after 0", "a/a-model ok after 3000"]
      })
    }))
})

describe("a target that is the last hope", () => {
  const timeouts = { firstTokenMs: 1000, answerMs: 1000 }
  for (const stream of [false, true]) {
    it.effect(`is slow for its breaker at the limit of ${stream ? "the first token" : "an answer"}, while it goes on`, () =>
      Effect.gen(function*() {
        const completion = yield* Completion
        const { guards } = yield* (yield* Targets).named("a", "a-model")
        const asked = ask({ stream })
        const run = stream ? Effect.asVoid(completion.stream(asked)) : Effect.asVoid(completion.complete(asked))
        const fiber = yield* Effect.forkChild(Effect.scoped(run))
        yield* TestClock.adjust("999 millis")
        expect((yield* guards.breaker.snapshot).slowRate).toBe(0)
        yield* TestClock.adjust("1 millis")
        expect(yield* guards.breaker.snapshot).toMatchObject({ slowRate: 1, callsInWindow: 1 })
        yield* TestClock.adjust("4 seconds")
        expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
        expect(yield* guards.breaker.snapshot).toMatchObject({ slowRate: 0.5, callsInWindow: 2, failureRate: 0 })
      }).pipe(Effect.provide(flow([script("a", { afterMs: 5000, play: "ok" })], { timeouts }))))

    it.effect(`is not taken from its callers because its ${stream ? "first token" : "answer"} is always late`, () =>
      Effect.gen(function*() {
        const completion = yield* Completion
        const { guards } = yield* (yield* Targets).named("a", "a-model")
        const one = Effect.suspend(() => {
          const asked = ask({ stream })
          return stream
            ? Effect.asVoid(Effect.scoped(completion.stream(asked)))
            : Effect.asVoid(completion.complete(asked))
        })
        for (let calls = 0; calls < 100; calls++) {
          const fiber = yield* Effect.forkChild(Effect.exit(one))
          yield* TestClock.adjust("1200 millis")
          expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
        }
        expect((yield* guards.breaker.snapshot).state).toBe("closed")
      }).pipe(Effect.provide(flow([script("a", { afterMs: 1200, play: "ok" })], { timeouts }))))
  }

  it.effect("is left alone where it never answers", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      for (let calls = 0; calls < 20; calls++) {
        yield* Effect.forkChild(Effect.exit(completion.complete({ ...ask(), timeoutMs: 60_000 })))
      }
      yield* TestClock.adjust("1 second")
      expect((yield* guards.breaker.snapshot).state).toBe("open")
    }).pipe(Effect.provide(flow([script("a", "silent")], { timeouts }))))

  it.effect("is slow once, though it never answers", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      const fiber = yield* Effect.forkChild(Effect.exit(completion.complete({ ...ask(), timeoutMs: 5000 })))
      yield* TestClock.adjust("5 seconds")
      expect(Exit.isFailure(yield* Fiber.join(fiber))).toBe(true)
      expect(yield* guards.breaker.snapshot).toMatchObject({ slowRate: 1, callsInWindow: 1, failureRate: 0 })
    }).pipe(Effect.provide(flow([script("a", "silent")], { timeouts }))))

  it.effect("whose connection is not opened in time has failed", () =>
    Effect.gen(function*() {
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      yield* Effect.exit(Effect.flatMap(Completion, (completion) => completion.complete(ask())))
      expect(yield* guards.breaker.snapshot).toMatchObject({ slowRate: 0, failureRate: 1 })
    }).pipe(Effect.provide(flow([script("a", new E.UpstreamTimedOut({ message: "Connecting took too long." }))]))))
})

describe("a probe", () => {
  it.effect("that takes longer than any lease of its own closes the circuit when it succeeds", () =>
    Effect.gen(function*() {
      const { guards } = yield* (yield* Targets).named("a", "a-model")
      for (let failures = 0; failures < 5; failures++) {
        const permit = yield* guards.breaker.admit()
        if (permit._tag === "Permit") yield* guards.breaker.record(permit, { _tag: "Failure" })
      }
      yield* TestClock.adjust("2 seconds")
      const completion = yield* Completion
      const fiber = yield* Effect.forkChild(completion.complete(ask()))
      yield* TestClock.adjust("19 seconds")
      expect((yield* guards.breaker.snapshot).state).toBe("half-open")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect((yield* guards.breaker.snapshot).state).toBe("closed")
    }).pipe(Effect.provide(flow([script("a", { afterMs: 20_000, play: "ok" })]))))
})

const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${
    JSON.stringify({
      id: "c",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason: finish }]
    })
  }\n\n`

const role = chunk({ role: "assistant", content: "" })
const rest = [chunk({ content: "hi" }), chunk({}, "stop"), "data: [DONE]\n\n"]

/** What the caller reads within 20 minutes, or the reason why there is nothing; and when the answer began. */
const read = (texts: ReadonlyArray<string>, ending: Reply["ending"] = "end") => {
  const pieces = texts.map((text) => Buffer.from(text))
  const upstream = makeUpstream(() => ({ contentType: "text/event-stream", pieces, ending }))
  const provider = OpenAiCompatible.layer({ name: "up", baseUrl: "http://127.0.0.1:1/v1" })
  const request = ask({ model: "up/m", stream: true })
  const asked = Effect.scoped(Effect.gen(function*() {
    const completion = yield* Completion
    const answer = yield* completion.stream(request)
    const open = yield* (yield* OpenStreams.OpenStreams).open(answer)
    const pull = encodeFrames(answer, open, yield* CurrentExchange, { isEnabled: () => false, event: () => {} })
    let text = ""
    const all = Effect.forever(Effect.map(pull, (pieces) => {
      for (const piece of pieces) text += Buffer.from(piece).toString()
    }))
    yield* Effect.exit(all)
    return text
  }))
  return Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(asked)
    // The upstream speaks in promises of its own.
    for (let turn = 0; turn < 20; turn++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
    const exit = yield* Fiber.await(fiber)
    const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error.reason._tag : undefined
    return {
      text: Exit.isSuccess(exit) ? exit.value : "",
      reason,
      decision: request.decision,
      open: upstream.state.open
    }
  }).pipe(Effect.provide(
    Gateway.layer({ retry: { attempts: 1 }, timeouts: { totalMs: 50_000 } }).pipe(
      Layer.provide(provider),
      Layer.provide(upstream.layer),
      Layer.merge(OpenStreams.layer({ keepAlive: 15_000 }))
    )
  ))
}

describe("a stream of an upstream", () => {
  it.effect("may hold 64 events before its first content and no more", () =>
    Effect.gen(function*() {
      const silent = (count: number) => Array.from({ length: count }, () => role)
      expect((yield* read([...silent(63), ...rest])).text).toContain("[DONE]")
      expect(yield* read([...silent(70), ...rest])).toMatchObject({ reason: "MalformedAnswer", open: 0 })
    }))

  it.effect("may hold 256 KiB before its first content and no more", () =>
    Effect.gen(function*() {
      const wide = (bytes: number) => chunk({ role: "assistant", content: "", padding: "x".repeat(bytes) })
      expect((yield* read([wide(200 * 1024), ...rest])).text).toContain("[DONE]")
      expect(yield* read([wide(300 * 1024), ...rest])).toMatchObject({ reason: "MalformedAnswer", open: 0 })
    }))

  it.effect("is not kept waiting for by comments: they are no first content", () =>
    Effect.gen(function*() {
      const { decision, reason } = yield* read([role, ": ping\n\n", ": ping\n\n"], "open")
      expect([reason, decision.attempts[0]?.endedAtMs]).toEqual(["UpstreamTimedOut", 50_000])
    }))

  it.effect("gets comments while it is silent, and none of its own reach the caller", () =>
    Effect.gen(function*() {
      const { text } = yield* read([role, chunk({ content: "hi" }), ": ping\n\n"], "open")
      expect(text.split("\n\n").filter((event) => event.startsWith(":"))).toEqual([": keep-alive"])
      expect(text.split("\n\n").at(-2)).toContain("upstream_timeout")
    }))

  const totals = (completion_tokens: number): string =>
    `data: ${
      JSON.stringify({
        id: "c",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens, total_tokens: 3 + completion_tokens }
      })
    }\n\n`
  const done = "data: [DONE]\n\n"

  it.effect("that stops without a word fails, whether no tokens were counted or none were told", () =>
    Effect.gen(function*() {
      for (const last of [[done], [totals(0), done], []]) {
        expect(yield* read([role, chunk({}, "stop"), ...last]))
          .toMatchObject({ text: "", reason: "MalformedAnswer", open: 0 })
      }
    }))

  it.effect("may say nothing where it tells why, or where tokens were counted", () =>
    Effect.gen(function*() {
      const quiet = [
        [role, chunk({}, "stop"), totals(2), done],
        [role, chunk({}, "content_filter"), done],
        [role, chunk({}, "length"), totals(0), done],
        [role, chunk({ images: [{ url: "data:" }] }), chunk({}, "stop"), done]
      ]
      for (const events of quiet) {
        const { reason, text } = yield* read(events)
        expect([reason, text.includes("[DONE]")]).toEqual([undefined, true])
      }
    }))

  it.effect("may have two events that are no JSON, which are counted", () =>
    Effect.gen(function*() {
      const broken = "data: {\n\n"
      const seen = yield* read([role, chunk({ content: "hi" }), broken, broken, ...rest.slice(1)])
      expect(seen.text).toContain("[DONE]")
      expect(seen.decision.skippedEvents).toBe(2)
      const more = yield* read([role, chunk({ content: "hi" }), broken, broken, broken, ...rest.slice(1)])
      expect(more.text).not.toContain("[DONE]")
      expect(more.text).toContain("upstream_malformed_answer")
      expect(more.decision.skippedEvents).toBe(3)
    }))
})
