import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import * as E from "../../src/domain/GatewayError.ts"
import type { Capabilities } from "../../src/domain/Model.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { toRecord } from "../../src/gateway/Decision.ts"
import { ask, flow, type Play, type Script, script } from "./Scripted.ts"

const tooLong = new E.ContextLengthExceeded({ message: "maximum context length", upstreamStatus: 400 })
const overloaded = new E.Overloaded({ message: "503", upstreamStatus: 503 })

/** What each of the targets a, b, c, … can do, and what it then does. */
type Cast = ReadonlyArray<readonly [can: Capabilities, ...plays: ReadonlyArray<Play>]>

const names = "abcdef"

/** One request over the targets, in their order; who was asked, who was passed over and how it ended. */
const asked = (cast: Cast, overrides: Partial<ChatRequest> = {}, stream = false, kind = "scripted") => {
  const scripts = cast.map(([, ...plays], at): Script => ({ ...script(names[at] ?? "", ...plays), kind }))
  const aliases = {
    fast: {
      strategy: "ordered" as const,
      targets: cast.map(([capabilities], at) => ({ provider: names[at] ?? "", model: "m", weight: 1, capabilities }))
    }
  }
  const request = ask(overrides)
  return Effect.gen(function*() {
    const completion = yield* Completion
    const run = stream
      ? Effect.asVoid(Effect.scoped(completion.stream(request)))
      : Effect.asVoid(completion.complete(request))
    const fiber = yield* Effect.forkChild(run)
    yield* TestClock.adjust("5 minutes")
    const exit = yield* Fiber.await(fiber)
    const { decision } = request
    return {
      reason: Exit.isFailure(exit) ? exit.cause.reasons.find((one) => one._tag === "Fail")?.error.reason : undefined,
      order: decision.attempts.map(({ target }) => target[0]).join(""),
      skipped: decision.skipped.map(({ target, why }) => `${target[0]}: ${why}`),
      record: toRecord(decision)
    }
  }).pipe(Effect.provide(flow(scripts, { aliases })))
}

const image: Partial<ChatRequest> = {
  messages: [{
    role: "user",
    content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: "https://a/b.png" } }]
  }]
}
const tools: Partial<ChatRequest> = { tools: [{ type: "function", function: { name: "look" } }] }
const schema: Partial<ChatRequest> = { response_format: { type: "json_schema", json_schema: { name: "x" } } }

const begun: Partial<ChatRequest> = {
  messages: [{ role: "user", content: "When is high water?" }, { role: "assistant", content: "At" }]
}

const words = (count: number): Partial<ChatRequest> => ({
  messages: [{ role: "user", content: "harbour ".repeat(count) }]
})

