import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { gatewayError, Overloaded } from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import { Capture, type CaptureLevel } from "../../src/observability/Capture.ts"
import { ask, askVectors, flow, script } from "../flow/Scripted.ts"
import { layerTraced, type Seen } from "../flow/Traced.ts"

const content = new Set(["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions"])

/** What is kept of the content, by the call whose span has it: one that failed, and one that answered. */
const kept = (level: CaptureLevel) => {
  const spans: Array<Seen> = []
  const scripts = [script("a", new Overloaded({ message: "busy" })), script("b", "ok")]
  return Effect.gen(function*() {
    const tools = [{ type: "function" as const, function: { name: "look", parameters: {} } }]
    yield* (yield* Completion).complete(ask({ tools }))
    return spans.map(({ attributes, name }) =>
      [name, Object.entries(attributes).filter(([key]) => content.has(key))] as const
    )
  }).pipe(
    Effect.provide(flow(scripts, { retry: { attempts: 1 } }).pipe(Layer.provideMerge(layerTraced(spans)))),
    Effect.provideService(Capture, level)
  )
}

const none = [["breakwater.route fast", []], ["chat a-model", []], ["chat b-model", []]]

describe("the words of a request and its answer", () => {
  for (const level of ["none", "metadata"] as const) {
    it.live(`are on no span where capture is ${level}`, () =>
      Effect.gen(function*() {
        expect(yield* kept(level)).toEqual(none)
      }))
  }

  it.live("are on the span of the call where capture is content, the answer only on that of the call that gave it", () =>
    Effect.gen(function*() {
      const input = ["gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"hi"}]}]`]
      const definitions = [
        "gen_ai.tool.definitions",
        `[{"type":"function","function":{"name":"look","parameters":{}}}]`
      ]
      const output = [
        "gen_ai.output.messages",
        `[{"role":"assistant","parts":[{"type":"text","content":"I am b"}],"finish_reason":"stop"}]`
      ]
      expect(yield* kept("content")).toEqual([
        ["breakwater.route fast", []],
        ["chat a-model", [input, definitions]],
        ["chat b-model", [input, definitions, output]]
      ])
    }))
})

describe("the span of a request for vectors that failed in part", () => {
  it.live("has the tokens of the parts that were answered, for they are charged", () =>
    Effect.gen(function*() {
      const spans: Array<Seen> = []
      const usage = { promptTokens: 30, completionTokens: 0, totalTokens: 30 }
      const half = gatewayError(new Overloaded({ message: "busy" }), { usage, isUntold: false })
      const asked = Effect.flatMap(Completion, (completion) => completion.embed(askVectors()))
      yield* asked.pipe(Effect.provide(
        flow([script("a", half), script("b", "ok")], { retry: { attempts: 1 } }).pipe(
          Layer.provideMerge(layerTraced(spans))
        )
      ))
      const tokens = spans.map(({ attributes, name }) => [name, attributes["gen_ai.usage.input_tokens"]])
      expect(tokens).toContainEqual(["embeddings a-model", 30])
    }))
})
