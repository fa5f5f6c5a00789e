import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import { Overloaded, UpstreamUnreachable } from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { annotate } from "../../src/gateway/DecisionSpan.ts"
import { Health } from "../../src/gateway/Health.ts"
import { ask, flow, script } from "../flow/Scripted.ts"

interface Seen {
  readonly attributes: Record<string, unknown>
  readonly events: Array<readonly [name: string, attributes: Record<string, unknown>]>
}

/** A span that remembers, and runs an effect within. */
const spanned = Effect.fnUntraced(function*<A, E, R>(effect: (span: Tracer.Span) => Effect.Effect<A, E, R>) {
  const seen: Seen = { attributes: {}, events: [] }
  const span = yield* Effect.makeSpan("request")
  span.attribute = (key, value) => void (seen.attributes[key] = value)
  span.event = (name, _, attributes = {}) => void seen.events.push([name, attributes])
  yield* Effect.provideService(effect(span), Tracer.ParentSpan, span)
  span.end(0n, Exit.void)
  return seen
})

const asked = spanned((span) =>
  Effect.gen(function*() {
    const request = ask()
    yield* Effect.exit((yield* Completion).complete(request))
    annotate(span, request.decision)
  })
)

describe("the decision on a span", () => {
  it.effect("of one clean success is a few attributes and no event", () =>
    Effect.gen(function*() {
      const { attributes, events } = yield* asked
      expect(attributes).toEqual({
        "breakwater.alias": "fast",
        "breakwater.candidates": ["a/a-model"],
        "breakwater.attempts": 1,
        "breakwater.ended": "answered",
        "breakwater.winner": "a/a-model"
      })
      expect(events).toEqual([])
    }).pipe(Effect.provide(flow([script("a", "ok")]))))

  it.live("has an event for each retry and failover, and the whole record", () =>
    Effect.gen(function*() {
      const { attributes, events } = yield* asked
      expect(events.map(([name, { "breakwater.from": from, "breakwater.target": to, "error.type": why }]) => [
        name,
        from,
        to,
        why
      ])).toEqual([
        ["breakwater.retry", undefined, "a/a-model", "Overloaded"],
        ["breakwater.failover", "a/a-model", "b/b-model", "Overloaded"]
      ])
      expect(JSON.parse(String(attributes["breakwater.decision"]))).toMatchObject({ winner: "b/b-model" })
    }).pipe(
      Effect.provide(
        flow([script("a", new Overloaded({ message: "busy" })), script("b", "ok")], { retry: { baseMs: 1 } })
      )
    ))

  it.effect("has an event for each skipped target", () =>
    Effect.gen(function*() {
      yield* (yield* Health).control({ action: "open", target: "a/a-model" })
      const { events } = yield* asked
      expect(events).toEqual([
        ["breakwater.skip", { "breakwater.target": "a/a-model", "breakwater.why": "circuit open" }]
      ])
    }).pipe(Effect.provide(flow([script("a", "ok"), script("b", "ok")]))))

  it.effect("has an event for a breaker that the request itself opened", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust(10)
      const { events } = yield* asked
      expect(events.filter(([name]) => name === "breakwater.breaker.transition")).toEqual([
        ["breakwater.breaker.transition", {
          "breakwater.target": "a/a-model",
          from: "closed",
          to: "open",
          cause: "consecutive-failures"
        }]
      ])
    }).pipe(Effect.provide(
      flow([script("a", new UpstreamUnreachable({ message: "gone" })), script("b", "ok")], {
        breaker: { consecutiveFailures: 1, windowMs: 1 }
      })
    )))
})
