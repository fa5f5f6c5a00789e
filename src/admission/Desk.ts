/**
 * The one place where requests that have limits are counted, whichever process serves them: requests at once, rates, money. It
 * knows no configuration: an order brings its limits with it, so that a desk outlives the workers that come to it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { type PicoUsd, toUsd } from "../domain/Money.ts"
import type { Period } from "../domain/Principal.ts"
import * as Budget from "./Budget.ts"
import * as RateLimit from "./RateLimit.ts"

/** What a request needs before it may be sent. */
export interface Order {
  /** Unique among all that are under way. */
  readonly id: string
  readonly lines: ReadonlyArray<RateLimit.Line>
  readonly purses: ReadonlyArray<Budget.Purse>
  /** About how many tokens it asks with. */
  readonly tokens: number
  /** The most that it may cost. */
  readonly bound: PicoUsd
}

/** What it used. */
export interface Use {
  readonly tokens: number
  readonly spent: PicoUsd
}

export interface Refusal {
  readonly why: "requests" | "tokens" | "concurrent" | "budget"
  /** Of the line or purse, such as `key:alice`. */
  readonly name: string
  readonly limit: string
  /** Of a budget, in USD. */
  readonly left?: string | undefined
  /** When a budget begins anew, in milliseconds since 1970. */
  readonly untilMs?: number | undefined
  readonly retryAfterMs: number
}

export type Outcome =
  | { readonly granted: RateLimit.Standings }
  | { readonly refused: Refusal; readonly standings: RateLimit.Standings }
  | { readonly unknown: ReadonlyArray<Budget.Unknown> }

/** What was spent in a window before the desk was there. */
export interface Told {
  readonly name: string
  readonly per: Period
  readonly sinceMs: number
  readonly spent: PicoUsd
}

/** The desk did not answer, or its store did not. */
export interface DeskFailed {
  readonly _tag: "DeskFailed"
  readonly message: string
  /** The log was told when it began. */
  readonly isTold?: boolean
}

export class Desk extends Context.Service<Desk, {
  /** Grants it all or nothing. Whoever is granted must `leave`; run it where it cannot be interrupted. */
  readonly enter: (order: Order) => Effect.Effect<Outcome, DeskFailed>
  /** Gives back what was held; harmless for an order that was not granted. */
  readonly leave: (id: string, use: Use) => Effect.Effect<void>
  readonly tell: (told: ReadonlyArray<Told>) => Effect.Effect<void, DeskFailed>
  /** What stands of purses in their present windows; undefined = nothing is known of it. */
  readonly balances: (
    purses: ReadonlyArray<Pick<Budget.Purse, "name" | "per">>
  ) => Effect.Effect<ReadonlyArray<Budget.Balance | undefined>, DeskFailed>
}>()("breakwater/admission/Desk") {}

/** A desk that also hears who has gone without leaving. */
export interface OwnDesk {
  readonly desk: Desk["Service"]
  /** Ends everything whose id begins like this; what was reserved counts as spent, for nobody knows better. */
  readonly abandon: (prefix: string) => Effect.Effect<void>
  /** Orders may bring other budgets from now on. One that is new is asked of the ledger, for it may have been spent from without. */
  readonly renew: Effect.Effect<void>
}

interface Ticket {
  readonly order: Order
  readonly windows: ReadonlyArray<number>
}

/** Tickets after which the map of those that are under way is made anew. */
const renewEvery = 512

/** Who waits for another request of the same key to end is asked to come again after this long. */
const concurrentPauseMs = 1000

