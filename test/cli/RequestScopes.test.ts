import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as RequestScopes from "../../src/cli/RequestScopes.ts"

const inFlight = Effect.forkDetach(Effect.never, { startImmediately: true })

describe("the scopes of requests", () => {
  it.effect("are used again when their request has ended", () =>
    Effect.gen(function*() {
      const scopes = RequestScopes.make()
      for (let n = 0; n < 100; n++) {
        const fiber = Fiber.runIn(yield* inFlight, scopes.next())
        yield* Fiber.interrupt(fiber)
      }
      expect(scopes.size()).toBe(1)
    }))

  it.effect("stay few where long requests hold many and short ones come and go", () =>
    Effect.gen(function*() {
      const scopes = RequestScopes.make()
      const long = 200
      for (let n = 0; n < long; n++) Fiber.runIn(yield* inFlight, scopes.next())
      for (let n = 0; n < 5000; n++) yield* Fiber.interrupt(Fiber.runIn(yield* inFlight, scopes.next()))
      expect(scopes.size()).toBeLessThanOrEqual(3 * (long + 1))
      yield* scopes.closeAll(Exit.void)
    }))

  it.effect("are each for one request at a time", () =>
    Effect.gen(function*() {
      const scopes = RequestScopes.make()
      const taken = new Set<unknown>()
      for (let n = 0; n < 100; n++) {
        const scope = scopes.next()
        taken.add(scope)
        Fiber.runIn(yield* inFlight, scope)
      }
      expect(taken.size).toBe(100)
      yield* scopes.closeAll(Exit.void)
    }))

  it.effect("end every request in flight when they are closed", () =>
    Effect.gen(function*() {
      const scopes = RequestScopes.make()
      const fibers: Array<Fiber.Fiber<never>> = []
      for (let n = 0; n < 3; n++) fibers.push(Fiber.runIn(yield* inFlight, scopes.next()))
      yield* scopes.closeAll(Exit.void)
      expect(fibers.map((fiber) => fiber.pollUnsafe()?._tag)).toEqual(["Failure", "Failure", "Failure"])
    }))

  it.effect("end a request that comes after they were closed", () =>
    Effect.gen(function*() {
      const scopes = RequestScopes.make()
      Fiber.runIn(yield* inFlight, scopes.next())
      yield* scopes.closeAll(Exit.void)
      const late = Fiber.runIn(yield* inFlight, scopes.next())
      expect((yield* Fiber.await(late))._tag).toBe("Failure")
    }))
})
