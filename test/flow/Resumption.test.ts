import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as E from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { toRecord } from "../../src/gateway/Decision.ts"
import { Health } from "../../src/gateway/Health.ts"
import type { AnswerStream } from "../../src/providers/Provider.ts"
import * as Credential from "../../src/resilience/Credential.ts"
import { ask, flow, type Script, script } from "./Scripted.ts"

const spent = new E.QuotaExhausted({ message: "spent" })
const cut = new E.StreamInterrupted({ message: "cut" })

/** What the caller gets, read from the bytes. */
const readAll = Effect.fnUntraced(function*(answer: AnswerStream) {
  let text = ""
  const ids = new Set<string>()
  let roles = 0
  let finishes = 0
  while (true) {
    const exit = yield* Effect.exit(answer.pull)
    if (Exit.isFailure(exit)) {
      const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
      const end = failure === undefined || Cause.isDone(failure) ? "clean" : failure.reason._tag
      return { text, end, ids: [...ids], roles, finishes }
    }
    for (const frame of exit.value) {
      const chunk = JSON.parse(new TextDecoder().decode(frame.bytes).slice(6))
      ids.add(chunk.id)
      for (const { delta, finish_reason } of chunk.choices) {
        text += delta.content ?? ""
        if (delta.role !== undefined) roles++
        if (finish_reason !== null) finishes++
      }
    }
  }
})

/** Time runs only when nothing else is left to do, as it is on a machine that keeps up. */
const passing = Effect.fnUntraced(function*(fiber: Fiber.Fiber<unknown, unknown>) {
  const settled = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  for (let second = 0; second < 60 && fiber.pollUnsafe() === undefined; second++) {
    for (let turn = 0; turn < 20; turn++) yield* settled
    yield* TestClock.adjust("1 second")
  }
})

/** Streams one request under this policy while time runs; `prefill` names the targets that can go on. */
const run = (
  onInterrupted: "resume" | "buffer",
  scripts: ReadonlyArray<Script>,
  prefill: ReadonlyArray<string> = [],
  more: Parameters<typeof ask>[0] = {}
) => {
  const request = ask({ stream: true, ...more })
  return Effect.gen(function*() {
    const completion = yield* Completion
    const health = yield* Health
    const asked = Effect.scoped(Effect.flatMap(completion.stream(request), readAll))
    const fiber = yield* Effect.forkChild(asked)
    yield* passing(fiber)
    const exit = yield* Fiber.await(fiber)
    const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error.reason : undefined
    const targets = yield* health.targets
    const inFlight = targets.reduce((sum, target) => sum + target.inFlight, 0)
    return { ...(Exit.isSuccess(exit) ? exit.value : {}), reason, inFlight, targets, decision: request.decision }
  }).pipe(Effect.provide(flow(scripts, {
    aliases: {
      fast: {
        strategy: "ordered",
        onInterrupted,
        targets: scripts.map(({ name }) => ({
          provider: name,
          model: `${name}-model`,
          weight: 1,
          capabilities: { prefill: prefill.includes(name) }
        }))
      }
    }
  })))
}

