import { afterAll, afterEach, beforeAll, describe, expect, it, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import { createServer } from "node:net"
import type { GatewayError } from "../../src/domain/GatewayError.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { Ending, Exchange } from "../../src/providers/TransportExchange.ts"
import { Roster } from "../../src/resilience/Roster.ts"
import { answer } from "../faults/Answer.ts"
import { blackhole, refused } from "../faults/Listeners.ts"
import type { Upstream } from "../faults/Upstream.ts"
import { start } from "../faults/Upstream.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start()
})
afterEach(() => upstream.reset())
afterAll(() => upstream.close())

const requestTo = (origin: string, model: string, stream = false) =>
  Effect.flatMap(Transport.Transport, (transport) =>
    transport.request({
      origin,
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, stream })
    }))
const request = (model: string, stream = false) =>
  Effect.suspend(() => requestTo(new URL(upstream.url).origin, model, stream))
const textOf = (model: string) => Effect.scoped(Effect.flatMap(request(model), (response) => response.text))
/** undici takes a connection back at the next turn of the event loop. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
const reasonOf = <A, E extends { readonly reason: { readonly _tag: string } }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)
const seen = (predicate: (upstream: Upstream) => boolean) => Effect.promise(() => upstream.waitFor(predicate))

const options = { connectTimeoutMs: 300, lingerMs: 50 }

const fakeExchange = (maxBytes: number) => {
  const calls: Array<string> = []
  const exchange = new Exchange({
    maxBytes,
    onHead: () => void calls.push("head"),
    retry: () => void calls.push("retry")
  })
  const controller = {
    abort: () => void calls.push("abort"),
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume")
  }
  exchange.onRequestStart(controller)
  exchange.onResponseStart(controller, 200, {})
  return { exchange, controller, calls }
}

/** The bytes of a body as they arrive. */
const bytesOf = (
  response: Pick<Transport.TransportResponse, "decoded">
): Pull.Pull<ReadonlyArray<Uint8Array>, GatewayError> =>
  response.decoded<ReadonlyArray<Uint8Array>>({
    onPull: () => undefined,
    onChunks: (chunks) => chunks,
    onEnd: (failure) => new Ending(failure === undefined ? Cause.done() : Effect.fail(failure))
  }).pull

describe("Exchange", () => {
  it.each([[true, "head"], [false, "retry"]] as const)(
    "takes a reset before the answer for the upstream's own where a connection was opened for it: %s",
    (isOpened, heard) => {
      const calls: Array<string> = []
      const waiting = new Roster<Exchange>()
      const exchange = new Exchange({
        maxBytes: 1,
        waiting,
        onHead: () => void calls.push("head"),
        retry: () => void calls.push("retry")
      })
      waiting.add(exchange)
      if (isOpened) { for (const one of waiting.members()) one.ownConnection(undefined) }
      exchange.onRequestStart({ abort: () => {}, pause: () => {}, resume: () => {} })
      expect(waiting.size).toBe(0)
      exchange.onResponseError(undefined, Object.assign(new Error("reset"), { code: "ECONNRESET" }))
      expect(calls).toEqual([heard])
    }
  )

  it.effect("pauses the socket while more than 256 KiB wait for their reader", () =>
    Effect.gen(function*() {
      const { calls, controller, exchange } = fakeExchange(1)
      for (let count = 0; count < 5; count++) exchange.onResponseData(controller, new Uint8Array(60_000))
      expect(calls).toEqual(["head", "pause"])
      expect(yield* bytesOf(exchange)).toHaveLength(5)
      expect(calls).toEqual(["head", "pause", "resume"])
    }))

  it.effect("wakes its reader once for all that one read brought", () =>
    Effect.gen(function*() {
      const { controller, exchange } = fakeExchange(1)
      const reader = yield* Effect.forkChild(bytesOf(exchange), { startImmediately: true })
      for (let count = 0; count < 3; count++) exchange.onResponseData(controller, Uint8Array.of(count))
      expect(yield* Fiber.join(reader)).toHaveLength(3)
    }))

  it.effect("delivers what arrived before the failure that followed it", () =>
    Effect.gen(function*() {
      const { controller, exchange } = fakeExchange(1)
      exchange.onResponseData(controller, Uint8Array.of(1))
      exchange.onResponseError(controller, { code: "ECONNRESET" })
      expect(yield* bytesOf(exchange)).toHaveLength(1)
      expect(yield* reasonOf(exchange.text)).toBe("StreamInterrupted")
    }))

  it.effect("puts a text together as it comes, and keeps none of its pieces but the first", () =>
    Effect.gen(function*() {
      const { controller, exchange } = fakeExchange(1000)
      const reader = yield* Effect.forkChild(exchange.text, { startImmediately: true })
      exchange.onResponseData(controller, Buffer.from("a"))
      const again = Buffer.alloc(1)
      for (const letter of "bcdefghij") {
        again.write(letter)
        exchange.onResponseData(controller, again)
      }
      exchange.onResponseEnd()
      expect(yield* Fiber.join(reader)).toBe("abcdefghij")
    }))

  it.effect("gives up a text that grows beyond its limit", () =>
    Effect.gen(function*() {
      const { calls, controller, exchange } = fakeExchange(10)
      const reader = yield* Effect.forkChild(reasonOf(exchange.text), { startImmediately: true })
      exchange.onResponseData(controller, new Uint8Array(11))
      expect(yield* Fiber.join(reader)).toBe("MalformedAnswer")
      expect(calls).toEqual(["head", "abort"])
    }))
})

