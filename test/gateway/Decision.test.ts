import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { DecisionRecord } from "../../src/domain/DecisionRecord.ts"
import {
  ContextLengthExceeded,
  CredentialRejected,
  Overloaded,
  StreamInterrupted,
  UpstreamUnreachable
} from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { type Decision, isEventful, make, toRecord } from "../../src/gateway/Decision.ts"
import { Health } from "../../src/gateway/Health.ts"
import { ask, flow, type Script, script } from "../flow/Scripted.ts"

const overloaded = new Overloaded({ message: "busy" })
const rejected = new CredentialRejected({ message: "no" })
const unreachable = new UpstreamUnreachable({ message: "gone" })

const check = Schema.decodeUnknownSync(DecisionRecord)

/** The record as a reader of JSON has it, checked against its schema. */
const shown = (decision: Decision) => check(JSON.parse(JSON.stringify(toRecord(decision))))

/** One whole answer asked for; the record, whatever came of it. */
const recordOf = (scripts: ReadonlyArray<Script>, timeoutMs?: number) =>
  Effect.gen(function*() {
    const request = ask()
    const completion = yield* Completion
    const asked = yield* Effect.forkChild(Effect.exit(completion.complete({ ...request, timeoutMs })))
    yield* TestClock.adjust("2 minutes")
    yield* Fiber.join(asked)
    return { decision: request.decision, record: shown(request.decision) }
  }).pipe(Effect.provide(flow(scripts)))

describe("the decision record", () => {
  it("names what was left out of the request, and of a caller's own words only that there were any", () => {
    const decision: Decision = { ...make("req-1"), dropped: ["seed", "my_secret", "other_secret"] }
    expect(shown(decision).dropped_parameters).toEqual(["seed", "other"])
    expect(shown(make("req-1"))).not.toHaveProperty("dropped_parameters")
  })

  it.effect("of one clean success names candidates, winner and the one attempt, and is nothing to tell more of", () =>
    Effect.gen(function*() {
      const { decision, record } = yield* recordOf([script("a", "ok"), script("b", "ok")])
      expect(record).toMatchObject({
        request_id: "req-1",
        alias: "fast",
        stream: false,
        candidates: ["a/a-model", "b/b-model"],
        skipped: [],
        attempts: [{ target: "a/a-model", outcome: "ok", waited_ms: 0, after_ms: 0, duration_ms: 0 }],
        winner: "a/a-model",
        ended: "answered"
      })
      expect(record.attempts[0]).not.toHaveProperty("class")
      expect(record).not.toHaveProperty("error")
      expect(isEventful(decision)).toBe(false)
    }))

  it.effect("tells each failed attempt's class and wait, and who won in the end", () =>
    Effect.gen(function*() {
      const { decision, record } = yield* recordOf([
        script("a", overloaded),
        script("b", rejected),
        script("c", { afterMs: 300, play: "ok" })
      ])
      expect(record.attempts.map(({ class: kind, outcome, target }) => [target[0], outcome, kind])).toEqual([
        ["a", "Overloaded", "retry"],
        ["a", "Overloaded", "retry"],
        ["b", "CredentialRejected", "failover"],
        ["c", "ok", undefined]
      ])
      expect(record.attempts[1]?.waited_ms).toBeGreaterThan(0)
      expect(record.attempts[3]?.duration_ms).toBe(300)
      expect([record.winner, record.ended, isEventful(decision)]).toEqual(["c/c-model", "answered", true])
    }))

  it.effect("of a failure that no other target would answer better ended `final`", () =>
    Effect.gen(function*() {
      const { record } = yield* recordOf([
        script("a", new ContextLengthExceeded({ message: "long" })),
        script("b", "ok")
      ])
      expect(record.attempts).toMatchObject([{ outcome: "ContextLengthExceeded", class: "final" }])
      expect([record.ended, record.error]).toEqual(["final", "ContextLengthExceeded"])
      expect(record).not.toHaveProperty("winner")
    }))

  it.effect("of targets that have all failed ended `exhausted`", () =>
    Effect.gen(function*() {
      const { record } = yield* recordOf([script("a", unreachable), script("b", unreachable)])
      expect([record.ended, record.error]).toEqual(["exhausted", "UpstreamUnreachable"])
    }))

  it.effect("of a deadline that passed ended `deadline`", () =>
    Effect.gen(function*() {
      const { record } = yield* recordOf([script("a", "silent")], 500)
      expect([record.ended, record.attempts[0]?.duration_ms]).toEqual(["deadline", 500])
    }))

  it.effect("names who was skipped and why; when nobody was asked it ended `refused`", () =>
    Effect.gen(function*() {
      const health = yield* Health
      const completion = yield* Completion
      yield* health.control({ action: "open", target: "a/a-model" })
      const first = ask()
      yield* completion.complete(first)
      expect(shown(first.decision)).toMatchObject({
        skipped: [{ target: "a/a-model", why: "circuit open" }],
        winner: "b/b-model",
        ended: "answered"
      })
      expect(isEventful(first.decision)).toBe(true)
      yield* health.control({ action: "open" })
      const second = ask()
      yield* Effect.exit(completion.complete(second))
      expect(shown(second.decision)).toMatchObject({ attempts: [], ended: "refused", error: "CircuitOpen" })
    }).pipe(Effect.provide(flow([script("a", "ok"), script("b", "ok")]))))

  it.effect("of a stream that broke after its head ended `interrupted`, with the target that had won", () =>
    Effect.gen(function*() {
      const request = ask({ stream: true })
      const completion = yield* Completion
      const answer = yield* completion.stream(request)
      const last = yield* Effect.exit(Effect.forever(answer.pull))
      expect(last._tag === "Failure" && Cause.hasFails(last.cause)).toBe(true)
      expect(shown(request.decision)).toMatchObject({
        stream: true,
        winner: "a/a-model",
        ended: "interrupted",
        error: "StreamInterrupted"
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(flow([script("a", { words: ["one"], end: new StreamInterrupted({ message: "cut" }) })]))
    ))

  it.effect("of every request of an ordered alias shares one list of candidates", () =>
    Effect.gen(function*() {
      const completion = yield* Completion
      const [first, second] = [ask(), ask()]
      yield* completion.complete(first)
      yield* completion.complete(second)
      expect(first.decision.candidates).toBe(second.decision.candidates)
    }).pipe(Effect.provide(flow([script("a", "ok")]))))

  it("keeps at most 256 characters of what a caller wrote", () => {
    const { decision } = ask()
    decision.alias = "x".repeat(1000)
    expect(shown(decision).alias).toHaveLength(256)
  })
})
