import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { type Purse, windowAt } from "../../src/admission/Budget.ts"
import { Desk } from "../../src/admission/Desk.ts"
import * as RedisDesk from "../../src/admission/RedisDesk.ts"
import * as Scripts from "../../src/admission/RedisScripts.ts"
import type { PicoUsd } from "../../src/domain/Money.ts"
import * as Redis from "../../src/storage/Redis.ts"
import { makeRandom } from "../providers/Seeded.ts"
import { isMissing, make, serving } from "../storage/RedisServer.ts"
import { name, order, why } from "./Orders.ts"

const server = serving()

const settingsOf = (url: string, timeoutMs: number): Redis.RedisSettings => ({
  url: Redacted.make(url),
  timeoutMs,
  prefix: "test"
})

const purse = (limit: PicoUsd): Purse => ({ name: name(), limit, per: "day", soft: 0.8 })

type Shop = Desk["Service"]

interface Process {
  readonly desk: Shop
  readonly redis: Redis.SharedRedis["Service"]
  /** Without a word to anybody. */
  readonly die: Effect.Effect<void>
}

/** A process of its own: another connection, and other names of its orders. */
const process = ({ leaseMs = 30_000, timeoutMs = 10_000, url = server().url } = {}) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithScope(
      RedisDesk.layerOver({ leaseMs }).pipe(Layer.provideMerge(Redis.layer(settingsOf(url, timeoutMs)))),
      scope
    )
    const redis = Context.get(context, Redis.SharedRedis)
    // A script that is sent for the first time comes after what is said in the meantime.
    yield* redis.run(Scripts.leave, [redis.keyOf("none")], JSON.stringify({ id: "none", lines: [], purses: [] }))
    return {
      desk: Context.get(context, Desk),
      redis,
      die: Scope.close(scope, Exit.void)
    } satisfies Process
  })

/** What was spent before is known: nothing. */
const anew = (desk: Shop, { name, per }: Purse, spent: PicoUsd = 0) =>
  Effect.gen(function*() {
    const outcome = yield* desk.enter(order([], [{ name, per, limit: 1, soft: 1 }]))
    expect(why(outcome)).toBe("unknown")
    if ("unknown" in outcome) yield* desk.tell(outcome.unknown.map((one) => ({ ...one, spent })))
  })

const balance = (desk: Shop, { name, per }: Purse) => Effect.map(desk.balances([{ name, per }]), ([found]) => found)

