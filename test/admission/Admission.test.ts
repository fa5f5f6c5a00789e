import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import { byLength } from "../../src/accounting/Estimate.ts"
import { Ledger } from "../../src/accounting/Ledger.ts"
import { Admission, type AdmissionSettings, layer } from "../../src/admission/Admission.ts"
import { Desk, layerMemory } from "../../src/admission/Desk.ts"
import type { Asked } from "../../src/admission/Rules.ts"
import type { Sum } from "../../src/domain/LedgerEntry.ts"
import type { Principal } from "../../src/domain/Principal.ts"
import { StorageFailed, type SumQuery } from "../../src/storage/LedgerStore.ts"
import { emptySum } from "../../src/storage/Sums.ts"

const budgeted: Principal = { name: "alice", budget: { limit: 1000, per: "month", soft: 0.8 } }
const limited: Principal = { name: "bob", limits: { rpm: 100 } }

const asked = (caller: Principal): Asked => ({
  caller,
  request: { model: "fast", messages: [{ role: "user", content: "hi" }], max_tokens: 10 },
  text: "0123456789",
  targets: [{ provider: { name: "one" }, model: "m" }],
  prices: { costOf: () => ({ picoUsd: 10, source: "computed" }), estimator: byLength },
  atMs: 0,
  note: () => {}
})

const tagOf = (caller: Principal) =>
  Effect.gen(function*() {
    const result = yield* Effect.result((yield* Admission).enter(asked(caller)))
    return result._tag === "Success" ? "ok" : result.failure.reason._tag
  })

const away = Layer.succeed(
  Desk,
  Desk.of({
    enter: () => Effect.fail({ _tag: "DeskFailed", message: "away" }),
    leave: () => Effect.void,
    tell: () => Effect.void,
    balances: () => Effect.fail({ _tag: "DeskFailed", message: "away" })
  })
)

const without = (settings: Partial<AdmissionSettings>) => layer(settings).pipe(Layer.provide(away))

describe("a desk that is away", () => {
  it.effect("lets requests with limits pass and refuses those with budgets", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(limited)).toBe("ok")
      expect(yield* tagOf(budgeted)).toBe("AdmissionUnavailable")
      expect(yield* (yield* Admission).balances([budgeted])).toEqual([])
    }).pipe(Effect.provide(without({}))))

  it.effect("does the opposite where the operator says so", () =>
    Effect.gen(function*() {
      expect(yield* tagOf(limited)).toBe("AdmissionUnavailable")
      expect(yield* tagOf(budgeted)).toBe("ok")
    }).pipe(Effect.provide(without({ whenAway: { limits: "closed", budgets: "open" } }))))
})

it.effect("a desk that has told the log that it is away tells nothing more for each request", () => {
  const said: Array<string> = []
  const log = Logger.layer([Logger.make(({ logLevel, message }) => void said.push(`${logLevel} ${String(message)}`))])
  const desk = (isTold: boolean) =>
    layer().pipe(Layer.provide(Layer.succeed(
      Desk,
      Desk.of({
        enter: () => Effect.fail({ _tag: "DeskFailed", message: "away", isTold }),
        leave: () => Effect.void,
        tell: () => Effect.void,
        balances: () => Effect.succeed([])
      })
    )))
  return Effect.gen(function*() {
    yield* Effect.provide(tagOf(limited), desk(true))
    expect(said).toEqual([])
    yield* Effect.provide(tagOf(limited), desk(false))
    expect(said).toEqual(["Warn limits are not enforced: away"])
  }).pipe(Effect.provide(log))
})

/** A ledger that remembers what it was asked. */
const ledgerOf = (sums: (query: SumQuery) => Effect.Effect<ReadonlyArray<Sum>, StorageFailed>) => {
  const queries: Array<SumQuery> = []
  const ledger = Layer.succeed(
    Ledger,
    Ledger.of({
      kind: "sqlite",
      append: () => {},
      sums: (query) =>
        Effect.suspend(() => {
          queries.push(query)
          return sums(query)
        })
    })
  )
  return { queries, ledger }
}

const at = (settings: Partial<AdmissionSettings>, ledger: Layer.Layer<Ledger>) =>
  layer(settings).pipe(Layer.provide(ledger), Layer.provideMerge(layerMemory))

const noon = Date.UTC(2026, 10, 23, 12)

