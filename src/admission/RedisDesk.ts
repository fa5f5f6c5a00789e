/**
 * One desk for all processes that share a Redis: what they have taken is kept there, and each process keeps what it has yet to
 * give back. Places are leased, so that those of a process that dies are free soon; its money counts as spent. Trap: nobody waits
 * for what is given back, so while Redis is away it is remembered here, up to a limit, and said later.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { fromMicroAndRest, minus, type PicoUsd } from "../domain/Money.ts"
import * as Redis from "../storage/Redis.ts"
import { type Purse, windowAt } from "./Budget.ts"
import * as Desk from "./Desk.ts"
import type { Standings } from "./RateLimit.ts"
import * as Scripts from "./RedisScripts.ts"

export interface RedisDeskSettings {
  /** How long a request keeps its place without word of its process, in milliseconds. Default 30,000. */
  readonly leaseMs: number
}

const defaultRedisDeskSettings: RedisDeskSettings = { leaseMs: 30_000 }

/** How long it is remembered that a request was let in, in milliseconds: longer than any is under way. */
const ticketMs = 86_400_000
/** How long the account of a window outlives it, in milliseconds. */
const graceMs = 3_600_000
/** Orders that are over and not given back yet; what comes beyond counts as spent. */
const mostOwed = 10_000
/** How often it is tried to give back what is owed, in milliseconds, and how many at once. */
const flushMs = 500
const flushAtOnce = 32
/** Longest wait of a stop for what is owed, in milliseconds, and how often it looks. */
const stopMs = 1000
const settleMs = 10
/** Beyond this (4.6 million USD) a limit is none, so that no sum leaves 64 bits. */
const largest = 2n ** 62n

const digits = (amount: PicoUsd): string => String(amount > largest ? largest : amount)

const Counted = Schema.Struct({
  of: Schema.Literals(["requests", "tokens"]),
  limit: Schema.Number,
  remaining: Schema.Number,
  resetMs: Schema.Number
})
const At = Schema.optional(Schema.Array(Schema.Number))
const Entered = Schema.Struct({
  unknown: At,
  exhausted: Schema.optional(Schema.Number),
  taken: Schema.optional(Schema.String),
  full: Schema.optional(Schema.Number),
  refused: Schema.optional(Schema.Struct({
    at: Schema.Number,
    of: Schema.Literals(["requests", "tokens"]),
    limit: Schema.Number,
    retryAfterMs: Schema.Number
  })),
  counted: Schema.optional(Schema.Array(Counted)),
  granted: Schema.optional(Schema.Boolean),
  soft: At
})
const Left = Schema.Struct({ soft: At })
const Accounts = Schema.Array(
  Schema.Union([Schema.Literal(false), Schema.Struct({ taken: Schema.String, reserved: Schema.String })])
)
const decodeEntered = Schema.decodeUnknownEffect(Schema.fromJsonString(Entered))
const decodeLeft = Schema.decodeUnknownEffect(Schema.fromJsonString(Left))
const decodeAccounts = Schema.decodeUnknownEffect(Schema.fromJsonString(Accounts))

const money = (text: string): PicoUsd => text.startsWith("-") ? 0 : fromMicroAndRest("0", text)

const failed = ({ message }: { readonly message: string }): Desk.DeskFailed => ({ _tag: "DeskFailed", message })

/** What was granted, under the names that it has in Redis. */
interface Ticket {
  readonly order: Desk.Order
  readonly id: string
  readonly keys: ReadonlyArray<string>
}

/** What is to be said of an order that is over. */
interface Owed {
  readonly ticket: Ticket
  readonly use: Desk.Use
  /** It is not known whether it was granted at all. */
  readonly isUnheard: boolean
  /** It is being said: whoever says it beside would have it counted twice. */
  isSaying: boolean
  /** It was said before, and perhaps heard. */
  isAgain: boolean
}

const linesOf = ({ lines }: Desk.Order) => lines.map(({ concurrent, rpm, tpm }) => ({ rpm, tpm, concurrent }))
const pursesOf = ({ purses }: Desk.Order) => purses.map(({ limit, soft }) => ({ limit: digits(limit), soft }))

/** A rate of requests is taken for good; of everything else something may be given back or owed. */
const isHeld = ({ lines, purses }: Desk.Order): boolean =>
  purses.length > 0 || lines.some(({ concurrent, tpm }) => concurrent !== undefined || tpm !== undefined)

const standingsOf = (counted: ReadonlyArray<typeof Counted.Type> = []): Standings => {
  const tightest = (of: "requests" | "tokens") =>
    counted.filter((one) => one.of === of).toSorted((left, right) => left.remaining - right.remaining)[0]
  const [requests, tokens] = [tightest("requests"), tightest("tokens")]
  return { ...(requests && { requests }), ...(tokens && { tokens }) }
}