/** Asks until it is so, for what is given back is said by nobody who waits. */
const until = <A, E, R>(ask: Effect.Effect<A, E, R>, holds: (value: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    ask,
    (value) => holds(value) ? Effect.succeed(value) : Effect.andThen(Effect.sleep(20), until(ask, holds))
  )

const empty = { tokens: 0, spent: 0 }

describe.skipIf(isMissing())("a desk over Redis: requests and tokens a minute", () => {
  it.live("are granted up to the limit to all processes together", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process(), yield* process()]
      const line = { name: name(), rpm: 3 }
      expect(yield* one.desk.enter(order([line]))).toMatchObject({ granted: { requests: { limit: 3, remaining: 2 } } })
      expect(yield* two.desk.enter(order([line]))).toMatchObject({ granted: { requests: { limit: 3, remaining: 1 } } })
      expect(why(yield* one.desk.enter(order([line])))).toBe("granted")
      const refused = yield* two.desk.enter(order([line]))
      expect(refused).toMatchObject({ refused: { why: "requests", name: line.name, limit: "3" } })
      if (!("refused" in refused)) return
      expect(refused.refused.retryAfterMs).toBeGreaterThan(0)
      expect(refused.refused.retryAfterMs).toBeLessThanOrEqual(20_000)
    }).pipe(Effect.scoped))

  it.live("are filled evenly by the clock of Redis", () =>
    Effect.gen(function*() {
      const { desk } = yield* process()
      const line = { name: name(), rpm: 60 }
      const enter = Effect.suspend(() => desk.enter(order([line])))
      yield* Effect.repeat(enter, { while: (outcome) => why(outcome) === "granted" })
      yield* until(enter, (outcome) => why(outcome) === "granted")
    }).pipe(Effect.scoped))

  it.live("of tokens are taken by the estimate first and by the use at the end, which may leave a debt", () =>
    Effect.gen(function*() {
      const { desk } = yield* process()
      const line = { name: name(), tpm: 60 }
      const first = order([line])
      expect(yield* desk.enter(first)).toMatchObject({ granted: { tokens: { limit: 60, remaining: 50 } } })
      yield* desk.leave(first.id, { tokens: 90, spent: 0 })
      const refused = yield* desk.enter(order([line]))
      expect(refused).toMatchObject({ refused: { why: "tokens" } })
      // 60 - 90 = -30: a token a second comes back, and the next asks with 10.
      if ("refused" in refused) expect(Math.round(refused.refused.retryAfterMs / 5000)).toBe(8)
    }).pipe(Effect.scoped))

  it.live("let one pass that asks with more than a minute's when nothing else was used, and owe the rest", () =>
    Effect.gen(function*() {
      const { desk } = yield* process()
      const line = { name: name(), tpm: 60 }
      const large = order([line], [], { tokens: 300 })
      expect(why(yield* desk.enter(large))).toBe("granted")
      yield* desk.leave(large.id, { tokens: 300, spent: 0 })
      const refused = yield* desk.enter(order([line]))
      if ("refused" in refused) expect(Math.round(refused.refused.retryAfterMs / 10_000)).toBe(25)
      expect(why(refused)).toBe("tokens")
    }).pipe(Effect.scoped))

  it.live("take nothing at all where another limit refuses", () =>
    Effect.gen(function*() {
      const { desk } = yield* process()
      const [open, narrow, money] = [{ name: name(), rpm: 5, concurrent: 1 }, { name: name(), tpm: 20 }, purse(100)]
      yield* anew(desk, money)
      const refused = yield* desk.enter(order([narrow], [], { tokens: 20 }))
      expect(why(refused)).toBe("granted")
      expect(why(yield* desk.enter(order([open, narrow], [money], { tokens: 20, bound: 60 })))).toBe("tokens")
      expect(yield* desk.enter(order([open], [money], { bound: 100 }))).toMatchObject({
        granted: { requests: { remaining: 4 } }
      })
    }).pipe(Effect.scoped))
})

describe.skipIf(isMissing())("a desk over Redis: requests at once", () => {
  it.live("are as many as the limit, however many race in two processes, and one leaves its place to the next", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process(), yield* process()]
      const line = { name: name(), concurrent: 5 }
      const orders = Array.from({ length: 50 }, () => order([line]))
      const outcomes = yield* Effect.forEach(
        orders,
        (each, at) => (at % 2 === 0 ? one : two).desk.enter(each),
        { concurrency: "unbounded" }
      )
      expect(outcomes.filter((outcome) => why(outcome) === "granted").length).toBe(5)
      expect(outcomes.filter((outcome) => why(outcome) === "concurrent").length).toBe(45)
      for (const { id } of orders) yield* Effect.andThen(one.desk.leave(id, empty), two.desk.leave(id, empty))
      const again = yield* until(one.desk.enter(order([line])), (outcome) => why(outcome) === "granted")
      expect(why(again)).toBe("granted")
    }).pipe(Effect.scoped))

  it.live("of a process that died are free when its lease is over, and its money counts as taken", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process({ leaseMs: 200 }), yield* process({ leaseMs: 200 })]
      const [line, money] = [{ name: name(), concurrent: 1 }, purse(100)]
      yield* anew(one.desk, money)
      expect(why(yield* one.desk.enter(order([line], [money], { bound: 60 })))).toBe("granted")
      yield* one.die
      yield* until(two.desk.enter(order([line])), (outcome) => why(outcome) === "granted")
      expect(why(yield* two.desk.enter(order([], [money], { bound: 41 })))).toBe("budget")
      expect(why(yield* two.desk.enter(order([], [money], { bound: 40 })))).toBe("granted")
    }).pipe(Effect.scoped))

  it.live("of a process that lives are kept for as long as it takes", () =>
    Effect.gen(function*() {
      const one = yield* process({ leaseMs: 300 })
      const line = { name: name(), concurrent: 1 }
      const score = Redis.script("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')[2] or ''")
      const seen = one.redis.run(score, [one.redis.keyOf(`places:${line.name}`)], "")
      expect(why(yield* one.desk.enter(order([line])))).toBe("granted")
      const first = Number(yield* seen)
      yield* until(seen, (until) => Number(until) >= first + 300)
      expect(why(yield* one.desk.enter(order([line])))).toBe("concurrent")
    }).pipe(Effect.scoped))
})

