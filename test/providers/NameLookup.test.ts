import { afterAll, beforeEach, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import dns from "node:dns"
import { layer } from "../../src/providers/NameLookup.ts"
import { Resolver } from "../../src/validation/Url.ts"

type Answer = (error: NodeJS.ErrnoException | null, found: ReadonlyArray<dns.LookupAddress>) => void

const real = dns.lookup
const asked: Array<{ readonly name: string; readonly options: dns.LookupOptions; readonly answer: Answer }> = []
// Node's own type has an overload for every form of the question; one of them is asked.
dns.lookup =
  ((name: string, options: dns.LookupOptions, answer: Answer) =>
    void asked.push({ name, options, answer })) as unknown as typeof dns.lookup
beforeEach(() => {
  asked.length = 0
})
afterAll(() => {
  dns.lookup = real
})

const found = [{ address: "8.8.8.8", family: 4 }, { address: "fe80::1%eth0", family: 6 }]
const reading = (resolver: Resolver["Service"], name = "a.example.com") =>
  Effect.forkChild(
    Effect.match(resolver.addresses(name), { onSuccess: (all) => all.join(), onFailure: ({ code }) => code }),
    { startImmediately: true }
  )

describe("the addresses of a name", () => {
  it.effect("are all that the system knows, in its order and as it writes them", () =>
    Effect.gen(function*() {
      const fiber = yield* reading(yield* Resolver)
      expect(asked[0]).toMatchObject({ name: "a.example.com", options: { all: true, order: "verbatim" } })
      asked[0]?.answer(null, found)
      expect(yield* Fiber.join(fiber)).toBe("8.8.8.8,fe80::1%eth0")
    }).pipe(Effect.provide(layer())))

  it.effect("are asked for anew each time", () =>
    Effect.gen(function*() {
      const resolver = yield* Resolver
      yield* reading(resolver)
      yield* reading(resolver)
      expect(asked).toHaveLength(2)
    }).pipe(Effect.provide(layer())))

  it.effect("that cannot be had are a failure with the system's code", () =>
    Effect.gen(function*() {
      const fiber = yield* reading(yield* Resolver)
      asked[0]?.answer(Object.assign(new Error("no"), { code: "ENOTFOUND" }), [])
      expect(yield* Fiber.join(fiber)).toBe("ENOTFOUND")
    }).pipe(Effect.provide(layer())))

  it.effect("are waited for two seconds", () =>
    Effect.gen(function*() {
      const fiber = yield* reading(yield* Resolver)
      yield* TestClock.adjust(1999)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toBe("timeout")
    }).pipe(Effect.provide(layer())))

  it.effect("are not asked for while too many questions are open, those that nobody waits for included", () =>
    Effect.gen(function*() {
      const resolver = yield* Resolver
      const first = yield* reading(resolver)
      yield* Fiber.interrupt(first)
      yield* reading(resolver)
      expect(yield* Fiber.join(yield* reading(resolver))).toBe("busy")
      expect(asked).toHaveLength(2)
      asked[0]?.answer(null, found)
      yield* reading(resolver)
      expect(asked).toHaveLength(3)
    }).pipe(Effect.provide(layer({ maxPending: 2 }))))
})
