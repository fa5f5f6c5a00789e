import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as Stream from "effect/Stream"
import { EventEmitter } from "node:events"
import { readBytes } from "../../src/server/BodyBytes.ts"

const letters = "abcdefghij"

/** One byte at a time, and all but the first in the same place. */
const pieces = function*() {
  const again = Buffer.alloc(1)
  for (const [at, letter] of Array.from(letters).entries()) {
    again.write(letter)
    yield at === 0 ? Buffer.from(letter) : again
  }
}

const source = () => Object.assign(new EventEmitter(), { resume: () => undefined })

describe("the bytes of a body", () => {
  it.effect("are put together as they come, and none of its pieces is kept but the first", () =>
    Effect.gen(function*() {
      const socket = source()
      const body = { headers: Headers.empty, source: socket, stream: Stream.die("not asked for") }
      const read = yield* Effect.forkChild(readBytes(body, 100), { startImmediately: true })
      for (const piece of pieces()) socket.emit("data", piece)
      socket.emit("end")
      expect(Buffer.from(yield* Fiber.join(read)).toString()).toBe(letters)
    }))

  it.effect("are that too where the caller waits to be told to go on", () =>
    Effect.gen(function*() {
      const headers = Headers.fromInput({ expect: "100-continue" })
      const body = { headers, source: source(), stream: Stream.fromIterable(pieces(), { chunkSize: 1 }) }
      expect(Buffer.from(yield* readBytes(body, 100)).toString()).toBe(letters)
      const long = { ...body, stream: Stream.fromIterable(pieces(), { chunkSize: 1 }) }
      expect(yield* Effect.flip(readBytes(long, letters.length - 1))).toBe("too large")
    }))

  it.effect("are thrown away after too many of them, and how their stream ends is nobody's matter", () =>
    Effect.gen(function*() {
      const socket = source()
      const body = { headers: Headers.empty, source: socket, stream: Stream.die("not asked for") }
      const read = yield* Effect.forkChild(Effect.flip(readBytes(body, 1)), { startImmediately: true })
      for (const piece of pieces()) socket.emit("data", piece)
      socket.emit("error", new Error("reset"))
      socket.emit("close")
      expect(yield* Fiber.join(read)).toBe("too large")
    }))

  it.effect("are thrown away once nobody waits for them", () =>
    Effect.gen(function*() {
      const socket = source()
      const body = { headers: Headers.empty, source: socket, stream: Stream.die("not asked for") }
      const read = yield* Effect.forkChild(readBytes(body, 100), { startImmediately: true })
      yield* Fiber.interrupt(read)
      for (const piece of pieces()) socket.emit("data", piece)
      socket.emit("end")
      socket.emit("error", new Error("reset"))
      expect(Exit.hasInterrupts(yield* Fiber.await(read))).toBe(true)
    }))
})