describe.skipIf(isMissing())("a desk over Redis: money", () => {
  it.live("is reserved once, however many race in two processes", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process(), yield* process()]
      const money = purse(100)
      yield* anew(one.desk, money)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 50 }, () => order([], [money], { bound: 30 })),
        (each, at) => (at % 2 === 0 ? one : two).desk.enter(each),
        { concurrency: "unbounded" }
      )
      expect(outcomes.filter((outcome) => why(outcome) === "granted").length).toBe(3)
      expect(outcomes.find((outcome) => "refused" in outcome)).toMatchObject({
        refused: { why: "budget", name: money.name, left: "0.00000000001" }
      })
      expect(yield* balance(two.desk, money)).toMatchObject({ spent: 0, reserved: 90 })
    }).pipe(Effect.scoped))

  it.live("is never spent beyond the limit by racing requests of two processes that end, fail and are cancelled", () =>
    Effect.gen(function*() {
      const random = makeRandom(7)
      const [one, two] = [yield* process(), yield* process()]
      for (let round = 0; round < 5; round++) {
        const money = purse(1000 + Math.floor(random() * 1000))
        yield* anew(one.desk, money)
        let spent = 0
        let held = 0
        yield* Effect.forEach(
          Array.from({ length: 120 }),
          () =>
            Effect.gen(function*() {
              const { desk } = random() < 0.5 ? one : two
              const bound = 1 + Math.floor(random() * 100)
              const one_ = order([], [money], { bound })
              if (why(yield* desk.enter(one_)) !== "granted") return
              held += bound
              expect(spent + held).toBeLessThanOrEqual(Number(money.limit))
              yield* Effect.yieldNow
              // A third is cancelled or fails and costs nothing.
              const cost = random() < 0.33 ? 0 : Math.floor(random() * (bound + 1))
              held -= bound
              spent += cost
              yield* desk.leave(one_.id, { tokens: 0, spent: cost })
            }),
          { concurrency: 40 }
        )
        const settled = yield* until(balance(two.desk, money), (found) => found?.reserved === 0)
        expect(settled).toMatchObject({ spent, reserved: 0 })
        expect(spent).toBeLessThanOrEqual(Number(money.limit))
      }
    }).pipe(Effect.scoped))

  it.live("is given back by a process that stops", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process(), yield* process()]
      const money = purse(100)
      yield* anew(one.desk, money)
      const orders = Array.from({ length: 20 }, () => order([], [money], { bound: 5 }))
      yield* Effect.forEach(orders, one.desk.enter)
      yield* Effect.forEach(orders, ({ id }) => one.desk.leave(id, { tokens: 0, spent: 1 }))
      yield* one.die
      expect(yield* balance(two.desk, money)).toMatchObject({ spent: 20, reserved: 0 })
    }).pipe(Effect.scoped))

  it.live("is exact beyond what a double holds", () =>
    Effect.gen(function*() {
      const { desk } = yield* process()
      const money = purse(2n ** 60n + 1n)
      yield* anew(desk, money, 2n ** 60n - 1n)
      expect(why(yield* desk.enter(order([], [money], { bound: 3 })))).toBe("budget")
      expect(why(yield* desk.enter(order([], [money], { bound: 2 })))).toBe("granted")
      expect(why(yield* desk.enter(order([], [money], { bound: 0 })))).toBe("budget")
      expect(yield* balance(desk, money)).toMatchObject({ spent: 2n ** 60n - 1n, reserved: 2 })
    }).pipe(Effect.scoped))

  it.live("of before is told once", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* process(), yield* process()]
      const money = purse(100)
      const asked = yield* two.desk.enter(order([], [money]))
      yield* anew(one.desk, money, 70)
      if ("unknown" in asked) yield* two.desk.tell(asked.unknown.map((unknown) => ({ ...unknown, spent: 5 })))
      expect(yield* balance(two.desk, money)).toMatchObject({ spent: 70, reserved: 0 })
    }).pipe(Effect.scoped))

  it.live("that Redis has forgotten is asked for again, and what is under way then still counts", () =>
    Effect.gen(function*() {
      const { desk, redis } = yield* process()
      const money = purse(100)
      yield* anew(desk, money)
      const first = order([], [money], { bound: 60 })
      yield* desk.enter(first)
      yield* redis.run(Redis.script("redis.call('FLUSHALL') return ''"), [], "")
      yield* anew(desk, money, 10)
      yield* desk.leave(first.id, { tokens: 0, spent: 25 })
      expect(yield* until(balance(desk, money), (found) => found?.spent !== 10)).toMatchObject({
        spent: 35,
        reserved: 0
      })
    }).pipe(Effect.scoped))
})

