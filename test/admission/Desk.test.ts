import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import type { Purse } from "../../src/admission/Budget.ts"
import * as Desk from "../../src/admission/Desk.ts"
import { order, why } from "./Orders.ts"

const purse: Purse = { name: "key:alice", limit: 100, per: "day", soft: 0.8 }

const run = <A, E>(test: (own: Desk.OwnDesk) => Effect.Effect<A, E>) =>
  Effect.flatMap(Desk.make, test).pipe(Effect.provide(Desk.memory))

describe("requests a minute", () => {
  it.effect("are granted up to the limit, then one for each part of the minute that has passed", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", rpm: 3 }
        const seen: Array<string> = []
        for (let at = 0; at < 4; at++) seen.push(why(yield* desk.enter(order([line]))))
        expect(seen).toEqual(["granted", "granted", "granted", "requests"])
        yield* TestClock.adjust(19_999)
        expect(yield* desk.enter(order([line]))).toMatchObject({
          refused: { why: "requests", name: "key:alice", limit: "3", retryAfterMs: 1 },
          standings: { requests: { limit: 3, remaining: 0, resetMs: 40_001 } }
        })
        yield* TestClock.adjust(1)
        expect(yield* desk.enter(order([line]))).toMatchObject({ granted: { requests: { limit: 3, remaining: 0 } } })
      })
    ))

  it.effect("of one name say nothing about another", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const [alice, bob] = [{ name: "key:alice", rpm: 1 }, { name: "key:bob", rpm: 1 }]
        expect(why(yield* desk.enter(order([alice])))).toBe("granted")
        expect(why(yield* desk.enter(order([bob])))).toBe("granted")
        expect(why(yield* desk.enter(order([alice])))).toBe("requests")
      })
    ))

  it.effect("are no more than the limit once it is lowered, however many it was", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        yield* desk.enter(order([{ name: "key:alice", rpm: 100 }]))
        const outcomes = yield* Effect.forEach(Array.from({ length: 10 }), () =>
          desk.enter(order([{ name: "key:alice", rpm: 5 }])))
        expect(outcomes[0]).toMatchObject({ granted: { requests: { limit: 5, remaining: 4 } } })
        expect(
          outcomes.filter((outcome) =>
            why(outcome) === "granted"
          ).length
        ).toBe(5)
      })
    ))

  it.effect("of a key and of a model are both kept, and the one with less left is shown", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const lines = [{ name: "key:alice", rpm: 10 }, { name: "model:fast", rpm: 2 }]
        expect(yield* desk.enter(order(lines))).toMatchObject({ granted: { requests: { limit: 2, remaining: 1 } } })
        yield* desk.enter(order(lines))
        expect(yield* desk.enter(order(lines))).toMatchObject({ refused: { name: "model:fast" } })
      })
    ))
})

describe("a request that one limit refuses", () => {
  it.effect("has taken nothing of the others: neither of the key's for the model's, nor a request for its tokens", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const key = { name: "key:alice", rpm: 2, tpm: 1000 }
        const busy = { name: "model:fast", rpm: 1 }
        expect(why(yield* desk.enter(order([busy])))).toBe("granted")
        for (let at = 0; at < 5; at++) expect(why(yield* desk.enter(order([key, busy])))).toBe("requests")
        const small = { name: "model:small", tpm: 1 }
        expect(why(yield* desk.enter(order([small])))).toBe("granted")
        for (let at = 0; at < 5; at++) expect(why(yield* desk.enter(order([key, small])))).toBe("tokens")
        const poor = { name: "key:bob", rpm: 2, tpm: 1 }
        expect(why(yield* desk.enter(order([poor])))).toBe("granted")
        expect(why(yield* desk.enter(order([poor])))).toBe("tokens")
        expect(yield* desk.enter(order([{ name: "key:bob", rpm: 2 }]))).toMatchObject({
          granted: { requests: { remaining: 0 } }
        })
        expect(yield* desk.enter(order([key]))).toMatchObject({ granted: { requests: { limit: 2, remaining: 1 } } })
      })
    ))
})

describe("tokens a minute", () => {
  it.effect("are taken by the estimate first and by the use at the end, which may leave a debt", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", tpm: 60 }
        const first = order([line])
        expect(yield* desk.enter(first)).toMatchObject({ granted: { tokens: { limit: 60, remaining: 50 } } })
        yield* desk.leave(first.id, { tokens: 90, spent: 0 })
        // 60 - 90 = -30: a token a second comes back, and the next asks with 10.
        expect(yield* desk.enter(order([line]))).toMatchObject({ refused: { why: "tokens", retryAfterMs: 40_000 } })
        yield* TestClock.adjust(40_000)
        expect(yield* desk.enter(order([line]))).toMatchObject({ granted: { tokens: { remaining: 0 } } })
      })
    ))

  it.effect("let one pass that asks with more than a minute's when nothing else was used", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", tpm: 60 }
        const large = order([line], [], { tokens: 300 })
        expect(why(yield* desk.enter(large))).toBe("granted")
        expect(why(yield* desk.enter(order([line])))).toBe("tokens")
      })
    ))

  it.effect("owe what is more than a minute's when it is over", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", tpm: 60 }
        const large = order([line], [], { tokens: 300 })
        yield* desk.enter(large)
        yield* desk.leave(large.id, { tokens: 300, spent: 0 })
        // 240 are owed: four minutes, and 10 s for the ten that the next asks with.
        yield* TestClock.adjust("4 minutes")
        expect(yield* desk.enter(order([line]))).toMatchObject({ refused: { why: "tokens", retryAfterMs: 10_000 } })
        yield* TestClock.adjust("10 seconds")
        expect(why(yield* desk.enter(order([line])))).toBe("granted")
      })
    ))
})