describe("an interrupted stream that is resumed", () => {
  it.effect("goes on with the next target's answer where that begins with what was sent", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one ", "two "], end: cut }),
        script("b", { words: ["o", "ne two th", "ree"], end: "clean" })
      ])
      expect(seen).toMatchObject({ text: "one two three", end: "clean", finishes: 1 })
      expect(seen.decision).toMatchObject({ resumed: 1, provider: "b", finishReasons: ["stop"] })
      expect(seen.decision.attempts.map(({ outcome }) => outcome)).toEqual(["StreamInterrupted", "ok"])
      expect(seen.decision.error).toBeUndefined()
    }))

  it.effect("goes on at the same target where only the key was used up and another one is free", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["one "], end: spent }, { words: ["one ", "two"], end: "clean" })
      const seen = yield* run("resume", [{ ...a, credentials: Credential.make({ count: 2 }) }, script("b")])
      expect(seen).toMatchObject({ text: "one two", end: "clean" })
      expect(seen.decision.attempts.map(({ target }) => target)).toEqual(["a/a-model", "a/a-model"])
    }))

  it.effect("goes on at the next target where the key was used up and no other one is free", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["one "], end: spent })
      const credentials = { ...Credential.make({ count: 2 }), isFree: () => false }
      const b = script("b", { words: ["one ", "two"], end: "clean" })
      const seen = yield* run("resume", [{ ...a, credentials }, b])
      expect(seen).toMatchObject({ text: "one two", end: "clean" })
      expect(seen.decision.attempts.map(({ target }) => target)).toEqual(["a/a-model", "b/b-model"])
    }))

  it.effect("stays one stream to its caller: one id, one role", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one "], end: cut }),
        script("b", { words: ["one ", "two"], end: "clean" })
      ])
      expect(seen).toMatchObject({ text: "one two", ids: ["chatcmpl-a"], roles: 1 })
    }))

  it.effect("ends in one error, and the other upstream is closed, where another answer begins differently", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one ", "two "], end: cut }),
        script("b", { words: ["one, two"], end: "stall" })
      ])
      expect(seen).toMatchObject({ text: "one two ", end: "StreamInterrupted", finishes: 0, inFlight: 0 })
      expect(seen.decision).toMatchObject({ error: "StreamInterrupted" })
      expect(seen.decision.resumed).toBeUndefined()
    }))

  it.effect("is told by who said it: another answer that begins differently is a final outcome of its own", () =>
    Effect.gen(function*() {
      for (const words of [["one, two"], ["one"]]) {
        const seen = yield* run("resume", [
          script("a", { words: ["one ", "two "], end: "stall" }),
          script("b", { words, end: "clean" })
        ])
        expect(seen).toMatchObject({ text: "one two ", end: "UpstreamTimedOut" })
        expect(toRecord(seen.decision)).toMatchObject({
          winner: "a/a-model",
          ended: "interrupted",
          attempts: [{ outcome: "UpstreamTimedOut" }, { target: "b/b-model", outcome: "Diverged", class: "final" }]
        })
        expect(seen.decision.finishReasons).toBeUndefined()
        const b = seen.targets.find(({ target }) => target === "b/b-model")
        expect(b).toMatchObject({ breaker: { failureRate: 0, callsInWindow: 1 } })
        expect(b?.lastError).toBeUndefined()
      }
    }))

  it.effect("is told by who said it where nobody could go on", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one ", "two "], end: cut }),
        script("b", { words: ["one "], end: cut })
      ])
      expect(seen).toMatchObject({ text: "one two ", end: "StreamInterrupted" })
      expect(toRecord(seen.decision)).toMatchObject({ winner: "a/a-model", ended: "interrupted" })
    }))

  it.effect("ends in an error where another answer is shorter than what was sent", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one ", "two "], end: cut }),
        script("b", { words: ["one"], end: "clean" })
      ])
      expect(seen).toMatchObject({ text: "one two ", end: "StreamInterrupted", finishes: 0 })
    }))

  it.effect("is asked again from a lone target", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["one ", "two "], end: cut }, { words: ["one two ", "three"], end: "clean" })
      const seen = yield* run("resume", [a])
      expect([seen.text, seen.end, a.calls.length]).toEqual(["one two three", "clean", 2])
    }))

  it.effect("is asked again from a lone target after the pause that it asked for", () =>
    Effect.gen(function*() {
      const limited = new E.RateLimited({ message: "429", retryAfterMs: 3000 })
      const a = script("a", { words: ["one "], end: limited }, { words: ["one ", "two"], end: "clean" })
      const seen = yield* run("resume", [a])
      expect([seen.text, seen.end]).toEqual(["one two", "clean"])
      expect(seen.decision.attempts[1]?.startedAtMs).toBe(3000)
    }))

  it.effect("is not asked again from a lone target that would do the same, or asked for a long pause", () =>
    Effect.gen(function*() {
      for (
        const end of [
          new E.QuotaExhausted({ message: "429" }),
          new E.RateLimited({ message: "429", retryAfterMs: 60_000 })
        ]
      ) {
        const a = script("a", { words: ["one "], end }, { words: ["one ", "two"], end: "clean" })
        expect([(yield* run("resume", [a])).end, a.calls.length]).toEqual([end._tag, 1])
      }
    }))

  it.effect("is begun anew where its form is given: who keeps to a form keeps to it from the first letter on", () =>
    Effect.gen(function*() {
      const b = script("b", { words: ["{\"a\":", "1}"], end: "clean" })
      const seen = yield* run("resume", [script("a", { words: ["{\"a\":"], end: cut }), b], ["b"], {
        response_format: { type: "json_object" }
      })
      expect(seen).toMatchObject({ text: "{\"a\":1}", end: "clean" })
      expect(b.calls[0]?.request.messages.at(-1)?.role).toBe("user")
    }))

  it.effect("is continued from its own beginning by a target that can", () =>
    Effect.gen(function*() {
      const b = script("b", { words: [" two", " three"], end: "clean" })
      const seen = yield* run("resume", [script("a", { words: ["one ", "\"2\""], end: cut }), b], ["b"])
      expect([seen.text, seen.end]).toEqual(["one \"2\" two three", "clean"])
      const beginning = { role: "assistant", content: "one \"2\"" }
      expect(b.calls[0]?.request.messages.at(-1)).toEqual(beginning)
      expect(JSON.parse(b.calls[0]?.source.text ?? "").messages.slice(1)).toEqual([beginning])
    }))

  it.effect("is continued across white space without doubling or losing it", () =>
    Effect.gen(function*() {
      const b = script("b", { words: [" \n", "two"], end: "clean" })
      const seen = yield* run("resume", [script("a", { words: ["one \n"], end: cut }), b], ["b"])
      expect([seen.text, b.calls[0]?.request.messages.at(-1)?.content]).toEqual(["one \ntwo", "one"])
      const other = script("b", { words: ["two"], end: "clean" })
      expect((yield* run("resume", [script("a", { words: ["one "], end: cut }), other], ["b"])).end)
        .toBe("StreamInterrupted")
    }))

  const call = { tool_calls: [{ index: 0, id: "c", type: "function", function: { name: "f", arguments: "{\"a" } }] }
  for (
    const [where, delta] of [["the arguments of a tool", call], ["reasoning", { reasoning_content: "hm" }]] as const
  ) {
    it.effect(`is not resumed inside ${where}`, () =>
      Effect.gen(function*() {
        const b = script("b", { words: [delta, "one"], end: "clean" })
        const seen = yield* run("resume", [script("a", { words: [delta], end: cut }), b], ["b"])
        expect([seen.end, b.calls.length]).toEqual(["StreamInterrupted", 0])
      }))
  }

  it.effect("is resumed after reasoning that is the same", () =>
    Effect.gen(function*() {
      const words = [{ reasoning_content: "hm" }, "one ", "two"]
      const b = script("b", { words, end: "clean" })
      const seen = yield* run("resume", [script("a", { words: words.slice(0, 2), end: cut }), b], ["b"])
      expect([seen.text, seen.end, b.calls[0]?.request.messages.length]).toEqual(["one two", "clean", 1])
      const other = script("b", { words: [{ reasoning_content: "ha" }, "one ", "two"], end: "clean" })
      expect((yield* run("resume", [script("a", { words: words.slice(0, 2), end: cut }), other])).end)
        .toBe("StreamInterrupted")
    }))

  it.effect("is resumed again and again within the cap of tries", () =>
    Effect.gen(function*() {
      const a = script("a", { words: ["one "], end: cut })
      const seen = yield* run("resume", [a])
      expect([seen.text, seen.end]).toEqual(["one ", "StreamInterrupted"])
      expect(a.calls.length).toBe(3)
    }))

  it.effect("counts against the tries of its target and of its request", () =>
    Effect.gen(function*() {
      const failed = new E.UpstreamFailed({ message: "no", upstreamStatus: 500 })
      const lone = script("a", { words: ["one "], end: cut }, failed)
      yield* run("resume", [lone])
      expect(lone.calls.length).toBe(3)
      const two = [script("a", { words: ["one "], end: cut }, failed), script("b", failed)]
      yield* run("resume", two)
      expect(two.map(({ calls }) => calls.length)).toEqual([3, 3])
    }))

  it.effect("books each try on its own target", () =>
    Effect.gen(function*() {
      const failed = new E.UpstreamFailed({ message: "500", upstreamStatus: 500 })
      const seen = yield* run("resume", [script("a", { words: ["one "], end: cut }, failed), script("b", failed)])
      const order = seen.decision.attempts.map(({ target }) => target.split("/")[0]).join("")
      expect(order).toBe("abbaab")
    }))

  it.effect("is resumed after a stall at the idle limit", () =>
    Effect.gen(function*() {
      const seen = yield* run("resume", [
        script("a", { words: ["one "], end: "stall" }),
        script("b", { words: ["one two"], end: "clean" })
      ])
      expect([seen.text, seen.end]).toEqual(["one two", "clean"])
      expect(seen.decision.attempts[1]?.startedAtMs).toBe(20_000)
    }))

  it.effect("is not resumed where the upstream's own word is final", () =>
    Effect.gen(function*() {
      const b = script("b", { words: ["one two"], end: "clean" })
      const filtered = new E.ContentFiltered({ message: "no" })
      expect((yield* run("resume", [script("a", { words: ["one "], end: filtered }), b])).end).toBe("ContentFiltered")
      expect(b.calls.length).toBe(0)
    }))
})

