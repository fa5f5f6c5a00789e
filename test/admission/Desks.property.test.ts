import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type { Balance, Purse } from "../../src/admission/Budget.ts"
import * as Desk from "../../src/admission/Desk.ts"
import { keeper, remote } from "../../src/admission/FleetDesk.ts"
import * as RedisDesk from "../../src/admission/RedisDesk.ts"
import * as Scripts from "../../src/admission/RedisScripts.ts"
import type { PicoUsd } from "../../src/domain/Money.ts"
import * as Redis from "../../src/storage/Redis.ts"
import { makeRandom } from "../providers/Seeded.ts"
import { isMissing, serving } from "../storage/RedisServer.ts"
import { name, order, why } from "./Orders.ts"

const server = serving()

/** In this process, over the messages of a fleet, and in Redis. */
const desks = Effect.gen(function*() {
  const { desk } = yield* Effect.provide(Desk.make, Desk.memory)
  const primary = keeper(yield* Effect.provide(Desk.make, Layer.fresh(Desk.memory)))
  const fleet = remote(({ body }) =>
    Effect.map(
      primary.answer(JSON.parse(JSON.stringify(body)), 1),
      (answer) => JSON.parse(JSON.stringify(answer))
    )
  )
  const settings = { url: Redacted.make(server().url), timeoutMs: 10_000, prefix: "desks" }
  const redis = yield* Layer.build(RedisDesk.layerOver().pipe(Layer.provideMerge(Redis.layer(settings))))
  // A script that is sent for the first time comes after what is said in the meantime.
  const none = JSON.stringify({ id: "none", lines: [], purses: [] })
  const { keyOf, run } = Context.get(redis, Redis.SharedRedis)
  yield* run(Scripts.leave, [keyOf("none")], none)
  return [desk, fleet, Context.get(redis, Desk.Desk)]
})

const amount = (value: bigint): PicoUsd => value > BigInt(Number.MAX_SAFE_INTEGER) ? value : Number(value)

/** Without spans of time, which go on between two desks. */
const said = (outcome: Desk.Outcome): unknown => {
  if ("unknown" in outcome) return outcome
  const { requests, tokens } = "granted" in outcome ? outcome.granted : outcome.standings
  const left = [requests?.limit, requests?.remaining, tokens?.limit, tokens?.remaining]
  if ("granted" in outcome) return ["granted", ...left]
  const { refused } = outcome
  return [refused.why, refused.name, refused.limit, refused.left, refused.untilMs, ...left]
}

const moneyOf = (balance: Balance | undefined): unknown =>
  balance === undefined ? undefined : [balance.spent, balance.reserved, balance.endMs]

/** What all of them said, if that is the same. */
const agreed = <A>(answers: ReadonlyArray<A>, shown: (answer: A) => unknown): A => {
  const [first, ...others] = answers
  if (first === undefined) throw new Error("nobody answered")
  for (const other of others) expect(shown(other)).toEqual(shown(first))
  return first
}

describe.skipIf(isMissing())("desks in memory, of a fleet and in Redis", () => {
  it.live("say the same of any orders, whatever they use and in whatever order they end", () =>
    Effect.gen(function*() {
      const all = yield* desks
      const seen = new Set<string>()
      for (let seed = 1; seed <= 60; seed++) {
        const next = makeRandom(seed)
        const below = (most: number): number => Math.floor(next() * most)
        // Beyond what a double holds in some of the cases.
        const much = below(3) === 0 ? 9_007_199_254_740_000n : 0n
        // Few amounts, so that sums often meet a limit exactly.
        const some = (): PicoUsd => amount(much * BigInt(below(2)) + 10n * BigInt(below(4)))
        // So few that none comes back while this runs.
        const lines = Array.from({ length: 1 + below(2) }, () => ({
          name: name(),
          ...(below(2) === 0 ? {} : { rpm: 1 + below(6) }),
          ...(below(2) === 0 ? {} : { tpm: 1 + below(8) }),
          ...(below(2) === 0 ? {} : { concurrent: 1 + below(3) })
        }))
        const purses = Array.from({ length: below(3) }, (): Purse => ({
          name: name(),
          limit: amount(much * 3n + 10n * BigInt(below(15))),
          per: below(2) === 0 ? "day" : "month",
          soft: 0.8
        }))
        const open: Array<Desk.Order> = []
        for (let step = 0; step < 25; step++) {
          const [ended] = next() < 0.4 ? open.splice(below(open.length), 1) : []
          if (ended === undefined) {
            const asked = order(lines.filter(() => below(5) > 0), purses.filter(() => below(5) > 0), {
              tokens: 1 + below(6),
              bound: some()
            })
            const enter = Effect.map(Effect.forEach(all, (desk) => desk.enter(asked)), (outcomes) =>
              agreed(outcomes, said))
            let outcome = yield* enter
            if ("unknown" in outcome) {
              const told = outcome.unknown.map((one) => ({ ...one, spent: some() }))
              yield* Effect.forEach(all, (desk) =>
                desk.tell(told))
              outcome = yield* enter
            }
            seen.add(why(outcome))
            if ("granted" in outcome) open.push(asked)
          } else {
            const use = { tokens: below(8), spent: some() }
            yield* Effect.forEach(all, (desk) => desk.leave(ended.id, use))
          }
          const balances = yield* Effect.forEach(all, (desk) => desk.balances(purses))
          agreed(balances, (found) => found.map(moneyOf))
        }
      }
      expect([...seen].toSorted()).toEqual(["budget", "concurrent", "granted", "requests", "tokens"])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 30_000)
})
