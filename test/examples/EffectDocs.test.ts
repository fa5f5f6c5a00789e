import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { AiWriter, program } from "../../examples/effect-docs/10_language-model.ts"
import { AssistantToolkitLayer, ProductAssistant } from "../../examples/effect-docs/20_tools.ts"
import { AiAssistant } from "../../examples/effect-docs/30_chat.ts"
import { LaunchPlan } from "../../examples/effect-docs/fixtures/domain/LaunchPlan.ts"
import { names, ours, swapped } from "./EffectDocs.ts"

/** What an example logs. */
const logged = (lines: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => {
    lines.push(Array.isArray(message) ? message.join(" ") : String(message))
  })])

describe("the examples of Effect's documentation, over a gateway", () => {
  it.each(names)("%s says what the documentation says, with the provider's Layer swapped", (name) => {
    expect(ours(name)).toBe(swapped(name))
  })

  it.live("a text is drafted under an execution plan", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      yield* program
      const writer = yield* AiWriter
      const draft = yield* writer.draftAnnouncement("Effect Cloud")
      expect(draft.provider).toBe("breakwater")
      expect(draft.text).toContain("Effect Cloud")
      expect(lines).toContainEqual(expect.stringMatching(/^breakwater finished with stop\. outputTokens=[1-9]\d*$/))
    }).pipe(Effect.provide([AiWriter.layer, logged(lines)]))
  })

  it.live("an object keeps to its schema", () =>
    Effect.gen(function*() {
      const plan = yield* (yield* AiWriter).extractLaunchPlan("Ship it on Monday.")
      expect(plan).toBeInstanceOf(LaunchPlan)
    }).pipe(Effect.provide(AiWriter.layer)))

  it.live("highlights are streamed", () =>
    Effect.gen(function*() {
      const deltas = yield* Stream.runCollect((yield* AiWriter).streamReleaseHighlights("4.1"))
      expect(deltas.length).toBeGreaterThan(5)
      expect(deltas.join("")).toContain("4.1")
    }).pipe(Effect.provide(AiWriter.layer)))

  it.live("tools are called with the parameters of the model, and their results are read", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      const answer = yield* (yield* ProductAssistant).answer("Which headphones are in stock?")
      expect(answer.toolCallCount).toBe(2)
      expect(lines.map((line) => line.replace(/ id=\S+/, ""))).toEqual([
        "Tool call: SearchProducts",
        "Tool call: GetInventory",
        "Tool result: SearchProducts isFailure=false",
        "Tool result: GetInventory isFailure=false"
      ])
    }).pipe(Effect.provide([ProductAssistant.layer, logged(lines)]))
  })

  it.live("a toolkit takes a tool that the upstream runs itself", () =>
    Effect.gen(function*() {
      yield* Layer.build(AssistantToolkitLayer)
    }).pipe(Effect.scoped))

  it.live("a chat remembers what was said", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      const assistant = yield* AiAssistant
      expect(yield* assistant.chat("Hello")).toContain("Hello")
      expect(yield* assistant.chat("And again")).toContain("And again")
      expect(lines).toEqual(expect.arrayContaining(["Conversation has 3 messages", "Conversation has 5 messages"]))
    }).pipe(Effect.provide([AiAssistant.layer, logged(lines)]))
  })

  it.live("an agent calls its tools until it has its answer", () =>
    Effect.gen(function*() {
      expect(yield* (yield* AiAssistant).agent("What time is it?")).toMatch(/^The tools answered: “"?\d{4}-\d\d-\d\dT/)
    }).pipe(Effect.provide(AiAssistant.layer)))
})