const makeCounts = () => {
  const counts = new Map<string, number>()
  return {
    /** The line that is full, or one more on every line. */
    enter: (lines: ReadonlyArray<RateLimit.Line>): RateLimit.Line | undefined => {
      const full = lines.find(({ concurrent, name }) =>
        concurrent !== undefined && (counts.get(name) ?? 0) >= concurrent
      )
      if (full !== undefined) return full
      for (const { concurrent, name } of lines) {
        if (concurrent !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      return undefined
    },
    leave: (lines: ReadonlyArray<RateLimit.Line>): void => {
      for (const { concurrent, name } of lines) {
        if (concurrent === undefined) continue
        const left = (counts.get(name) ?? 0) - 1
        if (left > 0) counts.set(name, left)
        else counts.delete(name)
      }
    }
  }
}

const tighter = (
  left: RateLimit.Standing | undefined,
  right: RateLimit.Standing | undefined
): RateLimit.Standing | undefined =>
  left === undefined || (right !== undefined && right.remaining < left.remaining) ? right : left

/** Says which budgets have just reached their soft limit. */
export const warn = (soft: ReadonlyArray<Budget.Purse>): Effect.Effect<void> =>
  soft.length === 0
    ? Effect.void
    : Effect.forEach(soft, ({ limit, name, per, soft }) =>
      Effect.logWarning(
        `the budget ${name} has spent ${Number((soft * 100).toPrecision(3))} % of ${toUsd(limit)} USD a ${per}`
      )
        .pipe(
          Effect.annotateLogs({ "event.name": "breakwater.budget.soft", "breakwater.budget": name })
        ), { discard: true })

/** One after the other, and the second alone where the first is nothing, as it almost always is. */
const then = <A, E>(first: Effect.Effect<void>, second: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  first === Effect.void ? second : Effect.andThen(first, second)

/** Nobody more at once on this line. */
export const full = ({ concurrent, name }: RateLimit.Line): Outcome => ({
  refused: { why: "concurrent", name, limit: String(concurrent), retryAfterMs: concurrentPauseMs },
  standings: {}
})

/** What is left of the purse does not cover the order. */
export const exhausted = (purse: Budget.Purse, left: PicoUsd, untilMs: number, nowMs: number): Outcome => ({
  refused: {
    why: "budget",
    name: purse.name,
    limit: `${toUsd(purse.limit)} USD a ${purse.per}`,
    left: toUsd(left),
    untilMs,
    retryAfterMs: untilMs - nowMs
  },
  standings: {}
})

/** Counts in this process. */
export const make: Effect.Effect<OwnDesk, never, RateLimiter.RateLimiterStore> = Effect.gen(function*() {
  const rates = yield* RateLimit.make
  const counts = makeCounts()
  const budgets = Budget.make(yield* Clock.currentTimeMillis)
  let tickets = new Map<string, Ticket>()
  let issued = 0

  /**
   * A map that has become old makes its next tables old as well, and each that it leaves keeps what was in it (`resilience/Roster.ts`).
   * So it is left itself before it is old, for one with the few tickets that are under way.
   */
  const keep = (id: string, ticket: Ticket): void => {
    if (++issued % renewEvery === 0) tickets = new Map(tickets)
    tickets.set(id, ticket)
  }

  /** `used` absent: it was refused, so it owes nothing. */
  const close = (id: string, { order, windows }: Ticket, used?: Use): Effect.Effect<void> => {
    tickets.delete(id)
    counts.leave(order.lines)
    const soft = budgets.settle(order.purses, windows, order.bound, used?.spent ?? 0)
    const told = warn(soft)
    if (used === undefined || order.lines.length === 0) return told
    const counted = Math.max(used.tokens, order.tokens)
    return order.lines.reduce((all, line) => {
      // Of a request that is larger than the limit no more than the limit was taken.
      const more = counted - Math.min(line.tpm ?? counted, order.tokens)
      return line.tpm === undefined || more <= 0 ? all : then(all, Effect.ignore(rates.owe(line, more)))
    }, told)
  }

  /** All or nothing: what the lines before have taken is theirs again, and so is the request that its tokens have refused. */
  const giveBack = ({ lines, tokens }: Order, line: RateLimit.Line, of: RateLimit.RateRefusal["of"]) =>
    Effect.andThen(
      Effect.forEach(lines.slice(0, lines.indexOf(line)), (before) => rates.giveBack(before, tokens, "all")),
      of === "tokens" ? rates.giveBack(line, tokens, "request") : Effect.void
    )

  /** From the line at a place on, after those before it. */
  const takeRates = (order: Order, at = 0, before: RateLimit.Standings = {}): Effect.Effect<
    Exclude<Outcome, { readonly unknown: unknown }>,
    RateLimit.StoreFailed
  > => {
    const line = order.lines[at]
    if (line === undefined) return Effect.succeed({ granted: before })
    return Effect.flatMap(rates.take(line, order.tokens), (counted) => {
      const standings = {
        requests: tighter(before.requests, counted.standings.requests),
        tokens: tighter(before.tokens, counted.standings.tokens)
      }
      if (counted.refused === undefined) return takeRates(order, at + 1, standings)
      const { limit, of, retryAfterMs } = counted.refused
      const refused: Refusal = { why: of, name: line.name, limit: String(limit), retryAfterMs }
      return Effect.as(giveBack(order, line, of), { refused, standings })
    })
  }

  const enter = (order: Order): Effect.Effect<Outcome, DeskFailed> =>
    Effect.clockWith((clock): Effect.Effect<Outcome, DeskFailed> => {
      const { bound, id, lines, purses } = order
      const nowMs = clock.currentTimeMillisUnsafe()
      const reserved = budgets.reserve(purses, bound, nowMs)
      if ("unknown" in reserved) return Effect.succeed(reserved)
      if ("exhausted" in reserved) {
        return Effect.succeed(exhausted(reserved.exhausted, reserved.left, reserved.untilMs, nowMs))
      }
      const { soft, windows } = reserved
      const busy = counts.enter(lines)
      if (busy !== undefined) {
        budgets.settle(purses, windows, bound, 0)
        return then(warn(soft), Effect.succeed(full(busy)))
      }
      const ticket: Ticket = { order, windows }
      keep(id, ticket)
      const undo = Effect.suspend(() => close(id, ticket))
      return Effect.matchEffect(takeRates(order), {
        onSuccess: (outcome): Effect.Effect<Outcome> =>
          then("refused" in outcome ? Effect.andThen(warn(soft), undo) : warn(soft), Effect.succeed(outcome)),
        onFailure: ({ message }) => Effect.andThen(undo, Effect.fail({ _tag: "DeskFailed" as const, message }))
      })
    })

  const leave = (id: string, use: Use): Effect.Effect<void> =>
    Effect.suspend(() => {
      const ticket = tickets.get(id)
      return ticket === undefined ? Effect.void : close(id, ticket, use)
    })

  const desk = Desk.of({
    enter,
    leave,
    tell: (told) =>
      Effect.sync(() => told.forEach(({ name, per, sinceMs, spent }) => budgets.tell(name, per, sinceMs, spent))),
    balances: (purses) =>
      Effect.clockWith((clock) =>
        Effect.succeed(purses.map(({ name, per }) => budgets.balance(name, per, clock.currentTimeMillisUnsafe())))
      )
  })
  return {
    desk,
    abandon: (prefix) =>
      Effect.suspend(() =>
        Effect.forEach(
          Array.from(tickets).filter(([id]) => id.startsWith(prefix)),
          ([id, ticket]) => close(id, ticket, { tokens: 0, spent: ticket.order.bound }),
          { discard: true }
        )
      ),
    renew: Effect.map(Clock.currentTimeMillis, budgets.renew)
  }
})

/** Where rates are counted: in this process. */
export const memory = RateLimiter.layerStoreMemory

/** Counts in the memory of this process. */
export const layerMemory: Layer.Layer<Desk> = Layer.effect(Desk, Effect.map(make, ({ desk }) => desk)).pipe(
  Layer.provide(memory)
)
