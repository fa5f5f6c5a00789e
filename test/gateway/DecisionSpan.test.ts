import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Overloaded, UpstreamUnreachable } from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { Health } from "../../src/gateway/Health.ts"
import { ask, flow, type Script, script } from "../flow/Scripted.ts"
import { layerTraced, type Seen } from "../flow/Traced.ts"

const spans: Array<Seen> = []

const traced = (scripts: ReadonlyArray<Script>, settings: Parameters<typeof flow>[1] = {}) =>
  Layer.provideMerge(flow(scripts, settings), layerTraced(spans))

/** The route's span of one request. */
const asked = Effect.gen(function*() {
  spans.length = 0
  yield* Effect.exit((yield* Completion).complete(ask()))
  const route = spans.find(({ name }) => name.startsWith("breakwater.route"))
  if (route === undefined) throw new Error("no route")
  return route
})

describe("the decision on the route's span", () => {
  it.effect("of one clean success is a few attributes and no event", () =>
    Effect.gen(function*() {
      const { attributes, events, kind, name } = yield* asked
      expect([name, kind]).toEqual(["breakwater.route fast", "internal"])
      expect(attributes).toEqual({
        "breakwater.request.id": "req-1",
        "breakwater.model.requested": "fast",
        "breakwater.route.policy": "ordered",
        "breakwater.candidates": ["a/a-model"],
        "breakwater.attempts": 1,
        "breakwater.targets.tried": 1,
        "breakwater.ended": "answered",
        "breakwater.cost.status": "unpriced",
        "breakwater.winner": "a/a-model"
      })
      expect(events).toEqual([])
    }).pipe(Effect.provide(traced([script("a", "ok")]))))

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
      expect(attributes).toMatchObject({
        "breakwater.retries": 1,
        "breakwater.targets.tried": 2,
        "breakwater.fallback": true
      })
      expect(JSON.parse(String(attributes["breakwater.decision"]))).toMatchObject({ winner: "b/b-model" })
    }).pipe(
      Effect.provide(
        traced([script("a", new Overloaded({ message: "busy" })), script("b", "ok")], { retry: { baseMs: 1 } })
      )
    ))

  it.effect("has an event for each skipped target, and no call for it", () =>
    Effect.gen(function*() {
      yield* (yield* Health).control({ action: "open", target: "a/a-model" })
      const { events } = yield* asked
      expect(events).toEqual([
        ["breakwater.breaker.rejected", { "breakwater.target": "a/a-model", "breakwater.why": "circuit open" }]
      ])
      expect(spans.map(({ name }) => name)).toEqual(["breakwater.route fast", "chat b-model"])
    }).pipe(Effect.provide(traced([script("a", "ok"), script("b", "ok")]))))

  it.effect("has an event for a breaker that the request itself opened", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust(10)
      const { events } = yield* asked
      expect(events.filter(([name]) => name === "breakwater.breaker.transition")).toEqual([
        ["breakwater.breaker.transition", {
          "breakwater.target": "a/a-model",
          "breakwater.breaker.from": "closed",
          "breakwater.breaker.to": "open",
          "breakwater.cause": "consecutive-failures"
        }]
      ])
    }).pipe(Effect.provide(
      traced([script("a", new UpstreamUnreachable({ message: "gone" })), script("b", "ok")], {
        breaker: { consecutiveFailures: 1, windowMs: 1 }
      })
    )))
})