describe("a target that cannot serve the request", () => {
  const cases: ReadonlyArray<readonly [string, Capabilities, Partial<ChatRequest>, string]> = [
    ["does not look at images", { vision: false }, image, "no vision"],
    ["does not call tools", { tools: false }, tools, "no tools"],
    ["goes on from no answer that is given", { prefill: false }, begun, "no prefill"],
    ["keeps to no schema", { jsonSchema: false }, schema, "no json schema"],
    ["takes no temperature", { sampling: false }, { temperature: 0.2 }, "no sampling"],
    ["takes no top_p", { sampling: false }, { top_p: 0.2 }, "no sampling"],
    ["makes no answers as long as that", { maxOutput: 99 }, { max_tokens: 100 }, "answers too short"],
    ["has too small a context", { context: 100 }, words(2000), "context too small"]
  ]

  for (const [what, can, request, why] of cases) {
    for (const stream of [false, true]) {
      it.effect(`because it ${what} is passed over, and the record says so${stream ? ", also for a stream" : ""}`, () =>
        Effect.gen(function*() {
          const { order, record, skipped } = yield* asked([[can, "ok"], [{}, "ok"]], request, stream)
          expect([order, skipped]).toEqual(["b", [`a: ${why}`]])
          expect(record).toMatchObject({ candidates: ["a/m", "b/m"], skipped: [{ target: "a/m", why }], winner: "b/m" })
        }))
    }

    it.effect(`because it ${what} is asked by requests that do not need that`, () =>
      Effect.gen(function*() {
        const { order, skipped } = yield* asked([[can, "ok"], [{}, "ok"]])
        expect([order, skipped]).toEqual(["a", []])
      }))
  }

  it.effect("because it goes on from no answer is asked where the last message is none, or says nothing", () =>
    Effect.gen(function*() {
      const user = { role: "user" as const, content: "hi" }
      const call = { id: "c", type: "function" as const, function: { name: "look", arguments: "{}" } }
      for (
        const last of [
          { role: "assistant" as const, content: " " },
          { role: "assistant" as const, content: [] },
          { role: "assistant" as const, tool_calls: [call] },
          { role: "tool" as const, tool_call_id: "c", content: "1" }
        ]
      ) {
        const { order } = yield* asked([[{ prefill: false }, "ok"], [{}, "ok"]], { messages: [user, last] })
        expect(order).toBe("a")
      }
    }))

  it.effect("is asked for an answer that is just as long as it makes, in either spelling of the bound", () =>
    Effect.gen(function*() {
      for (const bound of ["max_tokens", "max_completion_tokens"]) {
        const just = yield* asked([[{ maxOutput: 100 }, "ok"], [{}, "ok"]], { [bound]: 100 })
        const beyond = yield* asked([[{ maxOutput: 100 }, "ok"], [{}, "ok"]], { [bound]: 101 })
        expect([just.order, beyond.order]).toEqual(["a", "b"])
      }
    }))

  it.effect("is asked with the one value that it takes, and refuses others by name where it is alone", () =>
    Effect.gen(function*() {
      const cast: Cast = [[{ sampling: false }, "ok"]]
      expect((yield* asked(cast, { temperature: 1, top_p: 1 })).order).toBe("a")
      for (const param of ["temperature", "top_p"]) {
        const { order, reason } = yield* asked(cast, { [param]: 0.2 })
        expect(order).toBe("")
        expect(reason).toMatchObject({ status: 400, param, errorCode: "unsupported_value" })
        expect(reason?.message).toBe(
          `Invalid '${param}': this model takes only 1, got 0.2. Change it, or leave it out.`
        )
      }
    }))

  it.effect("is asked with any where its dialect leaves out what it does not take", () =>
    Effect.gen(function*() {
      for (const kind of ["anthropic", "bedrock"]) {
        const { order } = yield* asked([[{ sampling: false }, "ok"]], { temperature: 0.2 }, false, kind)
        expect(order).toBe("a")
      }
    }))

  it.effect("is refused with the most that there is where no other makes answers as long as the caller wants", () =>
    Effect.gen(function*() {
      for (const param of ["max_tokens", "max_completion_tokens"]) {
        const { order, reason } = yield* asked([[{ maxOutput: 50 }, "ok"], [{ maxOutput: 100 }, "ok"]], {
          [param]: 101
        })
        expect(order).toBe("")
        expect(reason).toMatchObject({ status: 400, param, errorCode: "unsupported_value" })
        expect(reason?.message).toBe(
          `Invalid '${param}': answers of this model have at most 100 tokens, got 101. Lower it, or leave it out.`
        )
      }
    }))

  it.effect("is no second choice either", () =>
    Effect.gen(function*() {
      const { order, reason } = yield* asked([[{}, overloaded], [{ vision: false }, "ok"]], image)
      expect([order, reason?._tag]).toEqual(["aaa", "Overloaded"])
    }))

  it.effect("makes the request a caller's mistake where there is no other", () =>
    Effect.gen(function*() {
      const { order, reason } = yield* asked([[{ vision: false }, "ok"], [{ tools: false }, "ok"]], {
        ...image,
        ...tools
      })
      expect(order).toBe("")
      expect(reason).toMatchObject({ _tag: "InvalidRequest", status: 400, errorCode: "unsupported_capability" })
      expect(reason?.message).toBe(
        "No target of the model can serve this request: a/m (no vision), b/m (no tools)."
      )
    }))

  it.effect("names the member that needs what it has not", () =>
    Effect.gen(function*() {
      const { reason } = yield* asked([[{ jsonSchema: false }, "ok"]], schema)
      expect(reason?.param).toBe("response_format")
    }))

  it.effect("is asked all the same where only its context is too small and no other's is larger", () =>
    Effect.gen(function*() {
      const { order, skipped } = yield* asked([[{ context: 10 }, "ok"], [{ context: 100 }, "ok"]], words(2000))
      expect([order, skipped]).toEqual(["b", ["a: context too small"]])
    }))

  it.effect("is asked where the request may just fit", () =>
    Effect.gen(function*() {
      // 2000 words are 16,000 characters, and 2,667 tokens at the very least.
      const close = yield* asked([[{ context: 2700 }, "ok"], [{}, "ok"]], words(2000))
      const far = yield* asked([[{ context: 2600 }, "ok"], [{}, "ok"]], words(2000))
      expect([close.order, far.order]).toEqual(["a", "b"])
    }))
})

describe("a request that an upstream finds too long", () => {
  it.effect("goes on to the next target that is known to be larger, past those that are not", () =>
    Effect.gen(function*() {
      const { order, reason } = yield* asked([
        [{ context: 1000 }, tooLong],
        [{ context: 1000 }, "ok"],
        [{}, "ok"],
        [{ context: 2000 }, "ok"]
      ])
      expect([order, reason]).toEqual(["ad", undefined])
    }))

  it.effect("goes from one of unknown size to one whose size is known", () =>
    Effect.gen(function*() {
      const { order } = yield* asked([[{}, tooLong], [{ context: 2000 }, "ok"]], {}, true)
      expect(order).toBe("ab")
    }))

  it.effect("goes on from larger to larger, and ends with their word", () =>
    Effect.gen(function*() {
      const { order, reason } = yield* asked([
        [{ context: 1000 }, tooLong],
        [{ context: 2000 }, tooLong],
        [{ context: 1500 }, "ok"]
      ])
      expect([order, reason?._tag]).toEqual(["ab", "ContextLengthExceeded"])
    }))

  it.effect("is asked once where no target is known to be larger", () =>
    Effect.gen(function*() {
      const known = yield* asked([[{ context: 2000 }, tooLong], [{ context: 2000 }, "ok"]])
      const unknown = yield* asked([[{}, tooLong], [{}, "ok"]])
      expect([known.order, known.reason?._tag]).toEqual(["a", "ContextLengthExceeded"])
      expect([unknown.order, unknown.reason?._tag]).toEqual(["a", "ContextLengthExceeded"])
    }))

  it.effect("fails over from the larger one like all others", () =>
    Effect.gen(function*() {
      const { order } = yield* asked([
        [{ context: 1000 }, tooLong],
        [{ context: 2000 }, overloaded],
        [{ context: 3000 }, "ok"]
      ])
      expect(order).toBe("abbc")
    }))
})