describe("requests at once", () => {
  it.effect("hold their place until they leave, however many others come and go meanwhile", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", concurrent: 1 }
        const first = order([line])
        expect(why(yield* desk.enter(first))).toBe("granted")
        for (let at = 0; at < 1500; at++) {
          const other = order([])
          yield* desk.enter(other)
          yield* desk.leave(other.id, { tokens: 0, spent: 0 })
        }
        expect(why(yield* desk.enter(order([line])))).toBe("concurrent")
        yield* desk.leave(first.id, { tokens: 0, spent: 0 })
        expect(why(yield* desk.enter(order([line])))).toBe("granted")
      })
    ))

  it.effect("are as many as the limit, however many race, and one leaves its place to the next", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", concurrent: 5 }
        const orders = Array.from({ length: 50 }, () => order([line]))
        const outcomes = yield* Effect.forEach(orders, desk.enter, { concurrency: "unbounded" })
        expect(outcomes.filter((outcome) => why(outcome) === "granted").length).toBe(5)
        expect(outcomes.filter((outcome) => why(outcome) === "concurrent").length).toBe(45)
        const [first] = orders
        if (first !== undefined) yield* desk.leave(first.id, { tokens: 0, spent: 0 })
        if (first !== undefined) yield* desk.leave(first.id, { tokens: 0, spent: 0 })
        expect(why(yield* desk.enter(order([line])))).toBe("granted")
        expect(why(yield* desk.enter(order([line])))).toBe("concurrent")
      })
    ))

  it.effect("are not held by one that another limit refuses", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const line = { name: "key:alice", concurrent: 1, rpm: 1 }
        const first = order([line])
        yield* desk.enter(first)
        yield* desk.leave(first.id, { tokens: 0, spent: 0 })
        expect(why(yield* desk.enter(order([line], [purse], { bound: 100 })))).toBe("requests")
        yield* TestClock.adjust("1 minute")
        expect(why(yield* desk.enter(order([line], [purse], { bound: 100 })))).toBe("granted")
      })
    ))
})

describe("money", () => {
  it.effect("is reserved once, however many race", () =>
    run(({ desk }) =>
      Effect.gen(function*() {
        const orders = Array.from({ length: 50 }, () => order([], [purse], { bound: 30 }))
        const outcomes = yield* Effect.forEach(orders, desk.enter, { concurrency: "unbounded" })
        expect(outcomes.filter((outcome) => why(outcome) === "granted").length).toBe(3)
        expect(outcomes[3]).toMatchObject({ refused: { why: "budget", name: "key:alice", left: "0.00000000001" } })
      })
    ))

  it.effect("of a process that died counts as spent", () =>
    run(({ abandon, desk }) =>
      Effect.gen(function*() {
        yield* desk.enter({ ...order([{ name: "key:alice", concurrent: 1 }], [purse], { bound: 60 }), id: "7:1" })
        yield* desk.enter({ ...order([], [purse], { bound: 40 }), id: "70:1" })
        yield* abandon("7:")
        expect(yield* desk.balances([purse])).toEqual([{ spent: 60, reserved: 40, endMs: 86_400_000 }])
        expect(why(yield* desk.enter(order([{ name: "key:alice", concurrent: 1 }])))).toBe("granted")
      })
    ))

  it.effect("is asked for anew where it may have been spent before its budget was there", () =>
    run(({ desk, renew }) =>
      Effect.gen(function*() {
        yield* TestClock.adjust("36 hours")
        const known: Purse = { ...purse, name: "key:bob" }
        yield* desk.enter(order([], [known], { bound: 1 }))
        yield* renew
        expect(why(yield* desk.enter(order([], [known], { bound: 1 })))).toBe("granted")
        expect(why(yield* desk.enter(order([], [purse], { bound: 1 })))).toBe("unknown")
      })
    ))

  it.effect("that has reached its soft limit is told of once, also where another limit refuses whoever finds that", () => {
    const said: Array<string> = []
    const log = Logger.layer([Logger.make(({ message }) => void said.push(String(message)))])
    return Effect.gen(function*() {
      yield* TestClock.adjust("36 hours")
      const { desk } = yield* Desk.make
      const line = { name: "key:alice", concurrent: 1 }
      yield* desk.enter(order([line]))
      yield* desk.enter(order([], [purse]))
      yield* desk.tell([{ name: purse.name, per: purse.per, sinceMs: 86_400_000, spent: 90 }])
      expect(why(yield* desk.enter(order([line], [purse])))).toBe("concurrent")
      expect(why(yield* desk.enter(order([], [purse])))).toBe("granted")
      expect(said).toEqual(["the budget key:alice has spent 80 % of 0.0000000001 USD a day"])
    }).pipe(Effect.provide([Desk.memory, log]))
  })
})