describe.skipIf(isMissing())("a desk over a Redis that has lost an account and nothing else", () => {
  /** As an eviction would. */
  const evict = ({ redis }: Process, { name, per }: Purse) =>
    redis.run(
      Redis.script(`for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end return ''`),
      [],
      redis.keyOf(`budget:${per}:*:${name}`)
    )

  it.live("takes nothing from the account that was told anew of what the lost one had reserved", () =>
    Effect.gen(function*() {
      const one = yield* process()
      const { desk } = one
      const money = purse(100)
      yield* anew(desk, money)
      const first = order([], [money], { bound: 60 })
      yield* desk.enter(first)
      yield* evict(one, money)
      yield* anew(desk, money, 10)
      yield* desk.leave(first.id, { tokens: 0, spent: 25 })
      expect(yield* until(balance(desk, money), (found) => found?.spent !== 10)).toMatchObject({
        spent: 35,
        reserved: 0
      })
      expect(why(yield* desk.enter(order([], [money], { bound: 66 })))).toBe("budget")
      expect(why(yield* desk.enter(order([], [money], { bound: 65 })))).toBe("granted")
    }).pipe(Effect.scoped))

  it.live("gives back nothing that another order has reserved since", () =>
    Effect.gen(function*() {
      const one = yield* process()
      const { desk } = one
      const money = purse(100)
      yield* anew(desk, money)
      const [first, second] = [order([], [money], { bound: 40 }), order([], [money], { bound: 70 })]
      yield* desk.enter(first)
      yield* evict(one, money)
      yield* anew(desk, money)
      expect(why(yield* desk.enter(second))).toBe("granted")
      yield* desk.leave(first.id, { tokens: 0, spent: 5 })
      expect(yield* until(balance(desk, money), (found) => found?.spent !== 0)).toMatchObject({
        spent: 5,
        reserved: 70
      })
      yield* desk.leave(second.id, { tokens: 0, spent: 20 })
      expect(yield* until(balance(desk, money), (found) => found?.spent !== 5)).toMatchObject({
        spent: 25,
        reserved: 0
      })
    }).pipe(Effect.scoped))
})

describe.skipIf(isMissing())("a desk over a Redis that crashes and comes back", () => {
  it.live(
    "counts each request once, whatever was under way, and never more than the limit",
    () =>
      Effect.gen(function*() {
        const redis = yield* Effect.acquireRelease(
          Effect.promise(() => make({ keeps: true })),
          (made) => Effect.promise(made.dispose)
        )
        yield* Effect.promise(redis.start)
        const random = makeRandom(11)
        const [one, two] = [yield* process({ url: redis.url }), yield* process({ url: redis.url })]
        const money = purse(100_000)
        yield* anew(one.desk, money)
        const seen = { spent: 0, held: 0, granted: 0, failed: 0, isOver: false }
        const request = Effect.gen(function*() {
          const { desk } = random() < 0.5 ? one : two
          const bound = 1 + Math.floor(random() * 10)
          const each = order([], [money], { bound })
          const outcome = yield* Effect.option(desk.enter(each))
          if (outcome._tag === "None") {
            seen.failed++
            return yield* Effect.sleep(5)
          }
          if (why(outcome.value) !== "granted") return
          seen.granted++
          seen.held += bound
          expect(seen.spent + seen.held).toBeLessThanOrEqual(Number(money.limit))
          yield* Effect.yieldNow
          const cost = Math.floor(random() * (bound + 1))
          seen.held -= bound
          seen.spent += cost
          yield* desk.leave(each.id, { tokens: 0, spent: cost })
        })
        const lanes = yield* Effect.forkChild(
          Effect.forEach(
            Array.from({ length: 20 }),
            () => Effect.repeat(request, { while: () => !seen.isOver }),
            { concurrency: "unbounded" }
          )
        )
        for (let round = 0; round < 3; round++) {
          const { granted } = seen
          yield* until(Effect.sync(() => seen.granted), (now) => now > granted + 200)
          yield* Effect.promise(redis.crash)
          const { failed } = seen
          yield* until(Effect.sync(() => seen.failed), (now) => now > failed + 20)
          yield* Effect.promise(redis.start)
        }
        const { granted } = seen
        yield* until(Effect.sync(() => seen.granted), (now) => now > granted + 200)
        seen.isOver = true
        yield* Fiber.join(lanes)
        const settled = yield* until(
          Effect.orElseSucceed(balance(two.desk, money), () => undefined),
          (found) => found?.reserved === 0
        )
        expect(settled).toMatchObject({ spent: seen.spent, reserved: 0 })
      }).pipe(Effect.scoped),
    60_000
  )
})

