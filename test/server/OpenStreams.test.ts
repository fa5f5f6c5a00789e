import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { gatewayError, StreamInterrupted } from "../../src/domain/GatewayError.ts"
import { committed } from "../../src/gateway/Streaming.ts"
import type { AnswerStream, Frame } from "../../src/providers/Provider.ts"
import * as Deadline from "../../src/resilience/Deadline.ts"
import * as Watchdog from "../../src/resilience/Watchdog.ts"
import { encodeFrames } from "../../src/server/EventFrames.ts"
import { CurrentExchange } from "../../src/server/Exchange.ts"
import { OpenStreams } from "../../src/server/OpenStreams.ts"
import * as Open from "../../src/server/OpenStreams.ts"
import { frame } from "./Fake.ts"

type End = "clean" | "cut" | "never"

const isEnd = (step: string): step is End => step === "clean" || step === "cut" || step === "never"

/** Words with the pauses before them, in milliseconds, then how it ends. */
const upstream = (...steps: ReadonlyArray<number | string>): AnswerStream["pull"] => {
  const left = [...steps]
  return Effect.suspend((): AnswerStream["pull"] => {
    const step = left.shift()
    if (typeof step === "number") return Effect.delay(upstreamNext(left), step)
    left.unshift(step ?? "never")
    return upstreamNext(left)
  })
}

const upstreamNext = (left: Array<number | string>): AnswerStream["pull"] => {
  const step = String(left.shift())
  if (!isEnd(step)) return Effect.succeed([frame(step)] as const)
  if (step === "never") return Effect.never
  return step === "clean" ? Cause.done() : Effect.fail(gatewayError(new StreamInterrupted({ message: "cut" })))
}

/** What the caller has read after so many milliseconds each, and what the upstream came to. */
const read = (steps: ReadonlyArray<number | string>, looks: ReadonlyArray<number>, idleMs = 60_000) =>
  Effect.gen(function*() {
    const streams = yield* OpenStreams
    const scope = yield* Effect.scope
    const clock = yield* Effect.clockWith(Effect.succeed)
    const [head, ...rest] = steps
    const first: readonly [Frame] = [frame(String(head))]
    const answer = yield* committed(first, { pull: upstream(...rest), upstreamRequestId: undefined }, {
      scope,
      watchdog: yield* Watchdog.make,
      idleMs,
      deadline: Deadline.after(600_000, clock),
      onFrame: () => {},
      onOverdue: Effect.void,
      onEnd: () => Effect.void
    })
    const open = yield* streams.open(answer)
    const exchange = yield* CurrentExchange
    const pull = encodeFrames(answer, open, exchange, { isEnabled: () => true, event: () => {} })
    let text = ""
    const reader = yield* Effect.forkChild(Effect.exit(Effect.forever(Effect.map(pull, (pieces) => {
      for (const piece of pieces) text += new TextDecoder().decode(piece)
    }))))
    const seen: Array<string> = []
    for (const look of looks) {
      yield* TestClock.adjust(look)
      seen.push(
        text.replaceAll(/data: (\{.*\})\n\n/g, (_, json) => {
          const { choices, error } = JSON.parse(json)
          return error?.code ?? choices[0].delta.content
        }).replaceAll(": keep-alive\n\n", "~").replaceAll("data: [DONE]\n\n", "!")
      )
      text = ""
    }
    yield* Fiber.interrupt(reader)
    return seen
  }).pipe(Effect.scoped, Effect.provide(Open.layer({ keepAlive: 15_000 })))

describe("a stream that a caller reads", () => {
  it.effect("gets a comment after 15 s of silence, and another 15 s later", () =>
    Effect.gen(function*() {
      expect(yield* read(["a", "never"], [14_999, 1, 14_999, 1])).toEqual(["a", "~", "", "~"])
    }))

  it.effect("gets none while it goes on, and counts its silence from the last byte", () =>
    Effect.gen(function*() {
      expect(yield* read(["a", 10_000, "b", 10_000, "c", "never"], [20_000, 14_999, 1])).toEqual(["abc", "", "~"])
    }))

  it.effect("gets none after its end", () =>
    Effect.gen(function*() {
      expect(yield* read(["a", 1000, "clean"], [2000, 60_000])).toEqual(["a!", ""])
    }))

  it.effect("goes on after a comment as if there had been none", () =>
    Effect.gen(function*() {
      expect(yield* read(["a", 20_000, "b", "c", 1, "clean"], [60_000])).toEqual(["a~bc!"])
    }))

  it.effect("is not kept alive for its idle limit by comments", () =>
    Effect.gen(function*() {
      expect(yield* read(["a", "never"], [49_999, 1, 60_000], 50_000)).toEqual(["a~~~", "upstream_timeout", ""])
    }))
})