const outcomeOf = ({ order }: Ticket, said: typeof Entered.Type, nowMs: number): Desk.Outcome | undefined => {
  const { lines, purses } = order
  const standings = standingsOf(said.counted)
  if (said.granted === true) return { granted: standings }
  if (said.unknown !== undefined) {
    return {
      unknown: said.unknown.flatMap((at) => {
        const purse = purses[at]
        return purse === undefined
          ? []
          : [{ name: purse.name, per: purse.per, sinceMs: windowAt(purse.per, nowMs).startMs }]
      })
    }
  }
  const purse = purses[said.exhausted ?? -1]
  if (purse !== undefined) {
    const left = minus(purse.limit, money(said.taken ?? "0"))
    return Desk.exhausted(purse, left, windowAt(purse.per, nowMs).endMs, nowMs)
  }
  const busy = lines[said.full ?? -1]
  if (busy !== undefined) return Desk.full(busy)
  const line = lines[said.refused?.at ?? -1]
  if (line === undefined || said.refused === undefined) return undefined
  const { limit, of, retryAfterMs } = said.refused
  return { refused: { why: of, name: line.name, limit: String(limit), retryAfterMs }, standings }
}

const softOf = (purses: ReadonlyArray<Purse>, soft: ReadonlyArray<number> = []): Effect.Effect<void> =>
  Desk.warn(soft.flatMap((at) => purses[at] ?? []))

/** What is owed to Redis: said at once, and again until it is heard. */
const makeDebts = (redis: Redis.SharedRedis["Service"], leaseMs: number) => {
  const owed = new Map<string, Owed>()
  let dropped = 0
  const say = (debt: Owed): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (debt.isSaying) return Effect.void
      const { isAgain, isUnheard, ticket, use } = debt
      const { id, keys, order } = ticket
      const text = JSON.stringify({
        id,
        lines: linesOf(order),
        purses: pursesOf(order),
        tokens: order.tokens,
        owed: isUnheard ? 0 : Math.max(use.tokens, order.tokens),
        bound: digits(order.bound),
        spent: digits(use.spent),
        again: isAgain || isUnheard,
        unheard: isUnheard,
        leaseMs
      })
      debt.isSaying = true
      return Effect.matchEffect(Effect.flatMap(redis.run(Scripts.leave, keys, text), decodeLeft), {
        onFailure: (error) => {
          debt.isSaying = false
          if (error._tag === "RedisFailed" && error.isAway) {
            if (error.isSent) debt.isAgain = true
            return Effect.void
          }
          owed.delete(id)
          return Effect.logWarning(`what was held for a request counts as spent: ${error.message}`)
        },
        onSuccess: ({ soft }) => {
          owed.delete(id)
          return softOf(order.purses, soft)
        }
      })
    })
  const flush = Effect.suspend(() => {
    if (owed.size === 0 || redis.state().isAway) return Effect.void
    dropped = 0
    return Effect.forEach(Array.from(owed.values()), say, { concurrency: flushAtOnce, discard: true })
  })
  return {
    add: (debt: Owed): Effect.Effect<void> => {
      if (owed.size >= mostOwed) {
        dropped++
        return dropped === 1
          ? Effect.logWarning("redis is away for long: what is held for requests that are over counts as spent")
          : Effect.void
      }
      owed.set(debt.ticket.id, debt)
      return redis.state().isAway
        ? Effect.void
        : Effect.asVoid(Effect.forkDetach(say(debt), { startImmediately: true }))
    },
    flush,
    /** Says all that can be said, and hears that it was heard. */
    settle: Effect.suspend(() => owed.size === 0 ? Effect.void : Effect.andThen(flush, Effect.sleep(settleMs))).pipe(
      Effect.repeat({ while: () => owed.size > 0 && !redis.state().isAway })
    )
  }
}

/** Every place that this process has, by its key. */
const placesOf = (tickets: Iterable<Ticket>): Map<string, Array<string>> => {
  const places = new Map<string, Array<string>>()
  for (const { id, keys, order } of tickets) {
    for (const [at, { concurrent }] of order.lines.entries()) {
      const key = keys[1 + 3 * at]
      if (concurrent === undefined || key === undefined) continue
      const ids = places.get(key) ?? []
      ids.push(id)
      places.set(key, ids)
    }
  }
  return places
}

const makeTickets = (redis: Redis.SharedRedis["Service"], instance: string) => {
  const accountOf = (name: string, per: Purse["per"], startMs: number): string =>
    redis.keyOf(`budget:${per}:${startMs}:${name}`)
  return {
    accountOf,
    of: (order: Desk.Order, nowMs: number): Ticket => {
      const id = `${instance}:${order.id}`
      const ofLines = order.lines.flatMap(({ name }) =>
        ["places", "requests", "tokens"].map((kind) => redis.keyOf(`${kind}:${name}`))
      )
      const ofPurses = order.purses.map(({ name, per }) => accountOf(name, per, windowAt(per, nowMs).startMs))
      return { order, id, keys: [redis.keyOf(`ticket:${id}`), ...ofLines, ...ofPurses] }
    }
  }
}