describe.skipIf(isMissing())("a desk over a Redis that says nothing", () => {
  it.live("is not thought away because one script of many fails", () =>
    Effect.gen(function*() {
      const { desk, redis } = yield* process()
      const line = { name: name(), rpm: 5 }
      const spoil = Redis.script("redis.call('SET', KEYS[1], 'nothing of ours') return ''")
      yield* redis.run(spoil, [redis.keyOf(`requests:${line.name}`)], "")
      expect(yield* Effect.flip(desk.enter(order([line])))).toMatchObject({
        isTold: false,
        message: expect.stringMatching(/^redis: (?:ERR|WRONGTYPE)/)
      })
      expect(redis.state()).toMatchObject({ isAway: false, losses: 0, failures: 1 })
    }).pipe(Effect.scoped))

  it.live("does not grant late what was given back before", () =>
    Effect.gen(function*() {
      const { redis } = yield* process()
      const keys = [redis.keyOf(`ticket:${name()}`)]
      const text = JSON.stringify({ id: "late", lines: [], purses: [], bound: "0", leaseMs: 1000, ticketMs: 1000 })
      const givenBack = { id: "late", lines: [], purses: [], leaseMs: 1000, again: true, unheard: true }
      yield* redis.run(Scripts.leave, keys, JSON.stringify(givenBack))
      expect(JSON.parse(yield* redis.run(Scripts.enter, keys, text))).toEqual({ gone: true })
    }).pipe(Effect.scoped))

  it.live("takes nothing back twice of what it never granted", () =>
    Effect.gen(function*() {
      const { desk, redis } = yield* process()
      const money = purse(100)
      yield* anew(desk, money)
      expect(why(yield* desk.enter(order([], [money], { bound: 60 })))).toBe("granted")
      const { startMs } = windowAt(money.per, yield* Clock.currentTimeMillis)
      const keys = [redis.keyOf(`ticket:${name()}`), redis.keyOf(`budget:${money.per}:${startMs}:${money.name}`)]
      const purses = [{ limit: "100", soft: 0.8 }]
      const [id, bound, spent] = ["never", "60", "0"]
      const givenBack = { id, lines: [], purses, bound, spent, leaseMs: 1000, again: true, unheard: true }
      for (const _ of [1, 2, 3]) yield* redis.run(Scripts.leave, keys, JSON.stringify(givenBack))
      expect(yield* balance(desk, money)).toMatchObject({ spent: 0, reserved: 60 })
    }).pipe(Effect.scoped))

  it.live("fails in time, and gives back later what it was granted without hearing of it", () =>
    Effect.gen(function*() {
      const { desk } = yield* process({ timeoutMs: 250 })
      const [line, money] = [{ name: name(), concurrent: 1 }, purse(100)]
      yield* anew(desk, money)
      const known = order([], [money], { bound: 20 })
      yield* desk.enter(known)
      server().freeze()
      const failed = yield* Effect.flip(desk.enter(order([line], [money], { bound: 60 })))
      expect(failed).toMatchObject({ _tag: "DeskFailed", isTold: true, message: "redis: no answer within 250 ms" })
      expect(yield* Effect.flip(desk.enter(order([line])))).toMatchObject({ message: "redis is away" })
      yield* desk.leave(known.id, { tokens: 0, spent: 15 })
      server().thaw()
      const settled = yield* until(
        Effect.orElseSucceed(balance(desk, money), () => undefined),
        (found) => found?.reserved === 0
      )
      expect(settled).toMatchObject({ spent: 15, reserved: 0 })
      yield* until(
        Effect.option(desk.enter(order([line]))),
        (found) => found._tag === "Some" && why(found.value) === "granted"
      )
    }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => server().thaw()))))
})