describe("a stream that is held until it is whole", () => {
  it.effect("fails over to the end without the caller's knowledge", () =>
    Effect.gen(function*() {
      const seen = yield* run("buffer", [
        script("a", { words: ["one ", "two "], end: cut }),
        script("b", { words: ["eins ", "zwei"], end: "clean" })
      ])
      expect(seen).toMatchObject({ text: "eins zwei", end: "clean", ids: ["chatcmpl-b"], finishes: 1 })
      expect(seen.decision).toMatchObject({ provider: "b", finishReasons: ["stop"] })
      expect(seen.decision.error).toBeUndefined()
    }))

  it.effect("is an honest error where every target breaks", () =>
    Effect.gen(function*() {
      const seen = yield* run("buffer", [script("a", { words: ["one "], end: cut })])
      expect([seen.reason?._tag, seen.inFlight]).toEqual(["StreamInterrupted", 0])
      const record = toRecord(seen.decision)
      expect([record.winner, record.ended, record.error]).toEqual([undefined, "exhausted", "StreamInterrupted"])
    }))

  it.effect("comes out whole and in order however long it is", () =>
    Effect.gen(function*() {
      const words = Array.from({ length: 1000 }, (_, at) => `${at} `)
      expect((yield* run("buffer", [script("a", { words, end: "clean" })])).text).toBe(words.join(""))
    }))

  for (
    const [what, words] of [
      ["8 MiB", Array.from({ length: 9 }, () => "x".repeat(1024 ** 2))],
      ["65,536 events", Array.from({ length: 65_537 }, () => "x")]
    ] as const
  ) {
    it.effect(`is given up beyond ${what}, and nobody else is asked`, () =>
      Effect.gen(function*() {
        const b = script("b", { words: ["one"], end: "clean" })
        const seen = yield* run("buffer", [script("a", { words, end: "clean" }), b])
        expect([seen.reason?._tag, seen.inFlight, b.calls.length]).toEqual(["InternalFailure", 0, 0])
      }))
  }
})