const make = Effect.fnUntraced(function*({ leaseMs }: RedisDeskSettings) {
  const redis = yield* Redis.SharedRedis
  const instance = (yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)).toString(36)
  const tickets = makeTickets(redis, instance)
  const debts = makeDebts(redis, leaseMs)
  const open = new Map<string, Ticket>()

  const enter = (order: Desk.Order): Effect.Effect<Desk.Outcome, Desk.DeskFailed> =>
    Effect.clockWith((clock) => {
      const nowMs = clock.currentTimeMillisUnsafe()
      const ticket = tickets.of(order, nowMs)
      const { bound, tokens } = order
      const text = JSON.stringify({
        id: ticket.id,
        lines: linesOf(order),
        purses: pursesOf(order),
        tokens,
        bound: digits(bound),
        leaseMs,
        ticketMs: isHeld(order) ? ticketMs : undefined
      })
      return Effect.matchEffect(Effect.flatMap(redis.run(Scripts.enter, ticket.keys, text), decodeEntered), {
        onFailure: (error): Effect.Effect<never, Desk.DeskFailed> => {
          const isTold = error._tag === "RedisFailed" && error.isAway
          const fail = Effect.fail<Desk.DeskFailed>({ _tag: "DeskFailed", message: error.message, isTold })
          if (isTold && !error.isSent) return fail
          // It may have been granted without our hearing of it.
          const use = { tokens: 0, spent: 0 }
          return Effect.andThen(debts.add({ ticket, use, isUnheard: true, isSaying: false, isAgain: false }), fail)
        },
        onSuccess: (said): Effect.Effect<Desk.Outcome, Desk.DeskFailed> => {
          const outcome = outcomeOf(ticket, said, nowMs)
          if (outcome === undefined) {
            return Effect.fail({ _tag: "DeskFailed", message: "redis has forgotten the request" })
          }
          if ("granted" in outcome && isHeld(order)) {
            open.set(order.id, ticket)
          }
          return Effect.as(softOf(order.purses, said.soft), outcome)
        }
      })
    })

  const renew = Effect.suspend(() => {
    const places = placesOf(open.values())
    return places.size === 0
      ? Effect.void
      : redis.run(Scripts.renew, [...places.keys()], JSON.stringify({ places: [...places.values()], leaseMs }))
  })
  yield* Effect.ignore(renew).pipe(Effect.repeat(Schedule.spaced(leaseMs / 3)), Effect.forkScoped)
  yield* debts.flush.pipe(Effect.repeat(Schedule.spaced(flushMs)), Effect.forkScoped)
  yield* Effect.addFinalizer(() => Effect.timeoutOption(debts.settle, stopMs))

  const desk = Desk.Desk.of({
    enter,
    leave: (id, use) =>
      Effect.suspend(() => {
        const ticket = open.get(id)
        if (ticket === undefined) return Effect.void
        open.delete(id)
        return debts.add({ ticket, use, isUnheard: false, isSaying: false, isAgain: false })
      }),
    tell: (told) => {
      const keys = told.map(({ name, per, sinceMs }) => tickets.accountOf(name, per, sinceMs))
      const text = JSON.stringify(told.map(({ per, sinceMs, spent }) => ({
        spent: digits(spent),
        untilMs: windowAt(per, sinceMs).endMs + graceMs
      })))
      return Effect.asVoid(Effect.mapError(redis.run(Scripts.tell, keys, text), failed))
    },
    balances: (purses) =>
      Effect.clockWith((clock) => {
        if (purses.length === 0) return Effect.succeed([])
        const windows = purses.map(({ per }) => windowAt(per, clock.currentTimeMillisUnsafe()))
        const keys = purses.map(({ name, per }, at) => tickets.accountOf(name, per, windows[at]?.startMs ?? 0))
        return redis.run(Scripts.balances, keys, "").pipe(
          Effect.flatMap(decodeAccounts),
          Effect.mapError(failed),
          Effect.map((accounts) =>
            accounts.map((account, at) => {
              if (account === false) return undefined
              const [taken, reserved] = [money(account.taken), money(account.reserved)]
              return { spent: minus(taken, reserved), reserved, endMs: windows[at]?.endMs ?? 0 }
            })
          )
        )
      })
  })
  return desk
})

/** The desk over a Redis that is there, by whatever name. */
export const layerOver = (
  settings: Partial<RedisDeskSettings> = {}
): Layer.Layer<Desk.Desk, never, Redis.SharedRedis> =>
  Layer.effect(Desk.Desk, make({ ...defaultRedisDeskSettings, ...settings }))

/** The desk, and how its Redis is, for whoever shows that. */
export const layer = (settings: Redis.RedisSettings): Layer.Layer<Desk.Desk> =>
  layerOver().pipe(Layer.provideMerge(Redis.layer(settings)))