layer(Transport.layer(options), { excludeTestServices: true })("Transport", (it) => {
  it.effect("answers status, headers and text, and uses the connection again", () =>
    Effect.gen(function*() {
      const response = yield* request("ok")
      expect(response.status).toBe(200)
      expect(response.headers["content-type"]).toContain("application/json")
      expect(yield* response.text).toContain(answer)
      yield* turn
      yield* textOf("ok")
      yield* turn
      yield* textOf("ok")
      expect(new Set(upstream.attempts.map(({ socketId }) => socketId)).size).toBe(1)
    }).pipe(Effect.scoped))

  it.effect("gives the chunks of a body as they came and then ends", () =>
    Effect.gen(function*() {
      const response = yield* request("ok", true)
      let text = ""
      const end = yield* Effect.flip(Effect.forever(Effect.map(bytesOf(response), (chunks) => {
        for (const chunk of chunks) text += Buffer.from(chunk).toString()
      })))
      expect(Cause.isDone(end)).toBe(true)
      expect(text.endsWith("data: [DONE]\n\n")).toBe(true)
    }).pipe(Effect.scoped))

  it.effect("tries a reset on a reused connection again, once and on a fresh one", () =>
    Effect.gen(function*() {
      yield* textOf("reset-on-reuse")
      yield* turn
      expect(yield* textOf("reset-on-reuse")).toContain(answer)
      const sockets = upstream.attempts.map(({ socketId }) => socketId)
      expect(sockets).toHaveLength(3)
      expect(sockets[0]).toBe(sockets[1])
      expect(sockets[2]).not.toBe(sockets[1])
    }))

  it.effect("does not try a reset on a fresh connection again", () =>
    Effect.gen(function*() {
      expect(yield* reasonOf(request("reset-before-headers"))).toBe("ConnectionReset")
      expect(upstream.attempts).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Transport.layer(options)))))

  it.effect("fails at once where nobody listens", () =>
    Effect.gen(function*() {
      const port = yield* Effect.promise(() => refused())
      expect(yield* reasonOf(requestTo(new URL(port).origin, "ok"))).toBe("UpstreamUnreachable")
      expect(yield* reasonOf(requestTo("http://no-such-host.invalid", "ok"))).toBe("UpstreamUnreachable")
    }).pipe(Effect.scoped))

  it.effect("gives up connecting after its limit", () =>
    Effect.gen(function*() {
      const hole = yield* Effect.acquireRelease(
        Effect.promise(() => blackhole()),
        (hole) => Effect.promise(() => hole.close())
      )
      expect(yield* reasonOf(requestTo(new URL(hole.url).origin, "ok"))).toBe("UpstreamTimedOut")
    }).pipe(Effect.scoped))

  it.effect("does not read an answer in a coding that nobody asked for", () =>
    Effect.gen(function*() {
      expect(yield* reasonOf(textOf("gzip"))).toBe("MalformedAnswer")
    }))

  for (
    const [phase, model] of [["waits for headers", "silence"], ["waits for a body", "headers-then-silence"]] as const
  ) {
    it.effect(`closes the connection when it is interrupted while it ${phase}`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(textOf(model))
        yield* seen((one) => one.attemptsOf(model).length === 1)
        yield* Fiber.interrupt(fiber)
        yield* seen((one) => one.attemptsOf(model)[0]?.closedBy === "client")
      }))
  }

  it.effect("closes the connection when it is interrupted in a body, or the scope closes before the end", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.flatMap(request("stall:5", true), (response) => bytesOf(response)))
      yield* seen((one) => one.attemptsOf("stall:5")[0]?.closedBy === "client")
    }))

  it.effect("closes a connection that is being opened when it is interrupted", () =>
    Effect.gen(function*() {
      const opened = Promise.withResolvers<void>()
      const closed = Promise.withResolvers<void>()
      const server = createServer((socket) => {
        opened.resolve()
        // The first bytes of TLS are read and never answered.
        socket.on("error", () => undefined).on("close", () => closed.resolve()).resume()
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const fiber = yield* Effect.forkChild(requestTo(`https://127.0.0.1:${port}`, "ok"))
      yield* Effect.promise(() => opened.promise)
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => closed.promise)
    }).pipe(Effect.scoped))

  it.effect("closes a connection whose body does not end though its answer is complete", () =>
    Effect.gen(function*() {
      const readToDone = Effect.scoped(Effect.gen(function*() {
        const response = yield* request("done-then-open", true)
        let text = ""
        yield* Effect.repeat(
          Effect.map(bytesOf(response), (chunks) => {
            for (const chunk of chunks) text += Buffer.from(chunk).toString()
          }),
          { until: () => text.includes("[DONE]") }
        )
        response.markComplete()
      }))
      yield* readToDone
      yield* seen((one) => one.attemptsOf("done-then-open")[0]?.closedBy === "client")
    }))
})