describe("a budget after a start", () => {
  it.effect("goes on where the ledger says that it was, and asks that once", () => {
    const { ledger, queries } = ledgerOf(({ by }) =>
      Effect.succeed(
        by === "key"
          ? [{ ...emptySum("alice"), cost: 980 }, { ...emptySum("bob"), cost: 5 }]
          : by === "tag"
          ? [{ ...emptySum("t"), cost: 1 }]
          : [{ ...emptySum("2026-11-01"), cost: 500 }, { ...emptySum("2026-11-23"), cost: 486 }]
      )
    )
    return Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      yield* Effect.gen(function*() {
        const [before] = yield* (yield* Admission).balances([budgeted])
        expect(before).toMatchObject({ spent: 980, reserved: 0 })
        expect(yield* tagOf(budgeted)).toBe("ok")
        expect(yield* tagOf(budgeted)).toBe("ok")
        expect(yield* tagOf(budgeted)).toBe("BudgetExhausted")
        expect(queries.map(({ by, sinceMs }) => [by, sinceMs])).toEqual([
          ["key", Date.UTC(2026, 10, 1)],
          ["key", Date.UTC(2026, 10, 1)]
        ])
      }).pipe(Effect.provide(at({}, ledger)))
      yield* Effect.gen(function*() {
        expect(yield* tagOf({ name: "carol", tags: ["t"] })).toBe("ok")
        expect(yield* tagOf({ name: "carol" })).toBe("BudgetExhausted")
      }).pipe(Effect.provide(at({
        total: { limit: 1000, per: "month", soft: 0.8 },
        tags: { t: { limit: 11, per: "day", soft: 0.8 } }
      }, ledger)))
    })
  })

  it.effect("is refused while the ledger is away or says nothing, and looked up again by the next", () => {
    const state = { isAway: true }
    const { ledger } = ledgerOf(() =>
      state.isAway ? Effect.fail(new StorageFailed({ message: "away", isPassing: true })) : Effect.succeed([])
    )
    return Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      yield* Effect.gen(function*() {
        expect(yield* tagOf(budgeted)).toBe("AdmissionUnavailable")
        state.isAway = false
        expect(yield* tagOf(budgeted)).toBe("ok")
      }).pipe(Effect.provide(at({}, ledger)))
    })
  })

  it.effect("is asked of the ledger once for all who come at the same time, and each is told its own", () => {
    const { ledger, queries } = ledgerOf(() =>
      Effect.as(Effect.sleep("1 second"), [{ ...emptySum("alice"), cost: 980 }, { ...emptySum("poor"), cost: 1000 }])
    )
    const poor: Principal = { ...budgeted, name: "poor" }
    return Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      yield* Effect.gen(function*() {
        const callers = Array.from({ length: 40 }, (_, at) => at % 2 === 0 ? budgeted : poor)
        const racing = yield* Effect.forkChild(Effect.forEach(callers, tagOf, { concurrency: "unbounded" }), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 second")
        const tags = yield* Fiber.join(racing)
        expect(callers.filter((caller, at) => caller === budgeted && tags[at] === "ok").length).toBe(2)
        expect(tags.filter((tag) => tag === "BudgetExhausted").length).toBe(38)
        expect(queries.length).toBe(1)
      }).pipe(Effect.provide(at({}, ledger)))
    })
  })

  it.effect("hears of a slow ledger what was asked before, though whoever asked has given up", () => {
    const { ledger, queries } = ledgerOf(() => Effect.as(Effect.sleep("20 seconds"), []))
    return Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      yield* Effect.gen(function*() {
        const looking = yield* Effect.forkChild(Effect.flatMap(Admission, ({ balances }) => balances([budgeted])), {
          startImmediately: true
        })
        yield* Fiber.interrupt(looking)
        const first = yield* Effect.forkChild(tagOf(budgeted), { startImmediately: true })
        yield* TestClock.adjust("16 seconds")
        expect(yield* Fiber.join(first)).toBe("AdmissionUnavailable")
        const second = yield* Effect.forkChild(tagOf(budgeted), { startImmediately: true })
        yield* TestClock.adjust("4 seconds")
        expect(yield* Fiber.join(second)).toBe("ok")
        expect(queries.length).toBe(1)
      }).pipe(Effect.provide(at({}, ledger)))
    })
  })
})
