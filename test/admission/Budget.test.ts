import { describe, expect, it } from "@effect/vitest"
import * as Budget from "../../src/admission/Budget.ts"
import { type PicoUsd, plus } from "../../src/domain/Money.ts"
import { makeRandom } from "../providers/Seeded.ts"

const day = 86_400_000
const noon = Date.UTC(2026, 1, 28, 12)
const purse: Budget.Purse = { name: "key:alice", limit: 1000, per: "day", soft: 0.8 }

const granted = (reserved: Budget.Reserved) => "windows" in reserved

describe("windows", () => {
  it("are the calendar day and month in UTC", () => {
    expect(Budget.windowAt("day", noon)).toEqual({ startMs: Date.UTC(2026, 1, 28), endMs: Date.UTC(2026, 2, 1) })
    expect(Budget.windowAt("month", noon)).toEqual({ startMs: Date.UTC(2026, 1, 1), endMs: Date.UTC(2026, 2, 1) })
    expect(Budget.windowAt("month", Date.UTC(2026, 11, 31, 23, 59))).toEqual({
      startMs: Date.UTC(2026, 11, 1),
      endMs: Date.UTC(2027, 0, 1)
    })
  })
})

describe("a budget", () => {
  it("is never exceeded by requests that race, whatever they settle at below their bounds and in whatever order they end", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const next = makeRandom(seed)
      const budgets = Budget.make(0)
      const open: Array<{ readonly bound: number; readonly windows: ReadonlyArray<number> }> = []
      let spent: PicoUsd = 0
      let refused = 0
      for (let step = 0; step < 200; step++) {
        if (next() < 0.6) {
          const bound = Math.ceil(next() * 150)
          const reserved = budgets.reserve([purse], bound, noon)
          if ("windows" in reserved) open.push({ bound, windows: reserved.windows })
          else refused++
        } else {
          const [ended] = open.splice(Math.floor(next() * open.length), 1)
          if (ended === undefined) continue
          const cost = Math.floor(next() * (ended.bound + 1))
          spent = plus(spent, cost)
          budgets.settle([purse], ended.windows, ended.bound, cost)
        }
        const balance = budgets.balance(purse.name, "day", noon)
        expect(balance?.spent ?? 0).toBe(spent)
        expect(balance?.reserved ?? 0).toBe(open.reduce((sum, { bound }) => sum + bound, 0))
        expect(Number(spent) + Number(balance?.reserved ?? 0)).toBeLessThanOrEqual(1000)
      }
      expect(refused).toBeGreaterThan(0)
    }
  })

  it("is exceeded by no more than the errors of the reservations that were out", () => {
    const budgets = Budget.make(0)
    const windows = Array.from({ length: 10 }, () => budgets.reserve([purse], 100, noon))
    expect(windows.every(granted)).toBe(true)
    expect(granted(budgets.reserve([purse], 1, noon))).toBe(false)
    for (const reserved of windows) if ("windows" in reserved) budgets.settle([purse], reserved.windows, 100, 101)
    expect(budgets.balance(purse.name, "day", noon)).toMatchObject({ spent: 1010, reserved: 0 })
    expect(granted(budgets.reserve([purse], 0, noon))).toBe(false)
  })

  it("begins anew with its window, and what ends later counts in the one in which it was reserved", () => {
    const budgets = Budget.make(0)
    const late = budgets.reserve([purse], 1000, noon)
    expect(budgets.reserve([purse], 1, noon)).toEqual({ exhausted: purse, left: 0, untilMs: Date.UTC(2026, 2, 1) })
    expect(granted(budgets.reserve([purse], 1000, noon + day))).toBe(true)
    if ("windows" in late) budgets.settle([purse], late.windows, 1000, 1000)
    expect(budgets.balance(purse.name, "day", noon + day)).toMatchObject({ spent: 0, reserved: 1000 })
  })

  it("tells its soft limit once in a window", () => {
    const budgets = Budget.make(0)
    const told: Array<string> = []
    for (let at = 0; at < 5; at++) {
      const reserved = budgets.reserve([purse], 200, noon)
      if ("windows" in reserved) {
        told.push(...budgets.settle([purse], reserved.windows, 200, 200).map(({ name }) => `${at} ${name}`))
      }
    }
    expect(told).toEqual(["3 key:alice"])
  })

  it("reserves in all purses or in none", () => {
    const budgets = Budget.make(0)
    const small: Budget.Purse = { name: "tag:a", limit: 10, per: "month", soft: 0.8 }
    expect(budgets.reserve([purse, small], 11, noon)).toMatchObject({ exhausted: small, left: 10 })
    expect(budgets.balance(purse.name, "day", noon)?.reserved).toBe(0)
  })

  it("asks for what was spent before it began to count, and hears that once", () => {
    const budgets = Budget.make(noon)
    const startMs = Date.UTC(2026, 1, 28)
    expect(budgets.reserve([purse], 1, noon)).toEqual({ unknown: [{ name: purse.name, per: "day", sinceMs: startMs }] })
    budgets.tell(purse.name, "day", startMs, 999)
    budgets.tell(purse.name, "day", startMs, 0)
    expect(granted(budgets.reserve([purse], 1, noon))).toBe(true)
    expect(granted(budgets.reserve([purse], 1, noon))).toBe(false)
    // The next day began while it was counted.
    expect(granted(budgets.reserve([purse], 1, noon + day))).toBe(true)
  })

  it("that may not have been one before is asked for, and one that is counted here already is not", () => {
    const budgets = Budget.make(0)
    const counted: Budget.Purse = { ...purse, name: "key:bob" }
    expect(granted(budgets.reserve([counted], 1, noon))).toBe(true)
    budgets.renew(noon)
    expect(granted(budgets.reserve([counted], 1, noon))).toBe(true)
    expect(budgets.reserve([purse], 1, noon)).toMatchObject({ unknown: [{ name: purse.name }] })
    expect(granted(budgets.reserve([{ ...purse, name: "key:carol" }], 1, noon + day))).toBe(true)
  })

  it("of which nothing is known has no balance", () => {
    const budgets = Budget.make(noon)
    budgets.reserve([purse], 1, noon)
    expect(budgets.balance(purse.name, "day", noon)).toBeUndefined()
    budgets.tell(purse.name, "day", Date.UTC(2026, 1, 28), 7)
    expect(budgets.balance(purse.name, "day", noon)).toMatchObject({ spent: 7, reserved: 0 })
  })
})
