import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { AnswerStream } from "../../src/providers/Provider.ts"
import { encodeFrames } from "../../src/server/EventFrames.ts"
import { CurrentExchange } from "../../src/server/Exchange.ts"
import { frame } from "./Fake.ts"

const text = (pieces: ReadonlyArray<Uint8Array>): string => Buffer.concat(pieces).toString()

const open = { waits: () => {}, sent: () => {}, close: () => {} }

describe("a stream that is pushed to its caller", () => {
  it.effect("says nothing more after a defect, though more arrives", () =>
    Effect.gen(function*() {
      const takes: ReadonlyArray<() => ReturnType<NonNullable<AnswerStream["take"]>>> = [
        () => [frame("a")],
        () => undefined,
        () => {
          throw new Error("a defect")
        },
        () => [frame("late")]
      ]
      let at = 0
      let wake = () => {}
      const answer: AnswerStream = {
        pull: Effect.never,
        take: (awake) => {
          wake = awake
          return takes[at++]?.()
        },
        upstreamRequestId: undefined
      }
      const sent: Array<Uint8Array> = []
      const sink = { write: (pieces: ReadonlyArray<Uint8Array>) => sent.push(...pieces) > 0, once: () => {} }
      const log = { isEnabled: () => true, event: () => {} }
      const pull = encodeFrames(answer, open, yield* CurrentExchange, log, sink)
      const last = yield* Effect.forkChild(pull, { startImmediately: true })
      expect(text(sent)).toContain("\"a\"")
      wake()
      wake()
      expect(text(yield* Fiber.join(last))).toContain("internal_error")
      expect(text(sent)).not.toContain("late")
    }))
})
