/**
 * Money by the day or month: an upper bound is reserved before a request is sent, and settled or released when it is over. Plain
 * and without waiting, so that of any number of racing requests each sees what those before it have reserved.
 */
import * as DateTime from "effect/DateTime"
import { isLess, minus, type PicoUsd, plus } from "../domain/Money.ts"
import type { Period } from "../domain/Principal.ts"

/** A budget of one name, such as `key:alice`, `tag:team-a` or `total`. */
export interface Purse {
  readonly name: string
  readonly limit: PicoUsd
  readonly per: Period
  /** The part of the limit at which `soft` is told, above 0 to 1. */
  readonly soft: number
}

/** Milliseconds since 1970. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

const dayMs = 86_400_000

/** The calendar day or month of a moment, in UTC. */
export const windowAt = (per: Period, atMs: number): Window => {
  const startOfDay = atMs - atMs % dayMs
  if (per === "day") return { startMs: startOfDay, endMs: startOfDay + dayMs }
  const start = DateTime.startOf(DateTime.makeUnsafe(atMs), "month")
  return {
    startMs: DateTime.toEpochMillis(start),
    endMs: DateTime.toEpochMillis(DateTime.add(start, { months: 1 }))
  }
}

interface Account extends Window {
  /** False until it is known what was spent before this process began to count. */
  readonly isKnown: boolean
  spent: PicoUsd
  reserved: PicoUsd
  /** It was told that the soft limit is reached. */
  isTold: boolean
}

/** What stands of a purse in its present window. */
export interface Balance {
  readonly spent: PicoUsd
  readonly reserved: PicoUsd
  readonly endMs: number
}

/** Whose history has to be told first: what was spent since `sinceMs`. */
export interface Unknown {
  readonly name: string
  readonly per: Period
  readonly sinceMs: number
}

export type Reserved =
  | { readonly exhausted: Purse; readonly left: PicoUsd; readonly untilMs: number }
  | { readonly unknown: ReadonlyArray<Unknown> }
  /** In which window each purse was reserved, and which of them have just reached their soft limit. */
  | { readonly windows: ReadonlyArray<number>; readonly soft: ReadonlyArray<Purse> }

export interface Budgets {
  /** Reserves the bound in all purses or in none. */
  readonly reserve: (purses: ReadonlyArray<Purse>, bound: PicoUsd, nowMs: number) => Reserved
  /** Ends a reservation; what was spent counts in the window in which it was reserved. */
  readonly settle: (
    purses: ReadonlyArray<Purse>,
    windows: ReadonlyArray<number>,
    bound: PicoUsd,
    spent: PicoUsd
  ) => ReadonlyArray<Purse>
  /** Tells what was spent before; heard once for each window. */
  readonly tell: (name: string, per: Period, sinceMs: number, spent: PicoUsd) => void
  /** Undefined where nothing is known of it. */
  readonly balance: (name: string, per: Period, nowMs: number) => Balance | undefined
  /** There may be budgets from now on that were none before: of their present windows nothing was counted here. */
  readonly renew: (nowMs: number) => void
}

/** `sinceMs`: since when everything is counted here, in milliseconds since 1970; windows that had begun then must be told first. */
export const make = (sinceMs: number): Budgets => {
  let countedSinceMs = sinceMs
  // By period, then by name: a key made of both would be a new text to hash for every purse of every request.
  const accounts: Readonly<Record<Period, Map<string, Account>>> = { day: new Map(), month: new Map() }

  const open = (name: string, per: Period, nowMs: number): Account => {
    const found = accounts[per].get(name)
    if (found !== undefined && nowMs < found.endMs) return found
    const window = windowAt(per, nowMs)
    // What began while it was counted here needs no history.
    const isKnown = window.startMs >= countedSinceMs
    const account: Account = { ...window, isKnown, spent: 0, reserved: 0, isTold: false }
    accounts[per].set(name, account)
    return account
  }

  const reachesSoft = (purse: Purse, account: Account): boolean => {
    if (account.isTold || Number(account.spent) < Number(purse.limit) * purse.soft) return false
    account.isTold = true
    return true
  }

  const reserve: Budgets["reserve"] = (purses, bound, nowMs) => {
    const unknown: Array<Unknown> = []
    let exhausted: Reserved | undefined
    for (const purse of purses) {
      const { endMs, isKnown, reserved, spent, startMs } = open(purse.name, purse.per, nowMs)
      if (!isKnown) unknown.push({ name: purse.name, per: purse.per, sinceMs: startMs })
      const taken = plus(spent, reserved)
      // Nothing may be taken out of a purse that is empty, not even what costs nothing.
      if (isLess(taken, purse.limit) && !isLess(purse.limit, plus(taken, bound))) continue
      exhausted ??= { exhausted: purse, left: minus(purse.limit, taken), untilMs: endMs }
    }
    if (unknown.length > 0) return { unknown }
    if (exhausted !== undefined) return exhausted
    const windows: Array<number> = []
    const soft: Array<Purse> = []
    for (const purse of purses) {
      const account = open(purse.name, purse.per, nowMs)
      account.reserved = plus(account.reserved, bound)
      windows.push(account.startMs)
      if (reachesSoft(purse, account)) soft.push(purse)
    }
    return { windows, soft }
  }

  const settle: Budgets["settle"] = (purses, windows, bound, spent) =>
    purses.filter((purse, index) => {
      const account = accounts[purse.per].get(purse.name)
      // A window that is over is of no more interest.
      if (account === undefined || account.startMs !== windows[index]) return false
      account.reserved = minus(account.reserved, bound)
      account.spent = plus(account.spent, spent)
      return reachesSoft(purse, account)
    })

  return {
    reserve,
    settle,
    tell: (name, per, startMs, spent) => {
      const account = accounts[per].get(name)
      if (account === undefined || account.isKnown || account.startMs !== startMs) return
      accounts[per].set(name, { ...account, isKnown: true, spent })
    },
    balance: (name, per, nowMs) => {
      const account = accounts[per].get(name)
      return account === undefined || !account.isKnown || nowMs >= account.endMs
        ? undefined
        : { spent: account.spent, reserved: account.reserved, endMs: account.endMs }
    },
    renew: (nowMs) => {
      countedSinceMs = nowMs
    }
  }
}
