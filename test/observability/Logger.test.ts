import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { describeCause, EventLog, layer, layerLines } from "../../src/observability/Logger.ts"

const stdioOf = (written: Array<string>, taken: Effect.Effect<void> = Effect.void) =>
  Layer.succeed(
    Stdio.Stdio,
    Stdio.make({
      args: Effect.succeed([]),
      stdin: Stream.empty,
      stdout: () => Sink.forEach((chunk) => Effect.andThen(Effect.sync(() => void written.push(String(chunk))), taken)),
      stderr: () => Sink.drain
    })
  )

describe("the log", () => {
  it.effect("an event is one JSON object with the severity in words and numbers", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      const log = yield* EventLog
      log.event("warn", 0, "something\nhappened", { "event.name": "test", absent: undefined })
      expect(lines.map((line) => JSON.parse(line))).toEqual([{
        timestamp: "1970-01-01T00:00:00.000Z",
        severity_text: "WARN",
        severity_number: 13,
        message: "something\nhappened",
        "event.name": "test"
      }])
      expect(lines[0]).not.toContain("\n")
    }).pipe(Effect.provide(layerLines({ format: "json", level: "info" }, (line) => lines.push(line))))
  })

  it.effect("below the level nothing is written, neither events nor Effect.log", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      const log = yield* EventLog
      expect(log.isEnabled("info")).toBe(false)
      log.event("info", 0, "quiet", {})
      yield* Effect.logInfo("quiet")
      yield* Effect.logError("loud")
      expect(lines.map((line) => JSON.parse(line).message)).toEqual(["loud"])
    }).pipe(Effect.provide(layerLines({ format: "json", level: "warn" }, (line) => lines.push(line))))
  })

  it.effect("a pretty line escapes control characters", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      const log = yield* EventLog
      log.event("info", 0, "one\u001b[31mtwo", { text: "a\nb", count: 2 })
      expect(lines).toEqual(["00:00:00.000 INFO  one\\u001b[31mtwo text=\"a\\nb\" count=2"])
    }).pipe(Effect.provide(layerLines({ format: "pretty", level: "info" }, (line) => lines.push(line))))
  })

  it.effect("Effect.log carries its annotations", () => {
    const lines: Array<string> = []
    return Effect.gen(function*() {
      yield* Effect.annotateLogs(Effect.logInfo("hello", 1), { "breakwater.request.id": "r1" })
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({ message: "hello 1", "breakwater.request.id": "r1" })
    }).pipe(Effect.provide(layerLines({ format: "json", level: "info" }, (line) => lines.push(line))))
  })

  it("a cause is told by name and place, never by its message", () => {
    const described = describeCause(Cause.die(new RangeError("the prompt was SECRET")))
    expect(described["error.type"]).toBe("RangeError")
    expect(String(described["exception.stacktrace"])).toContain("Logger.test.ts")
    expect(JSON.stringify(described)).not.toContain("SECRET")
  })

  it.effect("lines are written together, after a short wait", () => {
    const written: Array<string> = []
    return Effect.gen(function*() {
      const log = yield* EventLog
      for (let i = 0; i < 3; i++) log.event("info", 0, `line ${i}`, {})
      yield* TestClock.adjust(49)
      expect(written).toEqual([])
      yield* TestClock.adjust(1)
      expect(written.length).toBe(1)
      expect(written[0]?.split("\n").length).toBe(4)
    }).pipe(Effect.provide(layer({ format: "json", level: "info" }).pipe(Layer.provide(stdioOf(written)))))
  })

  it.effect("what waits is written when the layer closes", () =>
    Effect.gen(function*() {
      const written: Array<string> = []
      yield* Effect.map(EventLog, (log) => log.event("info", 0, "last words", {})).pipe(
        Effect.provide(layer({ format: "json", level: "info" }).pipe(Layer.provide(stdioOf(written))))
      )
      expect(written.join("")).toContain("last words")
    }))

  it.effect("what a slow output has not taken yet is written when the layer closes", () =>
    Effect.gen(function*() {
      const written: Array<string> = []
      const taken = yield* Latch.make()
      const logs = layer({ format: "json", level: "info" }).pipe(Layer.provide(stdioOf(written, taken.await)))
      const scope = yield* Scope.make()
      const log = Context.get(yield* Layer.buildWithScope(logs, scope), EventLog)
      for (let i = 0; i < 5; i++) log.event("info", 0, `line ${i} ${"x".repeat(40_000)}`, {})
      yield* TestClock.adjust(50)
      expect(written.length).toBe(1)
      const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* taken.open
      yield* Fiber.join(closed)
      expect(written.map((piece) => JSON.parse(piece).message.slice(0, 6))).toEqual(
        Array.from({ length: 5 }, (_, i) => `line ${i}`)
      )
    }))
})
