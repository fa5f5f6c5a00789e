import { describe, expect, it } from "@effect/vitest"
import { errors } from "undici"
import * as TransportOverflow from "../../src/providers/TransportOverflow.ts"

const guarded = () => {
  const given: Array<Error | undefined> = []
  const socket = { destroy: (error?: Error) => void given.push(error) }
  TransportOverflow.guard(socket)
  return { socket, given }
}

describe("TransportOverflow", () => {
  it("makes errors without stacks for the rest of the turn in which a head is too long", async () => {
    const { stackTraceLimit } = Error
    const { given, socket } = guarded()
    const first = new errors.HeadersOverflowError()
    socket.destroy(first)
    expect(new Error("another of the same head").stack).not.toContain("\n    at ")
    socket.destroy(new errors.HeadersOverflowError())
    await Promise.resolve()
    expect(Error.stackTraceLimit).toBe(stackTraceLimit)
    expect(new Error("of the next turn").stack).toContain("\n    at ")
    expect(given[0]).toBe(first)
    expect(first.stack).toContain("\n    at ")
  })

  it("leaves the stacks of every other end alone", () => {
    const { given, socket } = guarded()
    const reset = new Error("reset")
    socket.destroy(reset)
    socket.destroy()
    expect(new Error("later").stack).toContain("\n    at ")
    expect(given).toEqual([reset, undefined])
  })

  it("takes what is no socket for what it is", () => {
    expect(() => TransportOverflow.guard(undefined)).not.toThrow()
  })
})
